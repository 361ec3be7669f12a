# %% [markdown]
# # Your own hardware: measure, fit, decide
#
# The other articles take their times from a catalogue or from published measurements. This one measures the machine
# that it runs on, so its figures are yours: a small network on one processor core, with nothing but NumPy. (With
# `pip install 'exitplan[measure]'` and the backend `onnxruntime`, or with PyTorch on a GPU, the steps are the same.)
#
# The question at the end: how many cores does a ranking service of 100,000 requests a second need on this machine, and at
# which batch size?

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown

import simulator

# %% [markdown]
# ## Measure
#
# A network of three layers, 256 - 1024 - 1024 - 1, named `ranker`. Batch sizes take turns in several rounds, and the
# least time of each counts: it is what the machine can do when nobody disturbs it. The spread of the rounds tells how
# quiet the machine was; a few per cent are good.

# %%
times = simulator.measure(
    "mlp",
    ["ranker=256-1024-1024-1"],
    backend="numpy",
    variants=["fp32"],
    batches=[1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64],
    effort=simulator.Effort(rounds=3, calls=4, limit_s=15),
    device="cpu",
)
times

# %%
seen = times.frame.astype({"batch": int})
seen["each"] = seen.latency_us / seen.batch

fig, ax = plt.subplots(figsize=(7, 2.8))
ax.plot(seen.batch, seen.each, marker="o")
ax.set(xlabel="batch size", ylabel="time for each request [µs]", ylim=(0, None))
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Fit
#
# Rows become a law of time by batch size. Its error is measured on rows that the fit did not see: what it would be
# wrong by at a batch size that nobody has measured.

# %%
folder = tempfile.TemporaryDirectory()
rows, costs = Path(folder.name) / "rows.csv", Path(folder.name) / "costs.yaml"
times.write(rows)
simulator.fit(rows)

# %% [markdown]
# Look at the worst row before you believe the rest. It is usually one of the smallest batches: for those, libraries
# have routines of their own (a vector instead of a matrix, say), and no smooth law can know. A service under load
# hardly ever serves so few at a time. So what if the law has to hold from eight requests on, and nowhere else?

# %%
seen[seen.batch >= 8].to_csv(rows, index=False)
law = simulator.fit(rows)
law.write(costs)
law

# %% [markdown]
# ## Ask the simulator
#
# `scenarios/own-hardware.yaml` describes the service; it comes with the times of another machine. Ours take their place.
# Which batch size lets a core carry most?

# %%
file = "../scenarios/own-hardware.yaml"
ours = [
    f"models.ranker={{measured: {costs}}}",
    "run.duration=1s",
    "run.warmup=100ms",
    "run.replications=1",
]
portion = "services.ranking.deployment.portions.0"
batches = [8, 16, 32, 64]
settings = [simulator.load(file, sets=[*ours, f"{portion}.batch={size}"]) for size in batches]
limits = [simulator.saturate(one).services["ranking"].max_rate for one in settings]
carried = pd.DataFrame({"four cores [1/s]": limits}, index=pd.Index(batches, name="batch"))
carried["one core [1/s]"] = carried["four cores [1/s]"] / 4
carried.round(0).astype(int)

# %% [markdown]
# ## How many cores?
#
# The load, divided by what a core carries at the best batch size, and a tenth to spare. Whether that is enough is not a
# matter of division, since requests come at random: we simulate it, and one core less, and one more.

# %%
most = carried["one core [1/s]"].max()
batch = carried["one core [1/s]"].idxmax()
cores = int(100_000 * 1.1 / most) + 1
sized = simulator.load(file, sets=[*ours, f"{portion}.batch={batch}"])
around = simulator.sweep(
    sized, {f"{portion}.replicas": range(max(cores - 1, 1), cores + 2)}, workers=1
)
around

# %% [markdown]
# ## What does the error of the fit do to the answer?
#
# `uncertainty` draws errors as large as those on the held-out rows and simulates again: between the last two columns lie
# nine tenths of the draws.

# %%
answer = simulator.load(
    file, sets=[*ours, f"{portion}.batch={batch}", f"{portion}.replicas={cores}"]
)
bands = simulator.uncertainty(answer, draws=10)
bands

# %% [markdown]
# ## Decision

# %%
folder.cleanup()
single = 1e6 / seen.set_index("batch").latency_us[1]
late = bands.frame.set_index("figure").loc["latency.p99"]
at = around.frame.set_index(f"{portion}.replicas").loc[cores]
Markdown(f"""
**On this machine: batches of {batch} on {cores} cores.** One core carries {most:,.0f} requests
a second that way, against {single:,.0f} at the very most one by one. {at.attainment:.1%} of the
requests are in time, the slowest hundredth takes {at.p99 * 1e3:.1f} ms, and with the law off
by its own error between {late.low * 1e3:.1f} and {late.high * 1e3:.1f} ms; 10 ms are allowed.
Should the upper end be beyond that on your machine, measure more batch sizes, on a quieter
machine perhaps, before you rent more cores.
""")

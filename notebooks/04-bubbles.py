# %% [markdown]
# # A pipeline that idles: another schedule, or something to do meanwhile?
#
# A training in pipeline stages has *bubbles*: the first microbatch takes a while to reach the last stage, and the last
# one to come back. Two ways out are known. Split the backward pass and put its second half, the gradient of the
# weights, where the pipeline would wait (*zero bubble*); that costs memory. Or leave the bubbles alone and let somebody
# else work in them, for nothing.
#
# First a GPT of 6.2 billion parameters on eight A100, with the times that Qi et al. measured
# (*Zero Bubble Pipeline Parallelism*, arXiv 2401.10241). Which schedule, and what does it cost?

# %%
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown

import simulator

gpt = simulator.load("../scenarios/pipeline-zero-bubble.yaml")
schedules = simulator.compare_pipelines(gpt)
schedules

# %% [markdown]
# The paper measures bubbles of 23.47 % of the stages' span for 1F1B, 13.23 % for ZB-H1, 6.98 % for ZB-H2 and 0.29 % for
# ZB-2p; the column *by span* is the same thing, computed.
#
# ## Who does what, and when
#
# One iteration under 1F1B and under ZB-2p: forward passes in blue, backward ones in orange (the gradient of the inputs)
# and green (of the weights). 1F1B does not part the two and does both at once. White is a bubble.

# %%
once = "trainings.gpt.iterations=1"
plain = simulator.simulate(
    simulator.load("../scenarios/pipeline-zero-bubble.yaml", sets=once, variants="1f1b")
)
split = simulator.simulate(simulator.load("../scenarios/pipeline-zero-bubble.yaml", sets=once))
colours = {"F": "tab:blue", "BW": "tab:orange", "B": "tab:orange", "W": "tab:green"}

fig, (above, below) = plt.subplots(2, 1, figsize=(9, 4.2), sharex=True, layout="constrained")
first, second = plain.trainings, split.trainings
above.barh(
    first.stage, first.end_s - first.start_s, 0.8, first.start_s, color=first.kind.map(colours)
)
below.barh(
    second.stage,
    second.end_s - second.start_s,
    0.8,
    second.start_s,
    color=second.kind.map(colours),
)
above.set(title="1F1B", ylabel="stage")
below.set(title="ZB-2p", ylabel="stage", xlabel="time [s]")
above.invert_yaxis()
below.invert_yaxis()

# %% [markdown]
# ## What does a full pipeline cost?
#
# Memory: what waits for its second half has to be kept.

# %%
fitting = schedules.frame[schedules.frame.status == "fits"]
points = fitting.assign(size=fitting.activations / 1e9).groupby(
    ["size", "iteration"], as_index=False
)
points = points.schedule.agg(", ".join)

ax = points.plot.scatter("size", "iteration", figsize=(8, 4.4))
ax.set(
    xlabel="activations on the fullest device [GB]",
    ylabel="time of an iteration [s]",
    xlim=(25, points["size"].max() + 6),
)
ax.spines[["top", "right"]].set_visible(False)
names = [
    ax.annotate(
        row.schedule,
        (row.size, row.iteration),
        xytext=(5, 2),
        textcoords="offset points",
        size=8,
    )
    for row in points.itertuples()
]

# %% [markdown]
# ## What if there is no more memory than 1F1B needs?
#
# `search_pipelines` looks at all schedules, chunks and microbatches that stay within a limit, and says how far the best
# of them is from the least possible.

# %%
limit = fitting.set_index("schedule").activations["1f1b"]
frugal = simulator.search_pipelines(gpt, memory_limit=limit, microbatches=[24])
frugal

# %% [markdown]
# ## The other way: leave the bubbles, and use them
#
# Four A100 finetune a model with only four microbatches; they idle for three sevenths of the time. In
# `scenarios/bubble-fill-serving.yaml` an inference service lives there: its replicas lie on the training's own devices
# and serve only while these idle, in batches that fit what is left of the window.

# %%
short = ["run.duration=10s", "run.warmup=1s", "run.replications=1"]
guest = simulator.load("../scenarios/bubble-fill-serving.yaml", sets=short)
simulator.simulate(guest)

# %% [markdown]
# The training is not delayed at all. How much service fits?

# %%
loads = simulator.sweep(
    guest,
    {
        "services.tags.workload.scale": [0.5, 1, 2, 3, 4, 5, 6],
        "services.tags.deployment.portions.0.batch": [2, 16],
    },
    workers=1,
).frame
loads["offered"] = loads["services.tags.workload.scale"] * 400
loads["batch"] = loads["services.tags.deployment.portions.0.batch"]
in_time = (
    loads.pivot(index="offered", columns="batch", values="fill.services.tags.attainment") * 100
)
delay = loads["fill.slowdown"].max()

ax = in_time.plot(figsize=(7, 3), marker="o")
ax.axhline(99, color="black", linewidth=1, linestyle=":")
ax.set(xlabel="requests offered [1/s]", ylabel="answered in time [%]", ylim=(0, 103))
ax.legend(title="largest batch")
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Decision

# %%
best, usual = schedules.best.to_dict(), schedules.frame.set_index("schedule").loc["1f1b"]
thrifty = frugal.best.to_dict()
holding = in_time[in_time[16] >= 99].index.max()
Markdown(f"""
**If the memory is there, take {best["schedule"]}**: an iteration takes
{best["iteration"]:.3f} s instead of {usual.iteration:.3f} s under 1F1B, with
{best["activations"] / 1e9:.0f} GB of activations instead of {usual.activations / 1e9:.0f} GB.
**If not, take {thrifty["schedule"]}**, {thrifty["iteration"]:.3f} s within the memory of
1F1B. **And where a pipeline has too few microbatches to be filled, put a service into its
bubbles**: {holding:,.0f} requests a second are answered in time on devices that are paid for
anyway, and the training is {delay:.1%} slower.
""")

# %% [markdown]
# # Which number format, at which batch size?
#
# Eight bits instead of sixteen: half the memory, twice the arithmetic on the data sheet. Four bits: half of that again.
# On a data sheet fewer bits are always faster. The products of a large language model, measured on an A100, tell
# another story: what is fastest depends on how many requests are served together.
#
# Two services share the model of `scenarios/precision-by-batch.yaml`: an *interactive* one with 25 ms and small
# batches, and a *bulk* one that can wait 200 ms and fills batches of 256. Which format for which of them?

# %%
import pandas as pd
from IPython.display import Markdown

import simulator

file = "../scenarios/precision-by-batch.yaml"
short = ["run.duration=1s", "run.warmup=200ms", "run.replications=1"]

# %% [markdown]
# ## What a device carries, by format and batch
#
# One device, and more requests than it can ever serve: its throughput is then its capacity.

# %%
batches = [1, 2, 4, 8, 16, 32, 64, 128, 256]
flooded = simulator.load(
    file,
    sets=[
        "run.duration=400ms",
        "run.warmup=200ms",
        "run.replications=1",
        "services.interactive.workload.rate=60000/s",
        "services.interactive.deployment.portions.0.replicas=1",
        "services.bulk.workload.rate=10/s",
    ],
)
measured = simulator.sweep(
    flooded,
    {
        "services.interactive.deployment.portions.0.precision": ["bf16", "int8", "int4"],
        "services.interactive.deployment.portions.0.batch": batches,
    },
    workers=1,
).frame
measured.columns = measured.columns.str.removeprefix(
    "services.interactive.deployment.portions.0."
)
capacity = measured[measured.service == "interactive"].pivot(
    index="batch", columns="precision", values="throughput"
)
capacity.round(0).astype(int)

# %%
gain = capacity.div(capacity.bf16, axis=0)
ax = gain.plot(figsize=(7, 3), marker="o", logx=True)
ax.set(
    xlabel="batch size",
    ylabel="capacity, as a multiple of bf16",
    xticks=batches,
    xticklabels=batches,
    ylim=(0, None),
)
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# For a few requests the device does little more than read the weights, and four bits are the least to read. For many
# the arithmetic counts: eight bits compute twice as fast as sixteen, while weights of four bits are unpacked and
# multiplied in sixteen. Somewhere in between the lines cross.
#
# ## What if everything has one format?
#
# The file deploys four bits for *interactive* and eight for *bulk*; its variants use one format for both. Same devices,
# same requests.

# %%
formats = ["", "all-int4", "all-int8", "all-bf16"]
runs = [simulator.load(file, sets=short, variants=[name] if name else []) for name in formats]
rows = simulator.evaluate(runs, workers=1)
answered = pd.DataFrame([row.attainment for row in rows], index=["by service", *formats[1:]])
slowest = pd.DataFrame([row.p99_s for row in rows], index=answered.index)
pd.concat({"in time [%]": answered * 100, "p99 [ms]": slowest * 1000}, axis=1).round(1)

# %% [markdown]
# Each format that is right for one service fails the other, and sixteen bits fail both.
#
# ## What do fewer bits cost in accuracy?
#
# Another model, BERT-large for questions and answers, whose loss in eight bits is published: with sixteen bits, with
# eight, and *mixed*, the first four layers and the head in sixteen.

# %%
bert = "../scenarios/quantized-bert.yaml"
names = ["sixteen-bits", "mixed", ""]
answers = [simulator.load(bert, sets=short, variants=[name] if name else []) for name in names]
simulator.compare(*answers, workers=1)

# %%
limits = [simulator.saturate(one).services["answers"] for one in answers]
told = [simulator.simulate(one).to_dict()["services"]["answers"] for one in answers]
choice = pd.DataFrame(
    {
        "highest load [1/s]": [limit.max_rate for limit in limits],
        "accuracy": [one["accuracy"] for one in told],
        "in time today": [one["attainment"] for one in told],
    },
    index=["sixteen bits", "mixed", "eight bits"],
)
choice.round(4)

# %% [markdown]
# ## Decision

# %%
small, large = gain.loc[2], gain.loc[256]
lost = choice.accuracy["sixteen bits"] - choice.accuracy
faster = choice["highest load [1/s]"] / choice["highest load [1/s]"]["sixteen bits"]
Markdown(f"""
**Choose the format by service, not by model.** At batches of two **{small.idxmax()}** carries
{small.max():.1f} times what bf16 does, at batches of 256 **{large.idxmax()}** carries
{large.max():.1f} times as much; either way round the other service would miss its objective.
Where accuracy counts, *mixed* is worth a look: on BERT-large it loses {lost["mixed"]:.2%}
instead of {lost["eight bits"]:.2%}, and still carries {faster["mixed"]:.2f} times the load of
sixteen bits, against {faster["eight bits"]:.2f} times in eight bits throughout.
""")

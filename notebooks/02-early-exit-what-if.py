# %% [markdown]
# # Requests that leave early: cut the model, or let batches shrink?
#
# With a small classifier (a *ramp*) after some layers, an easy request leaves as soon as a ramp is sure of its answer.
# Less work, so fewer devices? Not by itself: when half of a batch has left, the device works on for half a batch, which
# takes nearly as long as a full one. The remedy is to cut the model at its ramps and to give each portion as many
# devices as requests still need it, so that batches are full everywhere.
#
# The case: BERT-base on sixteen V100s, measured times, and the exits of a real model on a public test set. Does
# cutting pay here, at which batch sizes, and how sure should a ramp be?

# %%
import pandas as pd
from IPython.display import Markdown

import simulator

short = ["run.duration=1s", "run.warmup=200ms", "run.replications=1"]
scenario = simulator.load("../scenarios/early-exit-e3.yaml", sets=short)

# %% [markdown]
# ## Every way to use the exits, each at its best
#
# `compare_exits` gives every mode its own best ramps, cuts and replicas for the same sixteen devices, and then simulates
# it under the load of the file, 32,000 requests a second.

# %%
modes = simulator.compare_exits(scenario)
modes

# %% [markdown]
# *none* ignores the ramps, *compact* lets batches shrink on their device, *at_cut* cuts the model, *answer_early* only
# answers early and saves no work. Cut at its ramps, the model carries two and a half times what it carries without exits. The
# row in serial has every device run all portions one after another; it saves the transfers, and requests that go on
# wait in a buffer until there are enough of them for a batch.
#
# ## What if batches are smaller?
#
# The recommendation is one for batches of eight. A service with few requests cannot wait for that many.

# %%
sizes = [1, 2, 4, 8]
by_batch = pd.concat([simulator.compare_exits(scenario, batch=size).frame for size in sizes])
by_batch["mode"] = by_batch.exit_mode + by_batch.execution.map(
    {"parallel": "", "serial": ", serial"}
)
capacity = by_batch.pivot(index="batch", columns="mode", values="capacity")
capacity.round(0).astype(int)

# %%
ax = (capacity / 1000).plot(figsize=(7, 3.2), marker="o", logx=True)
ax.set(
    xlabel="batch size",
    ylabel="capacity [1000 requests/s]",
    xticks=sizes,
    xticklabels=sizes,
    ylim=(0, None),
)
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# A batch of one cannot be half empty: it is there or it is gone. There *compact* wins, and cutting would only add
# transfers. From two on the order is reversed, and the lead of cutting grows with the batch.
#
# ## What if ramps may be less sure?
#
# A request leaves when the confidence of a ramp reaches a threshold. Lower thresholds carry
# more, and one would expect them to err more often.

# %%
thresholds = [0.6, 0.7, 0.8, 0.9, 0.95]
surer = [
    simulator.load(
        "../scenarios/early-exit-e3.yaml",
        sets=[*short, f"models.bert.exits.rule.confidence={threshold}"],
    )
    for threshold in thresholds
]
chosen = pd.DataFrame(
    [simulator.compare_exits(one).recommended.to_dict() for one in surer], index=thresholds
)
chosen.index.name = "confidence"
chosen[["exit_mode", "ramps", "replicas", "capacity", "accuracy", "cost_per_million"]].round(
    {"capacity": 0, "accuracy": 4, "cost_per_million": 4}
)

# %%
shown = pd.DataFrame(
    {"capacity [1000/s]": chosen.capacity / 1000, "accuracy [%]": chosen.accuracy * 100}
)
axes = shown.plot(
    subplots=True, layout=(1, 2), figsize=(8, 2.8), marker="o", legend=False, title=list(shown)
)
axes[0, 0].set(ylim=(0, None), xlabel="confidence asked of a ramp")
axes[0, 1].set(xlabel="confidence asked of a ramp")
axes[0, 0].figure.tight_layout()
# %% [markdown]
# Capacity falls all the way. Accuracy does not simply rise: too low a threshold lets wrong answers out, and too high a
# one sends requests on to the last layer, which on this test set is not the best judge of every request. In between
# lies the best of both.
#
# ## Decision

# %%
best = modes.recommended.to_dict()
whole = modes.frame.set_index("exit_mode").loc["none"]
small = simulator.compare_exits(scenario, batch=1).recommended.to_dict()
Markdown(f"""
**Cut the model after layers {", ".join(map(str, best["cuts"]))}** and give the portions
{", ".join(map(str, best["replicas"]))} devices: {best["capacity"]:,.0f} requests a second
instead of {whole.capacity:,.0f}, at {best["cost_per_million"]:.2f} per million instead of
{whole.cost_per_million:.2f}, with {best["accuracy"]:.1%} right answers against
{whole.accuracy:.1%}. Should the load ever be so small that batches hold a single request, use
*{small["exit_mode"]}* instead. **Ask for a confidence of {chosen.accuracy.idxmax():g}**: 0.95
would cost another {1 - chosen.capacity[0.95] / chosen.capacity[chosen.accuracy.idxmax()]:.0%}
of the capacity and {chosen.accuracy.max() - chosen.accuracy[0.95]:.1%} of accuracy. The test
set is small, though: before it is relied on, look at more labelled requests.
""")

# %% [markdown]
# # A model larger than its device
#
# 70 billion parameters on a laptop with 8 GB: the layers come from its drive, one after another, and are dropped when
# they have been used. Every step moves the whole model, so a step takes as long as the drive needs to read it, unless
# each visit of a layer has enough to do. That is what *groups* are for: several microbatches pass through a layer while
# the next one is on its way. How large should a group be?
#
# `scenarios/stream-70b-laptop.yaml` describes a run that somebody measured. Two of the measured points calibrated the
# speed of drive and device; the others were left to be predicted.

# %%
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown

import simulator

file = "../scenarios/stream-70b-laptop.yaml"
groups = simulator.compare_groups(simulator.load(file), groups=[1, 2, 3, 4, 6, 8, 12, 16])
groups

# %% [markdown]
# ## Is it true?
#
# Measured seconds of a step at groups of 2, 3, 4 and 8, beside what the model says.

# %%
table = groups.frame.set_index("group")
check = pd.DataFrame({"measured [s]": {2: 18.01, 3: 22.62, 4: 28.06, 8: 55.89}})
check["predicted [s]"] = table.step
check["error [%]"] = (check["predicted [s]"] / check["measured [s]"] - 1) * 100
check.round(2)

# %% [markdown]
# ## Where the curve bends
#
# Up to the bend the drive decides, and a larger group is free. Beyond it the device computes all the time, and a larger
# group only makes the step longer.

# %%
fig, ax = plt.subplots(figsize=(7, 3))
ax.plot(table.index, table.per_sample, marker="o", label="predicted")
ax.plot(
    check.index,
    check["measured [s]"] / check.index,
    "x",
    color="tab:red",
    markersize=8,
    label="measured",
)
ax.axvline(groups.recommended.step.group, color="black", linewidth=1, linestyle=":")
ax.set(xlabel="microbatches in a group", ylabel="seconds per microbatch", ylim=(0, None))
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Two seconds of the run in the recommended group show it: the device computes without a pause, the drive reads nearly
# without one, and neither waits long for the other. (Colours alternate from layer to layer.)

# %%
run = simulator.simulate(simulator.load(file, variants="found"))
part = run.streams[(run.streams.start_s < 9.0) & (run.streams.end_s > 7.0)]
rows = {"read": 0, "load": 1, "compute": 2, "return": 3}
fig, ax = plt.subplots(figsize=(9, 2.2))
ax.barh(
    part.kind.map(rows),
    part.end_s - part.start_s,
    0.7,
    part.start_s,
    color=part.layer.mod(2).map({0: "tab:blue", 1: "tab:cyan"}),
)
ax.set(
    yticks=[0, 1, 2, 3],
    yticklabels=["drive reads", "link loads", "device computes", "results return"],
    xlabel="time [s]",
    xlim=(7, 9),
)
ax.invert_yaxis()

# %% [markdown]
# ## What if the laptop had two drives?
#
# Twice the bandwidth, half the time to hide.

# %%
two = simulator.compare_groups(simulator.load(file, variants="drives"), groups=[1, 2, 3, 4, 8])
two

# %% [markdown]
# ## What if eight devices share the server?
#
# Another case, `scenarios/stream-shared-server.yaml`: eight small devices serve a model that none of them could hold,
# and its layers come from one server. Its link is shared, so each device sees an eighth of it.

# %%
shared = "../scenarios/stream-shared-server.yaml"
sizes = [1, 2, 4, 8, 16, 32, 64]
fleet = simulator.compare_groups(simulator.load(shared), groups=sizes)
alone = simulator.compare_groups(simulator.load(shared, variants="alone"), groups=sizes)
fleet

# %%
pace = pd.DataFrame(
    {
        "alone": alone.frame.set_index("group").per_sample,
        "one of eight": fleet.frame.set_index("group").per_sample,
    }
)
ax = pace.loc[sizes].plot(figsize=(7, 3), marker="o", logx=True)
ax.set(
    xlabel="microbatches in a group",
    ylabel="seconds per sample",
    ylim=(0, None),
    xticks=sizes,
    xticklabels=sizes,
)
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Decision

# %%
best, one = groups.recommended.to_dict(), groups.rows[0].to_dict()
faster, eight, single = (
    two.recommended.to_dict(),
    fleet.recommended.to_dict(),
    alone.recommended.to_dict(),
)
Markdown(f"""
**On the laptop, train in groups of {best["group"]}**: {best["per_microbatch"]:.1f} s for a
microbatch instead of {one["per_microbatch"]:.1f} s, with {best["memory"] / 1e9:.1f} GB of the
device in use. The prediction was within {check["error [%]"].abs().max():.1f} % of every
measured step. A second drive is worth its money if steps should be short: groups of
{faster["group"]} then do, and a step takes {faster["step"]:.0f} s instead of
{best["step"]:.0f} s; a microbatch does not become cheaper. **Behind a shared server, plan
with groups of {eight["group"]}** instead of the {single["group"]} that suit a device with the
server for itself.
""")

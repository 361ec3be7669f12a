# %% [markdown]
# # How many devices does this service need?
#
# A service classifies chat messages with BERT-base on V100s. Its load is a recorded one, some 2,700 requests a second
# with all the unevenness of the recording, and 99 % of the requests are to be answered within 100 ms. A device costs
# 3.06 an hour. How many of them do we rent, and how much more load would they carry?
#
# Everything that is known about the case stands in one file, `scenarios/quickstart.yaml`. Here eight seconds of it are
# enough.

# %%
import matplotlib.pyplot as plt
from IPython.display import Markdown

import simulator

short = ["run.duration=8s", "run.warmup=1s"]
scenario = simulator.load("../scenarios/quickstart.yaml", sets=short)

# %% [markdown]
# ## What happens if we deploy four?
#
# The file says four replicas that serve batches of up to eight; a batch waits at most 5 ms for its last request.

# %%
four = simulator.simulate(scenario)
four

# %% [markdown]
# Nobody is late: the slowest hundredth still has its answer long before the 100 ms are over. The third table says
# where the time goes: on average most of it is service, and even the slowest wait in line no longer than they are served.
# So four may be more than we need.
#
# The same run as a table of requests shows how the latencies are spread.

# %%
fig, ax = plt.subplots(figsize=(7, 2.6))
ax.hist(four.requests.latency_s * 1e3, bins=80, color="tab:blue")
ax.set(xlabel="latency [ms]", ylabel="requests", xlim=(0, None))
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## What if we rent one less?
#
# The file holds this question as a variant, `fewer`. Both runs meet the same requests at the same instants, so what
# differs is due to the missing device and to nothing else.

# %%
three = simulator.load("../scenarios/quickstart.yaml", sets=short, variants="fewer")
simulator.compare(scenario, three, workers=1)

# %% [markdown]
# A quarter of the money is saved, and the objective is missed by far: three devices are busy more than nine tenths of
# the time, and whenever the recording has a busy stretch, requests pile up.
#
# ## What if the load were another one?
#
# Every number of devices at every load, from a third less to a quarter more than today:

# %%
grid = simulator.sweep(
    scenario,
    {
        "services.chat.deployment.portions.0.replicas": [2, 3, 4, 5],
        "services.chat.workload.scale": [320, 400, 480, 540, 600],
    },
    workers=1,
)
grid

# %%
points = grid.frame.rename(
    columns={
        "services.chat.deployment.portions.0.replicas": "devices",
        "services.chat.workload.scale": "scale",
    }
)
points["load today"] = points.scale / 480
late = points.pivot(index="load today", columns="devices", values="attainment") * 100

ax = late.plot(figsize=(7, 3), marker="o")
ax.axhline(99, color="black", linewidth=1, linestyle=":")
ax.set(xlabel="load, as a multiple of today's", ylabel="answered in time [%]", ylim=(0, 103))
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## How far do four devices carry?
#
# `saturate` looks for the highest load at which the objective still holds.

# %%
limit = simulator.saturate(scenario)
limit

# %% [markdown]
# ## Decision

# %%
today = points[points.scale == 480].set_index("devices")
enough = today[today.holds].cost_per_hour.idxmin()
room = limit.services["chat"]
Markdown(f"""
**Rent {enough} devices**, for {today.cost_per_hour[enough]:.2f} an hour. With them
{today.attainment[enough]:.2%} of the requests are in time; with one less it would be
{today.attainment[enough - 1]:.1%}, and 99 % are asked for. They hold up to
{room.max_rate:,.0f} requests a second, {room.margin:.0%} more than today. Beyond that, rent
the next one: the sweep above says when.
""")

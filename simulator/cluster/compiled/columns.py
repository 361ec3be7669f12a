"""Names of the columns of the arrays on which the compiled engine works, and of its codes.

Each kind of thing has one array of integers and one of floats, a row for each thing; what stands in a column is said
here once. Links are row numbers, -1 is nothing.
"""

# -- requests inside: one slot each, used again when the request is gone -----------------------------------------------
(
    R_NEXT,  # next in its queue or batch
    R_PREV,  # the one before in its queue
    R_LEAVE,  # layer after which its answer leaves
    R_GROUP,  # service and class
    R_SERVICE,
    R_NUMBER,  # within its service
    R_SEQ,  # in order of arrival over all services: its row of the request table
    R_ROW,  # exit row
    R_DEPLOYMENT,
    R_POSITION,  # station of its path; kept in services with windows only
    R_ATTEMPTS,  # 1 and as many more as it was taken back after a fault
    R_OUTCOME,
    R_CLIENT,  # over all closed loads
    R_COHORT,  # 1 when it arrived between warm-up and the end of the load
    R_LIVE,
) = range(15)
R_INTS = 16
(
    F_ARRIVAL,
    F_DEADLINE,
    F_ENTERED,
    F_FINISH,  # NaN until known
    F_ANSWER,  # instant planned by a ramp of the batch under way, NaN without
    F_PARTS,  # first of the five parts of its latency: fill, queue, service, transfer, retry
) = range(6)
F_FILL, F_QUEUE, F_SERVICE, F_TRANSFER, F_RETRY = range(F_PARTS, F_PARTS + 5)
R_FLOATS = 16
"""Five more than are used: a row then fills whole lines of the cache, which makes a run an eighth faster."""

# -- queues: linked requests -------------------------------------------------------------------------------------------
Q_HEAD, Q_TAIL, Q_SIZE, Q_MIXED, Q_LAST, Q_SETTLED, Q_WAITS = range(7)
"""``Q_MIXED``: how many from the head on may be out of the order of their dues; ``Q_LAST``: the last of them;
``Q_SETTLED``: whether it is known of each how soon one is due from there on, see ``queues``."""
Q_INTS = 7

# -- lines: one queue for each priority, and the replicas that draw from them ------------------------------------------
L_STATION, L_NUMBER, L_QUEUE, L_BANDS, L_SIZE, L_IDLE, L_LEAST, L_DIRTY, L_LINGERS = range(9)
L_INTS = 9

# -- stations ----------------------------------------------------------------------------------------------------------
(
    S_SERVICE,
    S_SHARED,
    S_ROUTING,
    S_FIRST,  # column of the routing's numbers
    S_SECOND,
    S_MODE,
    S_SERIAL,
    S_DROPS,  # 0 never, 1 expired, 2 hopeless
    S_AT_ONCE,  # survivors arrive at the end of their batch
    S_WINDOWED,
    S_SUCCESSOR,
    S_LINE,  # its first line
    S_LINES,
    S_REPLICA,  # its first replica
    S_KINDS,
    S_PLACES,  # phases of a replica
    S_PHASE,  # phase of kind 0 at place 0; then places, then kinds
    S_BITS,  # first word of the sets of idle replicas
    S_SET,  # words of one set
    S_OPEN,  # first of the lines that new requests may join, in the list of all stations
    S_OPENS,
    S_TURN,
    S_WAITING,
    S_CAPACITY,  # -1 where nothing bounds its queue
    S_PENDING,
    S_DRAINING,
    S_CLOSED,
    S_LAYER,  # first layer
) = range(28)
S_INTS = 28
SHARED, RANDOM, ROUND_ROBIN, LEAST_OUTSTANDING, TWO_CHOICES = range(5)
NONE, AT_CUT, COMPACT, ANSWER_EARLY = range(4)

# -- replicas ----------------------------------------------------------------------------------------------------------
(
    P_STATION,
    P_NUMBER,
    P_KIND,
    P_LINE,
    P_IDENT,  # in order of creation
    P_KEY,  # of its completions
    P_BATCH,
    P_LEAVING,
    P_UNDER,  # transfers under way beside its service
    P_UNDER_HEAD,
    P_UNDER_TAIL,
    P_BUFFER,  # first of its buffers
    P_BUFFERED,  # requests in them
    P_POOL,
    P_DEVICES,
) = range(15)
P_INTS = 15

# -- batches -----------------------------------------------------------------------------------------------------------
(
    B_REPLICA,
    B_PHASE,
    B_HEAD,
    B_TAIL,
    B_SIZE,
    B_DONE,
    B_ABORTED,
    B_EVENTS,  # in the heap that still name it
    B_NEXT,  # next under way of the same replica
    B_ROW,  # of the batch table
    B_WAITS,  # 1 where its members had dues
) = range(11)
B_INTS = 11
B_START, B_END = range(2)
B_FLOATS = 2

# -- phases: a portion on a kind of replica ----------------------------------------------------------------------------
(
    H_PORTION,
    H_BATCH,
    H_IS_LAST,
    H_LAST_LAYER,
    H_TIMES,  # first entry of its table of batch times
    H_TRANSFERS,
    H_STEPS,  # first entry of its table of steps by batch
    H_ELAPSED,
    H_COUNT,  # steps
    H_RAMPS,  # first entry, among the static integers, of the ramp of each step
    H_JITTER,  # column of its factors, -1 without
    H_ORDINAL,
) = range(12)

# -- services ----------------------------------------------------------------------------------------------------------
(
    V_WINDOWED,
    V_CLOSED,
    V_ENTRY,  # first station of its first deployment
    V_CURRENT,
    V_DEPLOYMENTS,
    V_PATHS,  # first entry of its paths: for each deployment their stations, then -1
    V_PLACES,  # entries of one path
    V_LEAVES,  # first entry of its exit layers: rows of its first deployment, of the second, ...
    V_ROWS,
    V_FIRES,  # first entry of its table of firing ramps: deployments, rows, layers
    V_LAYERS,
    V_GROUP,  # its first class
    V_ARRIVED,  # requests so far
    V_AT,  # next in its chunk of arrivals
    V_COUNT,  # arrivals in the chunk
    V_MORE,  # 1 while more chunks may come
    V_RIGHT,  # first entry of its table of right answers; -1 without
    V_STARTS,  # first entry of the starts of its deployments
    V_CLIENT,  # its first client
    V_STATION,
) = range(20)
V_INTS = 20

# -- clients of closed loads -------------------------------------------------------------------------------------------
C_SERVICE, C_ORDINAL, C_LOADED, C_ASKED = range(4)
"""Service, next ordinal, ordinals known so far, whether more are asked for."""
C_INTS = 4
C_AHEAD = 32
"""Ordinals of a client that are kept ready."""
C_THINK, C_GROUP, C_ROW, C_NUMBERS = range(4)

# -- the run -----------------------------------------------------------------------------------------------------------
(
    G_STAGE,
    G_HEAP,
    G_EVENTS,
    G_FREE,
    G_FREE_BATCHES,
    G_DIRTY,
    G_LINGERING,
    G_UNSETTLED,
    G_ASKING,
    G_URGENT,
    G_ROUNDS,
    G_STANDING,
    G_SEQ,
    G_TABLES,
    G_OVERLAP,
    G_BATCH_ROWS,
    G_MEMBER_ROWS,
    G_SERVICES,
    G_NUMBERS,
    G_INSIDE,
    G_COHORT,
    G_BOUNDED,
    G_MOST_ADMITTED,  # in one instant
    G_MOST_EVENTS,  # at which the heap still has room for all that an instant can bring
    G_REPLICAS,
    G_TICK,  # round after which whoever watches is told
) = range(26)
G_INTS = 26
T_NOW, T_LIMIT, T_DURATION, T_WARMUP, T_CONTROL, T_CHECKED, T_MARK, T_INSIDE, T_COHORT, T_SOJOURN, T_COHORT_SOJOURN = (
    range(11)
)
T_FLOATS = 11

# -- events: kinds of one instant in order (the upper bits of their keys), and what happens ----------------------------
COMPLETION_KEY, TRANSFER_KEY, ARRIVAL_KEY, TIMER_KEY = 0, 1 << 60, 2 << 60, 3 << 60
SERVICE_SHIFT, PORTION_SHIFT = 48, 28
COMPLETE, ARRIVE, SEND, WAKE, ANSWER = range(5)

# -- why the kernel returns --------------------------------------------------------------------------------------------
OVER, MORE_ARRIVALS, CONTROL, SETTLE, GROW, MORE_CLIENTS, TICK, STUCK = range(8)

# -- stages of an instant ----------------------------------------------------------------------------------------------
NEXT, APPLY, DISPATCH, AGAIN = range(4)

# -- tally -------------------------------------------------------------------------------------------------------------
(A_ARRIVED, A_IN_TIME, A_FINISHED, A_KNOWN, A_OUTCOMES) = range(5)
A_COHORT = A_OUTCOMES + 5
A_INTS = A_COHORT + 5
A_SUM, A_MAX, A_RIGHT = range(3)
A_FLOATS = 3

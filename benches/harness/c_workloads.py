"""The rows in C and Rust: what is measured, and the goals. benches/c/workloads_*.c measure it."""

from .base import FASTEST, FASTEST_SLEEPER, Goal, Workload

# As peers are named in goals.
RAYON, ONETBB = "rayon", "oneTBB"

# Each thread of the sleepers sleeps so often, rounded up, for 10 ms.
SLEEPS, SLEEPERS = 2_000, 64
IDEAL_MS = -(-SLEEPS // SLEEPERS) * 10


def calls(name: str, title: str, *goals: Goal, count: int, quick: int, how: str = "") -> Workload:
    """A row in nanoseconds a call."""
    figure, unit = "ns_per_call", "ns a call"
    return Workload(name, title, goals, "C", figure, unit, count, quick, counts="calls", how=how)


def loop(name: str, title: str, count: int) -> Workload:
    """A parallel loop, against half of what one thread takes."""
    unit = "of serial / 2"
    how = "The median of 100 loops, against that of 30 that one thread did before there was a pool."
    return Workload(name, title, (Goal(1.05),), "C", "share", unit, count, count, counts="indices", how=how)


WORKLOADS = (
    Workload(
        "outside", "no-op tasks submitted by one outside thread, then all waited for", (Goal(0.5, FASTEST),)
    ),
    Workload("inside", "no-op tasks submitted from inside a worker, then all waited for", (Goal(50),)),
    Workload(
        "producers4",
        "no-op tasks submitted by 4 outside threads at once, a quarter each",
        (Goal(1.0, FASTEST),),
    ),
    Workload(
        "claim",
        "a no-op task submitted and waited for, then the next; the waiter may run it",
        (Goal(1.0, ONETBB),),
        count=30_000,
        quick_count=1_000,
        how="Of each task, its future given back too, before the next is submitted.",
    ),
    Workload(
        "handoff",
        "a no-op task submitted and waited for, then the next; another thread must run it",
        (Goal(1.0, FASTEST),),
        count=30_000,
        quick_count=1_000,
    ),
    Workload(
        "silence",
        "a submit after 1 ms of silence, for which nobody waits: until the task has run",
        (Goal(1.0, FASTEST_SLEEPER),),
        figure="p50_ns",
        unit="ns, p50",
        count=300,
        quick_count=50,
        counts="silences",
        how="The driver sleeps 1 ms, submits, and looks at a flag until the task has raised it: at p50 the "
        "task itself ran earlier, where its worker took the driver's processor. Processor time of the others "
        "in the silences shows whose workers never sleep; the goal is the best of those that do.",
    ),
    loop("for_trivial", "a parallel loop of 1,000,000 trivial bodies", 1_000_000),
    loop("for_1us", "a parallel loop of 1,000 bodies of 1 us", 1_000),
    calls(
        "for_empty",
        "an empty parallel loop (an index for each worker), called outside",
        Goal(1.0, ONETBB),
        count=30_000,
        quick=1_000,
        how="The bodies count their indices.",
    ),
    calls(
        "for_empty_inside",
        "an empty parallel loop (an index for each worker), called in a worker",
        Goal(1.0, ONETBB),
        count=100_000,
        quick=10_000,
    ),
    calls("fib", "fib(32) by fork and join, a task each call", Goal(1.0, RAYON), count=32, quick=32),
    Workload(
        "sleeps2000",
        f"2,000 tasks that each sleep 10 ms, on 64 threads (ideal: {IDEAL_MS})",
        (Goal(1.02 * IDEAL_MS),),
        figure="ms",
        unit="ms",
        count=SLEEPS,
        quick_count=2 * SLEEPERS,
        workers=SLEEPERS,
        by_chance=True,
        how="RSS a thread is what the process grew by from before the pool to after one task on each.",
    ),
    Workload(
        "idle",
        "processor time of a pool with nothing to do, in 3 s",
        (Goal(0.1),),
        figure="cpu_ms",
        unit="ms of CPU",
        count=3_000,
        quick_count=150,
        counts="ms",
        by_chance=True,
        rounds=3,
        how="Of all threads but the driver's, half a second after the last work. Three rounds.",
    ),
    Workload(
        "memory",
        "memory that a queued task costs, with its future",
        (Goal(64),),
        figure="bytes_per_task",
        unit="bytes a task",
        how="What the process grows by (RSS) while all workers are held by a task and the others are queued.",
    ),
    Workload(
        "create",
        "a pool made, one task on each worker, the pool ended",
        (Goal(1.0, RAYON),),
        figure="us",
        unit="us",
        count=200,
        quick_count=20,
        counts="pools",
        how="The median of many pools of a process. The tasks meet, so each has a worker of its own. "
        "Threads left: after the end of the pool, which doesn't wait for them.",
    ),
)

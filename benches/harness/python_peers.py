"""The rows in Python: workloads with their goals, and peers."""

from dataclasses import dataclass

from .base import FASTEST, Goal, Peer, Workload

REFERENCE, OLDER = "3.13", "3.11"
STDLIB, C_THREADS, OURS = "ThreadPoolExecutor", "two C threads", "offgil"
OURS_OLDER = f"offgil on {OLDER}"


@dataclass(frozen=True)
class PythonPeer(Peer):
    """An adapter of python/peers, the workloads that it has, and the packages that it needs.

    `module` is what a user imports; `older` runs on the older interpreter. A slow peer's cells may
    have so many times `fewer` tasks.
    """

    rows: str = ""
    packages: tuple[str, ...] = ()
    module: str = ""
    older: bool = False
    fewer: int = 1

    def offers(self, workload: Workload) -> bool:
        return workload.name in self.rows.split()

    def tasks(self, count: int) -> int:
        return count // self.fewer if count > 1000 else count


def row(
    name: str,
    title: str,
    *goals: Goal,
    count: int,
    quick: int,
    figure: str = "us_per_task",
    unit: str = "us a task",
    workers: int = 2,
    more_is_better: bool = False,
    must_end: bool = False,
    by_chance: bool = False,
) -> Workload:
    """A workload with the goal that the older interpreter isn't far behind."""
    near = Goal(0.75 if more_is_better else 4 / 3, OURS, at_least=more_is_better, whose=OURS_OLDER)
    every = goals if must_end else (*goals, near)
    return Workload(
        name,
        title,
        every,
        "Python",
        figure,
        unit,
        count,
        quick,
        workers,
        more_is_better,
        must_end,
        by_chance=by_chance,
    )


WORKLOADS = (
    row(
        "busy",
        "native tasks of 90 us while the main thread is busy in Python",
        Goal(0.9, C_THREADS, at_least=True),
        count=60_000,
        quick=60_000,
        figure="tasks_per_s",
        unit="tasks/s",
        more_is_better=True,
    ),
    row(
        "submit",
        "100,000 native no-op tasks submitted one by one, every result collected",
        Goal(0.1, STDLIB),
        count=100_000,
        quick=5_000,
    ),
    row("map", "a native function mapped over 100,000 items", Goal(0.25), count=100_000, quick=5_000),
    row(
        "roundtrip",
        "one native no-op task, submitted and waited for",
        Goal(0.05, STDLIB),
        count=5_000,
        quick=200,
        figure="p50_us",
        unit="us, p50",
    ),
    row(
        "python",
        "100,000 Python functions that do nothing, submitted one by one, every result collected",
        Goal(1.0, STDLIB),
        count=100_000,
        quick=5_000,
    ),
    row(
        "integrate",
        "the cosine integrated over 1,000,000 points, 2 jobs a call",
        Goal(1.05, C_THREADS),
        Goal(5, figure="slow_percent", unit="% slow calls"),
        count=300,
        quick=5,
        figure="ms",
        unit="ms a call",
    ),
    row(
        "sleeps64",
        "1,000 native sleeps of 10 ms on 64 threads",
        Goal(1.0, FASTEST),
        count=1_000,
        quick=128,
        figure="ms",
        unit="ms",
        workers=64,
    ),
    row(
        "sleeps256",
        "5,000 native sleeps of 10 ms on 256 threads",
        Goal(1.0, FASTEST),
        count=5_000,
        quick=512,
        figure="ms",
        unit="ms",
        workers=256,
    ),
    row(
        "nested",
        "two tasks that each submit to the same pool of 2 and wait, after 100 ms",
        count=2,
        quick=2,
        figure="ms",
        unit="ms",
        must_end=True,
    ),
    row(
        "import",
        "what a user imports",
        Goal(15),
        count=1,
        quick=1,
        figure="ms",
        unit="ms",
        by_chance=True,
    ),
    row(
        "first",
        "the first pool of 2 and two tasks",
        Goal(0.6),
        count=2,
        quick=2,
        figure="ms",
        unit="ms",
        by_chance=True,
    ),
    row(
        "shutdown",
        "the shutdown of that pool",
        Goal(0.2),
        count=2,
        quick=2,
        figure="ms",
        unit="ms",
        by_chance=True,
    ),
)

EVERY_COST = "busy submit map roundtrip python integrate sleeps64 sleeps256 import first shutdown"

PEERS = (
    PythonPeer(
        OURS,
        "offgil_executor",
        ours=True,
        futures=True,
        notes="ThreadPoolExecutor, by changing the import",
        rows=EVERY_COST + " nested",
        module="offgil",
    ),
    PythonPeer(
        "offgil.pool",
        "offgil_pool",
        ours=True,
        notes="ThreadPool, by changing the import; map chunked",
        rows="busy submit map roundtrip python sleeps64 nested first shutdown",
    ),
    PythonPeer("offgil, map_array", "offgil_array", ours=True, notes="a buffer in and out", rows="map"),
    PythonPeer(
        "offgil, awaited",
        "offgil_asyncio",
        ours=True,
        notes="await executor.submit()",
        rows="submit roundtrip",
    ),
    PythonPeer(
        OURS_OLDER,
        "offgil_executor",
        ours=True,
        notes="ThreadPoolExecutor",
        rows=EVERY_COST,
        module="offgil",
        older=True,
    ),
    PythonPeer(
        STDLIB,
        "stdlib_executor",
        notes="concurrent.futures",
        rows=EVERY_COST + " nested",
        module="concurrent.futures.thread",
    ),
    PythonPeer(
        f"{STDLIB} on {OLDER}",
        "stdlib_executor",
        notes="concurrent.futures",
        rows="submit roundtrip python",
        older=True,
    ),
    PythonPeer(
        "ThreadPool",
        "stdlib_pool",
        notes="multiprocessing.pool; map chunked",
        rows="busy submit map roundtrip python sleeps64 sleeps256 nested import first shutdown",
        module="multiprocessing.pool",
    ),
    PythonPeer("ThreadPool, imap", "stdlib_imap", notes="imap_unordered", rows="map"),
    PythonPeer(
        "asyncio",
        "asyncio_default",
        notes="run_in_executor, its ThreadPoolExecutor",
        rows="submit roundtrip nested",
    ),
    PythonPeer(
        "dask",
        "dask_threaded",
        notes="threaded.get with a shared pool; 20,000 tasks",
        rows="submit nested import",
        packages=("dask",),
        module="dask.threaded",
        fewer=5,
    ),
    PythonPeer(
        "joblib",
        "joblib_threading",
        notes="Parallel, backend threading",
        rows="submit import",
        packages=("joblib",),
        module="joblib",
    ),
    PythonPeer(
        "gevent",
        "gevent_threadpool",
        notes="its threadpool",
        rows="submit roundtrip sleeps64 sleeps256 import",
        packages=("gevent",),
        module="gevent.threadpool",
    ),
    PythonPeer(
        "tbb4py",
        "tbb_pool",
        notes="Pool",
        rows="busy submit roundtrip nested import",
        packages=("tbb4py",),
        module="tbb",
    ),
    PythonPeer(C_THREADS, "c_threads", notes="pthreads; made for each call", rows="busy integrate"),
    PythonPeer(
        "numba prange", "numba_prange", notes="no pool", rows="integrate", packages=("numba",), module="numba"
    ),
    PythonPeer(
        "Cython prange", "cython_prange", notes="OpenMP, no pool", rows="integrate", packages=("Cython",)
    ),
    PythonPeer(
        "Cython nogil",
        "cython_nogil",
        notes="in concurrent.futures' ThreadPoolExecutor",
        rows="integrate",
        packages=("Cython",),
    ),
    PythonPeer("ProcessPool", "process_pool", notes="a Python function in 2 processes", rows="integrate"),
    PythonPeer("pure Python", "pure_python", notes="one thread", rows="integrate"),
)

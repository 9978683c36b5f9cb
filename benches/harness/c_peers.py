"""The peers in C and Rust, and how each becomes a dynamic library for the driver."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .base import BENCHES, CHECKOUT, Failure, Peer, run
from .c_workloads import ONETBB, RAYON, WORKLOADS

__all__ = ["PEERS", "WORKLOADS", "Builder", "CPeer", "install_peers", "is_installed"]

DRIVER = ["driver.c", "measure.c", "workloads_batch.c", "workloads_loop.c", "workloads_quiet.c"]

LOOPS = "for_trivial for_1us for_empty for_empty_inside"
NO_LOOPS = {f"{LOOPS} fib": "has neither parallel loops nor fork-join"}
TASKS = "outside inside producers4 claim handoff silence sleeps2000 memory create"
LOOPS_ONLY = {f"{TASKS} fib": "has loops only", "for_empty_inside": "has no loops in loops"}
JOIN = "join in halves, shared when a heartbeat says so; the caller is one of the threads"
ONE_POOL = "has one pool for the whole life of the process"

OPENMP_ABSENT = {
    "producers4 silence memory create": "has no tasks but those of a team, which waits for all of them",
    "handoff": "doesn't let one say which thread of a team runs a task",
}
OPENMP_ASIDE = {
    "outside claim": "submits as one of the team, a worker, rather than from outside; its own row is `inside`"
}
OPENMP_ALSO = {
    "idle": "",
    "for_trivial for_1us for_empty": "OpenMP, parallel for; the caller is one of the team",
    "for_empty_inside": "OpenMP, taskloop",
}


@dataclass(frozen=True)
class CPeer(Peer):
    """A crate of peers/, or a source of c/ that is linked with packages of pkg-config, or with `flags`.

    `compiler`: if it takes a certain one. `header`: what is there if the library is. `package`: what Debian
    calls the library, for the version of one that doesn't tell it.
    `absent`: workloads, separated by spaces, and why the peer, "it ...", has no such row. `aside`: likewise,
    why a row that it has is none that ours is compared with. `also`: workloads, and what is used there
    instead of what `notes` says.
    """

    crates: tuple[str, ...] = ()
    pkg_config: str = ""
    flags: tuple[str, ...] = ()
    compiler: str = ""
    header: str = ""
    package: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)
    aside: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)

    @property
    def library(self) -> str:
        """The name of the dynamic library: two peers may be made of one source."""
        if self.crates:
            return f"lib{self.source.replace('-', '_')}"
        return f"{Path(self.source).stem}-{self.compiler}" if self.compiler else Path(self.source).stem

    def absent_because(self, workload: str) -> str:
        """Why the row isn't measured; empty: the adapter has the function for it."""
        return _of(self.absent, workload, "")

    def aside_because(self, workload: str) -> str:
        return _of(self.aside, workload, "")

    def notes_on(self, workload: str) -> str:
        return _of(self.also, workload, self.notes)


def _of(told: Mapping[str, str], workload: str, otherwise: str) -> str:
    return next((text for names, text in told.items() if workload in names.split()), otherwise)


PEERS = (
    CPeer(
        "offgil",
        "offgil.c",
        futures=True,
        ours=True,
        notes="future_wait_all, every future released",
        also={
            "claim": "future_wait, future_release",
            "handoff": "future_wait with a time limit, future_release",
            "silence idle create": "",
            LOOPS: "pool_for",
            "fib": "pool_invoke",
        },
    ),
    CPeer(
        "offgil, no future",
        "offgil_spawn.c",
        ours=True,
        notes="pool_spawn, pool_wait_idle",
        also={"silence": ""},
        absent={
            "claim handoff": "has nothing to wait for one task by",
            f"{LOOPS} fib sleeps2000 idle create": "would be the same as with futures",
        },
    ),
    CPeer(
        RAYON,
        "peer-rayon",
        crates=("rayon",),
        notes="a scope",
        also={
            "claim handoff": "install",
            "silence memory": "spawn",
            "idle": "",
            "create": "its threads joined, too",
            LOOPS: "a parallel iterator over ranges",
            "fib": "join",
        },
    ),
    CPeer(
        "threadpool",
        "peer-threadpool",
        crates=("threadpool",),
        notes="execute, join",
        also={"silence idle create memory": ""},
        absent=NO_LOOPS,
    ),
    CPeer(
        "crossbeam-channel + oneshot",
        "peer-crossbeam",
        futures=True,
        crates=("crossbeam-channel", "oneshot"),
        notes="boxed closures, a oneshot each",
        also={"silence": "a boxed closure", "idle create": ""},
        absent=NO_LOOPS,
    ),
    CPeer(
        ONETBB,
        "onetbb.cpp",
        pkg_config="tbb",
        notes="task_group; its wait helps",
        also={
            "handoff": "enqueue, a promise",
            "silence": "enqueue",
            "memory": "task_group",
            "idle": "",
            "create": "enqueue; finalize joins its threads",
            LOOPS: "parallel_for",
            "fib": "parallel_invoke",
        },
    ),
    CPeer(
        "libuv",
        "libuv.c",
        pkg_config="libuv",
        notes="uv_queue_work, a callback each",
        also={"idle": ""},
        absent={
            "inside producers4": "queues work from its loop's thread only",
            "create": ONE_POOL,
            **NO_LOOPS,
        },
    ),
    CPeer(
        "GLib",
        "glib.c",
        pkg_config="glib-2.0",
        notes="GThreadPool, a counted latch",
        also={"silence idle create memory": "GThreadPool"},
        absent=NO_LOOPS,
    ),
    CPeer(
        "asio",
        "asio.cpp",
        flags=("-lpthread",),
        header="asio/thread_pool.hpp",
        notes="post to a thread_pool, a counted latch",
        also={"silence idle create": ""},
        absent=NO_LOOPS,
    ),
    CPeer(
        "APR",
        "apr.c",
        pkg_config="apr-util-1 apr-1",
        notes="apr_thread_pool_top, a counted latch; newest first, as push walks past all that is queued",
        also={"silence idle create": ""},
        absent=NO_LOOPS,
    ),
    CPeer(
        "libgomp",
        "openmp.c",
        compiler="gcc",
        flags=("-fopenmp",),
        header="omp.h",
        notes="OpenMP of gcc, task and taskwait; the caller is one of the team. While 64 tasks a thread are "
        "queued it runs the next at once",
        also=OPENMP_ALSO,
        absent=OPENMP_ABSENT,
        aside=OPENMP_ASIDE,
    ),
    CPeer(
        "libomp",
        "openmp.c",
        compiler="clang",
        flags=("-fopenmp=libomp",),
        header="omp.h",
        notes="OpenMP of clang, task and taskwait; the caller is one of the team",
        also=OPENMP_ALSO,
        absent=OPENMP_ABSENT,
        aside=OPENMP_ASIDE,
    ),
    CPeer(
        "pthreadpool",
        "pthreadpool.c",
        flags=("-lpthreadpool",),
        header="pthreadpool.h",
        package="libpthreadpool-dev",
        notes="parallelize_1d_tile_1d, 8 tiles a thread; the caller is one of them",
        also={"idle": ""},
        absent=LOOPS_ONLY,
    ),
    CPeer(
        "tokio",
        "peer-tokio",
        futures=True,
        crates=("tokio",),
        notes="spawn on the multi-threaded runtime",
        also={"idle": ""},
        absent=NO_LOOPS,
    ),
    CPeer(
        "tokio, spawn_blocking",
        "peer-tokio-blocking",
        futures=True,
        crates=("tokio",),
        notes="spawn_blocking, so many threads at most",
        also={"idle": ""},
        absent=NO_LOOPS,
    ),
    CPeer(
        "blocking",
        "peer-blocking",
        futures=True,
        crates=("blocking",),
        notes="unblock",
        also={"idle": "its threads end after 0.5 s"},
        absent={**NO_LOOPS, "create": ONE_POOL},
    ),
    CPeer(
        "chili",
        "peer-chili",
        crates=("chili",),
        notes=JOIN,
        also={"idle": ""},
        absent={TASKS: "has join only, no tasks without one"},
    ),
    CPeer(
        "fork_union",
        "peer-fork_union",
        crates=("fork_union",),
        notes="for_slices; the caller is one of the threads",
        also={"idle": ""},
        absent=LOOPS_ONLY,
    ),
    CPeer(
        "forte",
        "peer-forte",
        crates=("forte",),
        notes="spawn, a counted latch; a spawn_on at the end, as a spawn may miss a worker that falls asleep",
        also={
            "inside": "a scope",
            "claim": "a scope; the caller joins the pool",
            "handoff silence create": "spawn_on, which picks the worker",
            "idle": "",
            f"{LOOPS} fib": JOIN,
        },
        absent={"sleeps2000": "has 32 threads at most"},
    ),
)


@dataclass
class Builder:
    """Builds into `directory`, which may be thrown away at any time."""

    directory: Path
    library: Path | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def driver(self) -> Path:
        return self.directory / "driver"

    def path_of(self, peer: CPeer) -> Path:
        if peer.crates:
            return self.directory / "peers" / "release" / f"{peer.library}.so"
        return self.directory / f"{peer.library}.so"

    def build(self, peers: list[CPeer]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        compile_c(DRIVER, self.driver, ["-ldl", "-lpthread"])
        if any(peer.ours for peer in peers):
            self._build_ours(peers)
        if any(peer.crates for peer in peers):
            self._build_crates()
        for peer in peers:
            if not peer.ours and not peer.crates:
                flags = ["-fPIC", "-shared", *peer.flags, *pkg_config_flags(peer)]
                compile_c([peer.source], self.path_of(peer), flags, peer.compiler)

    def _build_ours(self, peers: list[CPeer]) -> None:
        if self.library is None:
            run(
                ["cargo", "rustc", "--release", "--locked", "--lib", "--crate-type=cdylib,staticlib"],
                CHECKOUT,
            )
            self.library = cargo_target_directory() / "release" / "liboffgil.so"
        if not self.library.is_file():
            raise Failure(f"{self.library} is not there")
        place = self.library.resolve().parent
        flags = ["-fPIC", "-shared", f"-I{CHECKOUT / 'include'}", str(self.library), f"-Wl,-rpath,{place}"]
        for peer in peers:
            if peer.ours:
                compile_c([peer.source], self.path_of(peer), flags)

    def _build_crates(self) -> None:
        target = self.directory.resolve() / "peers"
        # forte asks for a newer Rust than it needs: it says 1.96, and 1.95 builds it.
        options = ["--release", "--locked", "--ignore-rust-version", "--target-dir", str(target)]
        run(["cargo", "build", *options], BENCHES / "peers")
        lock = (BENCHES / "peers" / "Cargo.lock").read_text()
        self.versions = dict(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lock, re.MULTILINE))

    def version_of(self, peer: CPeer) -> str:
        """Of crates, and of libraries that can't tell; the others say it themselves."""
        if peer.package:
            return debian_version(peer.package)
        return " + ".join(self.versions[crate] for crate in peer.crates)


def is_installed(peer: CPeer) -> bool:
    try:
        pkg_config_flags(peer)
        if peer.header:
            compiler = peer.compiler or compiler_of(peer.source)[0]
            language = "c++" if peer.source.endswith(".cpp") else "c"
            asked = ["-fsyntax-only", "-include", peer.header, "-x", language, os.devnull]
            run([compiler, *peer.flags, *asked], CHECKOUT)
    except Failure:
        return False
    return True


def debian_version(package: str) -> str:
    """Elsewhere nothing."""
    try:
        return run(["dpkg-query", "--show", "--showformat=${Version}", package], CHECKOUT)
    except Failure:
        return ""


def install_peers() -> None:
    run([str(BENCHES / "install-peers.sh")], CHECKOUT)


def pkg_config_flags(peer: CPeer) -> list[str]:
    packages = peer.pkg_config.split()
    return shlex.split(run(["pkg-config", "--cflags", "--libs", *packages], CHECKOUT)) if packages else []


def compiler_of(source: str) -> list[str]:
    cxx = source.endswith(".cpp")
    return shlex.split(os.environ.get("CXX", "c++") if cxx else os.environ.get("CC", "cc"))


def compile_c(sources: list[str], output: Path, flags: list[str], compiler: str = "") -> None:
    """C or C++ of benches/c, by the names of the files; by the usual compiler, or a certain one."""
    language = ["-std=c++17" if sources[0].endswith(".cpp") else "-std=gnu11", "-O2", "-Wall", "-Wextra"]
    files = [str(BENCHES / "c" / source) for source in sources]  # an absolute path stays what it is
    command = [compiler] if compiler else compiler_of(sources[0])
    run([*command, *language, *files, "-o", str(output), *flags], CHECKOUT)


def cargo_target_directory() -> Path:
    told = json.loads(run(["cargo", "metadata", "--format-version=1", "--no-deps"], CHECKOUT))
    return Path(told["target_directory"])

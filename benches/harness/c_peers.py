"""The rows in C and Rust: workloads, peers, and how each peer becomes a dynamic library for the driver."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .base import BENCHES, CHECKOUT, FASTEST, Failure, Goal, Peer, Workload, run

WORKLOADS = (
    Workload(
        "outside", "no-op tasks submitted by one outside thread, then all waited for", (Goal(0.5, FASTEST),)
    ),
    Workload("inside", "the same, submitted from inside a worker", (Goal(50),)),
    Workload("producers4", "the same from 4 outside threads at once, a quarter each", (Goal(1.0, FASTEST),)),
)


@dataclass(frozen=True)
class CPeer(Peer):
    """A crate of peers/, or a source of c/: that is linked with packages of pkg-config, or with `flags`.

    `compiler`: if it takes a certain one. `header`: what is there if the library is. `package`: what Debian
    calls the library, for the version of one that doesn't tell it.
    `absent`: workloads, separated by spaces, and why the peer, "it ...", has no such row.
    `aside`: likewise, why a row that it has is not what a goal is measured by.
    """

    crates: tuple[str, ...] = ()
    pkg_config: str = ""
    flags: tuple[str, ...] = ()
    compiler: str = ""
    header: str = ""
    package: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)
    aside: Mapping[str, str] = field(default_factory=dict)

    @property
    def library(self) -> str:
        """The name of the dynamic library: two peers may be made of one source."""
        if self.crates:
            return f"lib{self.source.replace('-', '_')}"
        return f"{Path(self.source).stem}-{self.compiler}" if self.compiler else Path(self.source).stem

    def absent_because(self, workload: str) -> str:
        """Why the adapter lacks the function; empty: it should have it."""
        return _of(self.absent, workload)

    def aside_because(self, workload: str) -> str:
        return _of(self.aside, workload)


def _of(reasons: Mapping[str, str], workload: str) -> str:
    return next((why for names, why in reasons.items() if workload in names.split()), "")


LOOPS_ONLY = "has loops only"
NO_FORK = "has no fork-join: a task that waits for another holds its thread"
NO_LOOPS = "has no loops"
ALL_TASKS = "outside inside producers4 claim handoff silence sleeps2000 memory create"
ALL_LOOPS = "for_trivial for_1us for_empty for_empty_inside"
TEAM = "has no submit from outside: tasks belong to a parallel region, whose end waits for them"
OPENMP_ABSENT = {
    "producers4 silence memory create": TEAM,
    "handoff": "lets the thread that waits run the task",
}
OPENMP_ASIDE = {
    "outside claim": "the thread that submits is one of the team's, a worker: the row of its own is inside"
}


PEERS = (
    CPeer("offgil", "offgil.c", futures=True, ours=True, notes="future_wait_all, every future released"),
    CPeer("offgil, no future", "offgil_spawn.c", ours=True, notes="pool_spawn, pool_wait_idle"),
    CPeer("rayon", "peer-rayon", crates=("rayon",), notes="a scope"),
    CPeer("threadpool", "peer-threadpool", crates=("threadpool",), notes="execute, join"),
    CPeer(
        "crossbeam-channel + oneshot",
        "peer-crossbeam",
        futures=True,
        crates=("crossbeam-channel", "oneshot"),
        notes="boxed closures, a oneshot each",
    ),
    CPeer("oneTBB", "onetbb.cpp", pkg_config="tbb", notes="task_group; its wait helps"),
    CPeer(
        "libuv",
        "libuv.c",
        pkg_config="libuv",
        absent={"inside producers4": "queues work from its loop's thread only"},
        notes="uv_queue_work, a callback each",
    ),
    CPeer("GLib", "glib.c", pkg_config="glib-2.0", notes="GThreadPool, a counted latch"),
    CPeer(
        "asio",
        "asio.cpp",
        flags=("-lpthread",),
        header="asio/thread_pool.hpp",
        absent={ALL_LOOPS: NO_LOOPS, "fib": NO_FORK},
        notes="post to a thread_pool, a counted latch",
    ),
    CPeer(
        "APR",
        "apr.c",
        pkg_config="apr-util-1 apr-1",
        absent={ALL_LOOPS: NO_LOOPS, "fib": NO_FORK},
        notes="apr_thread_pool_top, newest first (push takes as long as the queue is); a counted latch",
    ),
    CPeer(
        "libgomp",
        "openmp.c",
        compiler="gcc",
        flags=("-fopenmp",),
        header="omp.h",
        absent=OPENMP_ABSENT,
        aside=OPENMP_ASIDE,
        notes="OpenMP of gcc; the caller is one of the team; runs tasks at once while 64 a thread are queued",
    ),
    CPeer(
        "libomp",
        "openmp.c",
        compiler="clang",
        flags=("-fopenmp=libomp",),
        header="omp.h",
        absent=OPENMP_ABSENT,
        aside=OPENMP_ASIDE,
        notes="OpenMP of clang; the caller is one of the team; spins for 200 ms after the last work",
    ),
    CPeer(
        "pthreadpool",
        "pthreadpool.c",
        flags=("-lpthreadpool",),
        header="pthreadpool.h",
        package="libpthreadpool-dev",
        absent={f"{ALL_TASKS} fib": LOOPS_ONLY, "for_empty_inside": "has no loops in loops"},
        notes="parallelize_1d_tile_1d, 8 tiles a thread; the caller is one of them",
    ),
    CPeer(
        "tokio",
        "peer-tokio",
        futures=True,
        crates=("tokio",),
        absent={ALL_LOOPS: NO_LOOPS, "fib": "has no fork-join"},
        notes="spawn on a multi-threaded runtime",
    ),
    CPeer(
        "tokio, spawn_blocking",
        "peer-tokio-blocking",
        futures=True,
        crates=("tokio",),
        absent={ALL_LOOPS: NO_LOOPS, "fib": NO_FORK},
        notes="its threads for blocking calls",
    ),
    CPeer(
        "blocking",
        "peer-blocking",
        futures=True,
        crates=("blocking",),
        absent={
            ALL_LOOPS: NO_LOOPS,
            "fib": NO_FORK,
            "create": "has one pool for the process, which never ends",
        },
        notes="unblock",
    ),
    CPeer(
        "chili",
        "peer-chili",
        crates=("chili",),
        absent={ALL_TASKS: "has join only: nothing is queued that nobody waits for"},
        notes="join; the caller is one of the threads; shares by a heartbeat of 0.1 ms",
    ),
    CPeer(
        "fork_union",
        "peer-fork_union",
        crates=("fork_union",),
        absent={f"{ALL_TASKS} fib": LOOPS_ONLY, "for_empty_inside": "has no loops in loops"},
        notes="for_slices; the caller is one of the threads; its threads never sleep",
    ),
    CPeer(
        "forte",
        "peer-forte",
        crates=("forte",),
        absent={"sleeps2000": "has 32 threads at most"},
        notes="spawn, a counted latch; spawn_on where one task must wake a worker; in a worker a scope; join",
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
        compile_c(["driver.c"], self.driver, ["-ldl", "-lpthread"])
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

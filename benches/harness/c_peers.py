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


@dataclass(frozen=True)
class CPeer(Peer):
    """A crate of peers/, or a source of c/ that is linked with a package of pkg-config.

    `absent`: workloads, separated by spaces, and why the peer, "it ...", has no such row. `also`: workloads,
    and what is used there instead of what `notes` says.
    """

    crates: tuple[str, ...] = ()
    pkg_config: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)

    def absent_because(self, workload: str) -> str:
        """Why the row isn't measured; empty: the adapter has the function for it."""
        return _of(self.absent, workload, "")

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
            "create": "has one pool for the whole life of the process",
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
            return self.directory / "peers" / "release" / f"lib{peer.source.replace('-', '_')}.so"
        return self.directory / f"{Path(peer.source).stem}.so"

    def build(self, peers: list[CPeer]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        compile_c(DRIVER, self.driver, ["-ldl", "-lpthread"])
        if any(peer.ours for peer in peers):
            self._build_ours(peers)
        if any(peer.crates for peer in peers):
            self._build_crates()
        for peer in peers:
            if peer.pkg_config:
                flags = pkg_config("--cflags", "--libs", peer.pkg_config)
                compile_c([peer.source], self.path_of(peer), ["-fPIC", "-shared", *flags])

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
        run(["cargo", "build", "--release", "--locked", "--target-dir", str(target)], BENCHES / "peers")
        lock = (BENCHES / "peers" / "Cargo.lock").read_text()
        self.versions = dict(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lock, re.MULTILINE))

    def version_of(self, peer: CPeer) -> str:
        """Of peers that are crates; the others say it themselves."""
        return " + ".join(self.versions[crate] for crate in peer.crates)


def is_installed(peer: CPeer) -> bool:
    if not peer.pkg_config:
        return True
    try:
        pkg_config("--exists", peer.pkg_config)
    except Failure:
        return False
    return True


def install_peers() -> None:
    run([str(BENCHES / "install-peers.sh")], CHECKOUT)


def pkg_config(*arguments: str) -> list[str]:
    return shlex.split(run(["pkg-config", *arguments], CHECKOUT))


def compile_c(sources: list[str], output: Path, flags: list[str]) -> None:
    """C or C++ of benches/c, by the names of the files."""
    cxx = any(source.endswith(".cpp") for source in sources)
    compiler = shlex.split(os.environ.get("CXX", "c++") if cxx else os.environ.get("CC", "cc"))
    language = ["-std=c++17" if cxx else "-std=gnu11", "-O2", "-Wall", "-Wextra"]
    files = [str(BENCHES / "c" / source) for source in sources]  # an absolute path stays what it is
    run([*compiler, *language, *files, "-o", str(output), *flags], CHECKOUT)


def cargo_target_directory() -> Path:
    told = json.loads(run(["cargo", "metadata", "--format-version=1", "--no-deps"], CHECKOUT))
    return Path(told["target_directory"])

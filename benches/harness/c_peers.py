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
    """A crate of peers/, or a source of c/ that is linked with a package of pkg-config.

    `absent`: workloads, separated by spaces, and why the peer, "it ...", has no such row.
    """

    crates: tuple[str, ...] = ()
    pkg_config: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)

    def absent_because(self, workload: str) -> str:
        """Why the adapter lacks the function; empty: it should have it."""
        return next((why for names, why in self.absent.items() if workload in names.split()), "")


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
        compile_c(["driver.c"], self.driver, ["-ldl", "-lpthread"])
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

"""What is measured: the workloads, the peers, and how each peer becomes a dynamic library for the driver."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
CHECKOUT = BENCHES.parent
WORKERS = 2


class Failure(Exception):
    """Something that ends the run, or one cell of it, with a message."""


@dataclass(frozen=True)
class Workload:
    """A row: what the driver calls it, what it is, and what our library should reach."""

    name: str
    title: str
    must_ns: float | None = None
    must_ratio: float | None = None

    def limit(self, fastest_peer: float) -> float:
        """The most that a task of ours may cost, in nanoseconds."""
        return self.must_ns if self.must_ns is not None else (self.must_ratio or 1.0) * fastest_peer

    def limit_text(self, fastest_peer: float) -> str:
        if self.must_ns is not None:
            return f"{self.must_ns:.0f} ns"
        share = "" if self.must_ratio in (None, 1.0) else f"{self.must_ratio} of "
        return f"{share}the fastest peer, {self.limit(fastest_peer):.0f} ns"


WORKLOADS = (
    Workload("outside", "no-op tasks submitted by one outside thread, then all waited for", must_ratio=0.5),
    Workload("inside", "the same, submitted from inside a worker", must_ns=50),
    Workload("producers4", "the same from 4 outside threads at once, a quarter each", must_ratio=1.0),
)


@dataclass(frozen=True)
class Peer:
    """One library to measure. `futures`: a handle for each task, and all waited for; else for the batch."""

    name: str
    source: str
    futures: bool = False
    ours: bool = False
    crates: tuple[str, ...] = ()
    pkg_config: str = ""
    absent_because: str = ""
    notes: str = ""


PEERS = (
    Peer("offgil", "offgil.c", futures=True, ours=True, notes="future_wait_all, every future released"),
    Peer("offgil, no future", "offgil_spawn.c", ours=True, notes="pool_spawn, pool_wait_idle"),
    Peer("rayon", "peer-rayon", crates=("rayon",), notes="a scope"),
    Peer("threadpool", "peer-threadpool", crates=("threadpool",), notes="execute, join"),
    Peer(
        "crossbeam-channel + oneshot",
        "peer-crossbeam",
        futures=True,
        crates=("crossbeam-channel", "oneshot"),
        notes="boxed closures, a oneshot each",
    ),
    Peer("oneTBB", "onetbb.cpp", pkg_config="tbb", notes="task_group; its wait helps"),
    Peer(
        "libuv",
        "libuv.c",
        pkg_config="libuv",
        absent_because="queues work from its loop's thread only",
        notes="uv_queue_work, a callback each",
    ),
    Peer("GLib", "glib.c", pkg_config="glib-2.0", notes="GThreadPool, a counted latch"),
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

    def path_of(self, peer: Peer) -> Path:
        if peer.crates:
            return self.directory / "peers" / "release" / f"lib{peer.source.replace('-', '_')}.so"
        return self.directory / f"{Path(peer.source).stem}.so"

    def build(self, peers: list[Peer]) -> None:
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

    def _build_ours(self, peers: list[Peer]) -> None:
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

    def version_of(self, peer: Peer) -> str:
        """Of peers that are crates; the others say it themselves."""
        return " + ".join(self.versions[crate] for crate in peer.crates)


def is_installed(peer: Peer) -> bool:
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
    files = [str(BENCHES / "c" / source) for source in sources]
    run([*compiler, *language, *files, "-o", str(output), *flags], CHECKOUT)


def cargo_target_directory() -> Path:
    told = json.loads(run(["cargo", "metadata", "--format-version=1", "--no-deps"], CHECKOUT))
    return Path(told["target_directory"])


def run(command: list[str], directory: Path) -> str:
    """The command's standard output; its standard error only when it fails, in the message."""
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failure(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        raise Failure(f"`{shlex.join(command)}` failed:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout

"""The programs that stand beside the demo: each is built, run, and what it prints is checked."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import building

PROGRAMS = (*building.C_PROGRAMS, *building.CPP_PROGRAMS)
Build = Callable[[str], Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a program and gives its path. One that needs what isn't installed is skipped, but not in CI."""
    directory = tmp_path_factory.mktemp("programs")

    def one(name: str) -> Path:
        try:
            building.program_step(directory, name)[1]()
        except building.BuildFailed as failed:
            if " is not installed" in str(failed) and not os.environ.get("OFFGIL_CI"):
                pytest.skip(str(failed))
            raise
        return directory / name

    return one


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_is_printed_and_ends_well(build: Build, name: str) -> None:
    done = run(build(name), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {name} [-")
    assert re.search(r"^  -w  ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["-w", "-1"], ["-w", "two"], ["-w", "40000"], ["-?"]])
@pytest.mark.parametrize("name", PROGRAMS)
def test_nonsense_is_refused_in_words(build: Build, name: str, arguments: list[str]) -> None:
    done = run(build(name), *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not a whole number" in done.stderr or "usage: " in done.stderr


def test_resolver_prints_an_address_for_each_name(build: Build) -> None:
    done = run(build("resolver"), "-r", 1000, "127.0.0.1", "::1", "localhost")
    first, second, third = done.stdout.splitlines()
    assert (first, second) == ("127.0.0.1 127.0.0.1", "::1 ::1")
    assert third in ("localhost 127.0.0.1", "localhost ::1")
    assert re.fullmatch(
        r"3000 look-ups in \S+ ms: 3000 found, 0 failed, 0 too late\n", done.stderr
    )  # no progress where nobody looks
    assert done.returncode == 0


def test_resolver_says_which_name_is_none_and_goes_on(build: Build) -> None:
    long = "a" * 64  # a label of a name has at most 63 letters
    done = run(build("resolver"), "-r", 10, "-w", 3, "no..name", "127.0.0.1", long)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("no..name: ") and lines[2].startswith(f"{long}: ")
    assert lines[1] == "127.0.0.1 127.0.0.1"
    assert "30 look-ups" in done.stderr and ": 10 found, 20 failed, 0 too late\n" in done.stderr
    assert done.returncode == 1


def test_resolver_shows_progress_when_asked_to(build: Build) -> None:
    done = subprocess.run([build("resolver"), "-p", "-r", "500", "::1"], capture_output=True, timeout=120)
    shown = done.stderr.split(b"\n")[0].split(b"\r")[1:]
    counts = [int(part.removesuffix(b" of 500")) for part in shown]
    assert counts == sorted(counts) and counts[-1] == 500


def test_resolver_gives_up_what_has_not_begun_by_its_deadline(build: Build) -> None:
    done = run(build("resolver"), "-t", 0, "-w", 1, "-r", 100, "127.0.0.1")
    late = int(re.search(r"(\d+) too late", done.stderr)[1])  # type: ignore[index]
    assert late > 0 and done.returncode == 1
    assert f": {100 - late} found, 0 failed, {late} too late\n" in done.stderr


def test_resolver_needs_a_name(build: Build) -> None:
    done = run(build("resolver"))
    assert done.returncode == 1
    assert done.stderr.startswith("resolver: no name is given\nusage: ")


@pytest.fixture
def server(build: Build) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server and its port."""
    command = [build("server"), "-w", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        assert match is not None, line
        yield process, int(match[1])
        if process.poll() is None:
            process.kill()


def ask(port: int, text: bytes) -> list[str]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile() as answers:
            return answers.read().splitlines()


def test_server_answers_each_line_in_order(server: tuple[subprocess.Popen[str], int]) -> None:
    _, port = server
    answers = ask(port, b"10\n1000000\n0\r\nten\n-1\n100\n")
    refusal = "error: not a whole number from 0 to 50000000"
    assert answers == ["4", "78498", "0", refusal, refusal, "25"]


def test_server_serves_many_clients_at_a_time(server: tuple[subprocess.Popen[str], int]) -> None:
    process, port = server
    clients = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(50)]
    for client in clients:
        client.sendall(b"100000\n1000\n")
    for client in clients[:10]:
        client.close()  # with answers still to come
    for client in clients[10:]:
        with client, client.makefile() as answers:
            assert [answers.readline(), answers.readline()] == ["9592\n", "168\n"]
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    answered = re.fullmatch(r"(\d+) answers\n", errors)
    assert answered is not None and 80 <= int(answered[1]) <= 100


def test_server_closes_a_client_whose_line_never_ends(server: tuple[subprocess.Popen[str], int]) -> None:
    _, port = server
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"1" * 64)
        assert connection.recv(100) == b""
    assert ask(port, b"10\n") == ["4"]


def test_server_says_which_port_is_taken(build: Build, server: tuple[subprocess.Popen[str], int]) -> None:
    done = run(build("server"), "-p", server[1])
    assert (done.returncode, done.stderr) == (1, "server: bind: Address already in use\n")


def digest_of(tree: Path) -> str:
    names = [os.fsencode(path) for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    lines = b""
    for name in sorted(names):
        digest = hashlib.sha256(Path(os.fsdecode(name)).read_bytes()).hexdigest().encode()
        lines += digest + b"  ." + name.removeprefix(os.fsencode(tree)) + b"\0"
    return hashlib.sha256(lines).hexdigest()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_tree_prints_one_digest_of_all_files(build: Build, tree: Path, workers: int) -> None:
    done = run(build("tree"), "-w", workers, tree)
    assert (done.returncode, done.stdout) == (0, f"{digest_of(tree)}  {tree}\n")
    assert re.fullmatch(r"56 files in \S+ ms\n", done.stderr)
    listed = subprocess.run([build("tree"), "-v", tree], capture_output=True, timeout=120).stdout
    assert hashlib.sha256(b"text\n").hexdigest().encode() + b"  ./below/further/text\n" in listed


def test_tree_names_what_it_cannot_read_and_goes_on(build: Build, tree: Path, tmp_path: Path) -> None:
    done = run(build("tree"), tmp_path / "gone")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"tree: {tmp_path}/gone: No such file or directory"

    # Nobody can open a path this long, not even root, as whom tests may run.
    expected, level = digest_of(tree), os.open(tree, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=level)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=level)
        os.close(level)
        level = below
    os.close(level)
    done = run(build("tree"), tree)
    assert (done.returncode, done.stdout) == (1, f"{expected}  {tree}\n")
    complaint, summary = done.stderr.splitlines()
    assert complaint.startswith(f"tree: {tree}/ddd") and complaint.endswith("ddd: File name too long")
    assert summary.startswith("56 files in ")


@pytest.mark.parametrize("size", [["-s", 1], ["-s", 7, "-b", 16, "-n", 5], ["-w", 1], ["-w", 3, "-b", 40]])
def test_blur_of_the_graph_is_that_of_one_thread(build: Build, size: list[object]) -> None:
    done = run(build("blur"), *size)
    assert done.returncode == 0
    assert re.fullmatch(r"\d+ tasks, mean \d+\.\d{6}, agrees\n", done.stdout)


def test_event_loop_gets_every_result(build: Build) -> None:
    done = run(build("event_loop"), "-w", 2, "-j", 5, "-n", 20000)
    assert done.returncode == 0
    *chains, last = done.stdout.splitlines()
    assert last == "5 chains"
    assert sorted(chains) == [
        "below 100000: 77031, 351 steps",
        "below 20000: 17647, 279 steps",
        "below 40000: 35655, 324 steps",
        "below 60000: 52527, 340 steps",
        "below 80000: 77031, 351 steps",
    ]
    ticks = re.fullmatch(r"the timer came (\d+) times\n", done.stderr)
    assert ticks is not None and int(ticks[1]) > 0

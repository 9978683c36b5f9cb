"""Each example is built, run, and what it prints is compared with what is known to be right."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import building
import demo
import files
import problems
import references
import with_c
import with_cffi
import with_ctypes
import with_cython
import with_stdlib
from problems import Contender, Inputs

from .terminal import interrupt

DEMO = str(Path(demo.__file__).resolve())
CALLERS = ("offgil from C", "offgil from ctypes", "offgil from cffi", "offgil from Cython")
OTHERS = (
    "serial Python",
    "serial C",
    "serial Cython",
    "ThreadPoolExecutor, Python",
    "ProcessPoolExecutor, Python",
    "ThreadPoolExecutor, Cython",
    "ThreadPoolExecutor, hashlib",
)
POOLS = ([], ["-w", "1"], ["-w", "2"], ["-w", "7"], ["-s"])


def run(*command: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(word) for word in command], input=stdin, capture_output=True, timeout=120)


def modules(built: building.Built) -> with_cython.Modules:
    return with_cython.Modules(*map(built.module, building.CYTHON_MODULES))


def from_c(inputs: Inputs, built: building.Built, stack: ExitStack) -> Iterator[Contender]:
    return with_c.on_pool(inputs, built, 2, "2")


def from_ctypes(inputs: Inputs, built: building.Built, stack: ExitStack) -> Iterator[Contender]:
    return with_ctypes.on_pool(inputs, with_ctypes.Workloads(built.workloads), 2, "2", stack)


def from_cffi(inputs: Inputs, built: building.Built, stack: ExitStack) -> Iterator[Contender]:
    return with_cffi.on_pool(inputs, with_cffi.Workloads(built.workloads), 2, "2", stack)


def from_cython(inputs: Inputs, built: building.Built, stack: ExitStack) -> Iterator[Contender]:
    return with_cython.on_pool(inputs, modules(built), 2, "2")


def serial_cython(inputs: Inputs, built: building.Built, stack: ExitStack) -> Iterator[Contender]:
    return with_cython.serial(inputs, modules(built))


def from_stdlib(inputs: Inputs, built: building.Built, stack: ExitStack) -> Iterator[Contender]:
    yield from with_stdlib.serial(inputs)
    yield from with_stdlib.on_executors(inputs, 2, modules(built).integrate.integrate, stack)


Caller = Callable[[Inputs, building.Built, ExitStack], Iterator[Contender]]
each_caller = pytest.mark.parametrize(
    "caller", [from_c, from_ctypes, from_cffi, from_cython, serial_cython, from_stdlib]
)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("jobs", [1, 3, 1000])
def test_integrate_program_prints_the_area(built: building.Built, pool: list[str], jobs: int) -> None:
    done = run(built.integrate, *pool, "-j", jobs, "-n", 10_000, "-r", 3)
    lines = re.findall(r"integral (\S+) in (\S+) ms\n", done.stdout.decode())
    assert (done.returncode, done.stderr, len(lines)) == (0, b"", 3)
    for area, ms in lines:
        # The error of the midpoint rule itself, to a promille: neither a point too many nor one too few.
        assert math.isclose(float(area) - 1, (math.pi / 2) ** 2 / 24 / 1e8, rel_tol=1e-3)
        assert float(ms) > 0


@pytest.mark.parametrize("pool", POOLS)
def test_digest_program_prints_what_sha256sum_prints(
    built: building.Built, tree: Path, pool: list[str]
) -> None:
    names = b"".join(path + b"\0" for path in files.files_to_digest(tree).paths)
    done = run(built.digest, *pool, "-z", stdin=names)
    assert done.returncode == 0
    assert done.stdout == run("xargs", "-0", "sha256sum", "-z", stdin=names).stdout
    assert re.fullmatch(rb"56 of 56 files in \S+ ms\n", done.stderr)


def test_digest_program_names_the_file_that_it_cannot_read_and_goes_on(
    built: building.Built, tree: Path
) -> None:
    done = run(built.digest, stdin=f"{tree}/empty\0{tree}/gone\0{tree}/below\0{tree}/-n\0".encode())
    assert done.returncode == 1
    assert [line[66:] for line in done.stdout.decode().splitlines()] == [f"{tree}/empty", f"{tree}/-n"]
    complaints = done.stderr.decode().splitlines()
    assert complaints[:2] == [
        f"digest: {tree}/gone: No such file or directory",
        f"digest: {tree}/below: Is a directory",
    ]
    assert complaints[2].startswith("2 of 4 files in ")


@pytest.mark.parametrize("pool", POOLS)
def test_digest_program_of_no_names_prints_nothing(built: building.Built, pool: list[str]) -> None:
    done = run(built.digest, *pool)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"0 of 0 files in ")


@pytest.mark.parametrize("arguments", [["-w", "-1"], ["-w", "two"], ["-w", ""], ["-w", "4097"], ["-?"]])
@pytest.mark.parametrize("program", ["integrate", "digest"])
def test_programs_refuse_nonsense_in_words(built: building.Built, program: str, arguments: list[str]) -> None:
    done = run(getattr(built, program), *arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"not a whole number" in done.stderr or b"usage: " in done.stderr


@each_caller
def test_each_caller_gets_the_area_and_every_digest(
    built: building.Built, tree: Path, caller: Caller
) -> None:
    paths = [*files.files_to_digest(tree).paths, os.fsencode(tree / "gone"), os.fsencode(tree / "below")]
    digests = [hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest() for path in paths[:-2]]
    inputs = Inputs(jobs=7, paths=paths, points=10_000)
    workloads = set()
    with ExitStack() as stack:
        for contender in caller(inputs, built, stack):
            workloads.add(contender.workload)
            for _ in range(3):
                measured = contender.run()
                assert measured.ms > 0
                if contender.workload == "digest":
                    assert measured.result == [*digests, None, None]
                else:
                    assert isinstance(measured.result, float)
                    assert math.isclose(measured.result - 1, (math.pi / 2) ** 2 / 24 / 1e8, rel_tol=1e-3)
    assert workloads == {"integrate", "digest"}


@each_caller
def test_each_caller_digests_no_files_at_all(built: building.Built, caller: Caller) -> None:
    with ExitStack() as stack:
        for contender in caller(Inputs(jobs=1, paths=[], points=10), built, stack):
            if contender.workload == "digest":
                assert contender.run().result == []


def demo_in_process(built: building.Built, tree: Path, *arguments: str) -> int:
    fixed = ["--build-dir", str(built.directory), "--dir", str(tree), "--repeat", "1", "--jobs", "8"]
    return demo.main([*fixed, *arguments])


def test_demo_ends_with_a_table_in_which_every_row_agrees(
    built: building.Built, tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert demo_in_process(built, tree, "--workers", "2", "0", "3", "--json", str(report)) == 0
    captured = capfd.readouterr()
    assert captured.err == ""  # no progress bar where nobody looks
    rows = [re.split(r" {2,}", line) for line in captured.out.splitlines() if line.endswith("  yes")]
    for workload in ("integrate", "digest"):
        for caller in CALLERS:
            workers = [row[2] for row in rows if row[:2] == [caller, workload]]
            assert workers == ["2", f"{demo.per_cpu()} (one per CPU)", "3"]
    assert {row[0] for row in rows} == {*CALLERS, *OTHERS}
    assert "  no\n" not in captured.out

    entries = json.loads(report.read_text())["rows"]
    assert [entry["caller"] for entry in entries] == [row[0] for row in rows]
    for entry in entries:
        assert entry["agrees"] and len(entry["all_ms"]) == 1
        serial = [other["ms"] for other in entries if other["caller"] == entry["baseline"]]
        assert any(math.isclose(entry["speed_up"], ms / entry["ms"]) for ms in serial)


def test_demo_fails_when_a_digest_is_not_what_sha256sum_says(
    built: building.Built, tree: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = references.sha256sum

    def one_bit_off(paths: list[bytes]) -> tuple[list[problems.Digest], list[str]]:
        digests, complaints = honest(paths)
        for i, path in enumerate(paths):
            digest = digests[i]
            if path.endswith(b"/7.bin") and digest:
                digests[i] = bytes([digest[0] ^ 1]) + digest[1:]
        return digests, complaints

    monkeypatch.setattr(references, "sha256sum", one_bit_off)
    assert demo_in_process(built, tree) == 1
    captured = capfd.readouterr()
    for line in captured.out.splitlines():
        if "  digest  " in line:
            assert line.endswith("  no")
        elif "  integrate  " in line:
            assert line.endswith("  yes")
    assert f"digest, offgil from C: not what sha256sum says: {tree}/below/7.bin\n" in captured.err


@pytest.mark.parametrize("attribute", ["serial", "tolerance"])
def test_demo_fails_when_an_area_is_off(
    attribute: str,
    built: building.Built,
    tree: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Strict(references.Integral):
        def __init__(self, points: int) -> None:
            super().__init__(points)
            setattr(self, attribute, {"serial": self.serial + 1e-9, "tolerance": 1e-15}[attribute])

    monkeypatch.setattr(references, "Integral", Strict)
    assert demo_in_process(built, tree) == 1
    captured = capfd.readouterr()
    assert "integrate, offgil from Cython: 1.000000000000" in captured.err
    assert re.search(r"^offgil from C +integrate .*  no$", captured.out, re.MULTILINE)
    assert re.search(r"^offgil from C +digest .*  yes$", captured.out, re.MULTILINE)


def test_demo_reports_files_that_vanish_or_change_and_goes_on(
    built: building.Built, tree: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "before").write_text("gone before sha256sum looks")
    ask = demo.ask_sha256sum

    def disturbed(inputs: Inputs) -> references.Digests:
        (tree / "before").unlink()
        digests = ask(inputs)
        (tree / "large").unlink()
        (tree / "empty").write_text("no longer")
        return digests

    monkeypatch.setattr(demo, "ask_sha256sum", disturbed)
    assert demo_in_process(built, tree) == 0
    captured = capfd.readouterr()
    assert "  no\n" not in captured.out
    assert captured.err.splitlines() == [
        f"not digested: sha256sum: {tree}/before: No such file or directory",
        f"not digested: sha256sum: {tree}/large: No such file or directory",
    ]


def test_demo_says_which_directory_it_cannot_list(
    built: building.Built, tree: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refused(path: bytes) -> object:
        if path == os.fsencode(tree / "below" / "further"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)  # root, as whom tests may run, can list everything
    assert demo_in_process(built, tree) == 0
    assert capfd.readouterr().err == f"not digested: {tree}/below/further: Permission denied\n"


def test_demo_says_in_words_that_libcrypto_is_missing(
    built: building.Built, tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # In a process of its own: in this one libcrypto is open already.
    done = run(
        sys.executable, DEMO, "--build-dir", built.directory, "--dir", tree, "--libcrypto", "libnone.so.9"
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"demo: OpenSSL's libcrypto can't be opened as libnone.so.9: install it")
    done = run(built.digest, "-l", "libnone.so.9")
    assert done.returncode == 1
    assert done.stderr.startswith(b"digest: OpenSSL's libcrypto can't be opened as libnone.so.9: install it")
    with pytest.raises(modules(built).digest.CryptoMissing, match=r"can't be opened as a\.so or b\.so"):
        modules(built).digest.open_crypto(["a.so", "b.so"])


def test_demo_says_in_words_that_sha256sum_is_missing(
    built: building.Built, tree: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tree))
    assert demo_in_process(built, tree) == 2
    assert capfd.readouterr().err.startswith("demo: the program sha256sum")


def test_demo_says_in_words_that_the_compiler_is_missing(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    assert demo.main(["--build-dir", str(tmp_path / "new"), "--dir", str(tree)]) == 2
    assert capfd.readouterr().err == "demo: no-such-compiler is not installed\n"


def test_demo_refuses_a_directory_without_files(
    built: building.Built, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo_in_process(built, tmp_path) == 2
    assert "no regular file" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--workers", "-1"], ["--workers", "two"], ["--repeat", "0"], ["--jobs", "0"], ["--dir", "/no/such"]],
)
def test_demo_refuses_nonsense(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main(arguments)
    assert ended.value.code == 2
    assert "error: " in capfd.readouterr().err


def test_demo_help_names_every_option(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main(["--help"])
    assert ended.value.code == 0
    text = capfd.readouterr().out
    for option in ("--workers", "--repeat", "--jobs", "--dir", "--json", "--libcrypto", "--build-dir"):
        assert option in text


def test_demo_shows_a_bar_on_a_terminal_and_ctrl_c_ends_it_cleanly(built: building.Built, tree: Path) -> None:
    command = [sys.executable, DEMO, "--build-dir", built.directory, "--dir", tree, "--repeat", "1000000"]
    shown, status = interrupt(command, [b"%|", b"digest, offgil from Cython"])
    assert b"Traceback" not in shown
    assert shown.endswith(b"interrupted\r\n")
    assert status == demo.SIGINT_STATUS


@pytest.mark.parametrize("caller", [from_ctypes, from_cffi, from_cython])
def test_interrupted_wait_lets_running_tasks_end_and_closes_the_pool(
    built: building.Built, tree: Path, caller: Caller
) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    def interrupt_and_write() -> None:
        # Until somebody writes to the pipe, the task that reads it goes on.
        with (tree / "pipe").open("wb") as pipe:  # waits for that task
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGALRM)
            time.sleep(0.3)
            pipe.write(b"at last")

    paths = [os.fsencode(tree / "pipe"), *files.files_to_digest(tree).paths]
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, interrupt))
        contenders = caller(Inputs(jobs=1, paths=paths, points=10), built, stack)
        digest = next(contender for contender in contenders if contender.workload == "digest")
        writer = threading.Thread(target=interrupt_and_write)
        writer.start()
        with pytest.raises(Interrupted):
            digest.run()
        writer.join()
        with pytest.raises(RuntimeError, match=r"shut down|closed"):
            digest.run()

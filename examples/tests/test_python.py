"""The Python programs beside the demo: each is run, and what it prints is compared with what is known."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import http.client
import io
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import j0

import building
import common

from .terminal import interrupt

PYTHON = building.EXAMPLES / "python"
# Each with what makes it take its time.
PROGRAMS: dict[str, list[str]] = {
    "download": ["--pages", "100000"],
    "compress": ["--stdout", "/dev/zero"],
    "cfuncs": ["--count", "200000"],
    "quadrature": ["--count", "200000"],
    "grid": ["--samples", "4500", "--backends", "offgil"],
    "blocks": ["--count", "150000"],
    "service": ["--port", "0"],
}
each_program = pytest.mark.parametrize("name", PROGRAMS)


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(PYTHON / f"{name}.py"), *map(str, arguments)]


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=300)


def rows(name: str, *arguments: object) -> list[dict[str, Any]]:
    """What it prints as JSON."""
    done = run(name, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")  # no bar where nobody looks
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@each_program
def test_help_says_what_it_shows_and_names_the_options(name: str) -> None:
    done = run(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {name}.py [-h] [-w N]")
    assert len(done.stdout.splitlines()) > 12


@pytest.mark.parametrize("nonsense", ["0", "-1", "4097", "two", "1.5", ""])
def test_nonsense_is_refused_in_words(nonsense: str) -> None:
    done = run("download", f"--workers={nonsense}")
    assert (done.returncode, done.stdout) == (2, "")
    said = f"download.py: error: argument -w/--workers: {nonsense!r} is not a whole number from 1 to 4096\n"
    assert done.stderr.endswith(said)


@each_program
def test_program_can_be_read_in_one_sitting(name: str) -> None:
    assert len((PYTHON / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "service"])
def test_ctrl_c_ends_it_at_once_and_in_words(name: str, tmp_path: Path) -> None:
    arguments = PROGRAMS[name]
    if name == "compress":
        endless = tmp_path / "endless"
        endless.touch()
        os.truncate(endless, 1 << 40)  # without a block on the disk
        arguments = [str(endless)]
    shown, status = interrupt(command(name, *arguments), [b"%"])
    assert status == common.SIGINT_STATUS
    assert shown.endswith(f"{name}: interrupted\r\n".encode()) and b"Traceback" not in shown
    assert {path.name for path in tmp_path.iterdir()} <= {"endless"}  # no half of a file


def test_reader_that_leaves_ends_it_without_a_word() -> None:
    writer = subprocess.Popen(
        command("cfuncs", "--values", "--csv", "-n", 50_000), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert writer.stdout is not None and writer.stderr is not None
    assert writer.stdout.readline() == b"x,J0\n"
    writer.stdout.close()
    assert writer.stderr.read() == b""
    writer.stderr.close()
    assert writer.wait(60) == 1


@pytest.mark.parametrize("way", [[], ["--asyncio"]])
def test_download_gets_every_page_with_either_import(way: list[str]) -> None:
    found = rows("download", *way, "--pages", 60, "--delay", 1, "--workers", 8)
    assert [(row["pool"], row["pages"], row["failed"]) for row in found] == [
        ("stdlib", 60, 0),
        ("offgil", 60, 0),
    ]
    size = sum(len(f"<title>page {number}</title>\n") + 64 * (1 + number % 100) for number in range(60))
    assert {row["bytes"] for row in found} == {size}


def test_download_says_what_did_not_come_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"12345")
    urls = ["http://127.0.0.1:1/", (tmp_path / "there").as_uri(), "nonsense"]
    done = run("download", "--pool", "offgil", "--csv", *urls)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("offgil,1,2,5,")
    refused, unknown = done.stderr.splitlines()
    assert refused.startswith("http://127.0.0.1:1/: ") and "Connection refused" in refused
    assert unknown == "nonsense: unknown url type: 'nonsense'"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Real ones: empty, small, as long as a block, longer, and one that can't be compressed."""
    noise = random.Random(1).randbytes(300_000)
    texts = [b"", b"x", noise[:1024], Path(__file__).read_bytes() * 9, noise]
    made = [tmp_path / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(made, texts, strict=True):
        path.write_bytes(text)
    return made


@pytest.mark.parametrize("options", [[], ["-b", 1, "-w", 3], ["-l", 0], ["-l", 9, "-b", 64, "-w", 1]])
def test_compressed_files_are_gzip_files_of_the_same(files: list[Path], options: list[object]) -> None:
    found = rows("compress", *options, *files)
    for path, row in zip(files, found, strict=True):
        packed = Path(f"{path}.gz")
        assert row == {
            "file": str(packed),
            "bytes": path.stat().st_size,
            "compressed": packed.stat().st_size,
        }
        assert gzip.decompress(packed.read_bytes()) == path.read_bytes()
        assert subprocess.run(["gzip", "-dc", packed], capture_output=True).stdout == path.read_bytes()


def test_compress_writes_to_a_pipe(files: list[Path]) -> None:
    done = subprocess.run(command("compress", "-c", *files), capture_output=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    assert gzip.decompress(done.stdout) == b"".join(path.read_bytes() for path in files)


def test_compress_overwrites_only_when_told(files: list[Path]) -> None:
    (there := Path(f"{files[1]}.gz")).write_text("precious")
    done = run("compress", files[1])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"compress: {there} is there already: --force overwrites it\n"
    assert there.read_text() == "precious"
    assert rows("compress", "--force", files[1])[0]["bytes"] == 1
    assert gzip.decompress(there.read_bytes()) == b"x"


def test_compress_names_the_file_that_is_not_there(tmp_path: Path) -> None:
    done = run("compress", tmp_path / "gone")
    assert done.returncode == 1
    assert done.stderr == f"compress: [Errno 2] No such file or directory: '{tmp_path}/gone'\n"
    assert list(tmp_path.iterdir()) == []


def test_compress_compares_pools_that_make_members_of_one_size(files: list[Path]) -> None:
    found = rows("compress", "--compare", *files)
    assert [(row["pool"], row["Python"]) for row in found] == [
        ("stdlib, gzip", "idle"),
        ("offgil, libz", "idle"),
        ("stdlib, gzip", "busy"),
        ("offgil, libz", "busy"),
    ]
    assert not any(Path(f"{path}.gz").exists() for path in files)


def test_cfuncs_prints_what_scipy_computes() -> None:
    done = run("cfuncs", "--values", "--csv", "-n", 1001, "-w", 3)
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(found) == 1001
    for row in found:
        assert math.isclose(float(row["J0"]), j0(float(row["x"])), rel_tol=0, abs_tol=1e-14)


def test_cfuncs_compares_every_way() -> None:
    ways = ["one thread", "stdlib, map", "offgil, map", "offgil, map_array"]
    assert [row["how"] for row in rows("cfuncs", "-n", 20)] == ways * 2


def test_quadrature_finds_the_known_integrals_in_each_way() -> None:
    found = rows("quadrature", "-n", 200, "-w", 3)
    assert [row["how"] for row in found] == [
        "quad, one thread",
        "quad, stdlib",
        "quad, offgil",
        "Gauss, map_array",
    ]
    assert all(row["integrals"] == 200 and float(row["error"]) < 1e-9 for row in found)


def test_grid_finds_the_same_point_on_every_backend() -> None:
    found = rows("grid", "--samples", 120)
    assert [row["backend"] for row in found] == ["a loop", "threading", "loky", "offgil"]
    assert len({(row["bandwidth"], row["power"]) for row in found}) == 1
    assert 0.3**2 * 0.7 < found[0]["error"] < 0.3**2 * 1.5  # the noise of the samples is 0.3


def test_blocks_prints_the_exponents_of_the_logistic_map() -> None:
    done = run("blocks", "--values", "--csv", "-n", 64, "-w", 2)
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    r = np.linspace(3.5, 4, 64)
    x, total = np.full_like(r, 0.4), np.zeros_like(r)
    for step in range(1200):
        x = r * x * (1 - x)
        if step >= 200:
            total += np.log(abs(r * (1 - 2 * x)) + 1e-300)
    assert np.allclose([float(row["exponent"]) for row in found], total / 1000, rtol=1e-9)
    assert math.isclose(float(found[-1]["exponent"]), math.log(2), rel_tol=0.02)  # known for r = 4


def test_blocks_compares_pools() -> None:
    found = rows("blocks", "-n", 200, "-w", 1)
    assert [(row["pool"], row["blocks"]) for row in found] == [
        ("stdlib", 50),
        ("offgil", 50),
        ("stdlib", 1),
        ("offgil", 1),
        ("offgil, in parts", 1),
    ]


ROUNDS = 2000


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The service and its port."""
    options = getattr(request, "param", ["--rounds", ROUNDS])
    started = command("service", "--port", 0, "--workers", 2, *options)
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)/\n", line)
        assert match is not None, line
        yield process, int(match[1])
        if process.poll() is None:
            process.kill()


def ask(
    port: int, body: bytes | None, method: str = "POST", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, "/", body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def is_hash(text: bytes, password: bytes) -> bool:
    name, rounds, salt, digest = text.decode().strip().split("$")
    right = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(salt), int(rounds))
    return name == "pbkdf2_sha256" and base64.b64decode(digest) == right


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_hashes_for_many_clients_and_ends_cleanly(
    service: tuple[subprocess.Popen[str], int], number: signal.Signals
) -> None:
    process, port = service
    passwords = [f"password {index}".encode() for index in range(50)]
    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(lambda password: ask(port, password), passwords))
    for password, (status, text) in zip(passwords, answers, strict=True):
        assert status == 200 and is_hash(text, password)
    assert len({text for _, text in answers}) == 50
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert re.fullmatch(r"50 answers; the loop was \d+ ms late at worst\n", errors)


def test_service_refuses_what_is_no_request_and_serves_on(
    service: tuple[subprocess.Popen[str], int],
) -> None:
    _, port = service
    assert ask(port, None, "GET")[0] == 405
    assert ask(port, b"", headers={"Content-Length": "many"})[0] == 411
    assert ask(port, b"x" * 5000)[0] == 413
    assert ask(port, b"", headers={"Long": "x" * 100_000})[0] == 431
    status, text = ask(port, b"")
    assert status == 200 and is_hash(text, b"")


@pytest.mark.parametrize("service", [["--rounds", 300_000, "--queue", 1]], indirect=True)
def test_service_says_when_it_is_full_and_answers_what_it_has_taken_before_it_ends(
    service: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = service
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: ask(port, b"secret"), range(20)))
    assert {status for status, _ in answers} == {200, 503}
    last = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    last.request("POST", "/", b"last")
    assert ask(port, None, "GET")[0] == 405  # it has taken the last, if it answers one that came after it
    process.send_signal(signal.SIGTERM)
    assert last.getresponse().status == 200
    last.close()
    assert process.wait(60) == 0


def test_service_says_which_port_is_taken(service: tuple[subprocess.Popen[str], int]) -> None:
    done = run("service", "--port", service[1])
    assert done.returncode == 1
    assert done.stderr.startswith("service: ") and "address already in use" in done.stderr

"""Progress bars of tqdm's."""

from __future__ import annotations

import array
import ctypes
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tqdm import tqdm

import offgil
from offgil.pool import ThreadPool

libc = ctypes.CDLL(None)
libc.labs.argtypes = [ctypes.c_long]
libc.labs.restype = ctypes.c_long

ITEMS = list(range(-100, 0))
RESULTS = list(range(100, 0, -1))


def by_executor(function: Any, items: list[int], progress: Any) -> list[int]:
    with offgil.ThreadPoolExecutor(2) as executor:
        return list(executor.map(function, items, progress=progress))


def by_map_array(function: Any, items: list[int], progress: Any) -> list[int]:
    with offgil.ThreadPoolExecutor(2) as executor:
        return list(executor.map_array(libc.labs, array.array("l", items), progress=progress))


def by_pool(name: str, **options: Any) -> Callable[[Any, list[int], Any], list[int]]:
    def call(function: Any, items: list[int], progress: Any) -> list[int]:
        given = zip(items, strict=True) if name == "starmap" else items
        with ThreadPool(2) as pool:
            results = getattr(pool, name)(function, given, progress=progress, **options)
            return sorted(results, reverse=True)

    return call


WAYS: dict[str, Callable[[Any, list[int], Any], list[int]]] = {
    "executor map": by_executor,
    "map_array": by_map_array,
    "map": by_pool("map"),
    "map in chunks": by_pool("map", chunksize=7),
    "starmap": by_pool("starmap"),
    "imap": by_pool("imap"),
    "imap in chunks": by_pool("imap", chunksize=7),
    "imap_unordered": by_pool("imap_unordered"),
}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("function", [abs, libc.labs], ids=["Python", "ctypes"])
def test_a_bar_counts_to_the_total(capsys: pytest.CaptureFixture[str], way: str, function: Any) -> None:
    assert WAYS[way](function, ITEMS, "counting") == RESULTS
    last = capsys.readouterr().err.rpartition("\r")[2]
    assert last.startswith("counting: 100%|")
    assert "| 100/100 [" in last


@pytest.mark.parametrize("way", list(WAYS))
def test_a_bar_needs_no_description(capsys: pytest.CaptureFixture[str], way: str) -> None:
    assert WAYS[way](abs, ITEMS, True) == RESULTS
    assert capsys.readouterr().err.rpartition("\r")[2].startswith("100%|")


@pytest.mark.parametrize("way", list(WAYS))
def test_no_bar_is_the_default(capsys: pytest.CaptureFixture[str], way: str) -> None:
    assert WAYS[way](abs, ITEMS, False) == RESULTS
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("way", list(WAYS))
def test_without_tqdm_a_bar_is_an_import_error_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    called: list[int] = []
    with pytest.raises(ImportError, match="pip install tqdm"):
        WAYS[way](called.append, ITEMS, True)
    assert called == []


@pytest.mark.parametrize("way", list(WAYS))
def test_a_bar_is_asked_for_by_a_bool_or_a_text(way: str) -> None:
    called: list[int] = []
    with pytest.raises(TypeError, match="progress must be"):
        WAYS[way](called.append, ITEMS, 1)
    assert called == []


def test_a_bar_whose_total_nobody_knows_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPool(2) as pool:
        assert list(pool.imap(abs, iter(ITEMS), progress=True)) == RESULTS
    assert capsys.readouterr().err.rpartition("\r")[2].startswith("100it [")
    with offgil.ThreadPoolExecutor(2) as executor:
        assert list(executor.map(abs, iter(ITEMS), progress=True)) == RESULTS
    assert capsys.readouterr().err.rpartition("\r")[2].startswith("100it [")


def test_tqdm_knows_the_total_of_imaps_and_as_completed(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPool(2) as pool, offgil.ThreadPoolExecutor(2) as executor:
        for results in (
            pool.imap(abs, ITEMS),
            pool.imap_unordered(abs, ITEMS, 7),
            pool.imap_unordered(libc.labs, ITEMS),
            offgil.as_completed([executor.submit(abs, item) for item in ITEMS]),
        ):
            bar = tqdm(results)
            assert bar.total == 100
            assert len(list(bar)) == 100
            assert "| 100/100 [" in capsys.readouterr().err.rpartition("\r")[2]
        unknown = pool.imap(abs, iter(ITEMS))
        assert tqdm(unknown).total is None
        with pytest.raises(TypeError, match="no length"):
            len(unknown)

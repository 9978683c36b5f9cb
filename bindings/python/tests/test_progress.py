"""Progress bars of tqdm's."""

from __future__ import annotations

import array
import ctypes
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import eventually
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


class Lazy:
    """An iterable whose length is a question that costs, or that it can't answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def __iter__(self) -> Iterator[int]:
        return iter(ITEMS)

    def __len__(self) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


NO_LENGTHS = [NotImplementedError(), AttributeError(), RuntimeError(), TypeError(), -1, 2**70, "x"]


@pytest.mark.parametrize("way", ["imap", "imap_unordered"])
@pytest.mark.parametrize("answer", NO_LENGTHS, ids=repr)
def test_a_length_that_cannot_be_told_is_none(
    capsys: pytest.CaptureFixture[str], way: str, answer: Any
) -> None:
    with ThreadPool(2) as pool:
        results = getattr(pool, way)(abs, Lazy(answer))
        with pytest.raises(TypeError, match="no length"):
            len(results)
        assert sorted(results, reverse=True) == RESULTS
        assert sorted(getattr(pool, way)(abs, Lazy(answer), progress=True), reverse=True) == RESULTS
    with offgil.ThreadPoolExecutor(2) as executor:
        assert list(executor.map(abs, Lazy(answer), progress=True)) == RESULTS
    assert capsys.readouterr().err.count("100it [") >= 2


@pytest.mark.parametrize("way", ["imap", "imap_unordered"])
def test_an_imap_asks_for_the_length_once_and_only_if_somebody_wants_it(way: str) -> None:
    lazy = Lazy(len(ITEMS))
    with ThreadPool(2) as pool:
        results = getattr(pool, way)(abs, lazy)
        assert [next(results) for _ in ITEMS] and lazy.asked == 0
        assert len(results) == len(results) == len(ITEMS) and lazy.asked == 1
        alive = weakref.ref(lazy)
        del lazy
        assert eventually(lambda: alive() is None)  # it isn't kept for another question
        results = getattr(pool, way)(abs, Lazy(3))
        assert sum(1 for _ in results) == len(ITEMS)
        with pytest.raises(TypeError, match="no length"):  # nothing is to come
            len(results)


def test_a_range_may_be_longer_than_any_length() -> None:
    for way, numbers, chunksize in (("imap", range(2**70), 1), ("imap_unordered", range(-(2**70), 0), 5)):
        with ThreadPool(1) as pool:  # reads on, until it ends
            results = getattr(pool, way)(abs, numbers, chunksize)
            with pytest.raises(TypeError, match="no length"):
                len(results)
            assert next(results) >= 0
    with offgil.ThreadPoolExecutor(2) as executor:
        assert next(executor.map(abs, range(2**70), progress=True, buffersize=1)) == 0


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


@pytest.mark.parametrize("way", ["imap", "imap_unordered"])
def test_a_bar_is_closed_by_the_error_that_ends_its_chunks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    import tqdm.auto

    closed: list[bool] = []
    close = tqdm.auto.tqdm.close
    monkeypatch.setattr(tqdm.auto.tqdm, "close", lambda bar: (closed.append(True), close(bar)))
    with ThreadPool(1) as pool:
        results = getattr(pool, way)(int, ["x", "1", "2", "3"], 2, progress=True)
        with pytest.raises(ValueError, match="invalid literal"):
            next(results)
        assert closed == [True]
        assert list(results) == []
    assert capsys.readouterr().err != ""

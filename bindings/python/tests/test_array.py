"""`map_array`: what it takes, what it refuses, and that it can be stopped."""

from __future__ import annotations

import array
import ctypes
import math
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import numpy
import pytest
from conftest import PATIENCE, Gate, Native, eventually, run_script

import offgil

libc, libm = ctypes.CDLL(None), ctypes.CDLL("libm.so.6")
cos = offgil.native(libm.cos, "f64(f64)")
labs = offgil.native(libc.labs, "i64(i64)")


@pytest.fixture
def pool() -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(2) as executor:
        yield executor


def test_every_item_is_mapped(pool: offgil.ThreadPoolExecutor) -> None:
    values = array.array("d", [index / 7 for index in range(10_000)])
    assert pool.map_array(cos, values).tolist() == [math.cos(value) for value in values]
    out = array.array("d", bytes(8 * len(values)))
    assert pool.map_array(cos, values, out) is out
    assert out.tolist() == [math.cos(value) for value in values]


def test_strides_and_dimensions_are_followed(pool: offgil.ThreadPoolExecutor) -> None:
    values = memoryview(array.array("l", range(-50, 50)))
    assert pool.map_array(labs, values[::-3]).tolist() == [abs(value) for value in values[::-3].tolist()]
    matrix = values.cast("B").cast("l", (20, 5))
    mapped = pool.map_array(labs, matrix)
    assert mapped.tolist() == [[abs(value) for value in row] for row in matrix.tolist()]
    out = memoryview(array.array("l", bytes(1600)))
    pool.map_array(labs, values, out[::2])
    assert out.tolist()[:4] == [50, 0, 49, 0]


LETTERS = "bBhHiIlLfd"
WRITABLE = 2  # ND_WRITABLE of _testbuffer
WORDS = dict(zip(LETTERS, ["i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64"], strict=True))


@pytest.mark.parametrize("letter", LETTERS)
def test_each_type_goes_in_and_comes_out(pool: offgil.ThreadPoolExecutor, letter: str) -> None:
    made_of = {"f": libm.fabsf, "d": libm.fabs}.get(letter, libc.labs if letter in "lL" else libc.abs)
    called = offgil.native(made_of, f"{WORDS[letter]}({WORDS[letter]})")
    values = array.array(letter, [3, 5, 7])
    assert pool.map_array(called, values).tolist() == [3, 5, 7]


def test_no_items_are_fine(pool: offgil.ThreadPoolExecutor) -> None:
    assert pool.map_array(cos, array.array("d")).tolist() == []


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 3)])
def test_no_items_of_more_dimensions_are_a_memoryview_of_their_shape(
    pool: offgil.ThreadPoolExecutor, shape: tuple[int, ...]
) -> None:
    values = numpy.empty(shape, "f4")
    called = offgil.native(libc.abs, "i64(f32)")
    mapped = pool.map_array(called, memoryview(values))
    assert (mapped.shape, mapped.format, mapped.itemsize, mapped.readonly) == (shape, "l", 8, False)
    assert mapped.tolist() == values.tolist()
    assert pool.map_array(called, memoryview(values), mapped) is mapped
    assert numpy.asarray(mapped).shape == shape


@pytest.mark.parametrize("letter", ["<l", "=l", "<L", "=L"])
def test_items_of_the_standard_size_are_no_longs(pool: offgil.ThreadPoolExecutor, letter: str) -> None:
    standard = pytest.importorskip("_testbuffer").ndarray([1, 2, 3], shape=[3], format=letter, flags=WRITABLE)
    word = WORDS[letter[1]]
    called = offgil.native(libc.labs, f"{word}({word})")
    own = array.array(letter[1], [1, 2, 3])
    reason = rf"items of 8 bytes, and those of format '{letter}' have 4: copy them .* format '{letter[1]}'"
    with pytest.raises(TypeError, match=f"takes {reason}"):
        pool.map_array(called, standard)
    with pytest.raises(TypeError, match=f"returns {reason}"):
        pool.map_array(called, own, standard)


@pytest.mark.parametrize(
    ("function", "values", "out"),
    [
        (cos, array.array("f", [1]), None),
        (cos, array.array("d", [1]), array.array("f", [1])),
        (cos, array.array("d", [1]), array.array("d", [1, 2])),
        (cos, array.array("d", [1]), bytes(8)),
        (cos, [1.0], None),
        (math.cos, array.array("d", [1]), None),
        (offgil.native(libc.memset, "ptr(ptr,i32,u64)"), array.array("d", [1]), None),
    ],
)
def test_what_does_not_fit_is_refused(
    pool: offgil.ThreadPoolExecutor, function: Any, values: Any, out: Any
) -> None:
    with pytest.raises((TypeError, ValueError)):
        pool.map_array(function, values, out)


def test_a_task_may_map_in_its_own_pool_of_one() -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        values = array.array("d", [1.0, 2.0])
        assert pool.submit(lambda: pool.map_array(cos, values).tolist()).result(30) == [
            math.cos(1.0),
            math.cos(2.0),
        ]


def test_a_pool_that_is_shut_down_maps_nothing() -> None:
    pool = offgil.ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.map_array(cos, array.array("d", [1]))


def test_the_caller_maps_itself_where_the_queue_is_full_and_that_is_asked_for(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    values = array.array("d", [index / 7 for index in range(10_000)])
    with offgil.ThreadPoolExecutor(1, queue_limit=1, when_full="run") as pool:
        pool.submit(enter, gate.address)
        gate.await_entered()
        pool.submit(libc.abs, -3)
        try:
            assert pool.map_array(cos, values).tolist() == [math.cos(value) for value in values]
            assert pool.map_array(cos, array.array("d")).tolist() == []
        finally:
            gate.open()


def test_a_caller_that_maps_itself_maps_all_though_its_own_task_is_asked_to_stop(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    begun, go = threading.Event(), threading.Event()
    with (
        offgil.ThreadPoolExecutor(1) as around,
        offgil.ThreadPoolExecutor(1, queue_limit=1, when_full="run") as pool,
    ):

        def mapped() -> Any:
            begun.set()
            assert go.wait(PATIENCE)
            return pool.map_array(labs, array.array("l", [-1]) * 10_000).tolist()

        pool.submit(enter, gate.address)
        gate.await_entered()
        pool.submit(libc.abs, -3)
        try:
            future = around.submit(mapped)
            assert begun.wait(PATIENCE)
            around.shutdown(wait=False, cancel_futures=True)
            go.set()
            assert future.result(PATIENCE) == [1] * 10_000
        finally:
            gate.open()


def test_a_pool_that_is_canceled_before_all_items_are_done_is_an_error(gate: Gate, native: Native) -> None:
    waits = offgil.native(native.gate_enter, "i64(i64)")
    values = array.array("l", [gate.address]) * 10_000
    out = array.array("l", bytes(80_000))

    def cancel() -> None:
        gate.await_entered()
        pool.shutdown(wait=False, cancel_futures=True)
        gate.open(len(values))

    with offgil.ThreadPoolExecutor(1) as pool, futures.ThreadPoolExecutor(1) as other:
        other.submit(cancel)
        with pytest.raises(futures.CancelledError, match="canceled before all items were done"):
            pool.map_array(waits, values, out)
    assert (out[0], out[-1]) == (gate.address, 0)


def test_a_pool_that_is_canceled_before_the_first_item_is_the_same_error(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    with futures.ThreadPoolExecutor(1) as other, offgil.ThreadPoolExecutor(1) as pool:
        pool.submit(enter, gate.address)
        gate.await_entered()
        try:
            future = other.submit(pool.map_array, cos, array.array("d", [1]))
            assert eventually(lambda: pool.stats()["tasks_queued"] == 1)
            pool.shutdown(wait=False, cancel_futures=True)
            with pytest.raises(futures.CancelledError, match="canceled before all items were done"):
                future.result(PATIENCE)
        finally:
            gate.open()


def test_a_caller_that_maps_itself_can_be_interrupted() -> None:
    code = """
import array, ctypes, offgil, os, signal, threading
libc = ctypes.CDLL(None)
sleep = offgil.native(libc.usleep, "i32(i32)")
pool = offgil.ThreadPoolExecutor(1, queue_limit=1, when_full="run")
long = pool.submit(libc.sleep, 60)
while not long.running(): pass
pool.submit(libc.sleep, 60)
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    pool.map_array(sleep, array.array("i", [100]) * 10_000_000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
os._exit(0)
"""
    assert run_script(code) == (0, "interrupted\n", "")


def test_ctrl_c_stops_it() -> None:
    code = """
import array, ctypes, offgil, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # not if it was started in the background
sleep = offgil.native(ctypes.CDLL(None).usleep, "i32(i32)")
with offgil.ThreadPoolExecutor(2) as pool:
    try:
        print("mapping", flush=True)
        pool.map_array(sleep, array.array("i", [100]) * 10_000_000)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mapping\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"


def read_only(count: int) -> Any:
    values = numpy.zeros(count)
    values.flags.writeable = False
    return values


@pytest.mark.parametrize(
    ("values", "out", "error", "reason"),
    [
        (numpy.zeros(4), numpy.zeros(3), ValueError, r"out is of shape \(3,\), not \(4,\)"),
        (numpy.zeros(4), numpy.zeros((2, 2)), ValueError, r"out is of shape \(2, 2\), not \(4,\)"),
        (numpy.zeros(4), numpy.zeros(4, "f4"), TypeError, "returns items of format 'd', not 'f'"),
        (numpy.zeros(4), numpy.zeros(4, ">f8"), TypeError, "returns items of format 'd', not '>d'"),
        (numpy.zeros(4), numpy.zeros(4, object), TypeError, "returns items of format 'd', not 'O'"),
        (numpy.zeros(4), read_only(4), TypeError, "out is read-only"),
        (numpy.zeros(4), bytes(32), TypeError, "returns items of format 'd', not 'B'"),
        (numpy.zeros(4), [0.0] * 4, TypeError, "list"),
        (numpy.zeros(4, int), None, TypeError, "takes items of format 'd', not 'l'"),
        (numpy.zeros(4, ">f8"), None, TypeError, "takes items of format 'd', not '>d'"),
        (numpy.zeros(4, complex), None, TypeError, "takes items of format 'd', not 'Zd'"),
        (numpy.array(1.0), None, TypeError, "at least one dimension"),
        ([1.0], None, TypeError, "list"),
    ],
)
def test_each_refusal_says_why(
    pool: offgil.ThreadPoolExecutor, values: Any, out: Any, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        pool.map_array(cos, values, out)


def test_numpy_arrays_come_out_as_such(pool: offgil.ThreadPoolExecutor) -> None:
    values = numpy.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::-2]
    mapped = pool.map_array(cos, values)
    assert type(mapped) is numpy.ndarray
    assert mapped.shape == values.shape
    assert numpy.array_equal(
        mapped, [[[math.cos(value) for value in row] for row in part] for part in values]
    )
    assert pool.map_array(cos, values, values) is values
    assert numpy.array_equal(values, mapped)
    fixed = read_only(3)
    assert pool.map_array(cos, fixed).tolist() == [1.0, 1.0, 1.0]
    assert pool.map_array(cos, numpy.zeros((3, 0))).shape == (3, 0)


def test_what_has_no_types_or_cannot_be_carried_is_refused(pool: offgil.ThreadPoolExecutor) -> None:
    by_struct = ctypes.CDLL(None)["div"]
    by_struct.argtypes, by_struct.restype = [ctypes.c_int, ctypes.c_int], ctypes.py_object
    for function in (libm.cos, by_struct, offgil.native(by_struct), math.cos, cos.function):
        with pytest.raises(TypeError, match="types are known: set argtypes and restype"):
            pool.map_array(function, numpy.zeros(4))
    typed = ctypes.CDLL("libm.so.6").cos
    typed.argtypes, typed.restype = [ctypes.c_double], ctypes.c_double
    assert pool.map_array(typed, numpy.zeros(2)).tolist() == [1.0, 1.0]

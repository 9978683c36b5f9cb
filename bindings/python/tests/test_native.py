"""`native`, and what `submit` takes for native by itself: types, conversions, buffers, refusals."""

from __future__ import annotations

import array
import ctypes
import gc
import math
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Gate, Native, run_script

import offgil

PATIENCE = 30.0
libc, libm = ctypes.CDLL(None), ctypes.CDLL("libm.so.6")


@pytest.fixture
def pool() -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(2) as executor:
        yield executor


def function(name: str, result: Any, *arguments: Any, library: ctypes.CDLL = libc) -> Any:
    """A function of its own with these types."""
    made = library[name]
    made.restype, made.argtypes = result, list(arguments)
    return made


INTEGERS = [
    getattr(ctypes, f"c_{name}")
    for name in (
        "byte",
        "ubyte",
        "short",
        "ushort",
        "int",
        "uint",
        "long",
        "ulong",
        "int8",
        "uint64",
        "size_t",
    )
]


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, 255, 2**31, -(2**31), 2**63, 2**64 - 1, 2**70, True])
def test_integers_of_all_sizes_are_as_in_ctypes(
    pool: offgil.ThreadPoolExecutor, kind: Any, value: int
) -> None:
    identity = function("labs" if kind in (ctypes.c_long,) else "abs", ctypes.c_int, ctypes.c_int)
    toupper = function("htons" if ctypes.sizeof(kind) == 2 else "htonl", kind, kind)
    for called in (identity, toupper):
        for argument in (value, called.argtypes[0](value)):
            future = pool.submit(called, argument)
            assert future.native
            assert future.result(PATIENCE) == called(argument)


@pytest.mark.parametrize("value", [0.5, -0.0, 3, True, math.inf, ctypes.c_double(2.5)])
def test_floating_point_is_as_in_ctypes(pool: offgil.ThreadPoolExecutor, value: Any) -> None:
    double = function("fabs", ctypes.c_double, ctypes.c_double, library=libm)
    future = pool.submit(double, value)
    assert future.native
    assert future.result(PATIENCE) == double(value)
    single = function("fabsf", ctypes.c_float, ctypes.c_float, library=libm)
    if not isinstance(value, ctypes.c_double):
        assert pool.submit(single, value).result(PATIENCE) == single(value)


def test_pointers_are_as_in_ctypes(pool: offgil.ThreadPoolExecutor) -> None:
    numbers = (ctypes.c_int * 4)(4, 3, 2, 1)
    target = (ctypes.c_int * 4)()
    pointer = ctypes.POINTER(ctypes.c_int)
    for kind, to, source in (
        (ctypes.c_void_p, target, numbers),
        (ctypes.c_void_p, ctypes.addressof(target), ctypes.byref(numbers)),
        (pointer, target, numbers),
        (pointer, ctypes.cast(target, pointer), ctypes.cast(numbers, pointer)),
    ):
        target[:] = [0] * 4
        copy = function("memcpy", ctypes.c_void_p, kind, kind, ctypes.c_size_t)
        future = pool.submit(copy, to, source, 16)
        assert future.native
        assert future.result(PATIENCE) == ctypes.addressof(target)
        assert list(target) == [4, 3, 2, 1]


def test_texts_and_null_are_as_in_ctypes(pool: offgil.ThreadPoolExecutor) -> None:
    length = function("strlen", ctypes.c_size_t, ctypes.c_char_p)
    assert pool.submit(length, b"four").result(PATIENCE) == 4
    unset = function("time", ctypes.c_long, ctypes.c_void_p)
    assert abs(pool.submit(unset, None).result(PATIENCE) - time.time()) < 60
    find = function("memchr", ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t)
    assert pool.submit(find, b"abc", ord("z"), 3).result(PATIENCE) is None


def test_a_function_without_argtypes_is_called_by_its_arguments(pool: offgil.ThreadPoolExecutor) -> None:
    called = ctypes.CDLL(None).abs
    for argument in (-5, ctypes.c_int(-5), 2**32 - 5, -(2**40) - 5):
        future = pool.submit(called, argument)
        assert future.native
        assert future.result(PATIENCE) == called(argument)
    strlen = ctypes.CDLL(None).strlen
    for text in (b"four", ctypes.c_char_p(b"four"), ctypes.create_string_buffer(b"four")):
        assert pool.submit(strlen, text).result(PATIENCE) == 4


def test_void_results_are_none(pool: offgil.ThreadPoolExecutor) -> None:
    assert pool.submit(function("srand", None, ctypes.c_uint), 3).result(PATIENCE) is None


def test_errno_comes_back_with_the_result(pool: offgil.ThreadPoolExecutor) -> None:
    future = pool.submit(ctypes.CDLL(None).close, -1)
    assert future.result(PATIENCE) == -1
    assert future.errno == 9
    assert pool.submit(ctypes.CDLL(None).abs, -1).errno in (None, 0)
    assert pool.submit(abs, -1).errno is None


class Odd(ctypes.c_int):
    """A subclass, which ctypes gives as it is."""


class Converter:
    """An argument type that converts."""

    @classmethod
    def from_param(cls, value: int) -> Any:
        return ctypes.c_int(value + 1)


def odd_functions() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Calls that only ctypes itself can do as ctypes does."""
    yield "PyDLL", ctypes.PyDLL(None).abs, (-3,)
    api = ctypes.pythonapi.PyLong_FromLong
    api.restype = ctypes.py_object
    yield "pythonapi", api, (3,)
    checked = function("abs", ctypes.c_int, ctypes.c_int)
    checked.errcheck = lambda result, function, arguments: result + 100
    yield "errcheck", checked, (-3,)
    yield "callable restype", function("abs", lambda result: -result, ctypes.c_int), (-3,)
    yield "subclass restype", function("abs", Odd, ctypes.c_int), (-3,)
    yield "from_param", function("abs", ctypes.c_int, Converter), (-3,)
    yield "thunk", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda value: value * 2), (21,)
    yield "more arguments than types", function("abs", ctypes.c_int, ctypes.c_int), (-3, 4)
    yield "text result", function("getenv", ctypes.c_char_p, ctypes.c_char_p), (b"PATH",)
    yield "text argument", ctypes.CDLL(None).wcslen, ("four",)
    yield "float without argtypes", ctypes.CDLL(None).abs, (1.5,)
    yield "wrong type", function("abs", ctypes.c_int, ctypes.c_int), ("x",)
    yield "too few", function("labs", ctypes.c_long, ctypes.c_long), ()
    yield "bytearray", function("strlen", ctypes.c_size_t, ctypes.c_void_p), (bytearray(b"x"),)
    flagged = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(("abs", libc), ((1, "value", -8),))
    yield "parameter flags", flagged, ()


def outcome(call: Any) -> tuple[Any, ...]:
    try:
        value = call()
    except Exception as error:
        return type(error), str(error)
    return type(value), getattr(value, "value", value)


@pytest.mark.parametrize("odd", list(odd_functions()), ids=lambda odd: odd[0])
def test_what_only_ctypes_can_do_runs_the_ordinary_way(
    pool: offgil.ThreadPoolExecutor, odd: tuple[str, Any, tuple[Any, ...]]
) -> None:
    _, called, arguments = odd
    future = pool.submit(called, *arguments)
    assert not future.native
    assert outcome(lambda: future.result(PATIENCE)) == outcome(lambda: called(*arguments))


def test_a_change_of_types_is_seen(pool: offgil.ThreadPoolExecutor) -> None:
    called = function("abs", ctypes.c_int, ctypes.c_int)
    assert pool.submit(called, -3).native
    called.errcheck = lambda result, function, arguments: result + 100
    assert pool.submit(called, -3).result(PATIENCE) == 103
    called = function("abs", ctypes.c_int, ctypes.c_int)
    assert pool.submit(called, -3).native
    called.restype = None
    assert pool.submit(called, -3).result(PATIENCE) is None


def test_wrong_arguments_of_a_native_function_raise_at_submit(pool: offgil.ThreadPoolExecutor) -> None:
    called = offgil.native(libc.labs, "i32(i32)")
    for arguments in ((), (1, 2), ("x",), (1.5,), (2**31,), (None,)):
        with pytest.raises((TypeError, OverflowError)):
            pool.submit(called, *arguments)
    with pytest.raises(TypeError, match="keyword"):
        pool.submit(called, value=1)
    by_ctypes = offgil.native(function("abs", ctypes.c_int, ctypes.c_int))
    with pytest.raises(TypeError, match="argument 1"):
        pool.submit(by_ctypes, "x")


@pytest.mark.parametrize(
    ("made_of", "signature"),
    [
        (0, "i32()"),
        (-1, "i32()"),
        ("abs", "i32()"),
        (abs, None),
        (1, None),
        (libc.abs, "i32("),
        (libc.abs, "x()"),
    ],
)
def test_what_is_no_native_function_is_refused(made_of: Any, signature: str | None) -> None:
    with pytest.raises((TypeError, ValueError)):
        offgil.native(made_of, signature)
    with pytest.raises(TypeError, match="GIL"):
        offgil.native(ctypes.pythonapi.Py_IsInitialized)


@pytest.mark.parametrize("signature", [None, "void()"])
def test_null_is_no_function(signature: str | None) -> None:
    for null in (ctypes.CFUNCTYPE(None)(), ctypes.cast(None, ctypes.CFUNCTYPE(None))):
        with pytest.raises(ValueError, match="NULL is no function"):
            offgil.native(null, signature)
    with pytest.raises(TypeError, match="NoneType"):
        offgil.native(None, signature)


def test_texts_go_for_untyped_pointers_and_for_those_of_characters(pool: offgil.ThreadPoolExecutor) -> None:
    untyped = function("strlen", ctypes.c_size_t, ctypes.c_void_p)
    for called in (
        untyped,
        offgil.native(untyped),
        offgil.native(libc.strlen, "u64(ptr)"),
        offgil.native(libc.strlen, "size_t (const char *)"),
    ):
        for text, length in ((ctypes.c_char_p(b"four"), 4), (ctypes.c_wchar_p("four"), 1)):
            future = pool.submit(called, text)
            assert (future.native, future.result(PATIENCE)) == (True, length)
            assert called(text) == length
        null = pool.submit(offgil.native(libc.time, "i64(ptr)"), ctypes.c_char_p())
        assert abs(null.result(PATIENCE) - time.time()) < 60


def test_a_text_goes_by_reference_for_a_pointer_to_texts(
    pool: offgil.ThreadPoolExecutor,
) -> None:
    text = ctypes.c_char_p(b"four")
    same = function("memset", ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_size_t)
    for called in (same, offgil.native(same)):
        future = pool.submit(called, text, 0, 0)
        assert (future.native, future.result(PATIENCE)) == (True, ctypes.addressof(text))


def test_an_address_with_a_signature_is_native(pool: offgil.ThreadPoolExecutor, native: Native) -> None:
    assert pool.submit(offgil.native(native.twice, "u64(u64)"), 21).result(PATIENCE) == 42
    spaced = offgil.native(native.twice, " u64 ( u64 ) ")
    assert list(pool.map(spaced, range(5))) == [0, 2, 4, 6, 8]


def test_a_capsule_with_a_signature_is_native(pool: offgil.ThreadPoolExecutor) -> None:
    version = offgil.native(offgil.capi.__pyx_capi__["offgil_version"], "u32()")
    assert pool.submit(version).result(PATIENCE) == offgil.lib.offgil_version()


def test_buffers_are_worked_on_in_place(pool: offgil.ThreadPoolExecutor) -> None:
    fill = offgil.native(libc.memset, "ptr(ptr,i32,u64)")
    data = bytearray(4)
    pool.submit(fill, data, 65, 3).result(PATIENCE)
    assert data == b"AAA\0"
    pool.submit(fill, memoryview(data)[1:], 66, 2).result(PATIENCE)
    assert data == b"ABB\0"
    typed = offgil.native(
        function("memset", ctypes.c_void_p, ctypes.POINTER(ctypes.c_double), ctypes.c_int, ctypes.c_size_t)
    )
    numbers = array.array("d", [1.0, 2.0])
    pool.submit(typed, numbers, 0, 16).result(PATIENCE)
    assert list(numbers) == [0.0, 0.0]
    with pytest.raises(TypeError, match="floating-point"):
        pool.submit(typed, array.array("q", [1]), 0, 8)
    with pytest.raises(ValueError, match="contiguous"):
        pool.submit(fill, memoryview(data)[::2], 0, 1)


LINKED = """
import ctypes, itertools, offgil
from ctypes import POINTER, Structure, byref, c_char, c_size_t, pointer

Callback = ctypes.CFUNCTYPE(None)

class Cell(Structure):
    pass

Cell._fields_ = [
    ("text", c_char * 8), ("before", POINTER(Cell)), ("after", POINTER(Cell)), ("call", Callback)
]

def chain(count, back):
    cells = [Cell(b"four") for _ in range(count)]
    for before, after in itertools.pairwise(cells):
        before.after = pointer(after)
        if back:
            after.before = pointer(before)
    return cells

def ring():
    cells = chain(2, True)
    cells[1].after = pointer(cells[0])
    return cells

def calling(count):
    cells = chain(count, False)
    cells[-1].call = Callback(lambda: None)
    return cells

libc = ctypes.CDLL(None)
typed = ctypes.CDLL(None).strlen
typed.argtypes = [ctypes.c_void_p]
with offgil.ThreadPoolExecutor(1) as pool:
    for cells in (ring(), chain(3, True), chain(50, False), chain(3000, True), calling(50), calling(1)):
        for data in (byref(cells[0]), pointer(cells[0]), cells[0].after or byref(cells[0])):
            for strlen in (libc.strlen, typed, offgil.native(typed), offgil.native(libc.strlen, "u64(ptr)")):
                future = pool.submit(strlen, data)
                assert future.result(30) == 4
                print(future.native, end=" ")
        print()
"""


def test_data_that_lead_to_each_other_are_native_unless_they_lead_to_python_or_too_far() -> None:
    status, output, errors = run_script(LINKED)
    assert (status, errors) == (0, "")
    assert [line.split() for line in output.splitlines()] == [
        [native] * 12 for native in ("True", "True", "True", "False", "False", "False")
    ]


def test_a_part_of_data_leads_to_what_the_whole_does(pool: offgil.ThreadPoolExecutor) -> None:
    class Inner(ctypes.Structure):
        _fields_ = [("text", ctypes.c_char * 8), ("call", ctypes.CFUNCTYPE(None))]

    class Outer(ctypes.Structure):
        _fields_ = [("inner", Inner)]

    outer = Outer()
    future = pool.submit(libc.strlen, ctypes.byref(outer.inner))
    assert (future.native, future.result(PATIENCE)) == (True, 0)
    outer.inner.call = ctypes.CFUNCTYPE(None)(lambda: None)
    future = pool.submit(libc.strlen, ctypes.byref(outer.inner))
    assert (future.native, future.result(PATIENCE)) == (False, 0)


def test_each_pointer_of_many_is_native(pool: offgil.ThreadPoolExecutor) -> None:
    rows = (ctypes.POINTER(ctypes.c_byte) * 900)(*(ctypes.pointer(ctypes.c_byte()) for _ in range(900)))
    future = pool.submit(libc.strlen, rows[899])
    assert (future.native, future.result(PATIENCE)) == (True, 0)


def test_a_buffer_is_kept_until_its_task_has_ended_and_no_longer(
    pool: offgil.ThreadPoolExecutor, native: Native
) -> None:
    gate = Gate(native)

    class Memory(bytearray):
        """One that can be watched."""

    data = Memory(8)
    alive = weakref.ref(data)
    wait = offgil.native(native.gate_enter, "ptr(ptr,ptr)")
    pool.submit(wait, gate.address, data)  # nobody keeps the future
    del data
    gate.await_entered()
    gc.collect()
    assert alive() is not None
    gate.open()
    deadline = time.monotonic() + PATIENCE
    while alive() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert alive() is None
    gate.close()

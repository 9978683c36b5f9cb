"""What `submit` recognises ends as the ordinary call does: each type of C with a table of values."""

from __future__ import annotations

import array
import ctypes
import enum
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import pytest
from kinds import TYPES, FunctionKind, Kinds, Pair

import offgil

PATIENCE = 30.0
ABS = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p).value
KINDS = ["ctypes", "abi", "api"]


class Index:
    """What is an integer by `__index__`."""

    def __index__(self) -> int:
        return 5


class Floating:
    """What is a number by `__float__`."""

    def __float__(self) -> float:
        return 2.5


class Number(enum.IntEnum):
    """An int of another class."""

    SEVEN = 7


class Text(bytes):
    """A subclass of bytes."""


class Real(float):
    """A subclass of float."""

    def __float__(self) -> float:
        return 99.0


NUMBERS: list[Any] = [
    *(sign * 2**power + step for power in (0, 7, 8, 15, 16, 31, 32, 63, 64, 70, 2000)
      for sign in (1, -1) for step in (-1, 0, 1)),
    True, 0.0, -0.0, 1.5, -2.5, 1e300, 1e-320, 3.4e38, math.inf, -math.inf, math.nan, 1j,
    Number.SEVEN, Index(), Floating(), Real(1.5), Fraction(1, 2), Decimal("1.5"),
    numpy.int64(3), numpy.uint8(200), numpy.float64(1.5), numpy.float32(1.5), numpy.bool_(True),
    numpy.array(3),
]  # fmt: skip
OTHERS: list[Any] = [
    None, "", "a", "é", "four", b"", b"a", b"ab", b"\xff", Text(b"a"), bytearray(b"a"), memoryview(b"a"),
    [1], [1, 2], [b"a"], [1.5], ["a"], [2**40], (3,), {}, {"left": 9}, [4, 5], object(), int, abs,
    array.array("i", [7]), numpy.arange(3.0), numpy.arange(3, dtype=numpy.int32),
]  # fmt: skip


def of_ctypes() -> list[Any]:
    integer, text = ctypes.c_int(7), ctypes.create_string_buffer(b"text")
    numbers = (ctypes.c_int * 3)(7, 8, 9)
    pair = Pair(9, 4)
    return [
        *(kind(7) for kind in (ctypes.c_byte, ctypes.c_ubyte, ctypes.c_short, ctypes.c_int, ctypes.c_long)),
        *(kind(7) for kind in (ctypes.c_ulong, ctypes.c_float, ctypes.c_double, ctypes.c_longdouble)),
        ctypes.c_bool(True), ctypes.c_char(b"x"), ctypes.c_wchar("x"), ctypes.c_void_p(0),
        ctypes.c_char_p(b"text"), ctypes.c_char_p(None), ctypes.c_wchar_p("text"), text, numbers, pair,
        ctypes.byref(integer), ctypes.byref(numbers), ctypes.byref(pair), ctypes.pointer(integer),
        ctypes.pointer(pair), ctypes.pointer(ctypes.c_double(2.5)), ctypes.POINTER(ctypes.c_int)(),
        ctypes.cast(numbers, ctypes.POINTER(ctypes.c_int)), ctypes.cast(numbers, ctypes.c_void_p),
        FunctionKind(lambda value: value + 1), ctypes.CDLL(None).abs,
    ]  # fmt: skip


def of_cffi(ffi: Any) -> list[Any]:
    return [
        *(ffi.cast(name, 7) for name in ("int", "char", "_Bool", "long", "unsigned char", "wchar_t")),
        *(ffi.cast(name, 1.5) for name in ("float", "double", "long double")),
        ffi.cast("enum color", 5), ffi.NULL, ffi.cast("int *", 0), ffi.cast("char *", 0),
        *(ffi.new(name, 7) for name in ("int *", "unsigned *", "long *", "double *", "int8_t *")),
        ffi.new("char[]", b"text"), ffi.new("char *", b"t"), ffi.new("unsigned char[]", b"text"),
        ffi.new("signed char *", 7), ffi.new("_Bool *", 1), ffi.new("wchar_t[]", "text"),
        ffi.new("int[]", [7, 8]), ffi.new("int[2]"), ffi.new("unsigned[2]"), ffi.new("double[2]", [2.5, 1]),
        ffi.new("pair *", [9, 4]), ffi.new("pair *", [9, 4])[0], ffi.new("pair[2]"), ffi.new("int *[2]"),
        ffi.from_buffer(bytearray(b"text")), ffi.from_buffer("int[]", bytearray(8)),
        ffi.gc(ffi.new("int *", 7), lambda pointer: None), ffi.callback("int(int)", lambda value: value + 1),
        ffi.cast("int(*)(int)", 0), ffi.cast("int(*)(int)", ABS),
    ]  # fmt: skip


def outcome(call: Any) -> tuple[Any, ...]:
    try:
        value = call()
    except Exception as error:
        return type(error), str(error)
    if isinstance(value, Pair):
        return Pair, value.left, value.right
    if isinstance(value, ctypes._Pointer):
        return type(value), ctypes.cast(value, ctypes.c_void_p).value
    if isinstance(value, ctypes._CFuncPtr):
        return ctypes.cast(value, ctypes.c_void_p).value, type(value)
    return type(value), repr(value)


def is_beyond_comparison(name: str, value: Any) -> bool:
    """Whether each call has an address of its own for it, or plain ctypes itself crashes."""
    if name in ("same_void", "same_text", "same_ints", "same_pair"):
        return isinstance(value, (str, list, tuple, dict))
    return name in ("same_function", "same_by_value") and isinstance(
        value, type(ctypes.byref(ctypes.c_int()))
    )


ONE_ARGUMENT = [name for name, (_, arguments) in TYPES.items() if len(arguments) == 1 and name != "refuse"]


@pytest.fixture(scope="module")
def pool() -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_each_value_is_converted_and_refused_as_in_the_ordinary_call(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str, name: str
) -> None:
    function = kinds.get(kind, name)
    ffi = kinds.api_ffi if kind == "api" else kinds.ffi
    # Only for those that don't look at what is there.
    odd = [[], ctypes.c_void_p(64), ffi.cast("void *", 64), ffi.new_handle(ffi)]
    for value in [*NUMBERS, *OTHERS, *of_ctypes(), *of_cffi(ffi), *(odd if name.startswith("same") else ())]:
        if is_beyond_comparison(name, value):
            continue
        future = pool.submit(function, value)
        found = outcome(lambda future=future: future.result(PATIENCE))
        assert found == outcome(lambda value=value: function(value)), (name, value, future.native)


# Of NumPy before 2.3, about its bool as an integer.
@pytest.mark.filterwarnings("ignore:In future, it will be an error:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in ONE_ARGUMENT if name.startswith("same")])
def test_a_declared_function_refuses_at_submit_or_gives_what_the_ordinary_call_gives(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str, name: str
) -> None:
    function = kinds.get(kind, name)
    ffi = kinds.api_ffi if kind == "api" else kinds.ffi
    declared = offgil.native(function)
    for value in [*NUMBERS, *OTHERS, *of_ctypes(), *of_cffi(ffi)]:
        if is_beyond_comparison(name, value):
            continue
        ordinary = outcome(lambda value=value: function(value))
        try:
            future = pool.submit(declared, value)
        except (TypeError, ValueError, OverflowError) as error:
            assert str(error).startswith("argument 1: "), (value, error)
            continue
        found = outcome(lambda future=future: future.result(PATIENCE))
        if isinstance(ordinary[0], type) and issubclass(ordinary[0], Exception):
            # A declared one takes more: what has __index__ or __float__, and buffers.
            taken = hasattr(value, "__index__") or hasattr(value, "__float__") or is_buffer(value)
            assert taken or not future.native, (value, ordinary, found)
        else:
            assert found == ordinary, (value, future.native)


def is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("name", ["same_i32", "same_void", "same_text"])
def test_each_value_goes_to_a_function_without_argtypes_as_in_the_ordinary_call(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, name: str
) -> None:
    function = kinds.library[name]
    if name != "same_i32":
        function.restype = ctypes.c_void_p
    for value in [*NUMBERS, *OTHERS, *of_ctypes(), *of_cffi(kinds.ffi)]:
        # It would find what happens to be in a register, or each time another temporary text.
        if isinstance(value, (ctypes.c_float, ctypes.c_double, ctypes.c_longdouble, Pair, str)):
            continue
        future = pool.submit(function, value)
        found = outcome(lambda future=future: future.result(PATIENCE))
        assert found == outcome(lambda value=value: function(value)), (name, value, future.native)


def test_a_changed_type_is_seen_in_the_next_call(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    function = kinds.ctypes("same_i32")
    assert pool.submit(function, -1).result(PATIENCE) == -1
    function.restype = ctypes.c_uint32
    assert pool.submit(function, -1).result(PATIENCE) == 2**32 - 1
    function.argtypes = [ctypes.c_uint8]
    assert pool.submit(function, -1).result(PATIENCE) == 255
    function.argtypes = [ctypes.POINTER(ctypes.c_int)]
    with pytest.raises(ctypes.ArgumentError):
        pool.submit(function, -1).result(PATIENCE)


def test_many_arguments_of_many_types_go_as_in_the_ordinary_call(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds
) -> None:
    arguments = (-3, 2.9, 2**16 - 1, 4.5, b"a", -(2**40))
    for kind in KINDS:
        function = kinds.get(kind, "mixed")
        future = pool.submit(function, *arguments)
        assert (future.native, future.result(PATIENCE)) == (True, function(*arguments))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", [(), (1, 2), (1, 2, 3, 4, 5, 6, 7, 8)])
@pytest.mark.parametrize("name", ["same_i32", "nothing", "sum"])
def test_a_wrong_number_of_arguments_fails_as_in_the_ordinary_call(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str, name: str, arguments: tuple[Any, ...]
) -> None:
    function = kinds.get(kind, name)
    future = pool.submit(function, *arguments)
    assert outcome(lambda: future.result(PATIENCE)) == outcome(lambda: function(*arguments))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (f"same_{name}", 7)
            for name in ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64")
        ),
        ("same_f64", 1.5),
        ("same_f32", math.inf),
        ("same_char", b"x"),
        ("same_bool", True),
        ("same_bool", 0),
        ("same_color", -3),
        ("read_char", b"text"),
    ],
)
def test_what_fits_is_native(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str, name: str, value: Any
) -> None:
    function = kinds.get(kind, name)
    future = pool.submit(function, value)
    assert future.native
    assert future.result(PATIENCE) == function(value)

"""`native` of every kind of function: cffi, numba, SciPy, capsules, Cython, addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import cffi
import numba
import numpy
import pytest
from conftest import Gate, Native
from kinds import FunctionKind, Kinds, Pair
from numba import types
from scipy import LowLevelCallable
from scipy.special import cython_special

import offgil
import offgil.pool

PATIENCE = 30.0


@pytest.fixture(scope="module")
def pool() -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(1) as executor:
        yield executor


@numba.cfunc("float64(float64)")
def halved(value: float) -> float:
    return value / 2


@numba.cfunc(types.float64(types.CPointer(types.float64), types.intp))
def total(numbers: Any, count: int) -> float:
    found = 0.0
    for index in range(count):
        found += numbers[index]
    return found


@numba.cfunc(types.int64(types.int8, types.uint16, types.boolean, types.voidptr))
def mixed(first: int, second: int, third: bool, fourth: Any) -> int:
    return first + second + (1 if third else 0)


@numba.cfunc("complex128(complex128)")
def twice_complex(value: complex) -> complex:
    return value * 2


@numba.njit("float64(float64)")
def compiled(value: float) -> float:
    return value / 2


def capsule(module: ModuleType, name: str) -> Any:
    """What Cython exports under this name."""
    return vars(module)["__pyx_capi__"][name]


# Of each kind a function that gives back the double it got, or half of it.
MAKERS: dict[str, Callable[[Kinds, ModuleType], Any]] = {
    "ctypes": lambda kinds, exported: offgil.native(kinds.ctypes("same_f64")),
    "ctypes with a signature": lambda kinds, exported: offgil.native(kinds.library["same_f64"], "f64(f64)"),
    "cffi, ABI": lambda kinds, exported: offgil.native(kinds.abi.same_f64),
    "cffi, ABI, with a signature": lambda kinds, exported: offgil.native(
        kinds.abi.same_f64, "double (double)"
    ),
    "cffi, API": lambda kinds, exported: offgil.native(kinds.api.same_f64),
    "cffi, API, with a signature": lambda kinds, exported: offgil.native(kinds.api.same_f64, "f64(f64)"),
    "cffi, API, address": lambda kinds, exported: offgil.native(
        kinds.api_ffi.addressof(kinds.api, "same_f64")
    ),
    "cffi, cast": lambda kinds, exported: offgil.native(kinds.ffi.cast("double(*)(double)", halved.address)),
    "numba": lambda kinds, exported: offgil.native(halved),
    "numba with a signature": lambda kinds, exported: offgil.native(halved, "f64(f64)"),
    "numba by ctypes": lambda kinds, exported: offgil.native(halved.ctypes),
    "address": lambda kinds, exported: offgil.native(halved.address, "double (double)"),
    "LowLevelCallable of ctypes": lambda kinds, exported: offgil.native(
        LowLevelCallable(kinds.ctypes("same_f64"))
    ),
    "LowLevelCallable of cffi": lambda kinds, exported: offgil.native(LowLevelCallable(kinds.abi.same_f64)),
    "LowLevelCallable of numba": lambda kinds, exported: offgil.native(LowLevelCallable(halved.ctypes)),
    "LowLevelCallable of Cython": lambda kinds, exported: offgil.native(
        LowLevelCallable.from_cython(exported, "halved")
    ),
    "LowLevelCallable with a signature": lambda kinds, exported: offgil.native(
        LowLevelCallable(halved.ctypes), "f64(f64)"
    ),
    "Cython": lambda kinds, exported: offgil.native(capsule(exported, "halved")),
    "Cython with a signature": lambda kinds, exported: offgil.native(capsule(exported, "halved"), "f64(f64)"),
    "Cython, cpdef": lambda kinds, exported: offgil.native(capsule(exported, "both")),
}


@pytest.fixture(params=list(MAKERS))
def any_kind(request: pytest.FixtureRequest, kinds: Kinds, exported: ModuleType) -> Any:
    """A native function `double (double)` of each kind in turn."""
    return MAKERS[request.param](kinds, exported)


def test_each_kind_is_native(pool: offgil.ThreadPoolExecutor, any_kind: Any) -> None:
    future = pool.submit(any_kind, 3.0)
    assert future.native
    assert future.result(PATIENCE) == any_kind(3.0)
    assert future.errno == 0
    assert list(pool.map(any_kind, range(5))) == [any_kind(value) for value in range(5)]


def test_each_kind_maps_arrays(pool: offgil.ThreadPoolExecutor, any_kind: Any) -> None:
    values = numpy.arange(12.0).reshape(3, 4)[:, ::2]
    mapped = pool.map_array(any_kind, values)
    assert mapped.tolist() == [[any_kind(value) for value in row] for row in values.tolist()]


def in_thread_pool(threads: Any, function: Any) -> None:
    """The function of a double goes natively by each of the pool's ways."""
    values = [1.5, 2.0]
    expected = [function(value) for value in values]
    result = threads.apply_async(function, (values[0],))
    assert (result.get(PATIENCE), result.native) == (expected[0], True)
    assert threads.map(function, values) == expected
    assert list(threads.imap(function, values)) == expected
    assert sorted(threads.imap_unordered(function, values)) == sorted(expected)
    assert threads.starmap(function, [(value,) for value in values]) == expected


def test_each_kind_is_native_in_a_thread_pool(any_kind: Any) -> None:
    with offgil.pool.ThreadPool(1) as threads:
        in_thread_pool(threads, any_kind)


@pytest.mark.parametrize("kind", ["ctypes", "abi", "api"])
def test_a_thread_pool_recognises_functions_by_itself(kinds: Kinds, kind: str) -> None:
    by_value = offgil.native(kinds.get(kind, "same_by_value"))
    pair = (
        Pair(3, 4)
        if kind == "ctypes"
        else {"abi": kinds.ffi, "api": kinds.api_ffi}[kind].new("pair *", [3, 4])[0]
    )
    with offgil.pool.ThreadPool(1) as threads:
        in_thread_pool(threads, kinds.get(kind, "same_f64"))
        result = threads.apply_async(by_value, (pair,))
        assert (result.get(PATIENCE).right, result.native) == (4, False)
        assert [found.left for found in threads.map(by_value, [pair, pair])] == [3, 3]


@pytest.mark.parametrize("arguments", [(), (1.0, 2.0), ("x",), (None,), (b"x",), ([1.0],), (10**400,), (1j,)])
def test_wrong_arguments_of_each_kind_raise_at_submit(
    pool: offgil.ThreadPoolExecutor, any_kind: Any, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises((TypeError, OverflowError), match=r"argument 1: |takes 1 argument"):
        pool.submit(any_kind, *arguments)
    with pytest.raises(TypeError, match="keyword"):
        pool.submit(any_kind, value=1.0)


INTEGERS = {
    "i8": (-128, 127),
    "u8": (0, 255),
    "i16": (-(2**15), 2**15 - 1),
    "u16": (0, 2**16 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u32": (0, 2**32 - 1),
    "i64": (-(2**63), 2**63 - 1),
    "u64": (0, 2**64 - 1),
}


@pytest.mark.parametrize("kind", ["abi", "api", "text", "C text"])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_out_of_range_raise_at_submit(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str, name: str
) -> None:
    low, high = INTEGERS[name]
    texts = {"text": f"{name}({name})", "C text": f"{'u' * (low == 0)}int{name[1:]}_t (int{name[1:]}_t)"}
    if kind == "C text":
        texts[kind] = texts[kind].replace("(int", "(uint") if low == 0 else texts[kind]
    made_of = kinds.address(f"same_{name}") if kind in texts else kinds.get(kind, f"same_{name}")
    called = offgil.native(made_of, texts.get(kind))
    for value in (low, high, numpy.int64(7), True):
        assert pool.submit(called, value).result(PATIENCE) == value
    for value in (low - 1, high + 1, 2**70):
        with pytest.raises(OverflowError, match="argument 1"):
            pool.submit(called, value)
    with pytest.raises(TypeError, match="argument 1"):
        pool.submit(called, 1.0)


@pytest.mark.parametrize("kind", ["abi", "api"])
def test_a_pointer_comes_back_as_a_cdata_of_its_type(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str
) -> None:
    ffi = kinds.api_ffi if kind == "api" else kinds.ffi
    pair = ffi.new("pair *", [3, 4])
    future = pool.submit(kinds.get(kind, "same_pair"), pair)
    assert future.native
    assert (future.result(PATIENCE).left, future.result(PATIENCE).right) == (3, 4)
    text = ffi.new("char[]", b"text")
    assert ffi.string(pool.submit(kinds.get(kind, "same_text"), text).result(PATIENCE)) == b"text"
    null = pool.submit(kinds.get(kind, "same_void"), ffi.NULL).result(PATIENCE)
    assert null == ffi.NULL
    assert pool.submit(kinds.get(kind, "nothing")).result(PATIENCE) is None


def test_a_pointer_of_ctypes_comes_back_as_one(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    number = ctypes.c_int(7)
    future = pool.submit(kinds.ctypes("same_ints"), ctypes.byref(number))
    assert future.native
    assert future.result(PATIENCE).contents.value == 7
    assert not pool.submit(kinds.ctypes("same_ints"), None).result(PATIENCE)


@pytest.mark.parametrize("kind", ["ctypes", "abi", "api"])
def test_errno_comes_back_of_each_kind(pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str) -> None:
    future = pool.submit(kinds.get(kind, "refuse"), 17)
    assert future.native
    assert (future.result(PATIENCE), future.errno) == (-1, 17)


def test_a_wrong_bool_is_an_error_as_in_cffi(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    declared = kinds.ffi.cast("_Bool(*)(uint8_t)", kinds.abi.same_u8)
    future = pool.submit(declared, 2)
    assert future.native
    with pytest.raises(ValueError) as ordinary:
        declared(2)
    with pytest.raises(ValueError) as found:
        future.result(PATIENCE)
    assert str(found.value) == str(ordinary.value)
    assert future.exception() is found.value


def runs_the_ordinary_way(
    pool: offgil.ThreadPoolExecutor, function: Any, arguments: tuple[Any, ...], expected: Any
) -> None:
    for submitted in (function, offgil.native(function)):
        future = pool.submit(submitted, *arguments)
        assert not future.native
        assert future.result(PATIENCE) == expected


def test_callbacks_of_cffi_are_never_native(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    kinds.api_ffi.def_extern(name="in_python")(lambda value: value + 1)
    kinds.api_ffi.def_extern(name="in_python_for_c")(lambda value: value + 2)
    made = kinds.ffi.callback("int(int)", lambda value: value + 3)
    kinds.api.variable = callback = kinds.api_ffi.callback("int(int)", lambda value: value + 4)
    for function, expected in (
        (kinds.api.in_python, 2),
        (kinds.api_ffi.addressof(kinds.api, "in_python"), 2),
        (kinds.api.in_python_for_c, 3),
        (made, 4),
        (callback, 5),
    ):
        runs_the_ordinary_way(pool, function, (1,), expected)
    # Known by its address only, so nobody but the user can declare it.
    for function, expected in ((kinds.api.variable, 5), (kinds.ffi.cast("int(*)(int)", made), 4)):
        future = pool.submit(function, 1)
        assert (future.native, future.result(PATIENCE)) == (False, expected)


def test_what_c_would_call_back_runs_the_ordinary_way(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    thunk = FunctionKind(lambda value: value + 1)
    runs_the_ordinary_way(pool, thunk, (1,), 2)
    runs_the_ordinary_way(pool, kinds.ctypes("call"), (thunk, 1), 2)
    kinds.api_ffi.def_extern(name="in_python")(lambda value: value + 1)
    for kind, ffi in (("abi", kinds.ffi), ("api", kinds.api_ffi)):
        callback = ffi.callback("int(int)", lambda value: value + 1)
        runs_the_ordinary_way(pool, kinds.get(kind, "call"), (callback, 1), 2)
        runs_the_ordinary_way(pool, kinds.get(kind, "call"), (kinds.api.in_python, 1), 2)
        # Known by its address only.
        future = pool.submit(kinds.get(kind, "call"), ffi.cast("int(*)(int)", callback), 1)
        assert (future.native, future.result(PATIENCE)) == (False, 2)


def test_callbacks_behind_pointers_run_the_ordinary_way(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds
) -> None:
    thunk = FunctionKind(lambda value: value + 1)
    untyped = kinds.ctypes("call")
    untyped.argtypes = [ctypes.c_void_p, ctypes.c_int]
    address = ctypes.cast(thunk, ctypes.c_void_p)
    for function in (untyped, offgil.native(untyped), offgil.native(kinds.library.call, "i32(ptr,i32)")):
        for callback in (thunk, address):
            future = pool.submit(function, callback, 1)
            assert not future.native
            assert future.result(PATIENCE) == 2

    class Holder(ctypes.Structure):
        _fields_ = [("function", FunctionKind)]

    holder = Holder(thunk)
    untyped = kinds.ctypes("same_void")
    assert not pool.submit(untyped, ctypes.byref(holder)).native
    assert pool.submit(untyped, ctypes.byref(ctypes.c_int())).native
    in_c = kinds.library.same_i32
    assert pool.submit(offgil.native(kinds.library.call, "i32(ptr,i32)"), in_c, 4).result(PATIENCE) == 4


def test_a_c_function_is_passed_to_c_natively(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    for kind, ffi in (("abi", kinds.ffi), ("api", kinds.api_ffi)):
        for function in (kinds.get(kind, "call"), offgil.native(kinds.get(kind, "call"))):
            future = pool.submit(function, ffi.cast("int(*)(int)", kinds.address("refuse")), 5)
            assert future.native
            assert (future.result(PATIENCE), future.errno) == (-1, 5)
    future = pool.submit(offgil.native(kinds.api.call), kinds.api.refuse, 6)
    assert (future.native, future.result(PATIENCE)) == (True, -1)


def test_structs_and_variable_arguments_run_the_ordinary_way(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds
) -> None:
    for function in (kinds.ctypes("same_by_value"), offgil.native(kinds.ctypes("same_by_value"))):
        future = pool.submit(function, Pair(3, 4))
        assert not future.native
        assert future.result(PATIENCE).right == 4
    for kind, ffi in (("abi", kinds.ffi), ("api", kinds.api_ffi)):
        for function in (kinds.get(kind, "same_by_value"), offgil.native(kinds.get(kind, "same_by_value"))):
            future = pool.submit(function, ffi.new("pair *", [3, 4])[0])
            assert not future.native
            assert future.result(PATIENCE).right == 4
        runs_the_ordinary_way(pool, kinds.get(kind, "many"), (2, ffi.cast("int", 1)), 2)
        runs_the_ordinary_way(pool, kinds.get(kind, "same_wide"), ("x",), "x")
    checked = kinds.ctypes("same_i32")
    checked.errcheck = lambda result, function, arguments: result + 100
    runs_the_ordinary_way(pool, checked, (1,), 101)


def test_numba_tells_its_types(pool: offgil.ThreadPoolExecutor) -> None:
    future = pool.submit(offgil.native(total), numpy.arange(4.0), 4)
    assert (future.native, future.result(PATIENCE)) == (True, 6.0)
    assert pool.submit(offgil.native(mixed), -3, 9, True, None).result(PATIENCE) == 7
    with pytest.raises(TypeError, match="argument 1: a buffer of floating-point numbers of 8 bytes"):
        pool.submit(offgil.native(total), numpy.arange(4), 4)
    with pytest.raises(TypeError, match="takes 2 arguments"):
        pool.submit(offgil.native(total), numpy.arange(4.0))


def test_numba_is_python_where_nobody_declares_it(pool: offgil.ThreadPoolExecutor) -> None:
    future = pool.submit(halved, 3)
    assert (future.native, future.result(PATIENCE)) == (False, 1.5)
    runs_the_ordinary_way(pool, twice_complex, (1j,), 2j)
    with pytest.raises(TypeError, match="declare a cfunc"):
        offgil.native(compiled)


def test_user_data_is_the_last_argument(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    factor = ctypes.c_double(10.0)
    in_cffi = kinds.ffi.new("double *", 10.0)
    for made_of, data in (
        (kinds.ctypes("scaled"), ctypes.cast(ctypes.pointer(factor), ctypes.c_void_p)),
        (kinds.abi.scaled, kinds.ffi.cast("void *", in_cffi)),
    ):
        called = offgil.native(LowLevelCallable(made_of, data))
        future = pool.submit(called, 2.5)
        assert (future.native, future.result(PATIENCE)) == (True, 25.0)
        assert called(2.5) == 25.0
        assert pool.map_array(called, numpy.array([1.0, 2.0])).tolist() == [10.0, 20.0]
        with pytest.raises(TypeError, match=r"takes 1 argument.* \(2 given\)"):
            pool.submit(called, 2.5, None)
    without = offgil.native(LowLevelCallable(kinds.ctypes("scaled")))
    assert pool.submit(without, 2.5).result(PATIENCE) == 2.5
    assert pool.submit(without, 2.5, ctypes.byref(factor)).result(PATIENCE) == 25.0
    assert pool.map_array(without, numpy.array([1.0, 2.0])).tolist() == [1.0, 2.0]
    in_python = LowLevelCallable(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda value: value * 3))
    future = pool.submit(offgil.native(in_python), 2.0)
    assert (future.native, future.result(PATIENCE)) == (False, 6.0)


def test_cython_tells_its_types(pool: offgil.ThreadPoolExecutor, exported: ModuleType) -> None:
    numbers = numpy.zeros(4)
    fill = offgil.native(capsule(exported, "fill"))
    future = pool.submit(fill, numbers, 3, 2.5)
    assert (future.native, future.result(PATIENCE)) == (True, None)
    assert numbers.tolist() == [2.5, 2.5, 2.5, 0.0]
    assert pool.submit(offgil.native(capsule(exported, "total")), numbers, 4).result(PATIENCE) == 7.5
    assert (
        pool.submit(offgil.native(capsule(exported, "widest")), -2, 2**16 - 1, True).result(PATIENCE) == 65534
    )
    bessel = offgil.native(capsule(cython_special, "j1"))
    assert pool.submit(bessel, 0.5).result(PATIENCE) == cython_special.j1(0.5)
    with pytest.raises(OverflowError, match="argument 2"):
        pool.submit(fill, numbers, -1, 2.5)


def test_what_needs_the_gil_or_cannot_be_carried_is_refused(exported: ModuleType) -> None:
    for name, reason in (("of_objects", "needs the GIL"), ("of_complex", "can't be carried")):
        with pytest.raises(TypeError, match=reason):
            offgil.native(capsule(exported, name))
    with pytest.raises(TypeError, match="GIL"):
        offgil.native(ctypes.pythonapi.Py_IsInitialized, "i32()")
    with pytest.raises(TypeError, match="GIL"):
        offgil.native(LowLevelCallable(ctypes.pythonapi.Py_IsInitialized, signature="int (void)"))
    from numpy._core import multiarray

    with pytest.raises(TypeError, match="needs a signature"):
        offgil.native(vars(multiarray)["_ARRAY_API"])
    with pytest.raises(TypeError, match="needs a signature"):
        offgil.native(lambda value: value)
    with pytest.raises(ValueError, match="NULL is no function"):
        offgil.native(cffi.FFI().cast("int(*)(int)", 0))
    with pytest.raises(TypeError, match="text"):
        offgil.native(halved.address, 5)  # type: ignore[arg-type]


SIGNATURES = {
    "f64(f64,i32,ptr)": ("d", "diP"),
    " u64 ( u64 ) ": ("L", "L"),
    "i32(void)": ("i", ""),
    "double (double, int __pyx_skip_dispatch)": ("d", "di"),
    "void (double *, Py_ssize_t, double const *, unsigned PY_LONG_LONG)": ("v", "PlPL"),
    "double cos(double x);": ("d", "d"),
    "double(*)(double)": ("d", "d"),
    "void qsort(void *base, size_t n, size_t s, int (*cmp)(const void *, const void *))": ("v", "PLLP"),
    "int (double a[3], unsigned long long int x)": ("i", "PL"),
    "int (struct foo *, enum e)": ("i", "Pi"),
    "__pyx_t_5numpy_float64_t (npy_intp, char, _Bool)": ("d", "lc?"),
    "unsigned (signed char, unsigned, long unsigned int, short int) noexcept nogil": ("I", "bILh"),
    "const double *(const double *restrict x, volatile int z)": ("P", "Pi"),
    "long double (double)": TypeError,
    "int (struct foo)": TypeError,
    "int printf(const char *fmt, ...)": TypeError,
    "double _Complex (double)": TypeError,
    "PyObject *(int)": TypeError,
    "int (int &)": TypeError,
    "": ValueError,
    "int": ValueError,
    "i32(": ValueError,
    "i32)(": ValueError,
    "(double)": ValueError,
    "x()": ValueError,
    "int (int,)": ValueError,
    "int (int int)": ValueError,
    "int (int x y)": ValueError,
    "int (short long)": ValueError,
    "int (void, int)": ValueError,
    "int (float)(int)": ValueError,
    "int (*)": ValueError,
    "int (#)": ValueError,
    "double (double) except -1": ValueError,
}


@pytest.mark.parametrize("text", SIGNATURES)
def test_signatures_are_read_as_offgil_and_c_write_them(text: str) -> None:
    from offgil._signatures import parse

    expected = SIGNATURES[text]
    if isinstance(expected, type):
        with pytest.raises(expected):
            offgil.native(1, text)
    else:
        assert parse(text)[:2] == expected


def test_a_queue_without_room_runs_a_native_function_here(kinds: Kinds, native: Native) -> None:
    gate = Gate(native)
    with offgil.ThreadPoolExecutor(1, queue_limit=1, when_full="run") as pool:
        try:
            pool.submit(offgil.native(native.gate_enter, "ptr(ptr)"), gate.address)
            gate.await_entered()
            futures = [pool.submit(offgil.native(kinds.abi.same_f64), 1.5) for _ in range(4)]
            assert not futures[-1].native
            assert futures[-1].result(0) == 1.5
        finally:
            gate.open()
        assert [future.result(PATIENCE) for future in futures] == [1.5] * 4
    gate.close()

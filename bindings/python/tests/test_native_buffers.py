"""What a native function works on: buffers and NumPy arrays without a copy, kept until the task has ended."""

from __future__ import annotations

import array
import ctypes
import gc
import mmap
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy
import pytest
from conftest import Gate, Native
from kinds import Kinds

import offgil

PATIENCE = 30.0
libc = ctypes.CDLL(None)
fill = offgil.native(libc.memset, "ptr(ptr,i32,u64)")


@pytest.fixture
def pool() -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def gate(pool: offgil.ThreadPoolExecutor, native: Native) -> Iterator[Gate]:
    """A gate that is wide open before the pool ends."""
    gate = Gate(native)
    yield gate
    gate.open(100)
    pool.shutdown()
    gate.close()


@pytest.fixture
def typed(kinds: Kinds) -> list[Any]:
    """`double sum(const double *, size_t)` of each kind that checks the items."""
    return [
        offgil.native(kinds.ctypes("sum")),
        offgil.native(kinds.abi.sum),
        offgil.native(kinds.api.sum),
        offgil.native(kinds.address("sum"), "double (const double *, size_t)"),
        offgil.native(kinds.address("sum"), "double (double *, size_t)"),
    ]


def test_arrays_are_worked_on_in_place(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    numbers = numpy.ones(4)
    future = pool.submit(fill, numbers, 0, 16)
    assert future.native
    assert future.result(PATIENCE) == numbers.ctypes.data
    assert numbers.tolist() == [0, 0, 1, 1]
    pool.submit(fill, numbers[2:], 0, 8).result(PATIENCE)
    assert numbers.tolist() == [0, 0, 0, 1]
    for same in (kinds.abi.same_void, kinds.api.same_void):
        pointer = pool.submit(offgil.native(same), numbers).result(PATIENCE)
        assert int(kinds.ffi.cast("uintptr_t", pointer)) == numbers.ctypes.data


def test_items_must_be_of_the_pointer(pool: offgil.ThreadPoolExecutor, typed: list[Any]) -> None:
    for called in typed:
        for numbers in (numpy.arange(4.0), array.array("d", [0, 1, 2, 3]), numpy.arange(4.0).reshape(2, 2)):
            future = pool.submit(called, numbers, 4)
            assert (future.native, future.result(PATIENCE)) == (True, 6.0)
        for wrong in (
            numpy.arange(4),
            numpy.arange(4, dtype="f4"),
            numpy.arange(4, dtype=">f8"),
            numpy.arange(4, dtype=complex),
            bytearray(32),
        ):
            with pytest.raises(TypeError, match="argument 1: a buffer of floating-point numbers of 8 bytes"):
                pool.submit(called, wrong, 4)


def test_data_must_be_of_the_pointer_too(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    called = offgil.native(kinds.address("sum"), "double (double *, size_t)")
    right = (ctypes.c_double * 2)(1.0, 2.0)
    rows = ((ctypes.c_double * 1) * 2)((1.0,), (2.0,))
    for value in (
        right,
        rows,
        ctypes.byref(right),
        ctypes.pointer(right),
        ctypes.cast(right, ctypes.c_void_p),
        kinds.ffi.new("double[]", [1.0, 2.0]),
        kinds.ffi.new("double[2][1]", [[1.0], [2.0]]),
        kinds.ffi.cast("void *", ctypes.addressof(right)),
        ctypes.addressof(right),
    ):
        assert pool.submit(called, value, 2).result(PATIENCE) == 3.0
    for value in (
        (ctypes.c_int * 4)(),
        (ctypes.c_long * 2)(),
        ctypes.byref(ctypes.c_float()),
        ctypes.pointer(ctypes.c_int()),
        ctypes.create_string_buffer(16),
        kinds.ffi.new("int[4]"),
        kinds.ffi.new("long *"),
        kinds.ffi.new("char[16]"),
    ):
        with pytest.raises(TypeError, match="argument 1: data that are floating-point numbers of 8 bytes"):
            pool.submit(called, value, 2)


def test_what_is_no_memory_to_work_on_is_refused(pool: offgil.ThreadPoolExecutor, typed: list[Any]) -> None:
    objects = numpy.array([None, 1], dtype=object)
    records = numpy.zeros(2, dtype=[("number", "f8"), ("thing", object)])
    for called in (fill, *typed):
        rest = (0, 0)[: 2 if called is fill else 1]
        for wrong in (objects, records):
            with pytest.raises(TypeError, match="argument 1: the buffer holds Python objects"):
                pool.submit(called, wrong, *rest)
        with pytest.raises(ValueError, match="argument 1: the buffer is not contiguous"):
            pool.submit(called, numpy.arange(8.0)[::2], *rest)
        for wrong in ("text", object(), 1.5, {1: 2}):
            with pytest.raises(TypeError, match="argument 1: "):
                pool.submit(called, wrong, *rest)
    names = numpy.zeros(2, dtype=[("O", "f8")])
    assert pool.submit(fill, names, 1, 8).result(PATIENCE) == names.ctypes.data


def test_read_only_buffers_need_a_const(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, typed: list[Any]
) -> None:
    numbers = numpy.arange(4.0)
    numbers.flags.writeable = False
    read_only = typed.pop(3)
    assert pool.submit(read_only, numbers, 4).result(PATIENCE) == 6.0
    for called in typed:
        with pytest.raises(ValueError, match=r"argument 1: the buffer is read-only.*const"):
            pool.submit(called, numbers, 4)
    with pytest.raises(ValueError, match="read-only"):
        pool.submit(fill, memoryview(b"text"), 0, 4)
    length = offgil.native(libc.strlen, "size_t (const char *)")
    assert pool.submit(length, memoryview(b"text\0")).result(PATIENCE) == 4
    assert pool.submit(length, b"text").result(PATIENCE) == 4
    writer = offgil.native(libc.memset, "void *(char *, int, size_t)")
    with pytest.raises(ValueError, match="read-only"):
        pool.submit(writer, b"text", 0, 4)


def test_buffers_that_are_gone_are_refused(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, tmp_path: Path
) -> None:
    view = memoryview(bytearray(8))
    view.release()
    with pytest.raises(ValueError, match=r"argument 1: .*released"):
        pool.submit(fill, view, 0, 8)
    (tmp_path / "file").write_bytes(bytes(4096))
    with (tmp_path / "file").open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096)
    mapped.close()
    with pytest.raises(ValueError, match=r"argument 1: .*closed"):
        pool.submit(fill, mapped, 0, 8)
    for kind, ffi in (("abi", kinds.ffi), ("api", kinds.api_ffi)):
        released = ffi.from_buffer(bytearray(8))
        ffi.release(released)
        for called in (offgil.native(kinds.get(kind, "read_char")), fill):
            with pytest.raises(ValueError, match="argument 1: the buffer is released"):
                pool.submit(called, released, *((0, 0) if called is fill else ()))


def test_data_of_cffi_and_ctypes_goes_for_pointers(pool: offgil.ThreadPoolExecutor, kinds: Kinds) -> None:
    data = kinds.ffi.new("char[8]")
    pool.submit(fill, data, 65, 3).result(PATIENCE)
    assert kinds.ffi.string(data) == b"AAA"
    numbers = (ctypes.c_int * 2)(1, 2)
    for value in (numbers, ctypes.byref(numbers), ctypes.pointer(numbers)):
        numbers[:] = [1, 2]
        pool.submit(fill, value, 0, 4).result(PATIENCE)
        assert numbers[:] == [0, 2]
    with pytest.raises(TypeError, match="has no address"):
        pool.submit(fill, kinds.ffi.cast("int", 3), 0, 0)


def test_an_address_that_from_param_made_goes_for_a_pointer(pool: offgil.ThreadPoolExecutor) -> None:
    text = ctypes.create_string_buffer(b"four")
    made = ctypes.c_void_p.from_param(ctypes.addressof(text))
    typed = libc["strlen"]
    typed.argtypes, typed.restype = [ctypes.c_void_p], ctypes.c_size_t
    declared = offgil.native(libc.strlen, "u64(ptr)")
    assert declared(made) == 4
    for called in (libc.strlen, typed, offgil.native(typed), declared):
        future = pool.submit(called, made)
        assert (future.native, future.result(PATIENCE)) == (True, 4)


def test_a_text_that_from_param_made_goes_where_ctypes_takes_it(pool: offgil.ThreadPoolExecutor) -> None:
    declared = offgil.native(libc.strlen, "u64(ptr)")
    for made in (
        ctypes.c_char_p.from_param(b"four"),
        ctypes.c_void_p.from_param(b"four"),
        ctypes.c_wchar_p.from_param("four"),
    ):
        assert pool.submit(libc.strlen, made).result(PATIENCE) == libc.strlen(made)
        for call in (declared, partial(pool.submit, declared)):
            with pytest.raises(TypeError, match="argument 1: CArgObject has no address"):
                call(made)


@pytest.mark.parametrize("kind", ["abi", "api"])
def test_lists_go_for_pointers_of_declared_functions_of_cffi(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, kind: str
) -> None:
    called = offgil.native(kinds.get(kind, "sum"))
    future = pool.submit(called, [1.0, 2.5], 2)
    assert (future.native, future.result(PATIENCE)) == (True, 3.5)
    with pytest.raises(TypeError, match="argument 1: must be real number"):
        pool.submit(called, ["x"], 1)
    with pytest.raises(TypeError, match="argument 1: NoneType is no cdata"):
        pool.submit(called, None, 1)
    with pytest.raises(TypeError, match="argument 1: a cdata of"):
        pool.submit(called, kinds.ffi.new("int[2]"), 2)


class Numbers(ctypes.Array):
    """ctypes data that can be watched."""

    _type_ = ctypes.c_char
    _length_ = 8

    def __init__(self, size: int) -> None:
        super().__init__()


def await_gone(alive: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while alive() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.001)
    assert alive() is None


@pytest.mark.parametrize("declared", ["words", "C", "cffi", "cffi, not declared"])
@pytest.mark.parametrize("make", ["numpy", "cffi", "ctypes"])
def test_what_a_task_works_on_lives_until_it_has_ended_and_no_longer(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, native: Native, gate: Gate, declared: str, make: str
) -> None:
    of_cffi = kinds.ffi.cast("void *(*)(uintptr_t, void *)", native.gate_enter)
    wait = {
        "words": offgil.native(native.gate_enter, "ptr(ptr,ptr)"),
        "C": offgil.native(native.gate_enter, "void *(void *, void *)"),
        "cffi": offgil.native(of_cffi),
        "cffi, not declared": of_cffi,
    }[declared]
    if declared.startswith("cffi") and make != "cffi":
        wait = offgil.native(of_cffi, "ptr(ptr,ptr)") if make == "ctypes" else offgil.native(of_cffi)
    data = {"numpy": numpy.zeros, "cffi": lambda size: kinds.ffi.new("char[]", size), "ctypes": Numbers}[
        make
    ](8)
    alive = weakref.ref(data)
    future = pool.submit(wait, gate.address, data)
    assert future.native
    del data, future
    gate.await_entered()
    gc.collect()
    assert alive() is not None
    gate.open()
    await_gone(alive)


class Bytes(bytearray):
    """A buffer that can be watched."""


class Floats(numpy.ndarray):  # type: ignore[type-arg]
    """An array that can be watched."""


# What is passed, of data that can have attributes; and the data.
OWNERS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "ctypes": (lambda: Numbers(8), lambda data: data),
    "byref": (lambda: Numbers(8), ctypes.byref),
    "pointer": (lambda: Numbers(8), ctypes.pointer),
    "bytearray": (lambda: Bytes(8), lambda data: data),
    "numpy": (lambda: Floats(8), lambda data: data),
}


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("how", list(OWNERS))
def test_data_that_has_its_own_future_goes_when_its_task_has_ended_and_not_before(
    pool: offgil.ThreadPoolExecutor, native: Native, gate: Gate, how: str, declared: bool
) -> None:
    wait = ctypes.CDLL(native.path).gate_enter
    wait.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    wait.restype = ctypes.c_void_p
    function = offgil.native(native.gate_enter, "ptr(ptr,ptr)") if declared else offgil.native(wait)
    make, given = OWNERS[how]
    data = make()
    alive = weakref.ref(data)
    data.future = pool.submit(function, gate.address, given(data))
    assert data.future.native
    del data
    gate.await_entered()
    for _ in range(3):
        gc.collect()
    assert alive() is not None
    gate.open()
    await_gone(alive)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is in a circle stays."""
    gc.disable()
    yield
    gc.enable()


def declared(kind: Any) -> Any:
    """A function of this and two numbers."""
    made = libc["memchr"]
    made.argtypes = [kind, ctypes.c_int, ctypes.c_size_t]
    return made


FUNCTIONS = {
    "not declared": lambda: libc["memchr"],
    "with c_void_p": lambda: declared(ctypes.c_void_p),
    "with POINTER": lambda: declared(ctypes.POINTER(ctypes.c_int)),
    "by a signature": lambda: offgil.native(libc.memchr, "ptr(ptr,i32,u64)"),
    "native": lambda: offgil.native(declared(ctypes.c_void_p)),
}
DATA = {
    "array": lambda: (ctypes.c_int * 4)(),
    "pointer": lambda: ctypes.pointer(ctypes.c_int()),
    "address": lambda: ctypes.c_void_p(ctypes.addressof(ctypes.c_int.in_dll(libc, "optind"))),
    "text": lambda: ctypes.c_char_p(b"text"),
}
NOT_OFF_THE_GIL = [("with POINTER", "address"), ("with POINTER", "text")]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("of", "make"), [(of, make) for of in FUNCTIONS for make in DATA if (of, make) not in NOT_OFF_THE_GIL]
)
def test_no_collector_is_needed_for_what_ctypes_holds_once_its_task_has_ended(
    pool: offgil.ThreadPoolExecutor, of: str, make: str
) -> None:
    data = DATA[make]()
    alive = weakref.ref(data)
    future = pool.submit(FUNCTIONS[of](), data, 0, 0)
    assert not future.result(PATIENCE)
    assert future.native
    del data, future
    assert alive() is None


class Text(bytes):
    """Bytes that note down their end."""

    ended: list[bool]

    def __del__(self) -> None:
        self.ended.append(True)


class Holder(ctypes.Structure):
    """What has a pointer in it."""

    _fields_ = [("number", ctypes.c_int), ("to", ctypes.POINTER(ctypes.c_int))]


def pointing(kind: str) -> tuple[Any, Callable[[], object], Callable[[], bool]]:
    """A pointer, what points it elsewhere, and whether what it pointed to is alive."""
    if kind == "text":
        text = Text(b"text")
        text.ended = []
        pointer: Any = ctypes.c_char_p(text)
        return pointer, partial(setattr, pointer, "value", b"other"), lambda ended=text.ended: not ended
    target, other = ctypes.c_int(), ctypes.pointer(ctypes.c_int())
    alive = weakref.ref(target)
    if kind == "pointer":
        pointer = ctypes.pointer(target)
        return pointer, partial(setattr, pointer, "contents", other.contents), lambda: alive() is not None
    if kind == "field":
        holder = Holder(0, ctypes.pointer(target))
        return holder.to, partial(setattr, holder, "to", other), lambda: alive() is not None
    if kind == "pointer in a row":
        pointer = ctypes.pointer(target)
        shared = (ctypes.POINTER(ctypes.c_int) * 2)(pointer, pointer)
        return shared[1], partial(setattr, pointer, "contents", other.contents), lambda: alive() is not None
    rows = (ctypes.POINTER(ctypes.c_int) * 2)(ctypes.pointer(target), ctypes.pointer(target))

    def change() -> None:
        rows[:] = [other, other]

    return rows[1], change, lambda: alive() is not None


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (of, kind)
        for of in FUNCTIONS
        for kind in ("pointer", "field", "row", "pointer in a row", "text")
        if (of, kind) not in NOT_OFF_THE_GIL
    ],
)
def test_what_is_pointed_to_at_submit_lives_until_the_task_has_ended_and_no_longer(
    pool: offgil.ThreadPoolExecutor, native: Native, gate: Gate, of: str, kind: str
) -> None:
    pool.submit(offgil.native(native.gate_enter, "ptr(ptr)"), gate.address)
    pointer, change, alive = pointing(kind)
    future = pool.submit(FUNCTIONS[of](), pointer, 0, 0)
    assert future.native
    change()
    assert alive()
    gate.open()
    assert not future.result(PATIENCE)
    del future
    assert not alive()


@pytest.mark.usefixtures("no_collector")
def test_where_c_gets_a_place_in_an_array_what_its_other_pointers_point_to_lives(
    pool: offgil.ThreadPoolExecutor, native: Native, gate: Gate
) -> None:
    pool.submit(offgil.native(native.gate_enter, "ptr(ptr)"), gate.address)
    target, other = ctypes.c_int(), ctypes.pointer(ctypes.c_int())
    alive = weakref.ref(target)
    pointer = ctypes.pointer(target)
    rows = (ctypes.POINTER(ctypes.c_int) * 2)(other, pointer)
    future = pool.submit(declared(ctypes.POINTER(ctypes.POINTER(ctypes.c_int))), rows[0], 0, 0)
    assert future.native
    del target
    pointer.contents = other.contents
    assert alive() is not None
    gate.open()
    assert not future.result(PATIENCE)
    del future
    assert alive() is None


def test_a_native_function_lives_until_its_task_has_ended(
    pool: offgil.ThreadPoolExecutor, native: Native, gate: Gate
) -> None:
    def seven(argument: Any) -> int:
        return 7

    pool.submit(offgil.native(native.gate_enter, "ptr(ptr)"), gate.address)
    called = numba.cfunc("int64(voidptr)")(seven)
    alive = weakref.ref(called)
    future = pool.submit(offgil.native(called), None)
    del called
    gc.collect()
    assert alive() is not None
    gate.open()
    assert future.result(PATIENCE) == 7


def test_a_buffer_in_use_can_be_neither_resized_nor_freed(
    pool: offgil.ThreadPoolExecutor, kinds: Kinds, native: Native, gate: Gate
) -> None:
    wait = offgil.native(native.gate_enter, "ptr(ptr,ptr)")
    data, view = bytearray(8), memoryview(bytearray(8))
    behind = bytearray(8)
    in_cffi = kinds.ffi.from_buffer(behind)
    futures = [pool.submit(wait, gate.address, value) for value in (data, view, in_cffi)]
    view.release()
    kinds.ffi.release(in_cffi)
    for used in (data, behind):
        with pytest.raises(BufferError):
            used.extend(bytes(1 << 20))
    gate.open(3)
    for future in futures:
        future.result(PATIENCE)
    data.extend(b"more")
    behind.extend(b"more")

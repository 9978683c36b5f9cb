"""How a native call is made: arguments of every mix of types, and what is left when its future is gone."""

from __future__ import annotations

import ctypes
import gc
import random
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Gate, Native, run

import offgil

PATIENCE = 30.0

# The signature's word, C's type, ctypes' class, and numbers that it can carry.
TYPES: list[tuple[str, str, Any, list[Any]]] = [
    ("i8", "int8_t", ctypes.c_int8, [-128, -1, 5, 127]),
    ("u8", "uint8_t", ctypes.c_uint8, [0, 5, 200, 255]),
    ("i16", "int16_t", ctypes.c_int16, [-(2**15), -1, 300]),
    ("u16", "uint16_t", ctypes.c_uint16, [0, 300, 2**16 - 1]),
    ("i32", "int32_t", ctypes.c_int32, [-(2**31), -1, 70_000]),
    ("u32", "uint32_t", ctypes.c_uint32, [0, 70_000, 2**32 - 1]),
    ("i64", "int64_t", ctypes.c_int64, [-(2**40), -1, 2**40]),
    ("u64", "uint64_t", ctypes.c_uint64, [0, 2**40]),
    ("ptr", "uintptr_t", ctypes.c_void_p, [1, 2**40]),
    ("f32", "float", ctypes.c_float, [-0.5, 1.25]),
    ("f64", "double", ctypes.c_double, [-0.5, 2.0**40 + 0.5]),
]
MOST_OF_A_MIX = 18


@pytest.fixture
def pool() -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(2) as executor:
        yield executor


def mixes() -> list[tuple[Any, list[Any]]]:
    """Result and argument types: each type alone, as many as fit into registers and more, and at random."""
    chance = random.Random(4)
    fixed = [(kind, [kind] * count) for kind in TYPES for count in (1, 6, 7, 8, 9)]
    return fixed + [
        (chance.choice(TYPES), chance.choices(TYPES, k=count))
        for count in range(MOST_OF_A_MIX + 1)
        for _ in range(6)
    ]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, compiler: str) -> ctypes.CDLL:
    """A library with a function of each mix: the sum of its arguments, each times its own number."""
    source = tmp_path_factory.mktemp("mixed") / "mixed.c"
    text = ["#include <stdint.h>"]
    for number, (result, kinds) in enumerate(mixes()):
        parameters = ", ".join(f"{kind[1]} a{index}" for index, kind in enumerate(kinds)) or "void"
        terms = " + ".join(f"(double)a{index} * {index + 1}" for index in range(len(kinds))) or "7"
        text.append(f"{result[1]} mix{number}({parameters}) {{ return ({result[1]})(int64_t)({terms}); }}")
    source.write_text("\n".join(text), encoding="ascii")
    library = source.with_suffix(".so")
    run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)])
    return ctypes.CDLL(str(library))


def test_every_mix_of_types_is_called_as_ctypes_calls_it(
    pool: offgil.ThreadPoolExecutor, mixed: ctypes.CDLL
) -> None:
    chance = random.Random(5)
    for number, (result, kinds) in enumerate(mixes()):
        called = mixed[f"mix{number}"]
        called.restype, called.argtypes = result[2], [kind[2] for kind in kinds]
        arguments = [chance.choice(kind[3]) for kind in kinds]
        expected = called(*arguments)
        text = f"{result[0]}({','.join(kind[0] for kind in kinds)})"
        for task in (called, offgil.native(called), offgil.native(called, text)):
            future = pool.submit(task, *arguments)
            assert future.native
            assert future.result(PATIENCE) == expected, (text, arguments)


@pytest.mark.parametrize("kind", [kind[2] for kind in TYPES[:6]])
def test_a_narrow_integer_is_as_wide_as_its_register(pool: offgil.ThreadPoolExecutor, kind: Any) -> None:
    called = ctypes.CDLL(None).labs
    called.restype, called.argtypes = ctypes.c_long, [kind]
    for value in (-1, 0x1FF, 0x1FFFF, 2**33 + 5, -(2**40) - 200):
        assert pool.submit(called, value).result(PATIENCE) == called(value)


def test_a_function_of_variable_arguments_finds_those_in_the_vector_registers(
    pool: offgil.ThreadPoolExecutor,
) -> None:
    snprintf = ctypes.CDLL(None).snprintf
    room = ctypes.create_string_buffer(64)
    future = pool.submit(snprintf, room, ctypes.c_size_t(64), b"%d %.2f %s", 7, ctypes.c_double(2.5), b"text")
    assert future.native
    assert future.result(PATIENCE) == 11
    assert room.value == b"7 2.50 text"


def test_a_call_whose_future_is_gone_is_made_all_the_same(
    pool: offgil.ThreadPoolExecutor, gate: Gate, native: Native
) -> None:
    count = 2000
    enter = offgil.native(native.gate_enter, "ptr(ptr)")
    held = [pool.submit(enter, gate.address) for _ in range(2)]
    counter = ctypes.c_size_t()
    bump = offgil.native(native.bump, "ptr(u64)")
    for _ in range(count):
        pool.submit(bump, ctypes.addressof(counter))
    gc.collect()
    gate.open(2)
    assert [future.result(PATIENCE) for future in held] == [gate.address] * 2
    pool.shutdown()
    assert counter.value == count


FORGETFUL = """
import ctypes, resource, sys, offgil
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024
usleep, labs = ctypes.CDLL(None).usleep, ctypes.CDLL(None).labs
for round in range(60):
    pool = offgil.ThreadPoolExecutor(1)
    pool.submit(usleep, 20_000)
    for _ in range(5000):
        pool.submit(labs, 0)
    pool.shutdown(cancel_futures=sys.argv[1] == "cancel")
    if round == 10:
        before = resident()
print(resident() - before)
"""


@pytest.mark.parametrize("end", ["run", "cancel"])
def test_calls_whose_futures_are_gone_leave_no_memory_behind(end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL, end], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    # In kB: 250,000 blocks of 48 bytes would be 12,000.
    assert int(done.stdout) < 6000


def test_a_future_of_a_call_that_refers_to_itself_is_collected(pool: offgil.ThreadPoolExecutor) -> None:
    class Mark:
        pass

    absolute = ctypes.CDLL(None).abs
    for hold in ("attribute", "callback", "exception"):
        if hold == "exception":
            task_fail = ctypes.cast(offgil.lib.task_fail, ctypes.c_void_p).value
            future = pool.submit(offgil.native(task_fail, "i32(i32,ptr)"), 1, b"on purpose")
        else:
            future = pool.submit(absolute, -3)
        mark = Mark()
        gone = weakref.ref(mark)
        if hold == "attribute":
            future.itself = future, mark  # type: ignore[attr-defined]
        elif hold == "callback":
            future.add_done_callback(lambda _, held=(future, mark): None)  # type: ignore[misc]
        else:
            error = future.exception(PATIENCE)
            assert error is not None
            error.args = (future, mark)
            del error
        future.exception(PATIENCE)
        del future, mark
        deadline = time.monotonic() + PATIENCE
        while gone() is not None and time.monotonic() < deadline:
            gc.collect()  # the thread of the completions may still have it
        assert gone() is None, hold

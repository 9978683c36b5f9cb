"""The three bindings are one library: what one makes, the others use. And they declare the same things."""

from __future__ import annotations

import ctypes
import itertools
from pathlib import Path
from types import ModuleType

import pytest
from adapters import Binding
from conftest import BINDINGS, Native, is_constant, is_struct, needs_cffi, public_names

import offgil
from offgil.ctypes import FUTURE_DONE, OFFGIL_EHANDLE, OFFGIL_OK

MAKERS_AND_USERS = list(itertools.permutations(range(len(BINDINGS)), 2))


@pytest.mark.parametrize(("maker", "user"), MAKERS_AND_USERS)
def test_a_pool_and_a_future_of_one_binding_are_good_for_another(
    every_api: list[Binding], native: Native, maker: int, user: int
) -> None:
    makes, uses = every_api[maker], every_api[user]
    pool = makes.pool_create(2)
    future = uses.pool_submit(pool, native.twice, 21)
    assert makes.future_wait(future) == uses.future_wait(future) == (OFFGIL_OK, 42)
    assert uses.future_get_state(future) == FUTURE_DONE
    assert uses.future_release(future) == OFFGIL_OK
    assert makes.future_wait(future)[0] == OFFGIL_EHANDLE
    assert uses.pool_destroy(pool) == OFFGIL_OK
    assert makes.pool_wait_idle(pool, 0) == OFFGIL_EHANDLE


@needs_cffi
def test_the_handle_of_an_executor_goes_to_every_binding(every_api: list[Binding]) -> None:
    ffi, lib = offgil.cffi.ffi, offgil.cffi.lib
    with offgil.ThreadPoolExecutor(3) as pool:
        assert [api.pool_thread_count(int(pool.handle)) for api in every_api] == [3] * len(every_api)
        assert offgil.lib.pool_thread_count(pool.handle) == 3
        assert lib.pool_thread_count(ffi.cast("pool_t *", pool.handle)) == 3


def test_all_share_the_default_pool(every_api: list[Binding]) -> None:
    assert len({api.pool_default() for api in every_api}) == 1


def test_one_copy_of_the_library_is_loaded(every_api: list[Binding]) -> None:
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    loaded = {line.split()[-1] for line in maps.splitlines() if "liboffgil" in line}
    assert len(every_api) == len(BINDINGS)
    assert loaded == {offgil.get_library()}


def test_the_same_constants_are_in_all(every_api: list[Binding]) -> None:
    names = [name for name, value in public_names().items() if is_constant(value)]
    assert len(names) > 25
    for name in names:
        assert len({api.constant(name) for api in every_api}) == 1, name


def test_the_same_functions_are_in_all() -> None:
    names = {name for name, _, _ in offgil.ctypes._FUNCTIONS}
    assert len(names) > 30
    assert set(offgil.capi.__pyx_capi__) == names
    if "cffi" in BINDINGS:
        assert {name for name in dir(offgil.cffi.lib) if callable(getattr(offgil.cffi.lib, name))} == names


def test_every_ctypes_function_knows_its_types() -> None:
    for name, result, parameters in offgil.ctypes._FUNCTIONS:
        function = getattr(offgil.lib, name)
        assert function.restype is result
        assert tuple(function.argtypes) == parameters


def test_structs_are_as_large_as_the_c_compiler_makes_them(every_api: list[Binding]) -> None:
    structs = [name for name, value in public_names().items() if is_struct(value)]
    assert structs
    for name in structs:
        assert len({api.sizeof(name) for api in every_api}) == 1, name


@needs_cffi
def test_fields_lie_where_cffi_and_ctypes_both_say() -> None:
    for name, struct in public_names().items():
        if is_struct(struct):
            for field, *_ in struct._fields_:
                assert getattr(struct, field).offset == offgil.cffi.ffi.offsetof(name, field)


def test_ctypes_handles_keep_64_bits_compare_and_tell_null() -> None:
    high = offgil.ctypes.future_t(2**63 + 5)
    assert high.value == 2**63 + 5
    assert high == offgil.ctypes.future_t(2**63 + 5)
    assert len({high, offgil.ctypes.future_t(2**63 + 5), offgil.ctypes.pool_t(2**63 + 5)}) == 2
    assert high
    assert not offgil.ctypes.future_t()
    assert repr(high) == "future_t(0x8000000000000005)"


def test_ctypes_refuses_a_pool_where_a_future_belongs() -> None:
    pool = offgil.lib.pool_create(1)
    with pytest.raises(ctypes.ArgumentError):
        offgil.lib.future_release(pool)  # type: ignore[arg-type]
    assert offgil.lib.pool_destroy(pool) == OFFGIL_OK


def test_ctypes_takes_a_function_of_any_c_library_as_a_task() -> None:
    libc = ctypes.CDLL(None)
    pool = offgil.lib.pool_create(1)
    future = offgil.lib.pool_submit(pool, libc.labs, -7)
    result = ctypes.c_void_p()
    assert offgil.lib.future_wait(future, -1, ctypes.byref(result)) == OFFGIL_OK
    assert result.value == 7
    assert offgil.lib.future_release(future) == OFFGIL_OK
    assert offgil.lib.pool_destroy(pool) == OFFGIL_OK


@pytest.mark.parametrize("wrong", ["labs", 1.5, offgil.ctypes.range_fn(), print])
def test_ctypes_refuses_what_is_no_task_function(wrong: object) -> None:
    with pytest.raises(ctypes.ArgumentError):
        offgil.lib.pool_submit(None, wrong, None)


def test_cython_code_needs_no_gil_from_pool_to_result(cython_adapter: ModuleType) -> None:
    assert cython_adapter.triple_on_a_pool(14) == 42

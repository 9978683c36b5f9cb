"""Builds what the tests need (a C library of task bodies, the Cython adapter) and hands out the bindings."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from adapters import Binding, CffiBinding, CtypesBinding, CythonBinding

import offgil
from offgil.ctypes import OFFGIL_EHANDLE, OFFGIL_OK

HERE = Path(__file__).resolve().parent
PATIENCE = 30.0
# Neither has a build for the free-threaded 3.13.
if importlib.util.find_spec("cffi") is None or importlib.util.find_spec("numba") is None:
    collect_ignore = ["test_conversions.py", "test_native_buffers.py", "test_native_kinds.py"]


def pytest_collection_finish() -> None:
    """A collection of garbage in a test looks at what the tests have made, not at all modules there are."""
    gc.collect()
    gc.freeze()


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command; its output is in the report if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def run_script(code: str) -> tuple[int, str, str]:
    """Runs a program; how it ends, and what it writes."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


class Running:
    """How many tasks ran at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def task(self, number: int) -> int:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.001)
        with self._lock:
            self.now -= 1
        return number


@pytest.fixture(scope="session")
def compiler() -> str:
    """The C compiler."""
    return os.environ.get("CC", "cc")


class Native:
    """The C task bodies by address, and gates, which keep a task running until the test opens them."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._library = ctypes.CDLL(self.path)
        for name in ("gate_await", "gate_open", "gate_destroy"):
            getattr(self._library, name).argtypes = [ctypes.c_void_p]
        self._library.gate_create.restype = ctypes.c_void_p

    def __getattr__(self, name: str) -> int:
        """The address of a function."""
        address = ctypes.cast(getattr(self._library, name), ctypes.c_void_p).value
        assert address is not None
        return address


class Gate:
    """A task with this gate as its argument and `native.gate_enter` as its function waits for `open`."""

    def __init__(self, native: Native) -> None:
        self._library = native._library
        self.address: int = self._library.gate_create()

    def await_entered(self) -> None:
        """Returns when one more task has entered."""
        self._library.gate_await(self.address)

    def open(self, count: int = 1) -> None:
        """Lets tasks go."""
        for _ in range(count):
            self._library.gate_open(self.address)

    def close(self) -> None:
        """Frees it; no task may be inside."""
        self._library.gate_destroy(self.address)


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory, compiler: str) -> Native:
    """The C task bodies."""
    library = tmp_path_factory.mktemp("native") / "tasks.so"
    source = HERE / "native" / "tasks.c"
    run([compiler, "-shared", "-fPIC", "-O1", "-pthread", "-o", str(library), str(source)])
    return Native(library)


@pytest.fixture
def enter(native: Native) -> offgil.NativeFunction:
    """A task that stays until its gate is opened."""
    return offgil.native(native.gate_enter, "ptr(ptr)")


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory, compiler: str) -> Any:
    """C functions of many types through ctypes and cffi."""
    from kinds import Kinds, build_api_module, build_library

    folder = tmp_path_factory.mktemp("kinds")
    return Kinds(build_library(folder, compiler), build_api_module(folder))


@pytest.fixture(scope="session")
def cython_adapter(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The adapter, compiled as a user's module would be: `cythonize -i`, no path, no flag."""
    folder = tmp_path_factory.mktemp("cython")
    shutil.copy(HERE / "cython_adapter.pyx", folder)
    names = public_names()
    sizes = [name for name, value in names.items() if is_struct(value)]
    constants = [name for name, value in names.items() if is_constant(value)]
    (folder / "constants.pxi").write_text(
        f"CONSTANTS = {{{', '.join(f'{name!r}: offgil.{name}' for name in constants)}}}\n"
        f"SIZES = {{{', '.join(f'{name!r}: sizeof(offgil.{name})' for name in sizes)}}}\n",
        encoding="ascii",
    )
    return compile_cython(folder / "cython_adapter.pyx")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A Cython module that exports functions."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copy(HERE / "native" / "exported.pyx", folder)
    return compile_cython(folder / "exported.pyx")


def compile_cython(source: Path) -> ModuleType:
    """The module, imported."""
    quickly = os.environ | {"CFLAGS": "-O0 -g0"}  # it needs no flag, but is compiled in half the time
    run([sys.executable, "-m", "Cython.Build.Cythonize", "-i", source.name], cwd=source.parent, env=quickly)
    (built,) = source.parent.glob(f"{source.stem}.*.so")
    spec = importlib.util.spec_from_file_location(source.stem, built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public_names() -> dict[str, Any]:
    """What the header gave `offgil.ctypes`: constants and types."""
    public = re.compile(r"[A-Z]+_|\w+_(t|fn)$")
    return {name: value for name, value in vars(offgil.ctypes).items() if public.match(name)}


def is_constant(value: object) -> bool:
    """Whether it is a constant of the header."""
    return type(value) is int


def is_struct(value: object) -> bool:
    """Whether it is a ctypes struct."""
    return isinstance(value, type) and issubclass(value, ctypes.Structure)


BINDINGS: dict[str, Callable[[pytest.FixtureRequest], Binding]] = {
    "ctypes": lambda _: CtypesBinding(),
    "cffi": lambda _: CffiBinding(),
    "cython": lambda request: CythonBinding(request.getfixturevalue("cython_adapter")),
}
if CffiBinding.ffi is None:
    del BINDINGS["cffi"]
needs_cffi = pytest.mark.skipif("cffi" not in BINDINGS, reason="this Python has no cffi")


@pytest.fixture(scope="session", params=list(BINDINGS))
def api(request: pytest.FixtureRequest) -> Binding:
    """Each binding in turn, under one interface."""
    return BINDINGS[request.param](request)


@pytest.fixture(scope="session")
def every_api(request: pytest.FixtureRequest) -> list[Binding]:
    """All bindings at once."""
    return [binding(request) for binding in BINDINGS.values()]


@pytest.fixture
def gate(native: Native) -> Iterator[Gate]:
    """A gate; opened wide at the end of the test, before its pool goes."""
    gate = Gate(native)
    yield gate
    gate.close()


class Pools:
    """Makes pools, and destroys at the end of the test those that are left."""

    def __init__(self, api: Binding) -> None:
        self._api = api
        self._made: list[int] = []

    def create(self, threads: int = 2) -> int:
        """A pool of that many workers."""
        return self.keep(self._api.pool_create(threads))

    def create_with(self, **fields: Any) -> int:
        """A pool with options."""
        return self.keep(self._api.pool_create_with(self._api.options(**fields)))

    def keep(self, pool: int) -> int:
        """Destroys this pool too."""
        assert pool, self._api.offgil_last_message()
        self._made.append(pool)
        return pool

    def destroy(self) -> None:
        """Destroys them all; a test may have done so before."""
        for pool in self._made:
            assert self._api.pool_destroy(pool) in (OFFGIL_OK, OFFGIL_EHANDLE)


@pytest.fixture
def pools(api: Binding, gate: Gate) -> Iterator[Pools]:
    """Pools of this test. They go before the gate does."""
    pools = Pools(api)
    yield pools
    gate.open(1000)  # a failed test must not hang
    pools.destroy()


@pytest.fixture
def pool(pools: Pools) -> int:
    """A pool of two workers."""
    return pools.create()

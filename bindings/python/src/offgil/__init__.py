"""A thread pool for work that needs no GIL: one C library for all of Python's native callers.

- `offgil.ThreadPoolExecutor`: the stdlib's, with C functions that run off the GIL; its `offgil.Future`; and
  `offgil.native`, a native function of ctypes, cffi, numba, SciPy, Cython or an address
- `offgil.pool.ThreadPool`: that of `multiprocessing.pool`, likewise
- `offgil.as_completed`, `offgil.wait`: the stdlib's, also in a task that waits for others of its executor
- `offgil.lib`: the library through ctypes, every `argtypes` and `restype` set; `offgil.ctypes` has its types
- `offgil.cffi.ffi`, `offgil.cffi.lib`: the same through cffi
- `offgil.joblib`, `offgil.dask`: a backend for joblib, an executor for the workers of Dask distributed
- `from offgil cimport pool_create, pool_submit, future_wait`: the same in Cython, all `noexcept nogil`, with
  no compiler or linker flag

All call one loaded library: a pool or a future made by one of them is good for the others. What a
function does, who owns what afterwards, whether it blocks and which status it answers is in `offgil.h`, which
lies in `get_include()`.
"""

from __future__ import annotations

from importlib import import_module

from offgil import capi, ctypes
from offgil._future import Future, TaskFailed
from offgil._library import get_include, get_library, get_library_dir, lib
from offgil._native import NativeFunction, native
from offgil._waits import as_completed, wait
from offgil.executor import ThreadPoolExecutor

TYPE_CHECKING = False  # as in typing, whose import takes longer than that of all else here
if TYPE_CHECKING:
    from typing import Any

    from offgil import cffi, pool
    from offgil import dask as dask
    from offgil import joblib as joblib

__all__ = [
    "Future",
    "NativeFunction",
    "TaskFailed",
    "ThreadPoolExecutor",
    "as_completed",
    "capi",
    "cffi",
    "ctypes",
    "get_include",
    "get_library",
    "get_library_dir",
    "lib",
    "native",
    "pool",
    "wait",
]

__version__: str = (lib.offgil_version_string() or b"").decode("ascii")


def __getattr__(name: str) -> Any:
    """These modules are imported when they are first asked for."""
    if name in ("cffi", "dask", "joblib", "pool"):
        return import_module(f"offgil.{name}")
    raise AttributeError(f"module 'offgil' has no attribute {name!r}")

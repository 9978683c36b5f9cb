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

# No `from __future__`: it opens a file.
import sys

TYPE_CHECKING = False  # as in typing, whose import takes longer than that of all else here
if TYPE_CHECKING:
    from typing import Any

    from offgil import capi, cffi, ctypes, pool
    from offgil import dask as dask
    from offgil import joblib as joblib
    from offgil._library import __version__ as __version__
    from offgil._library import get_include, get_library, get_library_dir, lib
    from offgil._waits import as_completed, wait

# What takes long to import, or few programs use, is imported when it is asked for.
_MODULES = ("cffi", "ctypes", "dask", "joblib", "pool")
_NAMES = {
    "__version__": "_library",
    "as_completed": "_waits",
    "get_include": "_library",
    "get_library": "_library",
    "get_library_dir": "_library",
    "lib": "_library",
    "wait": "_waits",
}


def _load(name: str) -> None:
    """As `import` does, for what lies in one file as it takes long to open one; and no folder is listed."""
    # importlib.machinery, which has them from there, is one file more.
    from _frozen_importlib_external import EXTENSION_SUFFIXES, ExtensionFileLoader

    file = f"{__path__[0]}/capi{EXTENSION_SUFFIXES[0]}"
    loader = ExtensionFileLoader(f"{__name__}.{name}", file)
    spec: Any = type(__spec__)(loader.name, loader, origin=file)
    sys.modules[loader.name] = module = loader.create_module(spec)
    module.__spec__ = spec
    loader.exec_module(module)
    globals()[name] = module


_load("capi")
_load("_core")

from offgil._core import Future, NativeFunction, TaskFailed, ThreadPoolExecutor, native  # noqa: E402

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


def __getattr__(name: str) -> "Any":
    """What has to be imported for these is when they are first asked for."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"offgil.{name}")
    if name not in _NAMES:
        raise AttributeError(f"module 'offgil' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"offgil.{_NAMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})

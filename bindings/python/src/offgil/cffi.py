"""The C API as cffi sees it: `ffi` knows the types of `offgil.h`, `lib` holds its functions and constants.

    from offgil.cffi import ffi, lib

    pool = lib.pool_create(0)
    future = lib.pool_submit(pool, ffi.cast("task_fn", address), ffi.NULL)

Every call releases the GIL. Handles are `pool_t *` and `future_t *`, and may come from ctypes or Cython:
`ffi.cast("pool_t *", handle)`. A Python function becomes a task with
`ffi.callback("task_fn", function)`: keep that object alive until the task is done.
"""

from typing import Any, Final

from offgil._cffi_abi import ffi
from offgil._library import get_library

lib: Final[Any] = ffi.dlopen(get_library())

__all__ = ["ffi", "lib"]

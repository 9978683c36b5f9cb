"""Which liboffgil this process uses, and where its files are."""

from __future__ import annotations

import os
from ctypes import byref, sizeof

from offgil import capi
from offgil.ctypes import Library, pool_stats_t, pool_t

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_PACKAGE: Final = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib is slow to import

# The compiled module is linked with the library; all else opens the very file that the loader bound it to, so
# that there is one library in the process, and a handle means the same to all.
_LIBRARY: Final = os.path.realpath(capi.library_path())

lib: Final = Library(_LIBRARY)

__version__: Final[str] = (lib.offgil_version_string() or b"").decode("ascii")


def get_library() -> str:
    """The path of the shared library in use, for `ctypes.CDLL`, `ffi.dlopen` or a linker."""
    return _LIBRARY


def get_library_dir() -> str:
    """The folder to link from: `-L<folder> -loffgil -Wl,-rpath,<folder>`."""
    return _PACKAGE


def get_include() -> str:
    """The folder of `offgil.h`: `-I<folder>`."""
    return os.path.join(_PACKAGE, "include")  # noqa: PTH118


def fields_of_stats(pool: pool_t) -> dict[str, Any]:
    """What `pool_stats` tells, by the names of its fields."""
    stats = pool_stats_t()
    lib.pool_stats(pool, byref(stats), sizeof(stats))
    fields = {name: getattr(stats, name) for name, *_ in stats._fields_ if name not in ("size", "reserved")}
    for name in ("time_queued", "time_run"):
        fields[name] = list(fields[name])
    return fields

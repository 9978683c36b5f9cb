"""Which liboffgil this process uses, and where its files are."""

from __future__ import annotations

import os

from offgil import capi
from offgil.ctypes import Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

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

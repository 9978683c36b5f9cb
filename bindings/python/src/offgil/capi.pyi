"""The Cython face: its functions are for `cimport`, and Python sees only where the library is."""

from typing import Any

__pyx_capi__: dict[str, Any]

def library_path() -> str:
    """The path of the shared library that this module calls."""

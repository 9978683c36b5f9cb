"""Written by cffi when the package is built."""

from typing import Any

ffi: Any

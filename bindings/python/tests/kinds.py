"""The same C functions through ctypes and both modes of cffi."""

from __future__ import annotations

import ctypes
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import cffi
from conftest import run

HERE = Path(__file__).resolve().parent / "native"


def declarations() -> str:
    """What the header declares, as cffi reads it."""
    return re.sub(r"^#.*$", "", (HERE / "same.h").read_text(encoding="ascii"), flags=re.MULTILINE)


def build_library(folder: Path, compiler: str) -> Path:
    """The shared library."""
    library = folder / "same.so"
    run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "same.c")])
    return library


def build_api_module(folder: Path) -> ModuleType:
    """The module of cffi's API mode, `offgil_same`, with two functions that are in Python."""
    ffi = cffi.FFI()
    ffi.cdef(declarations())
    ffi.cdef('extern "Python" int in_python(int); extern "Python+C" int in_python_for_c(int);')
    ffi.cdef("int call_python(int value); extern int (*variable)(int);")
    source = (HERE / "same.c").read_text(encoding="ascii")
    source += "static int in_python(int); static int call_python(int value) { return in_python(value); }\n"
    source += "int (*variable)(int);\n"
    ffi.set_source("offgil_same", source, include_dirs=[str(HERE)])
    ffi.compile(tmpdir=str(folder))
    (built,) = folder.glob("offgil_same.*.so")
    spec = importlib.util.spec_from_file_location("offgil_same", built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Pair(ctypes.Structure):
    """The header's `pair`."""

    _fields_ = [("left", ctypes.c_int), ("right", ctypes.c_int)]


FunctionKind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
ints, pairs = ctypes.POINTER(ctypes.c_int), ctypes.POINTER(Pair)
doubles = ctypes.POINTER(ctypes.c_double)

# The result and the arguments of each function, in ctypes' words.
TYPES: dict[str, tuple[Any, list[Any]]] = {
    **{
        f"same_{name}": (kind, [kind])
        for name, kind in {
            "i8": ctypes.c_int8,
            "u8": ctypes.c_uint8,
            "i16": ctypes.c_int16,
            "u16": ctypes.c_uint16,
            "i32": ctypes.c_int32,
            "u32": ctypes.c_uint32,
            "i64": ctypes.c_int64,
            "u64": ctypes.c_uint64,
            "f32": ctypes.c_float,
            "f64": ctypes.c_double,
            "char": ctypes.c_char,
            "bool": ctypes.c_bool,
            "wide": ctypes.c_wchar,
            "color": ctypes.c_int,
            "void": ctypes.c_void_p,
            "text": ctypes.c_char_p,
            "ints": ints,
            "pair": pairs,
            "function": FunctionKind,
            "by_value": Pair,
            "longest": ctypes.c_longdouble,
        }.items()
    },
    "read_int": (ctypes.c_int, [ints]),
    "read_double": (ctypes.c_double, [doubles]),
    "read_char": (ctypes.c_int, [ctypes.c_char_p]),
    "read_pair": (ctypes.c_int, [pairs]),
    "nothing": (None, []),
    "sum": (ctypes.c_double, [doubles, ctypes.c_size_t]),
    "scaled": (ctypes.c_double, [ctypes.c_double, ctypes.c_void_p]),
    "refuse": (ctypes.c_int, [ctypes.c_int]),
    "mixed": (
        ctypes.c_int,
        [
            ctypes.c_int8,
            ctypes.c_double,
            ctypes.c_uint16,
            ctypes.c_float,
            ctypes.c_char_p,
            ctypes.c_int64,
        ],
    ),
    "call": (ctypes.c_int, [FunctionKind, ctypes.c_int]),
}


class Kinds:
    """A function by its name: `ctypes`, `abi`, `api` give each library's."""

    def __init__(self, library: Path, module: ModuleType) -> None:
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations())
        self.library = ctypes.CDLL(str(library))
        self.abi: Any = self.ffi.dlopen(str(library))
        self.api_ffi: Any = module.ffi
        self.api: Any = module.lib
        self.module = module

    def ctypes(self, name: str) -> Any:
        """A ctypes function of its own, with its types."""
        function = self.library[name]
        function.restype, function.argtypes = TYPES[name]
        return function

    def get(self, kind: str, name: str) -> Any:
        """The function of a kind."""
        return self.ctypes(name) if kind == "ctypes" else getattr(getattr(self, kind), name)

    def address(self, name: str) -> int:
        """Where its code is."""
        return ctypes.cast(self.library[name], ctypes.c_void_p).value or 0

"""One interface over the ctypes, cffi and Cython bindings, so that one test runs over all three.

Handles, functions and data pointers are plain numbers here (0 is NULL). A C function without out-parameters
keeps its name and its arguments; one with out-parameters returns them after its status.
"""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import offgil

try:
    from offgil.cffi import ffi, lib
except ImportError:  # cffi has no build for the free-threaded 3.13
    ffi = lib = None

PATIENCE_NS = 30 * 10**9  # a wait that ends by this has gone wrong
MESSAGE_SIZE = 256


class Task(NamedTuple):
    """A C function pointer and its argument. `owner` must live until the task is done."""

    fn: int
    arg: int
    owner: object


class Options(ABC):
    """A `pool_options_t` as `pool_options_init` leaves it, then with some fields set.

    It may be given where a C function takes a pointer to one; the object owns the memory at `address`.
    """

    address: int

    @abstractmethod
    def __getitem__(self, field: str) -> Any:
        """The value of a field."""

    @abstractmethod
    def __setitem__(self, field: str, value: Any) -> None:
        """Sets a field; pointers are numbers, `thread_name` is bytes."""


class Binding(ABC):
    """What the tests use of a binding."""

    name: str

    @abstractmethod
    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The C function of that name."""

    @abstractmethod
    def constant(self, name: str) -> int:
        """The value of a constant."""

    @abstractmethod
    def sizeof(self, struct: str) -> int:
        """The size of a struct in bytes."""

    @abstractmethod
    def options(self, **fields: Any) -> Options:
        """New options with some fields set."""

    @abstractmethod
    def python_task(self, function: Callable[[], int]) -> Task:
        """A Python function as a task; its result is a number."""

    @abstractmethod
    def python_range(self, function: Callable[[int, int], None]) -> Task:
        """A Python function as the body of `pool_for`."""


class CtypesBinding(Binding):
    """`offgil.lib`."""

    name = "ctypes"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    def _call(self, name: str, *arguments: Any) -> Any:
        function = getattr(offgil.lib, name)
        result = function(*map(self._argument, function.argtypes, arguments))
        return result.value or 0 if isinstance(result, ctypes.c_void_p) else result

    def _argument(self, kind: Any, value: Any) -> Any:
        """A struct goes by reference or by its address; all else goes as it is."""
        if isinstance(value, CtypesOptions):
            return ctypes.byref(value.struct)
        return ctypes.cast(value, kind) if hasattr(kind, "contents") and isinstance(value, int) else value

    def constant(self, name: str) -> int:
        return getattr(offgil.ctypes, name)

    def sizeof(self, struct: str) -> int:
        return ctypes.sizeof(getattr(offgil.ctypes, struct))

    def options(self, **fields: Any) -> Options:
        return CtypesOptions(fields)

    def python_task(self, function: Callable[[], int]) -> Task:
        return self._task(offgil.ctypes.task_fn(lambda _: function()))

    def python_range(self, function: Callable[[int, int], None]) -> Task:
        return self._task(offgil.ctypes.range_fn(lambda _, begin, end: function(begin, end)))

    def _task(self, callback: Any) -> Task:
        return Task(ctypes.cast(callback, ctypes.c_void_p).value or 0, 0, callback)

    def future_wait(self, future: int, timeout_ns: int = PATIENCE_NS) -> tuple[int, int]:
        result = ctypes.c_void_p()
        status = offgil.lib.future_wait(future, timeout_ns, ctypes.byref(result))
        return status, result.value or 0

    def future_wait_all(self, futures: Sequence[int], timeout_ns: int = PATIENCE_NS) -> int:
        return offgil.lib.future_wait_all(self._futures(futures), len(futures), timeout_ns)

    def future_wait_any(self, futures: Sequence[int], timeout_ns: int = PATIENCE_NS) -> tuple[int, int]:
        index = ctypes.c_size_t(len(futures))
        status = offgil.lib.future_wait_any(
            self._futures(futures), len(futures), timeout_ns, ctypes.byref(index)
        )
        return status, index.value

    def future_error(self, future: int, length: int = MESSAGE_SIZE) -> tuple[int, int, bytes]:
        code = ctypes.c_int32()
        message = ctypes.create_string_buffer(MESSAGE_SIZE)
        status = offgil.lib.future_error(future, ctypes.byref(code), message, length)
        return status, code.value, message.value

    def pool_submit_many(self, pool: int, fn: int, args: Sequence[int]) -> tuple[int, list[int]]:
        futures = (offgil.ctypes.future_t * len(args))()
        status = offgil.lib.pool_submit_many(pool, fn, self._pointers(args), len(args), futures)
        return status, [future.value or 0 for future in futures]

    def pool_map(self, pool: int, fn: int, args: Sequence[int]) -> tuple[int, list[int]]:
        results = (ctypes.c_void_p * len(args))()
        status = offgil.lib.pool_map(pool, fn, self._pointers(args), results, len(args))
        return status, [result or 0 for result in results]

    def _pointers(self, values: Sequence[int]) -> Any:
        return (ctypes.c_void_p * len(values))(*values)

    def _futures(self, values: Sequence[int]) -> Any:
        return (offgil.ctypes.future_t * len(values))(*values)


class CtypesOptions(Options):
    """Fields of the ctypes struct; a function pointer field is set by address."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.struct = offgil.ctypes.pool_options_t()
        offgil.lib.pool_options_init(ctypes.byref(self.struct), ctypes.sizeof(self.struct))
        self.address = ctypes.addressof(self.struct)
        for field, value in fields.items():
            self[field] = value

    def __getitem__(self, field: str) -> Any:
        value = getattr(self.struct, field)
        return ctypes.cast(value, ctypes.c_void_p).value or 0 if field.startswith("on_") else value or 0

    def __setitem__(self, field: str, value: Any) -> None:
        kind = offgil.ctypes.thread_hook_fn if field.startswith("on_") else lambda same: same
        setattr(self.struct, field, kind(value))


class CffiBinding(Binding):
    """`offgil.cffi.lib`."""

    name = "cffi"
    ffi = ffi
    lib = lib

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    def _call(self, name: str, *arguments: Any) -> Any:
        function = getattr(self.lib, name)
        return self._number(function(*map(self._argument, self.ffi.typeof(function).args, arguments)))

    def _argument(self, kind: Any, value: Any) -> Any:
        """A number becomes what the parameter is; all else goes as it is."""
        if value is None:
            return self.ffi.NULL
        if isinstance(value, CffiOptions):
            return value.struct
        numeric = kind.kind == "primitive" or not isinstance(value, int)
        return value if numeric else self.ffi.cast(kind, value)

    def _number(self, value: Any) -> Any:
        if not isinstance(value, self.ffi.CData):
            return value
        if self.ffi.typeof(value) is self.ffi.typeof("const char *"):
            return self.ffi.string(value) if value else None
        return int(self.ffi.cast("uintptr_t", value))

    def constant(self, name: str) -> int:
        return getattr(self.lib, name)

    def sizeof(self, struct: str) -> int:
        return self.ffi.sizeof(struct)

    def options(self, **fields: Any) -> Options:
        return CffiOptions(fields)

    def python_task(self, function: Callable[[], int]) -> Task:
        return self._task("task_fn", lambda _: self.ffi.cast("void *", function()))

    def python_range(self, function: Callable[[int, int], None]) -> Task:
        return self._task("range_fn", lambda _, begin, end: function(begin, end))

    def _task(self, kind: str, function: Callable[..., Any]) -> Task:
        callback = self.ffi.callback(kind, function)
        return Task(self._number(callback), 0, callback)

    def future_wait(self, future: int, timeout_ns: int = PATIENCE_NS) -> tuple[int, int]:
        result = self.ffi.new("void **")
        status = self.lib.future_wait(self._future(future), timeout_ns, result)
        return status, self._number(result[0])

    def future_wait_all(self, futures: Sequence[int], timeout_ns: int = PATIENCE_NS) -> int:
        return self.lib.future_wait_all(self._futures(futures), len(futures), timeout_ns)

    def future_wait_any(self, futures: Sequence[int], timeout_ns: int = PATIENCE_NS) -> tuple[int, int]:
        index = self.ffi.new("size_t *", len(futures))
        return self.lib.future_wait_any(self._futures(futures), len(futures), timeout_ns, index), index[0]

    def future_error(self, future: int, length: int = MESSAGE_SIZE) -> tuple[int, int, bytes]:
        code = self.ffi.new("int32_t *")
        message = self.ffi.new("char[]", MESSAGE_SIZE)
        status = self.lib.future_error(self._future(future), code, message, length)
        return status, code[0], self.ffi.string(message)

    def pool_submit_many(self, pool: int, fn: int, args: Sequence[int]) -> tuple[int, list[int]]:
        futures = self.ffi.new("future_t *[]", len(args))
        status = self._call("pool_submit_many", pool, fn, self._pointers(args), len(args), futures)
        return status, [self._number(future) for future in futures]

    def pool_map(self, pool: int, fn: int, args: Sequence[int]) -> tuple[int, list[int]]:
        results = self.ffi.new("void *[]", len(args))
        status = self._call("pool_map", pool, fn, self._pointers(args), results, len(args))
        return status, [self._number(result) for result in results]

    def _future(self, value: int) -> Any:
        return self.ffi.cast("future_t *", value)

    def _futures(self, values: Sequence[int]) -> Any:
        return self.ffi.new("future_t *[]", [self._future(value) for value in values])

    def _pointers(self, values: Sequence[int]) -> Any:
        return self.ffi.new("void *[]", [self.ffi.cast("void *", value) for value in values])


class CffiOptions(Options):
    """Fields of the cffi struct; pointers are numbers."""

    ffi = ffi

    def __init__(self, fields: dict[str, Any]) -> None:
        self.struct = self.ffi.new("pool_options_t *")
        self.kept: list[Any] = []
        lib.pool_options_init(self.struct, self.ffi.sizeof("pool_options_t"))
        self.address = int(self.ffi.cast("uintptr_t", self.struct))
        for field, value in fields.items():
            self[field] = value

    def __getitem__(self, field: str) -> Any:
        value = getattr(self.struct, field)
        if not isinstance(value, self.ffi.CData):
            return value
        if field == "thread_name":
            return self.ffi.string(value) if value else 0
        return int(self.ffi.cast("uintptr_t", value))

    def __setitem__(self, field: str, value: Any) -> None:
        kind = dict(self.ffi.typeof("pool_options_t").fields)[field].type
        if isinstance(value, bytes):
            value = self.ffi.new("char[]", value)
            self.kept.append(value)
        setattr(self.struct, field, value if kind.kind == "primitive" else self.ffi.cast(kind, value))


class CythonBinding(Binding):
    """`cython_adapter.pyx`, which does `from offgil cimport ...`."""

    name = "cython"

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self.module, name)

    def constant(self, name: str) -> int:
        return self.module.CONSTANTS[name]

    def sizeof(self, struct: str) -> int:
        return self.module.SIZES[struct]

    def options(self, **fields: Any) -> Options:
        options = self.module.Options()
        for field, value in fields.items():
            options[field] = value
        return options

    def python_task(self, function: Callable[[], int]) -> Task:
        return Task(*self.module.python_task(function), function)

    def python_range(self, function: Callable[[int, int], None]) -> Task:
        return Task(*self.module.python_range(function), function)

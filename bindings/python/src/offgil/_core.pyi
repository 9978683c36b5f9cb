"""What every program needs of the compiled half."""

import concurrent.futures
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from typing_extensions import Buffer, CapsuleType

from offgil._work_queue import WorkQueue
from offgil.ctypes import pool_t

_P = ParamSpec("_P")
_T = TypeVar("_T")

class CallsBack(TypeError):
    """C would come back into Python through an argument, as far as is known."""

def address_in(data: Any) -> int:
    """The address that C gets for an argument of type `c_void_p`: of an array its own, else what is in it."""

def address_passed(value: Any, converted: Any) -> int:
    """The same, of a value and what `c_void_p.from_param` made of it: ctypes passes where a text lies."""

def is_here(keep: list[Any]) -> bool:
    """Whether what is kept is for a call on a thread of Python's."""

BROKEN: str
"""Why an executor whose initializer failed is not usable."""

class Work:
    """An executor's pool, its queue of Python tasks and its threads."""

    @property
    def handle(self) -> int: ...
    @property
    def threads(self) -> set[threading.Thread]: ...
    @property
    def broken(self) -> str | None: ...
    @property
    def daemon(self) -> bool: ...
    def start_workers(self) -> None: ...
    def give_way(self) -> None: ...
    def block(self) -> None: ...
    def unblock(self) -> None: ...
    def fail(self) -> None: ...
    def close(self, cancel: bool, at_exit: bool = False) -> None: ...
    def join(self) -> None: ...
    def counts(self) -> tuple[int, int]: ...

def start_thread(thread: threading.Thread) -> bool:
    """Starts it; False at exit, from where on CPython 3.12 and later start none."""

class TaskFailed(RuntimeError):
    """A native task called `task_fail`, or panicked."""

    def __init__(self, message: str, code: int) -> None: ...

    code: int
    """What it told; 0 for a panic."""

def work_of_task() -> Work | None:
    """The `Work` one of whose Python tasks calls this; None elsewhere."""

class Future(concurrent.futures.Future[_T]):
    """A task's result to come."""

    @property
    def native(self) -> bool:
        """Whether the task is a C function that runs off the GIL."""

    @property
    def errno(self) -> int | None:
        """What the native function left in `errno`, else 0; None without a result of a native task."""

    def add_done_callback(self, fn: Callable[[Future[_T]], object]) -> None:
        """Calls `fn(future)` when the task has ended or is cancelled; at once if that is so."""

    def __await__(self) -> Generator[Any, None, _T]: ...

class _LowLevelCallable(Protocol):
    """What is common to SciPy's, which is a tuple."""

    @property
    def function(self) -> Any: ...
    @property
    def user_data(self) -> Any: ...
    @property
    def signature(self) -> Any: ...

class NativeFunction:
    """A function in machine code that executors call off the GIL. Made by `native`."""

    @property
    def function(self) -> Any:
        """What it was made of."""

    @property
    def signature(self) -> str | None:
        """The text of its signature; None if it goes by what the function says of itself."""

    def __call__(self, *arguments: Any) -> Any:
        """The ordinary call: here and now, without the GIL. Wrong arguments raise as at `submit`."""

_NativeObject: TypeAlias = NativeFunction | CapsuleType | _LowLevelCallable
"""What an executor takes for a native function although Python can't call it."""

@overload
def native(function: Callable[..., Any] | _NativeObject, signature: str | None = None) -> NativeFunction:
    """A native function for `submit` and the maps, of a function, or of an address with its signature.

    `signature` is in the words of `signature_create` in `offgil.h`, "f64(f64,i32,ptr)", or in C. Raises
    `TypeError` for what is no native function, and `ValueError` for a signature that is none.
    """

@overload
def native(function: int, signature: str) -> NativeFunction: ...
def goes_native(function: object) -> bool:
    """Whether `submit` calls this off the GIL, if the arguments fit."""

class Submitter:
    """The half of `ThreadPoolExecutor` that is compiled."""

    _work: Work

    def _open(
        self,
        most: int,
        prefix: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        limit: int,
        when_full: str,
        daemon: bool = False,
        /,
    ) -> None: ...
    @overload
    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Submits `fn(*args, **kwargs)` and returns its `Future`.

        A `native` function, and a ctypes function whose call off the GIL is certain to end as the ordinary
        call would, never touches the GIL (`future.native` tells). Anything else runs on one of the executor's
        Python threads. Raises what a wrong argument of a `native` function is, `RuntimeError` after a
        shutdown, and `queue.Full` with `when_full="fail"`; blocks only in a full queue.
        """
    @overload
    def submit(self, fn: _NativeObject, /, *args: Any) -> Future[Any]: ...

def usable_cpus() -> int:
    """`os.process_cpu_count` of CPython 3.13."""

_NativeCode: TypeAlias = Callable[..., Any] | _NativeObject

class _NumpyArray(Protocol):
    """What NumPy's arrays have, which are no `Buffer` before CPython 3.12, and other buffers have not."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...

_B = TypeVar("_B", bound=Buffer | _NumpyArray)

class ThreadPoolExecutor(Submitter, concurrent.futures.ThreadPoolExecutor):
    """All that `concurrent.futures.ThreadPoolExecutor` is, and native functions run off the GIL.

    At most `max_workers` tasks run at a time, of both kinds together. `queue_limit` bounds how many of each
    kind may be queued (0: no limit); `when_full` says what a `submit` does then: "block" until there is room,
    "fail" with `queue.Full`, or "run" the task. A task is never blocked by its own executor.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        queue_limit: int = 0,
        when_full: Literal["block", "fail", "run"] = "block",
    ) -> None: ...
    @property
    def _threads(self) -> set[Any]: ...  # type: ignore[override]
    @property
    def _broken(self) -> str | bool: ...  # type: ignore[override]
    @property  # type: ignore[override]
    def _work_queue(self) -> WorkQueue: ...
    @_work_queue.setter
    def _work_queue(self, queue: object) -> None: ...  # pyright: ignore[reportIncompatibleVariableOverride]
    @property
    def handle(self) -> pool_t:
        """The pool, for `offgil.lib`, cffi (`ffi.cast("pool_t *", handle)`) and Cython."""

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        progress: bool | str = False,
    ) -> Iterator[_T]:
        """`map(fn, *iterables)` with the calls as tasks; results come in order.

        What is given is read at once, or with `buffersize` so far ahead of the results. `timeout` is in
        seconds from the call on. `chunksize` is without effect, as in every executor of threads.

        `progress=True`, or a text that describes it, shows a bar of tqdm's, which moves as results are taken.
        Raises ImportError without tqdm.
        """

    @overload
    def map_array(
        self, fn: _NativeCode, array: Buffer | _NumpyArray, out: _B, *, progress: bool | str = False
    ) -> _B:
        """`out[i] = fn(array[i])` for all items of a buffer, off the GIL; returns `out`.

        `fn` is a native function of one number that returns one; the items of `array` and `out` are of its
        types, of any shape and stride. Without `out` a new NumPy array if `array` is one, else a memoryview.
        `progress` is that of `map`.

        Raises CancelledError if `shutdown(cancel_futures=True)` comes before all items are done: `out` has
        the results of some then.
        """

    @overload
    def map_array(
        self, fn: _NativeCode, array: _NumpyArray, out: None = None, *, progress: bool | str = False
    ) -> Any: ...
    @overload
    def map_array(
        self, fn: _NativeCode, array: Buffer, out: None = None, *, progress: bool | str = False
    ) -> memoryview: ...
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more tasks; those that are queued are run, or cancelled, and waited for.

        With `cancel_futures` native tasks that run are asked to stop (`task_is_canceled`).
        """

    def stats(self) -> dict[str, Any]:
        """The fields of `pool_stats_t`, and how many Python tasks are queued and threads run such.

        In the numbers of the pool each Python thread is one task, blocked while it has nothing to do.
        """

    def __del__(self) -> None: ...

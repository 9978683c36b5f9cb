"""The compiled half of `ThreadPoolExecutor`."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from offgil._future import Future
from offgil._native import _NativeObject
from offgil._work import Work

def goes_native(function: object) -> bool:
    """Whether `submit` calls this off the GIL, if the arguments fit."""

_P = ParamSpec("_P")
_T = TypeVar("_T")

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

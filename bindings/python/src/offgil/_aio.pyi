"""How an asyncio loop learns that tasks have ended."""

import concurrent.futures
from collections.abc import Callable, Generator
from typing import Any, TypeVar

_T = TypeVar("_T")

def awaiting(future: concurrent.futures.Future[_T]) -> Generator[Any, None, _T]: ...
def take_chain(future: concurrent.futures.Future[Any], callback: Callable[..., Any]) -> bool: ...

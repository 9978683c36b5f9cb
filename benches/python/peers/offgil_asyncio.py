"""asyncio, with offgil's futures awaited."""

import asyncio
from typing import NamedTuple

import offgil

PACKAGE = "offgil"


class Opened(NamedTuple):
    loop: asyncio.AbstractEventLoop
    executor: offgil.ThreadPoolExecutor


def make_pool(workers):
    return Opened(asyncio.new_event_loop(), offgil.ThreadPoolExecutor(workers))


def submit(opened, fn, count):
    async def collect():
        futures = [opened.executor.submit(fn) for _ in range(count)]
        return [await future for future in futures]

    return opened.loop.run_until_complete(collect())


def roundtrips(opened, fn, count, clock):
    async def trips():
        return [(await opened.executor.submit(fn), clock()) for _ in range(count)]

    return opened.loop.run_until_complete(trips())

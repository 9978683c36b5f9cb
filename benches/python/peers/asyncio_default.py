"""asyncio, its default executor."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor


def executor(workers):
    return ThreadPoolExecutor(workers)


def make_pool(workers):
    loop = asyncio.new_event_loop()
    loop.set_default_executor(executor(workers))
    return loop


def submit(loop, fn, count):
    async def collect():
        return await asyncio.gather(*[loop.run_in_executor(None, fn) for _ in range(count)])

    return loop.run_until_complete(collect())


def roundtrips(loop, fn, count, clock):
    async def trips():
        return [(await loop.run_in_executor(None, fn), clock()) for _ in range(count)]

    return loop.run_until_complete(trips())


def nested(loop, fn):
    async def inner():
        return await loop.run_in_executor(None, fn)

    def outer():
        time.sleep(0.1)  # until both have begun
        return asyncio.run_coroutine_threadsafe(inner(), loop).result() + 1

    async def both():
        return await asyncio.gather(*[loop.run_in_executor(None, outer) for _ in range(2)])

    return loop.run_until_complete(both())

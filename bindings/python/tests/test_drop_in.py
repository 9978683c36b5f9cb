"""Programs as documentation and tutorials of concurrent.futures have them: either import does the same."""

from __future__ import annotations

import queue
import re
import subprocess
import sys

import pytest

import offgil

HEAD = """
import asyncio, atexit, ctypes, functools, itertools, multiprocessing, os, queue, signal, sys, threading, time
from concurrent.futures import CancelledError, FIRST_COMPLETED, ProcessPoolExecutor, as_completed, wait
from {} import ThreadPoolExecutor

def interrupt_soon():
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
"""

PROGRAMS = {
    "what is queued runs before the end": """
pool = ThreadPoolExecutor(1)
go = threading.Event()
pool.submit(go.wait)
for number in range(5):
    pool.submit(lambda number=number: (time.sleep(0.02), print(number, flush=True)))
print("end", flush=True)
go.set()
""",
    "an error in the main program": """
pool = ThreadPoolExecutor(1)
pool.submit(lambda: (time.sleep(0.1), print("ran", flush=True)))
raise ValueError
""",
    "an exit from with": """
with ThreadPoolExecutor(1) as pool:
    pool.submit(lambda: (time.sleep(0.1), print("ran", flush=True)))
    sys.exit(3)
""",
    "an exit that waits for nothing": """
ThreadPoolExecutor(1).submit(time.sleep, 100)
os._exit(4)
""",
    "a submit in atexit": """
pool = ThreadPoolExecutor(1)
pool.submit(abs, 1).result()
def last():
    try:
        pool.submit(abs, -2)
    except RuntimeError as error:
        print(error)
atexit.register(last)
""",
    "a submit in a task at the end": """
pool = ThreadPoolExecutor(1)
def task():
    try:
        while True:
            pool.submit(abs, -2)
            time.sleep(0.01)
    except RuntimeError as error:
        print(error)
pool.submit(task)
""",
    "a callback at the end": """
future = ThreadPoolExecutor(1).submit(time.sleep, 0.1)
future.add_done_callback(lambda future: print(future.result(), flush=True))
""",
    "a callback of a C function at the end": """
for _ in range(20):
    future = ThreadPoolExecutor(1).submit(ctypes.CDLL(None).usleep, 50_000)
    future.add_done_callback(lambda future: (time.sleep(0.001), os.write(1, b"told\\n")))
""",
    "a callback of a C function that submits at the end": """
pool = ThreadPoolExecutor(1)
def tell(future):
    try:
        while True:
            pool.submit(abs, -2)
            time.sleep(0.01)
    except RuntimeError as error:
        print(error, flush=True)
pool.submit(ctypes.CDLL(None).usleep, 100_000).add_done_callback(tell)
""",
    "Ctrl-C in result": """
go = threading.Event()
future = ThreadPoolExecutor(1).submit(go.wait)
try:
    interrupt_soon()
    future.result()
except KeyboardInterrupt:
    print("interrupted", future.done(), flush=True)
go.set()
""",
    "Ctrl-C in map": """
ran = []
def work(number):
    time.sleep(0.1)
    ran.append(number)
    return number
try:
    with ThreadPoolExecutor(1) as pool:
        for number in pool.map(work, range(100)):
            if number == 0:
                interrupt_soon()
except KeyboardInterrupt:
    print("interrupted", len(ran) < 100, flush=True)
""",
    "Ctrl-C in as_completed": """
try:
    interrupt_soon()
    with ThreadPoolExecutor(1) as pool:
        list(as_completed([pool.submit(time.sleep, 0.5)]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
    "Ctrl-C that nobody catches": """
interrupt_soon()
with ThreadPoolExecutor(1) as pool:
    pool.submit(time.sleep, 0.5)
""",
    "Ctrl-C in asyncio": """
async def main():
    with ThreadPoolExecutor(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.5)
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
try:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
""",
    "an executor in the child of a fork": """
pool = ThreadPoolExecutor(2)
pool.submit(abs, 1).result()
child = os.fork()
if child == 0:
    with ThreadPoolExecutor(1) as own:
        print("child", own.submit(abs, -5).result(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent", pool.submit(abs, -6).result())
""",
    "executors in processes": """
def work(count):
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(abs, range(count)))
with ThreadPoolExecutor(2) as pool, ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as processes:
    print(list(pool.map(lambda count: processes.submit(work, count).result(), (3, 4))))
""",
    "asyncio's documentation": """
def read():
    with open("/dev/urandom", "rb") as file:
        return len(file.read(100))
async def main():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor() as pool:
        print(await loop.run_in_executor(pool, read))
        print(await loop.run_in_executor(pool, functools.partial(pow, 2, 5)))
    loop.set_default_executor(ThreadPoolExecutor(3, thread_name_prefix="default"))
    print(await asyncio.to_thread(lambda: threading.current_thread().name))
    await loop.shutdown_default_executor()
    try:
        await asyncio.to_thread(abs, 1)
    except RuntimeError as error:
        print(error)
asyncio.run(main())
""",
    "asyncio's errors": """
async def main():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        calls = (loop.run_in_executor(pool, lambda number=number: 6 // number) for number in range(3))
        print(await asyncio.gather(*calls, return_exceptions=True))
        gate = threading.Event()
        first, second = loop.run_in_executor(pool, gate.wait), loop.run_in_executor(pool, print, "never")
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0.05)
        gate.set()
        print(await first, second.cancelled())
        async def seven():
            return 7
        def ask():
            return asyncio.run_coroutine_threadsafe(seven(), loop).result()
        print(await loop.run_in_executor(pool, ask))
asyncio.run(main())
""",
    "a producer and a consumer": """
items, over, taken = queue.Queue(10), threading.Event(), []
def produce():
    for item in range(50):
        items.put(item)
    over.set()
def consume():
    while not over.is_set() or not items.empty():
        try:
            taken.append(items.get(timeout=0.05))
        except queue.Empty:
            pass
with ThreadPoolExecutor(max_workers=2) as pool:
    pool.submit(produce)
    pool.submit(consume)
print(taken == list(range(50)))
""",
    "tasks that make tasks": """
with ThreadPoolExecutor(3) as pool:
    todo, count = {pool.submit(abs, number) for number in range(3)}, 0
    while todo:
        done, todo = wait(todo, return_when=FIRST_COMPLETED)
        for future in done:
            count += 1
            if count < 20:
                todo.add(pool.submit(abs, count))
print(count)
""",
    "stop by an event": """
stop = threading.Event()
def work():
    while not stop.is_set():
        time.sleep(0.001)
    return threading.current_thread().name
with ThreadPoolExecutor(3, "worker") as pool:
    futures = [pool.submit(work) for _ in range(3)]
    stop.set()
    print(sorted({future.result().split("_")[0] for future in futures}))
""",
    "cancel the rest when one fails": """
def work(number):
    if number == 3:
        raise ValueError(number)
    return number
pool = ThreadPoolExecutor(1)
gate = threading.Event()
futures = [pool.submit(gate.wait), *(pool.submit(work, number) for number in range(6))]
try:
    gate.set()
    for future in futures:
        print(future.result())
except ValueError as error:
    print(repr(error))
    pool.shutdown(cancel_futures=True)
print(futures[-1].done())
""",
    "a subclass that wraps submit": """
class Logging(ThreadPoolExecutor):
    def submit(self, function, /, *args, **kwargs):
        return super().submit(lambda: ("logged", function(*args, **kwargs)))
with Logging(2) as pool:
    print(pool.submit(abs, -1).result(), list(pool.map(abs, [-2])))
""",
    "how much is queued": """
gate = threading.Event()
with ThreadPoolExecutor(1) as pool:
    first = pool.submit(gate.wait)
    while not first.running():
        time.sleep(0.001)
    futures = [pool.submit(abs, number) for number in range(3)]
    print(pool._work_queue.qsize(), pool._work_queue.empty())
    gate.set()
    wait(futures)
    print(pool._work_queue.qsize(), pool._work_queue.empty())
""",
}


def test_queue_cannot_be_replaced_unnoticed() -> None:
    with offgil.ThreadPoolExecutor(1) as pool, pytest.raises(AttributeError, match="queue_limit"):
        pool._work_queue = queue.Queue(10)


def outcome(module: str, program: str) -> tuple[int, str, str]:
    """How it ends, what it prints, and the last line of its complaints."""
    code = HEAD.format(module) + program
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    last_line = done.stderr.strip().rpartition("\n")[2]
    return done.returncode, done.stdout, re.sub(r"pid=\d+", "pid", last_line)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_ends_and_prints_the_same_with_either_import(name: str) -> None:
    right = outcome("concurrent.futures", PROGRAMS[name])
    assert right[1] or right[0]
    assert outcome("offgil", PROGRAMS[name]) == right

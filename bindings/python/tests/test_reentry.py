"""What a signal handler, or a `__del__` that the collector calls, may do to the pool it has interrupted."""

from __future__ import annotations

import pytest
from conftest import run_script

# After `count` steps of the package's code in the main thread `handle` is called in the middle of it.
AT_EVERY_STEP = """
import faulthandler, sys, threading
from offgil import _callbacks, _jobs, _results
from offgil.pool import ThreadPool

FILES = {{_callbacks.__file__, _jobs.__file__, _results.__file__}}


class Interrupt:
    def __init__(self, count):
        self.left = count

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = True
        return self.step

    def step(self, frame, event, argument):
        if event in ("line", "opcode"):  # 3.12 tells of lines alone
            self.left -= 1
            if self.left == 0:
                handle()
        return self.step


def handle():
    try:
        {}
    except ValueError:
        pass  # it is closed


def use():
    yield pool.map_async(abs, [1, 2], 1).get
    yield pool.map_async(abs, []).get
    yield pool.apply_async(abs, (1,), callback=id).get
    yield pool.imap(abs, iter([3, 4])).next
    pool.close()
    pool.join()


count = 0
while True:
    count += {}
    faulthandler.dump_traceback_later(20, exit=True)
    pool = ThreadPool(1)
    interrupt = Interrupt(count)
    outcomes = []
    sys.settrace(interrupt)
    try:
        for outcome in use():
            outcomes.append(outcome)
    except (ValueError, RuntimeError) as error:  # it was closed meanwhile
        assert str(error) in ("Pool not running", "cannot schedule new futures after shutdown"), error
    finally:
        sys.settrace(None)
    pool.close()
    pool.join()
    for outcome in outcomes:
        try:
            outcome()
        except _results.concurrent.futures.CancelledError:
            pass  # it was terminated
    if interrupt.left > 0:
        break
print("over", count > 100)
"""
DONE_IN_BETWEEN = {
    "use": "pool.map_async(abs, [1]), pool.apply_async(abs, (1,), callback=id), pool.imap(abs, iter([1]))",
    "close": "pool.close()",
    "terminate": "pool.terminate()",
}


@pytest.mark.parametrize("what", list(DONE_IN_BETWEEN))
def test_a_pool_may_be_used_and_ended_between_any_two_steps_of_its_user(what: str) -> None:
    status, out, err = run_script(AT_EVERY_STEP.format(DONE_IN_BETWEEN[what], 3))
    assert (status, out) == (0, "over True\n"), err


BY_A_SIGNAL = """
import faulthandler, signal, time
from offgil.pool import ThreadPool

faulthandler.dump_traceback_later(25, exit=True)


def handler(*_):
    {}


signal.signal(signal.SIGALRM, handler)
for count in range(200):
    pool = ThreadPool(2)
    signal.setitimer(signal.ITIMER_REAL, 0.0002 + count % 50 * 0.00005, {})
    try:
        for _ in range(50):
            pool.map_async(abs, [1, 2])
            pool.apply_async(abs, (1,), callback=id)
            pool.imap_unordered(abs, iter([3]))
    except (ValueError, RuntimeError):
        pass  # it was closed
    signal.setitimer(signal.ITIMER_REAL, 0)
    pool.close()
    pool.join()
print("joined")
"""


@pytest.mark.parametrize("what", list(DONE_IN_BETWEEN))
def test_a_signal_handler_may_use_and_end_the_pool_that_it_has_interrupted(what: str) -> None:
    status, out, err = run_script(BY_A_SIGNAL.format(DONE_IN_BETWEEN[what], 0.0003 if what == "use" else 0))
    assert (status, out) == (0, "joined\n"), err


BY_THE_COLLECTOR = """
import faulthandler, gc
from offgil.pool import ThreadPool

faulthandler.dump_traceback_later(25, exit=True)
pool = ThreadPool(2)


class Node:
    def __init__(self):
        self.me = self

    def __del__(self):
        {}


gc.set_threshold(7)
for count in range(3000):
    Node()
    pool.map_async(abs, [1])
    pool.apply_async(abs, (1,), callback=id)
    if count % 50 == 0:
        assert pool.map(abs, [-1, 2]) == [1, 2]
        assert list(pool.imap(abs, iter([-1, 2]))) == [1, 2]
gc.disable()
pool.close()
pool.join()
print("joined")
"""
DONE_BY_THE_COLLECTOR = {
    "map_async": "pool.map_async(abs, [1])",
    "apply_async": "pool.apply_async(abs, (1,), callback=id)",
    "imap": "pool.imap(abs, [1])",
}


@pytest.mark.parametrize("way", list(DONE_BY_THE_COLLECTOR))
def test_a_destructor_that_the_collector_calls_may_use_the_pool_that_it_has_interrupted(way: str) -> None:
    status, out, err = run_script(BY_THE_COLLECTOR.format(DONE_BY_THE_COLLECTOR[way]))
    assert (status, out) == (0, "joined\n"), err


def test_a_signal_handler_may_submit_while_the_thread_of_the_completions_is_being_started() -> None:
    code = """
import ctypes, faulthandler, os, signal, threading
import offgil

faulthandler.dump_traceback_later(20, exit=True)
libc = ctypes.CDLL(None)
buffers = [ctypes.create_string_buffer(9) for _ in range(2)]
futures = []
start = threading.Thread.start


def submit(*_):
    futures.append(pool.submit(libc.memset, buffers[len(futures)], 65, 8))


def start_late(thread):
    if thread.name == "offgil-completions" and not done:
        done.append(True)
        os.kill(os.getpid(), signal.SIGUSR1)
    start(thread)


done = []
signal.signal(signal.SIGUSR1, submit)
threading.Thread.start = start_late
with offgil.ThreadPoolExecutor(1) as pool:
    future = pool.submit(libc.memset, ctypes.create_string_buffer(9), 66, 8)
    called = threading.Event()
    future.add_done_callback(lambda _: called.set())
    assert called.wait(15)
    future.result()
    futures[0].result()
while threading.active_count() > 2:
    pass  # one of the two that were started ends
print(done, buffers[0].value, [thread.name for thread in threading.enumerate()])
"""
    expected = "[True] b'AAAAAAAA' ['MainThread', 'offgil-completions']\n"
    assert run_script(code) == (0, expected, "")

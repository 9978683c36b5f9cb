"""Ctrl-C, exit, and what is left of tasks and threads then: as with the stdlib's executor, never a crash."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Native, eventually

import offgil

PATIENCE = 60.0
PREFIX = "import concurrent.futures as cf, ctypes, os, sys, threading, time\nlibc = ctypes.CDLL(None)\n"
OURS = PREFIX + "import offgil\nExecutor = offgil.ThreadPoolExecutor\n"
THEIRS = PREFIX + "Executor = cf.ThreadPoolExecutor\n"

# Sends Ctrl-C when the main thread waits in `threading._shutdown`, at the end of the script.
CTRL_C_AT_EXIT = """
def interrupt():
    main = threading.main_thread().ident
    while True:
        frame = sys._current_frames()[main]
        while frame is not None:
            if frame.f_code.co_name == "_shutdown":
                time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGINT)
                return
            frame = frame.f_back
        time.sleep(0.01)
import signal
threading.Thread(target=interrupt, daemon=True).start()
"""

# What the main thread may wait in; `long` is a task that takes a minute.
WAITS = {
    "result": "long(libc.sleep, 60).result()",
    "result of Python": "long(time.sleep, 60).result()",
    "exception": "long(libc.sleep, 60).exception()",
    "map": "list(pool.map(libc.sleep, [60, 60]))",
    "wait": "cf.wait([long(libc.sleep, 60), long(time.sleep, 60)])",
    "as_completed": "list(cf.as_completed([long(libc.sleep, 60)]))",
    "shutdown": "long(libc.sleep, 60); pool.shutdown()",
    "shutdown, Python": "long(time.sleep, 60); pool.shutdown()",
    "with": "\n    with pool: long(libc.sleep, 60)",
    "a submit that waits for room": "[long(libc.sleep, 60) for _ in range(3)]",
    "a submit of Python that waits for room": "[long(time.sleep, 60) for _ in range(3)]",
    "map_array": (
        "pool.map_array(offgil.native(libc.usleep, 'i32(i32)'), memoryview(b'\\0\\0\\1\\0' * 9999).cast('i'))"
    ),
}


@pytest.mark.parametrize("wait", list(WAITS))
def test_ctrl_c_interrupts_the_wait(wait: str) -> None:
    code = f"""{OURS}
pool = Executor(1, queue_limit=1)
long = pool.submit
try:
    print("waiting", flush=True)
    {WAITS[wait]}
except KeyboardInterrupt:
    print("interrupted", flush=True)
os._exit(0)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            assert process.communicate(timeout=PATIENCE)[0] == "interrupted\n"
        finally:
            process.kill()


# Scripts that end while something is queued, runs or never ends.
EXITS = {
    "queued and running": """
pool = Executor(1)
pool.submit(time.sleep, 0.05)
for i in range(3): pool.submit(print, i, flush=True)
pool.submit(libc.usleep, 1000)
""",
    "nobody waits": """
pool = Executor(2)
pool.submit(libc.usleep, 200_000); pool.submit(time.sleep, 0.2)
pool.shutdown(wait=False)
""",
    "sys.exit of the main thread": """
pool = Executor(1)
pool.submit(libc.usleep, 1000); pool.submit(print, "done", flush=True)
sys.exit(4)
""",
    "sys.exit in a task": """
pool = Executor(1)
print(repr(pool.submit(sys.exit, 3).exception()))
""",
    "os._exit in a task": "Executor(1).submit(os._exit, 3).result()",
    "os._exit of the main thread": """
pool = Executor(2)
pool.submit(libc.sleep, 60); pool.submit(time.sleep, 60)
os._exit(4)
""",
    "exit of C in a task": "pool = Executor(1)\npool.submit(libc.exit, 3)\ntime.sleep(60)",
    "an exception of the main thread": """
pool = Executor(1)
pool.submit(print, "done", flush=True)
sys.excepthook = lambda *what: None
raise ValueError
""",
    "atexit comes after the tasks": """
import atexit
pool = Executor(1)
atexit.register(print, "atexit")
pool.submit(time.sleep, 0.1); pool.submit(print, "task", flush=True)
""",
    "a task submits": """
pool = Executor(1)
def late():
    for function in (abs, libc.abs):
        try:
            while True:
                pool.submit(function, -1)
                time.sleep(0.01)
        except RuntimeError as error: print(error, flush=True)
pool.submit(late)
""",
    "something submits after the tasks": """
import atexit
pool = Executor(1)
pool.submit(abs, -1).result()
@atexit.register
def late():
    for function in (abs, libc.abs):
        for again in (pool, Executor(1)):
            try: again.submit(function, -1)
            except RuntimeError as error: print(error, flush=True)
    pool.shutdown()
    try: pool.submit(libc.abs, -1)
    except RuntimeError as error: print(error, flush=True)
""",
    "executors and futures in cycles and in modules": """
class Thing: pass
thing = Thing()
thing.self, thing.pool = thing, Executor(2)
thing.native = thing.pool.submit(libc.usleep, 100)
thing.python = thing.pool.submit(lambda: thing)
thing.native.add_done_callback(lambda future: thing)
import builtins
builtins.kept = sys.modules["kept"] = thing
""",
    "__del__ submits": """
class Thing:
    def __del__(self):
        for function in (abs, libc.abs):
            try: pool.submit(function, -1)
            except RuntimeError: pass
pool = Executor(1)
thing = Thing()
""",
    "Ctrl-C, and a native task that never ends": (
        CTRL_C_AT_EXIT + "pool = Executor(1)\npool.submit(libc.sleep, 100_000)"
    ),
    "Ctrl-C, and native tasks that nobody waits for": (
        CTRL_C_AT_EXIT + "pool = Executor(1)\npool.submit(libc.sleep, 100_000)\npool.shutdown(wait=False)"
    ),
    "Ctrl-C, and others are queued": (
        CTRL_C_AT_EXIT
        + "pool = Executor(1)\nfutures = [pool.submit(libc.sleep, 100_000) for _ in range(9)]\n"
        "while not futures[0].running(): time.sleep(0.01)\npool.submit(print, 1)"
    ),
    "Ctrl-C, and somebody is to be told": (
        CTRL_C_AT_EXIT + "pool = Executor(1)\npool.submit(libc.sleep, 100_000).add_done_callback(print)"
    ),
    "Ctrl-C, and Python tasks that never end": CTRL_C_AT_EXIT
    + """
def forever():
    while True: time.sleep(0.001)
pool = Executor(3)
for _ in range(3): pool.submit(forever)
""",
    "Ctrl-C, and a task of C that calls Python for ever": CTRL_C_AT_EXIT
    + """
@ctypes.CFUNCTYPE(ctypes.c_int)
def forever():
    while True: time.sleep(0.001)
pool = Executor(1)
pool.submit(offgil.native(forever, "i32()") if "offgil" in sys.modules else forever)
""",
    "Ctrl-C, and an address that calls Python for ever": CTRL_C_AT_EXIT
    + """
@ctypes.CFUNCTYPE(ctypes.c_int)
def forever():
    while True: time.sleep(0.001)
address = ctypes.cast(forever, ctypes.c_void_p).value
pool = Executor(1)
pool.submit(offgil.native(address, "i32()") if "offgil" in sys.modules else forever)
""",
}


@pytest.mark.parametrize("case", list(EXITS))
def test_a_process_ends_as_with_the_stdlib(case: str) -> None:
    ours, theirs = (
        subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", prefix + EXITS[case]],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        for prefix in (OURS, THEIRS)
    )
    # In the stdlib it depends on which worker was first whether "interpreter" is in the message.
    printed, expected = (done.stdout.replace("after interpreter", "after") for done in (ours, theirs))
    assert (ours.returncode, printed) == (theirs.returncode, expected), ours.stderr
    assert "Fatal" not in ours.stderr
    assert bool(ours.stderr) is bool(theirs.stderr), ours.stderr


@pytest.mark.parametrize("function", ["abs, -1", "libc.abs, -1", "libc.usleep, 10", "time.sleep, 0.00001"])
def test_daemon_threads_submit_and_wait_while_the_interpreter_ends(function: str) -> None:
    # CPython 3.10 frees the interpreter before the process ends, and a thread that then wakes to take the GIL
    # crashes in take_gil: with the stdlib's executor one run in fifty. A thread that waits for the GIL looks
    # once an interval whether it is to end, so short intervals make that one in a thousand.
    code = f"""{OURS}
sys.setswitchinterval(0.0001)
pool = Executor(2)
def submit():
    while True:
        try: pool.submit({function}).result()
        except RuntimeError: pass
for _ in range(3): threading.Thread(target=submit, daemon=True).start()
time.sleep(0.1)
"""
    for _ in range(1 if sys.version_info >= (3, 11) else 4):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", code],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode != -signal.SIGSEGV:
            break
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("cycle", [False, True])
def test_a_collected_executor_leaves_no_thread(native: Native, cycle: bool) -> None:
    def threads() -> set[str]:
        return {path.name for path in Path("/proc/self/task").iterdir()}

    with offgil.ThreadPoolExecutor(1) as first:
        # Starts the thread that stays.
        first.submit(offgil.native(native.twice, "ptr(ptr)"), bytearray(8)).result(PATIENCE)
    before = threads()
    for _ in range(3):
        pool = offgil.ThreadPoolExecutor(3)
        tasks = [pool.submit(time.sleep, 0.01) for _ in range(5)]
        tasks += [pool.submit(offgil.native(native.twice, "ptr(ptr)"), 1) for _ in range(5)]
        for task in tasks:
            task.result(PATIENCE)
        assert threads() - before
        if cycle:
            pool.itself = pool  # type: ignore[attr-defined]
        del pool
        gc.collect()
    assert eventually(lambda: threads() <= before)


SUBINTERPRETER = """
import sys
try:
    import _interpreters as api
    run = api.exec
except ImportError:
    try:
        import _xxsubinterpreters as api
    except ImportError:
        sys.exit(9)
    run = api.run_string
code = '''
try:
    import offgil
    with offgil.ThreadPoolExecutor(1) as pool:
        assert pool.submit(abs, -1).result() == 1
except ImportError as error:
    assert "interpreter" in str(error), error
except RuntimeError as error:
    assert "isolated" in str(error), error  # threading itself, before 3.12
'''
def inside(*kind):
    one = api.create(*kind)
    failure = run(one, code)
    assert failure is None, failure
    api.destroy(one)
def outside():
    try:
        import offgil
    except ImportError as error:
        assert "interpreter" in str(error), error
        return
    with offgil.ThreadPoolExecutor(1) as pool:
        assert pool.submit(abs, -1).result() == 1
kinds = [("isolated",), ("legacy",)] if api.__name__ == "_interpreters" else [()]
if sys.argv[1] == "first": outside()
for kind in kinds: inside(*kind)
outside()
"""


@pytest.mark.parametrize("main", ["first", "last"])
def test_a_subinterpreter_uses_the_package_or_is_refused_in_words(main: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", SUBINTERPRETER, main],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_was_not_made_by_its_constructor_raises_and_crashes_nothing() -> None:
    executor = offgil.ThreadPoolExecutor.__new__(offgil.ThreadPoolExecutor)
    with pytest.raises(RuntimeError, match="__init__ was not called"):
        executor.submit(abs, -1)
    with pytest.raises(RuntimeError, match="__init__ was not called"):
        list(executor.map(abs, [1]))
    for use in (executor.shutdown, executor.stats, lambda: executor.handle):
        with pytest.raises(AttributeError):
            use()
    future = offgil.Future.__new__(offgil.Future)
    assert not future.done()
    future.set_result(3)
    assert future.result() == 3

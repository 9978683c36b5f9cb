"""A program on a terminal, and Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Sequence


def interrupt(command: Sequence[object], shows: Sequence[bytes]) -> tuple[bytes, int]:
    """Presses Ctrl-C when all of `shows` has been shown; returns all that was shown, and the exit status."""
    terminal, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    words = [str(word) for word in command]
    child = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown, interrupted = b"", False
    while select.select([terminal], [], [], 60)[0]:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not interrupted and all(text in shown for text in shows):
            os.killpg(child.pid, signal.SIGINT)  # as a terminal does
            interrupted = True
    if not interrupted:
        child.kill()
    status = child.wait(60)
    os.close(terminal)
    assert interrupted, shown
    return shown, status

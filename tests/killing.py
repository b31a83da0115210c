"""A process that forks a child and kills it, again and again: what tests of crashes run in a process of their own."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def kill_often(
    kills: int, child: Callable[[int, int], None], dice: random.Random, longest_s: float, at_work: float = 0.9
) -> None:
    """Let ``child(run, pipe)`` be killed in every run, up to ``longest_s`` after it began; print what it wrote.

    What has been imported before need not be again, so hundreds of kills take seconds. ``pipe`` is where the child
    writes what it was promised. With the chance ``at_work`` it is killed only after its first word, else perhaps while
    it begins.
    """
    for run in range(kills):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            child(run, writing)
        os.close(writing)
        said = os.read(reading, 1) if dice.random() < at_work else b""
        time.sleep(dice.random() * longest_s)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while block := os.read(reading, 65536):
            said += block
        os.close(reading)
        sys.stdout.write(said.decode())

"""How long a user waits for the first word of the command line."""

import os
import subprocess
import sys
import time
from pathlib import Path

from ._clock import Cost
from ._row import Row

NAME = "cold start"
SECONDS = 0.5


def measure(rounds: int = 10) -> list[Row]:
    """Starts `linnet --help` in processes of its own.

    Args:
        rounds: how often.
    """
    command = [Path(sys.executable).with_name("linnet"), "--help"]
    costs = [_once(command) for _ in range(rounds)]
    best = Cost(min(c.cpu for c in costs), min(c.wall for c in costs))
    note = f"at best; wall {best.wall:.2g} s"
    seconds = {"linnet --help": best.as_dict()}
    return [Row(NAME, "linnet --help, from the start of the process", best.cpu, "s", "<", SECONDS, seconds, note)]


def _once(command: list) -> Cost:
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    wall, after = time.perf_counter() - start, os.times()
    user, system = (getattr(after, part) - getattr(before, part) for part in ("children_user", "children_system"))
    return Cost(user + system, wall)

"""Costs of contestants that run in turns, in CPU seconds of all threads and in seconds on the wall."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax


class Cost(NamedTuple):
    """What one call cost.

    Args:
        cpu: seconds of all cores together; what other programs of the machine take does not count.
        wall: seconds on the clock.
    """

    cpu: float
    wall: float

    def times(self, factor: float) -> "Cost":
        """The cost of so many of it."""
        return Cost(self.cpu * factor, self.wall * factor)

    def as_dict(self) -> dict[str, float]:
        """For the raw results, to a tenth of a millisecond or four digits."""
        return {name: float(f"{value:.4g}") for name, value in self._asdict().items()}


def timed(call: Callable[[], Any]) -> tuple[Cost, Any]:
    """The cost of one call and what it returned, waited for."""
    cpu, wall = time.process_time(), time.perf_counter()
    value = jax.block_until_ready(call())
    return Cost(time.process_time() - cpu, time.perf_counter() - wall), value


class Race(NamedTuple):
    """Contestants that ran in turns.

    Args:
        first: the cost of each one's first call, which compiles.
        rounds: the costs of the later calls.
        values: what each returned.
    """

    first: dict[str, Cost]
    rounds: dict[str, list[Cost]]
    values: dict[str, Any]

    def best(self, name: str) -> Cost:
        """The least CPU and the least wall time of a contestant: what is left when nothing else disturbs it."""
        return Cost(min(c.cpu for c in self.rounds[name]), min(c.wall for c in self.rounds[name]))


def race(contestants: Mapping[str, Callable[[], Any]], rounds: int, before: int = 0) -> Race:
    """Calls all contestants once to compile, then in turns: what slows the machine down slows all of them.

    Args:
        contestants: by name, what to call.
        rounds: how often each is called after its first call.
        before: calls in each turn before the one that is timed, where it is one of many in a row: caches, memory and
            threads are left by the contestant itself then, and not by the one before.
    """
    first, values = {}, {}
    for name, call in contestants.items():
        first[name], values[name] = timed(call)
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            for _ in range(before):
                jax.block_until_ready(call())
            costs[name].append(timed(call)[0])
    return Race(first, costs, values)

"""256 networks: linnet against a plain loop in PyTorch and against PyTorch with the ensemble batched by hand."""

import functools as ft
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _torch_peers as peers
from ._clock import Race, race
from ._linnet import as_batch, losses
from ._problem import Problem, Size, make_problem
from ._row import Row

NAME = "ensemble"
SIZE = Size()
FASTER_THAN_LOOP = {"samples": 25.0, "moments": 50.0}

#: The peer that records what linnet records.
SAME = "recording mode strengths, 1 thread"

#: Losses of float32 runs that sum in other orders, relative to the first loss.
TOLERANCE = 1e-4


def measure(size: Size = SIZE, rounds: int = 5, looped: int = 2, crowded: int = 4) -> list[Row]:
    """Races all contestants on samples and on moments.

    Args:
        size: of the problem.
        rounds: how often each contestant runs after its first call.
        looped: networks that the plain loop trains; its cost is multiplied up to all of them.
        crowded: by how many steps fewer the contestants with two threads of torch run; multiplied up again.
    """
    problem = make_problem(size)
    few = problem._replace(first=problem.first[:looped], last=problem.last[:looped])
    short = problem._replace(steps=problem.steps // crowded)
    batch = as_batch(problem)
    # linnet's moments are computed before the clock starts, as torch's constants are: both once for 2,000 steps.
    own = {"samples": batch, "moments": batch.moments()}
    by_hand = {
        "samples": {"product first": peers.batched_on_samples, "layer by layer": peers.layered_on_samples},
        "moments": {"moments": peers.batched_on_moments},
    }
    same = {"samples": peers.batched_on_samples, "moments": peers.batched_on_moments}
    loops = {"samples": peers.loop_on_samples, "moments": peers.loop_on_moments}
    rows: list[Row] = []
    for on, task in own.items():
        contestants: dict[str, Callable[[], Any]] = {"linnet": ft.partial(losses, problem, task)}
        factors: dict[str, float] = {}
        if not peers.MISSING:
            contestants["plain loop"] = ft.partial(peers.with_threads(1, loops[on]), few)
            factors["plain loop"] = size.members / looped
            for name, peer in by_hand[on].items():
                contestants[f"{name}, 1 thread"] = ft.partial(peers.with_threads(1, peer), problem)
                contestants[f"{name}, 2 threads"] = ft.partial(peers.with_threads(2, peer), short)
                factors[f"{name}, 2 threads"] = problem.steps / short.steps
            recording = ft.partial(same[on], modes=True)
            contestants[SAME] = ft.partial(peers.with_threads(1, recording), problem)
        ran = race(contestants, rounds)
        agree(problem, ran)
        rows += _rows(on, ran, factors)
    return rows


def agree(problem: Problem, ran: Race) -> None:
    """Refuses contestants that did not all take the same path.

    Raises:
        RuntimeError: if a loss of one differs from linnet's.
    """
    reference = ran.values["linnet"]
    for name, path in ran.values.items():
        same = reference[: path.shape[0], : path.shape[1]]
        off = float(np.max(np.abs(path - same)) / np.max(same))
        if not off < TOLERANCE:
            raise RuntimeError(f"{name} ends elsewhere than linnet: its losses differ by {off:.1e} of the first loss.")


def _rows(on: str, ran: Race, factors: dict[str, float]) -> list[Row]:
    members = len(ran.values["linnet"])
    costs = {name: ran.best(name).times(factors.get(name, 1.0)) for name in ran.rounds}
    seconds = {name: cost.as_dict() for name, cost in costs.items()}
    seconds["linnet, first call"] = ran.first["linnet"].as_dict()
    against = f"{members} networks on {on}: plain PyTorch loop / linnet"
    by_hand = f"{members} networks on {on}: PyTorch batched by hand / linnet"
    if len(costs) == 1:
        targets = {against: FASTER_THAN_LOOP[on], by_hand: 1.0}
        return [
            Row(NAME, what, None, target=target, seconds=seconds, note=peers.MISSING)
            for what, target in targets.items()
        ]
    own, loop = costs["linnet"], costs["plain loop"]
    hands = [name for name in costs if name not in ("linnet", "plain loop", SAME)]
    best = min(hands, key=lambda name: costs[name].wall)
    cheapest = min(hands, key=lambda name: costs[name].cpu)
    return [
        Row(
            NAME,
            against,
            loop.wall / own.wall,
            target=FASTER_THAN_LOOP[on],
            seconds=seconds,
            note=f"CPU {loop.cpu / own.cpu:.3g} x; the loop was timed on few networks and multiplied up",
        ),
        Row(
            NAME,
            by_hand,
            costs[best].wall / own.wall,
            target=1.0,
            seconds=seconds,
            note=f"PyTorch's best: {best}; CPU {costs[cheapest].cpu / own.cpu:.3g} x ({cheapest})",
        ),
        Row(
            NAME,
            f"{by_hand}, both recording mode strengths",
            costs[SAME].wall / own.wall,
            target=1.0,
            seconds=seconds,
            note=f"PyTorch on one thread; CPU {costs[SAME].cpu / own.cpu:.3g} x",
        ),
    ]

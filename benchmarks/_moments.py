"""Training on moments: as cheap for a million samples as for a thousand, and the same path as on the samples."""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np

from ._clock import race, timed
from ._linnet import as_batch, train
from ._problem import Problem, Size, make_problem
from ._row import Row

NAME = "moments"
SIZE = Size(members=64)

#: Losses in float64, relative to the first: 2,000 steps whose sums run in another order.
ROUNDING = 1e-12


def measure(size: Size = SIZE, few: int = 1_000, many: int = 1_000_000, rounds: int = 7) -> list[Row]:
    """Races training on the moments of few and of many samples, and compares paths in float64.

    Args:
        size: of the networks and the training.
        few: samples of the small data set.
        many: samples of the large one.
        rounds: how often each is trained after the first call.
    """
    problems = {num: make_problem(size._replace(samples=num)) for num in (few, many)}
    batches = {num: as_batch(problem) for num, problem in problems.items()}
    reduce = jax.jit(lambda batch: batch.moments())
    jax.block_until_ready(reduce(batches[many]))
    once, moments = timed(lambda: reduce(batches[many]))
    tasks = {few: reduce(batches[few]), many: moments}
    ran = race({str(num): ft.partial(train, problems[num], task) for num, task in tasks.items()}, rounds)
    ratios = [large.cpu / small.cpu for small, large in zip(ran.rounds[str(few)], ran.rounds[str(many)])]
    seconds = {f"{num:,} samples": ran.best(str(num)).as_dict() for num in (few, many)}
    return [
        Row(
            NAME,
            f"training on moments: {many:,} samples / {few:,} samples",
            float(np.median(ratios)),
            relation="<=",
            target=1.1,
            seconds=seconds,
            note=f"the moments of {many:,} samples, computed once, took {once.cpu:.2g} s beside it",
        ),
        Row(
            NAME,
            f"losses on the moments and on {few:,} samples, relative difference in float64",
            departure(problems[few]),
            unit="",
            relation="<=",
            target=ROUNDING,
        ),
    ]


def departure(problem: Problem) -> float:
    """The largest difference between training on samples and on their moments, relative to the first loss."""
    arrays = {
        name: getattr(problem, name)[: 4 if name in ("first", "last") else None].astype(np.float64)
        for name in ("x", "y", "first", "last")
    }
    with jax.enable_x64(True):
        double = problem._replace(**arrays)
        batch = as_batch(double)
        on_samples, on_moments = train(double, batch)["loss"], train(double, batch.moments())["loss"]
        return float(jnp.max(jnp.abs(on_samples - on_moments)) / jnp.max(on_samples))

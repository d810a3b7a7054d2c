"""linnet's own contestant in the ensemble benchmarks."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import linnet as ln

from ._problem import Problem


def as_batch(problem: Problem) -> ln.tasks.Batch:
    """The samples of a problem."""
    return ln.tasks.Batch(jnp.asarray(problem.x), jnp.asarray(problem.y))


def train(problem: Problem, task: Any) -> ln.Trajectory:
    """Trains all networks of a problem on samples or moments and records every step."""
    first, last = jnp.asarray(problem.first), jnp.asarray(problem.last)

    def make(key: jax.Array, member: jax.Array) -> tuple[Any, Any, Any]:
        return ln.nn.DeepLinear((first[member], last[member])), task, ln.learn.Descent(problem.rate)

    ts = problem.rate * jnp.arange(problem.steps + 1, dtype=first.dtype)
    axes = {"member": np.arange(len(problem.first))}
    return ln.learn.ensemble(make, ts, axes, key=jr.key(0))


def losses(problem: Problem, task: Any) -> np.ndarray:
    """The losses of all networks at every step: "member time"."""
    return np.asarray(train(problem, task)["loss"])

"""A sequence of linear teachers on random inputs."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._task_sequence import TaskSequence


@cite("lin2023theory")
class ContinualRegression(eqx.Module):
    r"""Linear regression on one teacher after the other: $y = w_t^{*\top} x + \sigma z$ with white Gaussian $x$.

    Args:
        teachers: $w_t^*$.
        samples: $n$, how many examples there are of each task.
        noise: $\sigma$, the standard deviation of the noise on the targets.

    !!! example
        ```python
        task = ln.tasks.ContinualRegression(jr.normal(jr.key(0), (5, 100)) / 10, samples=30, noise=0.1)
        ln.theory.expected_forgetting(task).forgetting
        ln.learn.minimum_norm(task.draw(key=jr.key(1)))
        ```
    """

    teachers: Float[Array, "task in"]
    samples: int = eqx.field(static=True)
    noise: Float[Array, ""]

    def __init__(self, teachers: Any, samples: int, noise: Any = 0.0) -> None:
        self.teachers = jnp.asarray(teachers)
        self.samples = samples
        if self.teachers.ndim != 2 or samples < 1:
            raise ValueError(
                "ContinualRegression needs teachers of shape (task, in) and at least one sample, got "
                f"{self.teachers.shape} and {samples}."
            )
        self.noise = jnp.asarray(noise, self.teachers.dtype)

    @property
    def num(self) -> int:
        """The number of tasks."""
        return self.teachers.shape[0]

    def draw(self, *, key: PRNGKey, duration: Any = 1.0) -> TaskSequence:
        r"""Samples of all tasks.

        They are measured on $\sqrt{p}$ times the unit vectors without noise, on which squared error is
        $\lVert w - w_t^* \rVert^2 / 2$: the population's, exactly.

        Args:
            key: of the samples.
            duration: the learning time of each task.
        """
        inputs, noise = jr.split(key)
        num_in, dtype = self.teachers.shape[1], self.teachers.dtype
        x = jr.normal(inputs, (self.num, self.samples, num_in), dtype)
        y = jnp.einsum("tni,ti->tn", x, self.teachers) + self.noise * jr.normal(noise, x.shape[:2], dtype)
        scale = jnp.sqrt(jnp.asarray(num_in, dtype))
        test_x = jnp.broadcast_to(scale * jnp.eye(num_in, dtype=dtype), (self.num, num_in, num_in))
        return TaskSequence(x, y[..., None], duration, test_x=test_x, test_y=scale * self.teachers[..., None])

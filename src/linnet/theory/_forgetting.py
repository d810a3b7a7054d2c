"""What continual linear regression is expected to forget and to know, for any sequence of tasks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, tasks
from .._cite import cite


class ForgettingFormula(eqx.Module):
    r"""The expected errors of min-norm continual regression; made by `expected_forgetting`.

    Args:
        errors: $E \lVert w_t - w_i^* \rVert^2$ after $t = 0, 1, \dots, T$ tasks, twice the loss without noise.
    """

    errors: Float[Array, "time task"]

    @property
    def forgetting(self) -> Float[Array, ""]:
        r"""$F_T = \frac{1}{T-1} \sum_{i<T} E\bigl[L_i(w_T) - L_i(w_i)\bigr]$: what the others lost by the end."""
        return analyse.forgetting(self.errors)

    @property
    def generalization(self) -> Float[Array, ""]:
        r"""$G_T = \frac1T \sum_i E\,L_i(w_T)$: the error on all tasks at the end."""
        return jnp.mean(self.errors[-1])


@cite("lin2023theory")
def expected_forgetting(
    task: tasks.ContinualRegression, *, start: Float[Array, " in"] | None = None
) -> ForgettingFormula:
    r"""The expected errors on all tasks after each of them, over all samples, exactly.

    White Gaussian inputs make the samples of a task span a random subspace of $n$ of the $p$ directions. The error in
    it is replaced by that of the new task and its noise, the rest stays, so that with $r = 1 - n / p$

    $$E\,L_i(w_t) = r\, E\,L_i(w_{t-1}) + (1 - r) \lVert w_t^* - w_i^* \rVert^2 + \frac{n \sigma^2}{p - n - 1},
    \qquad L_i(w) = \lVert w - w_i^* \rVert^2 ,$$

    whose solution is the paper's formula (see `forgetting_weights`); here from any start. With more samples than inputs
    $r$ is 0 and the noise adds $p \sigma^2 / (n - p - 1)$.

    Args:
        task: the teachers, the samples of each and the noise.
        start: $w_0$; by default 0.

    Returns:
        The errors, with `forgetting` and `generalization`.

    Raises:
        ValueError: if the number of samples is that of the inputs or next to it, where the expected error is infinite.

    !!! example
        ```python
        formula = ln.theory.expected_forgetting(task)
        formula.forgetting, formula.generalization, formula.errors[-1]
        ```
    """
    num, num_in = task.samples, task.teachers.shape[1]
    if abs(num_in - num) <= 1:
        raise ValueError(
            "The expected error is infinite unless samples and inputs differ in number by two or more; got "
            f"{num} samples of {num_in} inputs. Use fewer samples (or more)."
        )
    if start is not None and start.shape != (num_in,):
        raise ValueError(f"The start needs the shape of a teacher, {(num_in,)}, got {start.shape}.")
    return _expected(task, jnp.zeros(num_in, task.teachers.dtype) if start is None else jnp.asarray(start))


@eqx.filter_jit
def _expected(task: tasks.ContinualRegression, start: Array) -> ForgettingFormula:
    num, num_in = task.samples, task.teachers.shape[1]
    keep = max(0.0, 1 - num / num_in)
    noise = task.noise**2 * min(num, num_in) / (abs(num_in - num) - 1)
    distances = jnp.sum((task.teachers[:, None] - task.teachers) ** 2, axis=-1)

    def learn(errors: Array, distance: Array) -> tuple[Array, Array]:
        errors = keep * errors + (1 - keep) * distance + noise
        return errors, errors

    before = jnp.sum((task.teachers - start) ** 2, axis=-1)
    _, after = jax.lax.scan(learn, before, distances)
    return ForgettingFormula(jnp.concatenate([before[None], after]))


@cite("lin2023theory")
def forgetting_weights(keep: Any, num: int) -> Float[Array, "task task"]:
    r"""How much the distance of each pair of tasks adds to the expected forgetting.

    $$F_T = \frac{1}{T-1} \sum_{i<T} \Bigl[ (r^T - r^i) \lVert w_i^* \rVert^2
    + \sum_{j>i} c_{ij} \lVert w_j^* - w_i^* \rVert^2 \Bigr] + \dots, \qquad
    c_{ij} = (1 - r) \bigl( r^{T-i} - r^{j-i} + r^{T-j} \bigr)$$

    A weight below 0 says that the two tasks are forgotten *less* the less they are alike, which happens to early pairs
    at small $r$: what the second has done to the first counts as forgotten, and later tasks undo it. The weights of the
    last task are all $1 - r$.

    Args:
        keep: $r = 1 - n / p$.
        num: $T$.

    Returns:
        $c_{ij} / (T - 1)$ for $j > i$, else 0.
    """
    if num < 2:
        raise ValueError(f"Forgetting needs two tasks or more, got {num}.")
    keep = jnp.asarray(keep, jnp.result_type(float))
    first, second = jnp.arange(1, num + 1)[:, None], jnp.arange(1, num + 1)
    gap = jnp.maximum(second - first, 0)
    weights = (1 - keep) * (keep ** (num - first) - keep**gap + keep ** (num - second))
    return jnp.where(second > first, weights, 0) / (num - 1)

"""Weights aligned with the singular modes of a task."""

from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._types import PRNGKey
from ._init import AbstractInitializer, PerWeight, per_weight
from ._random import orthogonal_matrix
from ._weights import chained_weights, is_recurrent_chain, with_chained_weights


class Aligned(AbstractInitializer):
    """Weights that are diagonal in the singular modes of a task; made by `aligned`.

    Args:
        modes: the task's modes.
        strengths: of the modes, or a tuple of the singular values of each weight.
    """

    modes: tasks.SingularModes
    strengths: Any

    def draw(self, network: Any, key: PRNGKey) -> Any:
        weights = chained_weights(network)
        recurrent = is_recurrent_chain(network)
        dtype = weights[0].dtype
        left, right = self.modes.left.astype(dtype), self.modes.right.astype(dtype)
        shape = weights[-1].shape[0], weights[0].shape[1]
        if shape != (left.shape[0], right.shape[0]):
            raise ValueError(
                f"This network has (out, in) = {shape} and the task's modes have {(left.shape[0], right.shape[0])}. "
                "Change the first and the last of the sizes."
            )
        # A mode that does not fit through a narrow layer is left out, the weakest first.
        hidden = [weight.shape[0] for weight in weights[:-1]]
        num = min(right.shape[1], *hidden) if hidden else right.shape[1]
        values = [value[:num] for value in self._singular_values(len(weights), recurrent, dtype)]
        if recurrent:
            # ONE rotation of the hidden units: powers of the recurrent weights are diagonal in it.
            rotation = orthogonal_matrix(key, (hidden[0], num), dtype, 1.0)
            bases = [right[:, :num], rotation, rotation, left[:, :num]]
        else:
            keys = jr.split(key, max(len(hidden), 1))
            inner = [orthogonal_matrix(k, (size, num), dtype, 1.0) for k, size in zip(keys, hidden, strict=False)]
            bases = [right[:, :num], *inner, left[:, :num]]
        aligned = [
            (after * value) @ before.T for before, after, value in zip(bases[:-1], bases[1:], values, strict=True)
        ]
        return with_chained_weights(network, aligned)

    def _singular_values(self, depth: int, recurrent: bool, dtype: Any) -> list[Float[Array, " mode"]]:
        num = self.modes.singular_values.shape[0]
        if isinstance(self.strengths, tuple):
            given = per_weight(self.strengths, depth, "The strengths of `aligned`")
        elif recurrent:
            raise ValueError(
                "The strength of a mode does not say how a recurrent network splits it over its weights. Pass a tuple "
                "(input, recurrent, output) of the singular values of each weight."
            )
        else:
            total = jnp.asarray(self.strengths, dtype)
            each = jnp.abs(total) ** (1 / depth)
            given = (*([each] * (depth - 1)), jnp.sign(total) * each)
        values = [jnp.asarray(value, dtype) for value in given]
        if any(value.ndim > 1 or (value.ndim == 1 and value.shape != (num,)) for value in values):
            raise ValueError(
                f"Each strength is one number or one for each of the task's {num} modes, got arrays of shapes "
                f"{[value.shape for value in values]}."
            )
        return [jnp.broadcast_to(value, (num,)) for value in values]


@cite("saxe2014exact", "proca2025learning")
def aligned(task: Any, strengths: PerWeight) -> Aligned:
    r"""Weights aligned with the modes $U S V^\top$ of a task, so that every mode learns for itself.

    $W_l = R_{l+1} D_l R_l^\top$ with $R_1 = V$, the last $R = U$ and random orthonormal columns between; of recurrent
    networks $W_x = R\,a V^\top$, $W_h = R\,b R^\top$, $W_y = U c R^\top$ with **one** random orthogonal $R$. Modes
    beyond the width of the narrowest layer are left out.

    Departs from Proca et al., who write $W_h = R_y b R_x^\top$: powers of it are diagonal only for $R_x = R_y$.

    Args:
        task: moments, a batch, a split or a task: whatever has singular modes.
        strengths: the initial mode strengths $u_\alpha(0)$, split evenly over the layers (one number, or one for each
            mode); or a tuple with the singular values $D_l$ of each weight (each a number, or one for each mode).
            Recurrent networks need the tuple $(a, b, c)$.

    Returns:
        An initialiser for `DeepLinear` of any depth and `LinearRNN` (and the weights of `MLP` and `VanillaRNN`).

    !!! example
        ```python
        net = ln.nn.aligned(task, 1e-3)(ln.nn.DeepLinear, (64, 32, 32, 10), key=key)
        rnn = ln.nn.aligned(task, (0.1, 0.5, 0.1))(ln.nn.LinearRNN, (3, 16, 2), key=key)
        ```
    """
    modes = task if isinstance(task, tasks.SingularModes) else tasks.as_moments(task).singular_modes()
    return Aligned(modes, strengths)

"""Samples: batches of examples and their split into parts."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ._moments import AbstractMoments, Moments, SequenceMoments, TemporalMoments


class Batch(eqx.Module):
    """Examples, the first axis over samples.

    Args:
        x: inputs, `"num in"` or `"num step in"`.
        y: targets, `"num out"` (for sequences: of the last step) or `"num step out"`.
        mask: `"num step"`, true where a step's target counts; `None`: all count.
        weight: `"num"`, weights of the examples in every mean; `None`: equal.
    """

    x: Float[Array, "num ..."] = eqx.field(converter=jnp.asarray)
    y: Float[Array, "num ..."] = eqx.field(converter=jnp.asarray)
    mask: Bool[Array, "num step"] | None = None
    weight: Float[Array, " num"] | None = None

    def __check_init__(self) -> None:
        if (
            self.x.ndim not in (2, 3)
            or self.y.ndim not in (2, 3)
            or self.x.shape[0] != self.y.shape[0]
            or self.y.ndim > self.x.ndim
        ):
            raise ValueError(
                "Batch needs x of shape (num, in) or (num, step, in) and y of shape (num, out) or (num, step, out), "
                f"the same num in both, got {self.x.shape} and {self.y.shape}."
            )

    @property
    def num(self) -> int:
        """The number of examples."""
        return self.x.shape[0]

    def moments(self) -> AbstractMoments:
        """The second moments of these very samples: training a linear network on them is training on the samples.

        Means over samples (weighted where there are weights); nothing is centred here.

        Raises:
            ValueError: if steps are masked, because a masked sequence has no moments of this form.
        """
        if self.mask is not None:
            raise ValueError(
                "Moments of masked sequences are not defined; train on the batch itself, or cut to one length."
            )
        weight = (
            jnp.full(self.num, 1 / self.num, self.x.dtype)
            if self.weight is None
            else self.weight / jnp.sum(self.weight)
        )
        weighted = weight.reshape(-1, *[1] * (self.y.ndim - 1)) * self.y
        weighted_x = weight.reshape(-1, *[1] * (self.x.ndim - 1)) * self.x
        if self.x.ndim == 2:
            return Moments(weighted_x.T @ self.x, weighted.T @ self.x, weighted.T @ self.y)
        xx = jnp.einsum("pti,psj->tsij", weighted_x, self.x)
        if self.y.ndim == 2:
            return TemporalMoments(xx, jnp.einsum("po,pti->toi", weighted, self.x), weighted.T @ self.y)
        return SequenceMoments(
            xx, jnp.einsum("pto,psi->tsoi", weighted, self.x), jnp.einsum("pto,ptq->oq", weighted, self.y)
        )


class Split(eqx.Module):
    """Parts of the data, each a `Batch` or moments.

    Args:
        train: what is trained on.
        validation: what decides when to stop; may be `None`.
        test: what is only looked at; may be `None`.
        x_mean: the mean that was subtracted from the inputs; `None` if they are centred by construction.
        y_mean: the same for the targets.
    """

    train: Any
    validation: Any = None
    test: Any = None
    x_mean: Float[Array, "..."] | None = None
    y_mean: Float[Array, "..."] | None = None

    def moments(self) -> "Split":
        """The same split with each part replaced by its moments."""
        parts = (None if part is None else part.moments() for part in (self.train, self.validation, self.test))
        return Split(*parts, self.x_mean, self.y_mean)

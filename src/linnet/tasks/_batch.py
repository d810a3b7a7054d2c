"""Samples: batches of examples and their split into parts."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._moments import AbstractMoments, Moments, SequenceMoments, TemporalMoments


class Batch(eqx.Module):
    """Examples, the first axis over samples; inputs are numbers or tokens, targets numbers or classes.

    Args:
        x: inputs, `"num in"` or `"num step in"`; integers are tokens, `"num step"`.
        y: targets, `"num out"` (for sequences: of the last step) or `"num step out"`; integers are classes, `"num"` (of
            the last step) or `"num step"`.
        mask: `"num step"`, true where a step's target counts; `None`: all count.
        weight: `"num"`, weights of the examples in every mean; `None`: equal.
    """

    x: Float[Array, "num ..."] | Int[Array, "num step"] = eqx.field(converter=jnp.asarray)
    y: Float[Array, "num ..."] | Int[Array, "num ..."] = eqx.field(converter=jnp.asarray)
    mask: Bool[Array, "num step"] | None = None
    weight: Float[Array, " num"] | None = None

    def __check_init__(self) -> None:
        x, y = self.x, self.y
        steps = x.shape[1:2] if self.has_tokens or x.ndim == 3 else None
        fits = x.ndim in ((2,) if self.has_tokens else (2, 3)) and x.shape[:1] == y.shape[:1]
        if self.has_classes:
            fits = fits and (y.ndim == 1 or y.shape[1:] == steps)
        else:
            fits = fits and (y.ndim == 2 or (y.ndim == 3 and steps is not None))
        if not fits:
            raise ValueError(
                "Batch needs x of shape (num, in) or (num, step, in), or integer tokens (num, step), and y of shape "
                "(num, out) or (num, step, out), or integer classes (num,) or (num, step), the same num in both, got "
                f"{x.dtype} {x.shape} and {y.dtype} {y.shape}."
            )

    @property
    def num(self) -> int:
        """The number of examples."""
        return self.x.shape[0]

    @property
    def has_tokens(self) -> bool:
        """Whether inputs are tokens, integers `"num step"`."""
        return not jnp.issubdtype(self.x.dtype, jnp.inexact)

    @property
    def has_classes(self) -> bool:
        """Whether targets are class indices, integers."""
        return not jnp.issubdtype(self.y.dtype, jnp.inexact)

    @property
    def every_step(self) -> bool:
        """Whether targets are at every step, or only one for the last."""
        return self.y.ndim == (2 if self.has_classes else 3)

    def one_hot(self, vocab_size: int, num_classes: int, dtype: Any = None) -> "Batch":
        """The same examples with tokens and classes as unit vectors, for networks that read and write numbers.

        Args:
            vocab_size: how many tokens there are; inputs that are numbers stay as they are.
            num_classes: how many classes there are; targets that are numbers stay as they are.
            dtype: of the unit vectors; by default JAX's.
        """
        dtype = jnp.result_type(float) if dtype is None else dtype
        x = jax.nn.one_hot(self.x, vocab_size, dtype=dtype) if self.has_tokens else self.x
        y = jax.nn.one_hot(self.y, num_classes, dtype=dtype) if self.has_classes else self.y
        return Batch(x, y, self.mask, self.weight)

    def moments(self) -> AbstractMoments:
        """The second moments of these very samples: training a linear network on them is training on the samples.

        Means over samples (weighted where there are weights); nothing is centred here.

        Raises:
            ValueError: if there are tokens or classes, which are names and no numbers, or steps are masked, because a
                masked sequence has no moments of this form.
        """
        if self.has_tokens or self.has_classes:
            raise ValueError(
                "Moments need inputs and targets that are numbers, got integer tokens or classes. Use "
                "`batch.one_hot(vocab_size, num_classes).moments()`."
            )
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

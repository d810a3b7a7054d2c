"""One number a step for the whole state."""

from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Bool, Float

from ._numbers import check_numbers, forget_numbers, log_numbers, multiply_numbers, numbers
from ._transition import MODES, AbstractDecay, AbstractTransition


class Scalar(AbstractDecay):
    r"""$A_t = a_t I$: one number for the whole state (RetNet, Mamba-2, mLSTM).

    Args:
        value: $a_t$, `"step"`, or one number that is the same at all steps; or `None`, and in its place
        log: $\log |a_t|$, of the same shapes, with
        sign: the signs of $a_t$, 1 or -1, which are not differentiated; `None` where all are positive.
        invariant: whether the number is the same at all steps; found from the shape.

    Raises:
        ValueError: if neither or both of `value` and `log` are given, or the shapes are others.

    !!! example
        ```python
        import jax.numpy as jnp
        import linnet as ln

        states, last = ln.scan.recur(ln.scan.Scalar(log=jnp.log(0.9)), jnp.ones((100, 4)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = MODES
    value: Float[Array, "*step"] | None = None
    log: Float[Array, "*step"] | None = None
    sign: Float[Array, "*step"] | None = None
    invariant: bool = eqx.field(static=True)

    def __init__(
        self,
        value: Float[Array, "*step"] | None = None,
        *,
        log: Float[Array, "*step"] | None = None,
        sign: Float[Array, "*step"] | None = None,
    ) -> None:
        self.value, self.log, self.sign = value, log, sign
        given = check_numbers("Scalar", value, log, sign)
        if given.ndim > 1:
            raise ValueError(
                f"Scalar needs one number a step, of shape (step,) or (), got {given.shape}; use Diagonal."
            )
        self.invariant = given.ndim == 0

    def values(self) -> Array:
        return numbers(self)

    def logarithms(self) -> tuple[Array, Array | None]:
        return log_numbers(self)

    def apply(self, state: Array) -> Array:
        return self.values() * state

    def compose(self, earlier: AbstractTransition) -> AbstractTransition:
        return multiply_numbers(self, earlier)

    def forget(self, resets: Bool[Array, " step"]) -> AbstractTransition:
        return Scalar(forget_numbers(self, resets))

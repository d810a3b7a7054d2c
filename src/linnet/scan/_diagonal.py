"""One number a step for each part of the state."""

from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Bool, Inexact

from ._numbers import check_numbers, forget_numbers, log_numbers, multiply_numbers, numbers
from ._transition import MODES, AbstractDecay, AbstractTransition


class Diagonal(AbstractDecay):
    r"""$A_t = \mathrm{diag}(a_t)$, real with any sign or complex (S4D, LRU, GLA, Mamba, RG-LRU).

    In `attend` the numbers are those of the keys and real: $S_t = \mathrm{diag}(a_t)\, S_{t-1} + k_t v_t^\top$.

    Args:
        value: $a_t$, `"step state"`; or `None`, and in its place
        log: $\log |a_t|$, of the same shape, with
        sign: the signs of $a_t$, 1 or -1, which are not differentiated; `None` where all are positive.
        invariant: the arrays have no axis over steps, and $a$ is the same at all of them.

    Raises:
        ValueError: if neither or both of `value` and `log` are given.

    !!! example
        ```python
        import jax.numpy as jnp
        import linnet as ln

        poles = jnp.array([0.9, -0.5])
        states, last = ln.scan.recur(ln.scan.Diagonal(poles, invariant=True), jnp.ones((100, 2)), mode="fft")
        ```
    """

    modes: ClassVar[tuple[str, ...]] = MODES
    value: Inexact[Array, "..."] | None = None
    log: Inexact[Array, "..."] | None = None
    sign: Inexact[Array, "..."] | None = None
    invariant: bool = eqx.field(static=True, default=False)

    def __init__(
        self,
        value: Inexact[Array, "..."] | None = None,
        *,
        log: Inexact[Array, "..."] | None = None,
        sign: Inexact[Array, "..."] | None = None,
        invariant: bool = False,
    ) -> None:
        self.value, self.log, self.sign, self.invariant = value, log, sign, invariant
        given = check_numbers("Diagonal", value, log, sign)
        if given.ndim < (1 if invariant else 2):
            raise ValueError(
                f"Diagonal needs numbers of shape {'(state,)' if invariant else '(step, state)'}, got {given.shape}."
            )

    def values(self) -> Array:
        return numbers(self)

    def logarithms(self) -> tuple[Array, Array | None]:
        return log_numbers(self)

    def apply(self, state: Array) -> Array:
        values = self.values()
        return values.reshape(values.shape + (1,) * (state.ndim - values.ndim)) * state

    def compose(self, earlier: AbstractTransition) -> AbstractTransition:
        return multiply_numbers(self, earlier)

    def forget(self, resets: Bool[Array, " step"]) -> AbstractTransition:
        return Diagonal(forget_numbers(self, resets))

"""A diagonal and a few rank-one corrections a step: the delta rule and its relatives."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._products import outer
from ._numbers import log_numbers, numbers
from ._transition import MODES, AbstractTransition


class LowRank(AbstractTransition):
    r"""$A_t = \bigl(\prod_{j=1}^{r} (I + w_{tj}\, e_{tj}^\top)\bigr)\, \mathrm{diag}(a_t)$: decay first, then correct.

    The delta rule is $e = -k$, $w = \beta k$: what is stored under the key $k$ is taken away before something new is
    written there, $(I - \beta k k^\top) S + \beta k v^\top$. With `undecayed` the correction reads the state before its
    decay, $A_t = \mathrm{diag}(a_t) + w_t e_t^\top$ (RWKV-7), for $r = 1$.

    Products of such matrices have a rank that grows by $r$ with every step, so there is no associative form but the
    dense one; the chunk form is the WY representation.

    Args:
        erase: $e$, `"step rank key"`: what the state is read with.
        write: $w$, `"step rank key"`: where what was read is written to.
        log: $\log |a_t|$, `"step"` or `"step key"`; `None` where nothing decays.
        sign: signs of $a_t$, of the same shape, which are not differentiated; `None` where all are positive.
        undecayed: the correction reads the state before its decay.
        least: no logarithm is below this number, where one is known: chunks of a few steps take fewer products then.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative")
    attend_modes: ClassVar[tuple[str, ...]] = MODES[:-1]
    reasons: ClassVar[dict[str, str]] = {
        "chunk": "its chunk form reads the states with queries and never has them all: use `attend`",
        "fft": "the corrections differ from step to step",
    }
    erase: Float[Array, "..."]
    write: Float[Array, "..."]
    log: Float[Array, "..."] | None = None
    sign: Float[Array, "..."] | None = None
    undecayed: bool = eqx.field(static=True, default=False)
    invariant: bool = eqx.field(static=True, default=False)
    least: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        shapes = self.erase.shape, self.write.shape
        if shapes[0] != shapes[1] or len(shapes[0]) not in (2, 3):
            raise ValueError(f"LowRank needs erase and write of one shape (step, rank, key), got {shapes}.")
        if self.undecayed and len(shapes[0]) == 3 and shapes[0][1] != 1:
            raise ValueError(
                f"LowRank with `undecayed` reads the state before its decay, once a step: rank 1 is needed, got "
                f"{shapes[0][1]}."
            )
        if self.sign is not None and self.log is None:
            raise ValueError("LowRank needs the logarithms of the decays (`log`) where it is given their signs.")

    @property
    def value(self) -> None:
        """Decays are always given as logarithms and signs here."""
        return None

    def decays(self) -> Array:
        """The numbers $a_t$."""
        return jnp.ones((), self.erase.dtype) if self.log is None else numbers(self)

    def logarithms(self) -> tuple[Array | None, Array | None]:
        r"""$\log |a_t|$ and the signs."""
        return (None, None) if self.log is None else log_numbers(self)

    def apply(self, state: Array) -> Array:
        decays = self.decays()
        decays = decays.reshape(decays.shape + (1,) * (state.ndim - decays.ndim))
        before, state = state, decays * state
        for erase, write in zip(self.erase, self.write):
            read = jnp.tensordot(erase, before if self.undecayed else state, 1)
            state = state + (write * read if state.ndim == 1 else outer(write, read))
        return state

    def matrix(self) -> Array:
        """$A_t$ of one step as a matrix."""
        return self.apply(jnp.eye(self.erase.shape[-1], dtype=self.erase.dtype))

    def compose(self, earlier: AbstractTransition) -> AbstractTransition:
        raise ValueError("Products of LowRank transitions have growing rank; make them `Dense` by their `matrix`.")

    def forget(self, resets: Bool[Array, " step"]) -> AbstractTransition:
        raise ValueError("LowRank forgets by masks, within `recur` and `attend`: pass them `resets`.")

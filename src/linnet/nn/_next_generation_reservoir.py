"""The nonlinear vector autoregression, also called next-generation reservoir."""

import itertools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from ._network import float_dtype, run_steps
from ._piecewise_linear import check_size
from ._reservoir import AbstractReservoir


@cite("gauthier2021next")
class NextGenerationReservoir(AbstractReservoir):
    r"""$x_{t} = x_{t-1} + W \phi(x_{t-1}, x_{t-1-s}, \dots, x_{t-1-(k-1)s}) + C s_t$, with monomials $\phi$.

    The features are all products of up to $p$ of the delayed observations, the constant 1 among them. The state is the
    window of the last $(k-1) s + 1$ observations, the newest first, and the output of a step is the new observation.
    `absorb` takes an observation in the place of the prediction. All weights begin at 0 and are fitted by
    `linnet.reconstruct.fit_readout`.

    Args:
        out_size: the number of observed quantities.
        num_delays: how many delayed observations are used, $k$.
        degree: the highest number of factors, $p$.
        in_size: the number of external inputs $s_t$; 0 for an autonomous network.
        stride: the steps between two of the delayed observations, $s$.
        dtype: of the parameters; by default JAX's.

    Raises:
        ValueError: if an argument is not what it must be.
    """

    weights: Float[Array, "out feature"]
    input_weights: Float[Array, "out in"] | None
    num_delays: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    degree: int = eqx.field(static=True)

    def __init__(
        self,
        out_size: int,
        num_delays: int = 2,
        degree: int = 2,
        in_size: int = 0,
        *,
        stride: int = 1,
        dtype: Any = None,
    ) -> None:
        sizes = {"`out_size`": out_size, "`num_delays`": num_delays, "`degree`": degree, "`stride`": stride}
        for what, size in sizes.items():
            check_size("NextGenerationReservoir", what, size)
        check_size("NextGenerationReservoir", "`in_size`", in_size, 0)
        dtype = float_dtype(dtype)
        self.num_delays, self.stride, self.degree = num_delays, stride, degree
        self.weights = jnp.zeros((out_size, _count(out_size * num_delays, degree)), dtype)
        self.input_weights = jnp.zeros((out_size, in_size), dtype) if in_size else None

    @property
    def out_size(self) -> int:
        return self.weights.shape[0]

    @property
    def in_size(self) -> int:
        return 0 if self.input_weights is None else self.input_weights.shape[1]

    @property
    def window(self) -> int:
        """How many observations the state holds."""
        return (self.num_delays - 1) * self.stride + 1

    @property
    def num_features(self) -> int:
        return self.weights.shape[1] + self.in_size

    @property
    def is_ahead(self) -> bool:
        return False

    def init_state(self) -> Float[Array, " state"]:
        return jnp.zeros(self.window * self.out_size, self.weights.dtype)

    def absorb(
        self, state: Float[Array, " state"], observed: Float[Array, " out"], x: Float[Array, " in"]
    ) -> Float[Array, " state"]:
        return jnp.concatenate([observed, state])[: state.shape[0]]

    def monomials(self, state: Float[Array, " state"]) -> Float[Array, " monomial"]:
        """All products of up to `degree` of the delayed observations."""
        used = state.reshape(self.window, self.out_size)[:: self.stride].reshape(-1)
        ones = jnp.ones_like(used[:1])
        # Products of p of the observations and the constant are all products of up to p of the observations.
        places = np.array(list(itertools.combinations_with_replacement(range(used.shape[0] + 1), self.degree)))
        return jnp.prod(jnp.concatenate([ones, used])[places], axis=1)

    def features(self, state: Float[Array, " state"], x: Float[Array, " in"]) -> Float[Array, " feature"]:
        found = self.monomials(state)
        return found if self.input_weights is None else jnp.concatenate([found, x])

    def target(self, state: Float[Array, " state"], observed: Float[Array, " out"]) -> Float[Array, " out"]:
        return observed - state[: self.out_size]

    def with_readout(self, weights: Float[Array, "out feature"]) -> "NextGenerationReservoir":
        num = self.weights.shape[1]
        fitted = eqx.tree_at(lambda net: net.weights, self, weights[:, :num])
        if self.input_weights is None:
            return fitted
        return eqx.tree_at(lambda net: net.input_weights, fitted, weights[:, num:])

    def step(
        self, state: Float[Array, " state"], x: Float[Array, " in"]
    ) -> tuple[Float[Array, " state"], Float[Array, " out"]]:
        expected = state[: self.out_size] + self.weights @ self.monomials(state)
        expected = expected if self.input_weights is None else expected + self.input_weights @ x
        return self.absorb(state, expected, x), expected

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        return run_steps(self, xs, state)


def _count(num: int, degree: int) -> int:
    return sum(1 for _ in itertools.combinations_with_replacement(range(num + 1), degree))

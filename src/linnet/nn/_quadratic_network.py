"""Two layers with a quadratic activation and a fixed readout: all that they compute is two moments of their weights."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import check_sizes, float_dtype


@cite("kumar2024grokking")
class QuadraticNetwork(eqx.Module):
    r"""$f(x) = \frac{\alpha}{N} \sum_{i=1}^N \phi(w_i \cdot x)$ with $\phi(h) = h + \frac{\epsilon}{2} h^2$.

    The readout is fixed; $w_i$ are the rows of `weights`. With $\bar w = \frac1N \sum_i w_i$ and
    $M = \frac1N \sum_i w_i w_i^\top$ it is $f(x) = \alpha \bar w \cdot x + \frac{\alpha\epsilon}{2} x^\top M x$.
    A rate of learning of $N / \alpha^2$ makes the kernel's speed independent of the width and of $\alpha$.

    Args:
        weights: $w_i$ as rows.
        scale: $\alpha$, the output scale; large is lazy. It is not trained.
        curvature: $\epsilon$; small turns the initial tangent kernel away from quadratic targets. It is not trained.

    !!! example
        ```python
        net = ln.nn.QuadraticNetwork.random((20, 100), scale=4.0, curvature=0.5, key=key)
        linear, quadratic = net.polynomial()  # f(x) = linear @ x + x @ quadratic @ x / 2
        ```
    """

    weights: Float[Array, "hidden in"] = eqx.field(converter=jnp.asarray)
    scale: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    curvature: Float[Array, ""] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        if self.weights.ndim != 2:
            raise ValueError(f"QuadraticNetwork needs weights of shape (hidden, in), got {self.weights.shape}.")

    @classmethod
    def random(
        cls,
        sizes: tuple[int, int],
        scale: float | Float[Array, ""] = 1.0,
        curvature: float | Float[Array, ""] = 1.0,
        *,
        key: PRNGKey,
        dtype: Any = None,
    ) -> "QuadraticNetwork":
        """Standard Gaussian weights.

        Args:
            sizes: `(in, hidden)`.
            scale: the output scale.
            curvature: of the activation.
            key: randomness of the weights.
            dtype: of the parameters; by default JAX's.
        """
        (inputs, hidden, _), dtype = check_sizes("QuadraticNetwork", (*sizes, 1), 3), float_dtype(dtype)
        weights = jr.normal(key, (hidden, inputs), dtype)
        return cls(weights, jnp.asarray(scale, dtype), jnp.asarray(curvature, dtype))

    def moments(self) -> tuple[Float[Array, " in"], Float[Array, "in in"]]:
        r"""$\bar w$ and $M$, the sufficient statistics."""
        return jnp.mean(self.weights, axis=0), self.weights.T @ self.weights / self.weights.shape[0]

    def polynomial(self) -> tuple[Float[Array, " in"], Float[Array, "in in"]]:
        r"""The coefficients $\alpha \bar w$ and $\alpha \epsilon M$ of $f(x) = b \cdot x + \frac12 x^\top S x$."""
        mean, second = self.moments()
        return self.scale * mean, self.scale * self.curvature * second

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, "1"]:
        # What is not trained has no gradient: JAX would else move it together with the weights.
        scale, curvature = jax.lax.stop_gradient((self.scale, self.curvature))
        hidden = self.weights @ x
        return (scale * jnp.mean(hidden + curvature / 2 * hidden**2))[None]

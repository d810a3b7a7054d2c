"""Regression of a quadratic polynomial of Gaussian inputs, whose test loss is known exactly."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._types import PRNGKey
from ._setting import AbstractSetting

#: The parts of the test loss, in the order of `PolynomialRegression.test_parts`.
TEST_PARTS = ("variance", "misalignment", "linear")


@runtime_checkable
class HasPolynomial(Protocol):
    """A network that is a quadratic polynomial and knows its coefficients."""

    def polynomial(self) -> tuple[Any, Any]: ...


@cite("kumar2024grokking")
class PolynomialRegression(AbstractSetting):
    r"""Samples of $y = b_* \cdot x + \frac12 x^\top S_* x$ at inputs $x \sim N(0, I / D)$, fitted by a polynomial.

    The loss is $\frac{1}{2P} \sum_\mu (f(x_\mu) - y_\mu)^2$. Where $f$ is a polynomial with the coefficients $b$ and
    $S$, its mean over fresh inputs is the sum of three parts, with $\Delta = S - S_*$:

    $$\frac12 \mathbb E (f - y)^2 = \underbrace{\frac{(\operatorname{tr} \Delta)^2}{8 D^2}}_{\text{variance}} +
    \underbrace{\frac{\lVert \Delta \rVert_F^2}{4 D^2}}_{\text{misalignment}} +
    \underbrace{\frac{\lVert b - b_* \rVert^2}{2 D}}_{\text{linear}} .$$

    The paper's losses have no half, so that its parts are twice these.

    Args:
        x: the inputs $x_\mu$ that are trained on.
        linear: $b_*$.
        quadratic: $S_*$, symmetric.

    Raises:
        ValueError: if the shapes do not fit.

    !!! example
        ```python
        task = ln.tasks.PolynomialRegression.random(inputs=20, samples=100, key=key)  # y = (beta . x)^2 / 2
        task = task.centred(network)  # what counts is f - f_0: the scale of the output then sets how lazy training is
        ```
    """

    x: Float[Array, "sample in"] = eqx.field(converter=jnp.asarray)
    linear: Float[Array, " in"] = eqx.field(converter=jnp.asarray)
    quadratic: Float[Array, "in in"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        if self.x.ndim != 2:
            raise ValueError(f"PolynomialRegression needs inputs of shape (sample, in), got {self.x.shape}.")
        size = self.x.shape[1]
        if self.linear.shape != (size,) or self.quadratic.shape != (size, size):
            raise ValueError(
                f"PolynomialRegression has {size} inputs, so its target has coefficients of the shapes ({size},) and "
                f"({size}, {size}), got {self.linear.shape} and {self.quadratic.shape}."
            )

    @classmethod
    def random(cls, inputs: int, samples: int, *, key: PRNGKey, dtype: Any = None) -> "PolynomialRegression":
        r"""The square of one random direction, $y = \frac12 (\beta \cdot x)^2$ with $\beta \sim N(0, I)$.

        Args:
            inputs: $D$.
            samples: $P$.
            key: randomness of the direction and of the samples.
            dtype: of the arrays; by default JAX's.
        """
        if inputs < 1 or samples < 1:
            raise ValueError(f"PolynomialRegression needs at least one input and sample, got {inputs} and {samples}.")
        direction_key, input_key = jr.split(key)
        found = jnp.dtype(dtype) if dtype is not None else jnp.result_type(float)
        direction = jr.normal(direction_key, (inputs,), found)
        x = jr.normal(input_key, (samples, inputs), found) / jnp.sqrt(jnp.asarray(inputs, found))
        return cls(x, jnp.zeros(inputs, found), jnp.outer(direction, direction))

    def centred(self, network: HasPolynomial) -> "PolynomialRegression":
        """The same task for what a network adds to its present output: that output is added to the target.

        Args:
            network: the network before training.
        """
        linear, quadratic = network.polynomial()
        return PolynomialRegression(self.x, self.linear + linear, self.quadratic + quadratic)

    def targets(self) -> Float[Array, " sample"]:
        """The targets of the training inputs."""
        return polynomial(self.linear, self.quadratic, self.x)

    def test_parts(self, linear: Float[Array, " in"], quadratic: Float[Array, "in in"]) -> Float[Array, " part"]:
        """The parts of the test loss of a polynomial: variance, misalignment and linear.

        Args:
            linear: $b$.
            quadratic: $S$.
        """
        size = self.x.shape[1]
        apart = quadratic - self.quadratic
        return jnp.stack(
            [
                jnp.trace(apart) ** 2 / (8 * size**2),
                jnp.sum(apart**2) / (4 * size**2),
                jnp.sum((linear - self.linear) ** 2) / (2 * size),
            ]
        )

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        if not isinstance(loss, SquaredError):
            return f"it holds squared error, got {type(loss).__name__}."
        size = self.x.shape[1]
        try:
            shape = eqx.filter_eval_shape(network, jax.ShapeDtypeStruct((size,), self.x.dtype)).shape
        except (TypeError, ValueError, AttributeError):
            return (
                f"it needs a network with {size} inputs and one output, got a {type(network).__name__} that does not."
            )
        return None if shape == (1,) else f"it needs a network with one output, got outputs of shape {shape}."

    def loss(self, network: Any) -> Float[Array, ""]:
        found = jax.vmap(network)(self.x)[:, 0]
        return jnp.mean((found - self.targets()) ** 2) / 2


def polynomial(
    linear: Float[Array, " in"], quadratic: Float[Array, "in in"], x: Float[Array, "sample in"]
) -> Float[Array, " sample"]:
    r"""$b \cdot x + \frac12 x^\top S x$ at every input."""
    return x @ linear + jnp.sum((x @ quadratic) * x, axis=1) / 2

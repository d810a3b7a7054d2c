"""A convolutional filter that is to be recovered from what a filter with other weights sees of the same patches."""

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


@runtime_checkable
class HasFilter(Protocol):
    """A network of one filter."""

    filter: Any


@cite("du2018when", "cho2009kernel")
class FilterTeacher(AbstractSetting):
    r"""The population loss of a ReLU filter against a teacher's on Gaussian patches, exactly.

    $$\tfrac12 \mathbb E \Bigl(\frac1k \sum_i \sigma(w^\top Z_i) - \sigma(w_*^\top Z_i)\Bigr)^2, \qquad
    \mathbb E\, Z_i Z_j^\top = C_{ij},$$

    where $\mathbb E\, \sigma(u) \sigma(v) = \frac{q}{2\pi} (\sin\psi + (\pi - \psi) \cos\psi)$ for Gaussians of
    variances $s_u$ and $s_v$, $q^2 = s_u s_v$, and covariance $q \cos\psi$.

    Args:
        filter: $w_*$.
        covariance: $C$, of all patches with each other.

    Raises:
        ValueError: if the shapes do not fit.

    !!! example
        ```python
        task = ln.tasks.FilterTeacher.correlated(jnp.ones(4), jnp.array([[1.0, 0.5], [0.5, 1.0]]))  # two patches
        ```
    """

    filter: Float[Array, " in"] = eqx.field(converter=jnp.asarray)
    covariance: Float[Array, "patch other row column"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        size = self.filter.shape[0]
        if self.covariance.shape[2:] != (size, size) or self.covariance.shape[0] != self.covariance.shape[1]:
            raise ValueError(
                f"FilterTeacher has a filter of {size}, so its covariance is (patch, patch, {size}, {size}), got "
                f"{self.covariance.shape}."
            )

    @classmethod
    def correlated(
        cls,
        filter: Float[Array, " in"],
        correlations: Float[Array, "patch other"],
        variance: Float[Array, ""] | float = 1.0,
    ) -> "FilterTeacher":
        r"""White patches with a correlation between any two, $C_{ij} = \rho_{ij} \sigma^2 I$.

        Args:
            filter: $w_*$.
            correlations: $\rho$; 1 for patches that are the same, 0 for independent ones.
            variance: $\sigma^2$.
        """
        eye = jnp.eye(jnp.asarray(filter).shape[0], dtype=jnp.asarray(filter).dtype)
        return cls(filter, variance * jnp.asarray(correlations)[:, :, None, None] * eye)

    @classmethod
    def of_signal(
        cls, filter: Float[Array, " in"], autocovariance: Float[Array, " lag"], num_patches: int, stride: int = 1
    ) -> "FilterTeacher":
        r"""Windows of a stationary signal, $C_{ij}[a, b] = R(|i\,s + a - j\,s - b|)$.

        Args:
            filter: $w_*$.
            autocovariance: $R$ from lag 0 on; 0 beyond.
            num_patches: how many windows.
            stride: $s$, how far they lie apart.
        """
        size = jnp.asarray(filter).shape[0]
        place = stride * jnp.arange(num_patches)[:, None] + jnp.arange(size)
        lags = jnp.abs(place[:, None, :, None] - place[None, :, None, :])
        known = jnp.asarray(autocovariance)
        values = known[jnp.minimum(lags, known.shape[0] - 1)]
        return cls(filter, jnp.where(lags < known.shape[0], values, 0))

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        return fits(self, self.filter.shape[0], network, loss)

    def loss(self, network: Any) -> Float[Array, ""]:
        def pairs(first: Array, second: Array) -> tuple[Array, Array, Array]:
            return (
                jnp.einsum("a,iiab,b->i", first, self.covariance, first)[:, None],
                jnp.einsum("a,iiab,b->i", second, self.covariance, second)[None],
                jnp.einsum("a,ijab,b->ij", first, self.covariance, second),
            )

        student, teacher = network.filter, self.filter
        return 0.5 * jnp.mean(
            rectified_product(*pairs(student, student))
            - 2 * rectified_product(*pairs(student, teacher))
            + rectified_product(*pairs(teacher, teacher))
        )

    def sample(self, num: int, *, key: PRNGKey) -> Float[Array, "num patch in"]:
        """Patches of so many inputs.

        Args:
            num: how many.
            key: randomness.
        """
        patches, size = self.covariance.shape[0], self.covariance.shape[2]
        joint = jnp.transpose(self.covariance, (0, 2, 1, 3)).reshape(patches * size, patches * size)
        values, vectors = jnp.linalg.eigh(joint)
        noise = jr.normal(key, (num, patches * size), joint.dtype)
        found = (noise * jnp.sqrt(jnp.maximum(values, 0))) @ vectors.T
        return found.reshape(num, patches, size)


@cite("du2018when")
class FilterPatches(AbstractSetting):
    """The loss of a ReLU filter against a teacher's on given patches, of any distribution.

    Its gradient jumps with each patch that becomes active: train by `Descent`.

    Args:
        filter: the teacher's.
        patches: of every input.

    Raises:
        ValueError: if the shapes do not fit.
    """

    filter: Float[Array, " in"] = eqx.field(converter=jnp.asarray)
    patches: Float[Array, "num patch in_"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        if self.patches.ndim != 3 or self.patches.shape[2] != self.filter.shape[0]:
            raise ValueError(
                f"FilterPatches has a filter of {self.filter.shape[0]}, so its patches are (num, patch, "
                f"{self.filter.shape[0]}), got {self.patches.shape}."
            )

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        return fits(self, self.filter.shape[0], network, loss)

    def loss(self, network: Any) -> Float[Array, ""]:
        student, teacher = (jax.nn.relu(self.patches @ weights) for weights in (network.filter, self.filter))
        return 0.5 * jnp.mean(jnp.mean(student - teacher, axis=1) ** 2)


def fits(task: Any, size: int, network: Any, loss: AbstractLoss) -> str | None:
    """Why a network cannot learn a filter under a loss (`None` if it can)."""
    if not isinstance(loss, SquaredError):
        return f"it holds squared error, got {type(loss).__name__}."
    if not isinstance(network, HasFilter):
        return f"it needs a PatchFilter network, got a {type(network).__name__}."
    if network.filter.shape != (size,):
        return f"the network's filter has shape {network.filter.shape}, the teacher's ({size},)."
    return None


@jax.custom_jvp
def rectified_product(first: Array, second: Array, covariance: Array) -> Array:
    r"""$\mathbb E\, \max(0, u) \max(0, v)$ of two Gaussians.

    Args:
        first: the variance of $u$.
        second: the variance of $v$.
        covariance: of both.
    """
    size, angle = _angle(first, second, covariance)
    return size * (jnp.sin(angle) + (jnp.pi - angle) * jnp.cos(angle)) / (2 * jnp.pi)


@rectified_product.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    # The angle has no derivative where u and v are the same; what it is part of has one.
    (first, second, covariance), (d_first, d_second, d_covariance) = primals, tangents
    size, angle = _angle(first, second, covariance)
    positive = jnp.where(size > 0, size, 1)
    slope = jnp.sin(angle) * (second * d_first + first * d_second) / (2 * positive)
    return rectified_product(first, second, covariance), (
        (jnp.pi - angle) * d_covariance + jnp.where(size > 0, slope, 0)
    ) / (2 * jnp.pi)


def _angle(first: Array, second: Array, covariance: Array) -> tuple[Array, Array]:
    """The geometric mean of two variances, and the angle between two Gaussians."""
    size = jnp.sqrt(first * second)
    positive = jnp.where(size > 0, size, 1)
    # arctan2 keeps the digits near 0 and pi, which arccos would lose; below them is rounding, which has no slope.
    rest = first * second - covariance**2
    apart = rest > 16 * jnp.finfo(rest.dtype).eps * size**2
    across = jnp.where(apart, jnp.sqrt(jnp.where(apart, rest, 1)), 0)
    return size, jnp.arctan2(jnp.where(size > 0, across / positive, 1), covariance / positive)

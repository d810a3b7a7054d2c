"""How fast a ReLU filter is recovered: at the end exactly, and on the way at least."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite


@cite("du2018when")
def filter_rates(task: tasks.FilterTeacher) -> Float[Array, " in"]:
    r"""The rates at which the last of the error decays: the curvatures of the loss at the teacher, ascending.

    The eigenvalues of $H = \frac{1}{k^2} \sum_{ij} \mathbb E\,[Z_i Z_j^\top \mathbf 1\{w_*^\top Z_i > 0\}
    \mathbf 1\{w_*^\top Z_j > 0\}]$, exactly, for Gaussian patches of any covariance. On white patches they are
    $\sigma^2 \langle \rho\,(\pi - \arccos \rho) \rangle / 2 \pi$ across the teacher and
    $\sigma^2 \langle \sqrt{1 - \rho^2} + \rho\,(\pi - \arccos \rho) \rangle / 2 \pi$ along it.

    Args:
        task: teacher and patches.
    """
    covariance, teacher = task.covariance, task.filter
    seen = jnp.einsum("ijab,b->ija", covariance, teacher)  # of Z_i with the drive of patch j
    joint = jnp.einsum("a,ija->ij", teacher, seen)

    def pair(i: Array, j: Array) -> Array:
        own, other, both = joint[i, i], joint[j, j], joint[i, j]
        size = jnp.sqrt(own * other)
        cosine = jnp.clip(both / size, -1, 1)
        angle = jnp.arccos(cosine)
        active = (jnp.pi - angle) / (2 * jnp.pi)
        spread = jnp.sin(angle) * cosine / (2 * jnp.pi)
        product = size * (jnp.sin(angle) + (jnp.pi - angle) * cosine) / (2 * jnp.pi)
        drives = jnp.array([[own, both], [both, other]])
        among = jnp.array([[own * (active + spread), product], [product, other * (active + spread)]])
        # Z = B (u, v) + what is independent of both drives u and v.
        inverse = jnp.linalg.inv(jnp.where(jnp.sin(angle) > 1e-6, drives, jnp.eye(2, dtype=drives.dtype)))
        first = jnp.stack([seen[i, i], seen[i, j]], axis=1) @ inverse
        second = jnp.stack([seen[j, i], seen[j, j]], axis=1) @ inverse
        apart = active * (covariance[i, j] - first @ drives @ second.T) + first @ among @ second.T
        # The same drive twice is active half of the time, whatever else.
        return jnp.where(jnp.sin(angle) > 1e-6, apart, jnp.where(cosine > 0, 0.5, 0) * covariance[i, j])

    num = covariance.shape[0]
    places = jnp.indices((num, num)).reshape(2, -1)
    curvature = jnp.mean(jax.vmap(pair)(places[0], places[1]), axis=0)
    return jnp.linalg.eigvalsh((curvature + curvature.T) / 2)


class RecoveryBound(eqx.Module):
    r"""What the patches guarantee of the recovery of a filter at one place; made by `recovery_bound`.

    Args:
        shared: $\gamma$, the least curvature among patches that both filters see.
        cross: $L_\times$, what pairs of patches that only one of them sees may take away; 0 for one patch.
        exclusive: $L$, the largest second moment of patches that the filter alone sees; smooth inputs keep it small.
    """

    shared: Float[Array, "*filter"]
    cross: Float[Array, "*filter"]
    exclusive: Float[Array, "*filter"]

    @property
    def rate(self) -> Float[Array, "*filter"]:
        r"""$\gamma - L_\times$: the distance to the teacher falls at this rate or faster (if it is above 0)."""
        return self.shared - self.cross


@cite("du2018when")
def recovery_bound(
    patches: Float[Array, "num patch in"], filter: Float[Array, " in"], teacher: Float[Array, " in"]
) -> RecoveryBound:
    r"""A rate at which gradient flow approaches the teacher at least, on patches of any distribution.

    With $\delta = w - w_*$ and $s = \frac1k \sum_i Z_i \mathbf 1\{\text{both filters active}\}$

    $$-\frac{d}{dt} \frac{\lVert \delta \rVert^2}{2} = \delta^\top \nabla L \ge (\gamma - L_\times)
    \lVert \delta \rVert^2, \qquad \gamma = \lambda_{min}(\mathbb E\, s s^\top),$$

    where $L_\times = \lambda_{max}\bigl(\frac{1}{k^2} \sum_{i \ne j} \mathbb E\,[\chi_{ij}\, (Z_i Z_i^\top +
    Z_j Z_j^\top) / 2]\bigr)$ and $\chi_{ij}$ counts pairs of which one patch is seen by one filter alone. Derived here;
    the paper has such a bound with other constants.

    Args:
        patches: of many inputs, as from `FilterTeacher.sample`.
        filter: $w$.
        teacher: $w_*$.
    """
    num_patches = patches.shape[1]
    own, other = patches @ filter > 0, patches @ teacher > 0
    both, alone, without = (part.astype(patches.dtype) for part in (own & other, own & ~other, ~own & other))
    seen = jnp.mean(patches * both[..., None], axis=1)
    shared = jnp.linalg.eigvalsh(seen.T @ seen / patches.shape[0])[0]
    # both_i (only_j + alone_j) + only_i alone_j, with only = alone + without.
    only = alone + without
    counts = both[:, :, None] * (only + alone)[:, None] + only[:, :, None] * alone[:, None]
    counts = counts * (1 - jnp.eye(num_patches, dtype=patches.dtype))
    weights = (jnp.sum(counts, axis=1) + jnp.sum(counts, axis=2)) / 2
    cross = jnp.einsum("ni,nia,nib->ab", weights, patches, patches) / patches.shape[0] / num_patches**2
    exclusive = jnp.einsum("ni,nia,nib->ab", alone, patches, patches) / patches.shape[0] / num_patches
    return RecoveryBound(shared, jnp.linalg.eigvalsh(cross)[-1], jnp.linalg.eigvalsh(exclusive)[-1])

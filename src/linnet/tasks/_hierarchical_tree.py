"""Items at the leaves of a tree, with features that diffused along its branches."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch
from ._linear_algebra import root_and_inverse
from ._moments import Moments
from ._task import AbstractTask


@cite("saxe2014exact", "saxe2019mathematical")
class HierarchicalTree(AbstractTask):
    r"""Name the features of an item, where items are the leaves of a tree.

    Inputs are one-hot items, targets their features: a sample is an item drawn uniformly, $x = c\, e_i$ and $y =
    Y_{\cdot i}$. With the default $c = \sqrt P$ for $P$ items inputs are white, $\Sigma_{xx} = I$, and $\Sigma_{yx} = Y
    / \sqrt P$; with $c = 1$ they are $I / P$ and $Y / P$, and training is that of the papers (which take sums,
    $\Sigma_{xx} = I$ and $\Sigma_{yx} = Y$) with linnet's learning time $P$ times theirs. Moments are raw, as in the
    papers: what all items share is a mode, not a mean that was subtracted.

    Args:
        features: $Y$, one column for each item.
        scale: $c$; by default the square root of the number of items.

    !!! example
        ```python
        task = ln.tasks.HierarchicalTree.canonical()  # 8 items, 15 features: modes of strength sqrt(15, 7, 3, 3, 1, 1,
        1, 1) task = ln.tasks.HierarchicalTree.diffusion(levels=5, num_features=1000, flip=0.1, key=jr.key(0)) ```
    """

    features: Float[Array, "feature item"]
    scale: Float[Array, ""]

    def __init__(self, features: Float[Array, "..."], scale: float | Float[Array, ""] | None = None) -> None:
        self.features = jnp.asarray(features)
        if self.features.ndim != 2:
            raise ValueError(f"HierarchicalTree needs features of shape (feature, item), got {self.features.shape}.")
        self.scale = jnp.asarray(np.sqrt(self.features.shape[1]) if scale is None else scale, self.features.dtype)

    @classmethod
    def diffusion(
        cls,
        levels: int,
        num_features: int,
        flip: float | Float[Array, ""],
        *,
        key: PRNGKey,
        branching: int = 2,
        scale: float | Float[Array, ""] | None = None,
        dtype: str | None = None,
    ) -> "HierarchicalTree":
        r"""Features that diffuse down the tree.

        They are $\pm 1$ with equal probability at the root, and flip along each branch with probability `flip`.

        Args:
            levels: levels of branches; there are `branching ** levels` items.
            num_features: independent features.
            flip: the probability of a flip. Traceable.
            key: of the features.
            branching: children of a node.
            scale: $c$.
            dtype: the dtype of the features; JAX's default if `None`.
        """
        _check_tree(levels, branching)
        dtype = dtype or str(jnp.result_type(float))
        root_key, *keys = jr.split(key, levels + 1)
        values = jr.rademacher(root_key, (num_features, 1), dtype)
        for level_key in keys:
            values = jnp.repeat(values, branching, axis=1)
            values = jnp.where(jr.bernoulli(level_key, flip, values.shape), -values, values)
        return cls(values, scale)

    @classmethod
    def expected(
        cls,
        levels: int,
        flip: float | Float[Array, ""],
        *,
        branching: int = 2,
        scale: float | Float[Array, ""] | None = None,
        dtype: str | None = None,
    ) -> "HierarchicalTree":
        r"""The diffusion with infinitely many features.

        $Y$ is deterministic, with $Y^\top Y = C$, the mean over features of the products of two items:
        $C_{ij} = (1 - 2\epsilon)^{2 d_{ij}}$ with $d_{ij}$ the levels up to the closest common node. The strengths of
        `num_features` drawn features are about $\sqrt{\text{num\_features}}$ times those of this task.

        Args:
            levels: levels of branches.
            flip: $\epsilon$. Traceable.
            branching: children of a node.
            scale: $c$.
            dtype: the dtype; JAX's default if `None`.
        """
        _check_tree(levels, branching)
        item = np.arange(branching**levels)
        ancestors = item // branching ** np.arange(levels + 1)[:, None]
        distance = np.sum(ancestors[:, :, None] != ancestors[:, None, :], axis=0)
        keep = 1 - 2 * jnp.asarray(flip, dtype or jnp.result_type(float))
        return cls(root_and_inverse(keep ** (2 * distance))[0], scale)

    @classmethod
    def canonical(
        cls,
        levels: int = 3,
        *,
        branching: int = 2,
        scale: float | Float[Array, ""] | None = None,
        dtype: str | None = None,
    ) -> "HierarchicalTree":
        """The literature's small data set: one feature for each node, which all items below it have.

        Three levels are 8 items with 15 features.

        Args:
            levels: levels of branches.
            branching: children of a node.
            scale: the scale of the inputs.
            dtype: the dtype; JAX's default if `None`.
        """
        _check_tree(levels, branching)
        item = np.arange(branching**levels)
        rows = [item // branching ** (levels - m) == np.arange(branching**m)[:, None] for m in range(levels + 1)]
        return cls(jnp.asarray(np.concatenate(rows), dtype or jnp.result_type(float)), scale)

    @property
    def num_items(self) -> int:
        """The number of items."""
        return self.features.shape[1]

    def items(self) -> Batch:
        """All items, each once: a data set whose moments are the population's."""
        return Batch(self.scale * jnp.eye(self.num_items, dtype=self.features.dtype), self.features.T)

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        if length is not None:
            raise ValueError(f"A HierarchicalTree has no sequences, so that `length` must be None, got {length}.")
        item = jr.randint(key, (num,), 0, self.num_items)
        everything = self.items()
        return Batch(everything.x[item], everything.y[item])

    def moments(self) -> Moments:
        num = self.num_items
        xx = self.scale**2 / num * jnp.eye(num, dtype=self.features.dtype)
        return Moments(xx, self.scale / num * self.features, self.features @ self.features.T / num)


def _check_tree(levels: int, branching: int) -> None:
    if levels < 0 or branching < 1:
        raise ValueError(f"A tree needs levels >= 0 and branching >= 1, got {levels} and {branching}.")

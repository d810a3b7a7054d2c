"""Per-leaf factors on a tree of gradients."""

from typing import Any

import jax.tree_util as jtu


def scaled(tree: Any, rates: Any) -> Any:
    """A tree of gradients with the factor of each leaf applied; `rates` is a prefix of the tree, `None` is 1
    everywhere."""
    if rates is None:
        return tree
    return jtu.tree_map(
        lambda rate, branch: jtu.tree_map(lambda leaf: (rate * leaf).astype(leaf.dtype), branch), rates, tree
    )

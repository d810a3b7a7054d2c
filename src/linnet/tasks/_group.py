"""Finite groups as multiplication tables."""

import itertools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int


class Group(eqx.Module):
    """A finite group: element 0 is the neutral one, and `table[a, b]` is the element *a after b*.

    Args:
        table: the product of each pair of elements.
        moved: how many points each element of a permutation group moves; empty for other groups.
        name: for messages and registries.
    """

    table: Int[Array, "element element"] = eqx.field(converter=jnp.asarray)
    moved: tuple[int, ...] = eqx.field(static=True, default=())
    name: str = eqx.field(static=True, default="group")

    def __check_init__(self) -> None:
        if self.table.ndim != 2 or self.table.shape[0] != self.table.shape[1] or self.table.shape[0] < 2:
            raise ValueError(
                f"Group needs a square table of at least 2 elements, got shape {self.table.shape}. List the product of "
                "each pair of elements."
            )

    @property
    def order(self) -> int:
        """The number of elements."""
        return self.table.shape[0]


def symmetric_group(degree: int) -> Group:
    """All permutations of `degree` points, in lexicographic order; $a$ after $b$ takes $i$ to $a(b(i))$."""
    return _permutation_group(list(itertools.permutations(range(degree))), f"s{degree}")


def alternating_group(degree: int) -> Group:
    """The even permutations of `degree` points, in lexicographic order."""
    even = [p for p in itertools.permutations(range(degree)) if _is_even(p)]
    return _permutation_group(even, f"a{degree}")


def cyclic_group(order: int) -> Group:
    """Addition modulo `order`."""
    element = np.arange(order)
    return Group(((element[:, None] + element) % order).astype(np.int32), (), f"z{order}")


def product_group(first: Group, second: Group) -> Group:
    r"""The direct product; the pair $(a, b)$ is element $a \lvert G_2 \rvert + b$."""
    tables, size = [np.asarray(group.table) for group in (first, second)], second.order
    left, right = np.divmod(np.arange(first.order * size), size)
    table = tables[0][left[:, None], left] * size + tables[1][right[:, None], right]
    return Group(table.astype(np.int32), (), f"{first.name}x{second.name}")


def _permutation_group(elements: list[tuple[int, ...]], name: str) -> Group:
    points = np.array(elements)
    products = points[:, points]  # "a b point": a after b
    base = len(elements[0]) ** np.arange(len(elements[0]))
    codes = points @ base
    order: Any = np.argsort(codes)
    table = order[np.searchsorted(codes[order], products @ base)]
    moved = np.sum(points != np.arange(points.shape[1]), axis=1)
    return Group(table.astype(np.int32), tuple(int(number) for number in moved), name)


def _is_even(permutation: tuple[int, ...]) -> bool:
    return sum(a > b for a, b in itertools.combinations(permutation, 2)) % 2 == 0

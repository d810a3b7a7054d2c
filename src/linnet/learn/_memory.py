"""How many members of an ensemble fit into memory at once."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.tree_util as jtu
import numpy as np

from .._rule import GradientFlow
from ._members import Members
from ._program import Program

#: Copies of the parameters that a solver or an optimiser holds at once: stages, errors, gradients, updates.
_COPIES = 16


def bytes_of(tree: Any) -> int:
    """The bytes of all arrays of a tree (or of their shapes)."""
    leaves = [leaf for leaf in jtu.tree_leaves(tree) if isinstance(leaf, (jax.Array, np.ndarray, jax.ShapeDtypeStruct))]
    return sum(int(np.prod(leaf.shape)) * _width(leaf.dtype) for leaf in leaves)


def _width(dtype: Any) -> int:
    return 8 if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key) else np.dtype(dtype).itemsize


def default_members_per_chunk(one: Members, program: Program, shapes: dict[str, Any], records: int, limit: int) -> int:
    """As many members as fit into a number of bytes on one device, at least one.

    An upper estimate: all that differs between members, what they record in a chunk, the solver's copies of the parameters, and
    every intermediate result of one gradient and one recording as if none were freed.

    Args:
        one: a group of one member.
        program: the program of that member.
        shapes: shape and dtype of every recorded quantity.
        records: recordings in a chunk.
        limit: bytes on one device.
    """
    params = jtu.tree_map(lambda leaf: leaf[0], one.state.params)
    size = bytes_of(params)
    used = bytes_of(one.program.varied) + bytes_of(one.state) + _COPIES * size + records * bytes_of(shapes)
    rule = program.rule
    if isinstance(rule, GradientFlow):
        used += records * size
        if isinstance(rule.solver, diffrax.AbstractImplicitSolver):
            num = sum(leaf.size for leaf in jtu.tree_leaves(params))
            used += 4 * num * size
    arrays, rest = eqx.partition(program, eqx.is_array)
    used += _intermediates(
        lambda a, p: (whole := eqx.combine(a, rest)).gradient(p, whole.objective), arrays, params
    )  # one gradient
    return max(1, int(limit // max(used, 1)))


def _intermediates(function: Any, *args: Any) -> int:
    """The bytes of everything that a function computes on its way."""
    return _jaxpr_bytes(jax.make_jaxpr(function)(*args).jaxpr)


def _jaxpr_bytes(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        total += sum(int(np.prod(v.aval.shape)) * _width(v.aval.dtype) for v in equation.outvars)
        inner = equation.params.get("jaxpr") if equation.primitive.name in ("jit", "pjit", "closed_call") else None
        total += 0 if inner is None else _jaxpr_bytes(inner.jaxpr)
    return total

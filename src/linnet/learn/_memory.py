"""How many members of an ensemble fit into memory at once."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Key

from .._loss import AbstractLoss
from .._rule import GradientFlow
from ._engine import initial_state
from ._members import make_member
from ._observer import AbstractObserver
from ._program import Program, State

#: Copies of the parameters that a solver or an optimiser holds at once: stages, errors, gradients, updates.
_COPIES = 16


def bytes_of(tree: Any) -> int:
    """The bytes of all arrays of a tree (or of their shapes)."""
    leaves = [
        leaf
        for leaf in jtu.tree_leaves(tree)
        if isinstance(leaf, (jax.Array, np.ndarray, jax.ShapeDtypeStruct, jax.core.Tracer))
    ]
    return sum(int(np.prod(leaf.shape)) * _width(leaf.dtype) for leaf in leaves)


def _width(dtype: Any) -> int:
    return 8 if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key) else np.dtype(dtype).itemsize


class Draft(eqx.Module):
    """One member in shapes only, to plan by.

    Args:
        program: its program.
        state: its state before the first step.
        shapes: of every recorded quantity at one time.
        varied: bytes of the arrays in the program that came out of `make`'s arguments, or of an operation in `make`.
    """

    program: Program
    state: State
    shapes: dict[str, Any]
    varied: int = eqx.field(static=True)


def draft_member(
    make: Callable[..., tuple[Any, Any, Any]],
    keys: Key[Array, " member"],
    values: dict[str, Array],
    ts: Float[Array, " time"],
    loss: AbstractLoss,
    observe: tuple[AbstractObserver, ...],
) -> Draft:
    """The draft of the first member of some keys and values; nothing is computed."""
    varied: list[int] = []

    def draw(keys: Key[Array, " member"], values: dict[str, Array]) -> tuple[Program, State, dict[str, Array]]:
        key, first = keys[0], {name: value[0] for name, value in values.items()}
        program = make_member(make, key, first, ts, loss, observe)[0]
        varied.extend(bytes_of(leaf) for leaf in jtu.tree_leaves(program) if isinstance(leaf, jax.core.Tracer))
        state = initial_state(program)
        return program, state, program.measure(state.params, 0)

    program, state, shapes = eqx.filter_eval_shape(draw, keys, values)
    return Draft(program, state, shapes, sum(varied))


def members_that_fit(draft: Draft, records: int, limit: int) -> int:
    """As many members as fit into a number of bytes on one device, at least one.

    An upper estimate: all that differs between members, what they record in a chunk, the solver's copies of the
    parameters, and every intermediate result of one gradient as if none were freed.
    """
    size = bytes_of(draft.state.params)
    used = draft.varied + bytes_of(draft.state) + _COPIES * size + records * bytes_of(draft.shapes)
    rule = draft.program.rule
    if isinstance(rule, GradientFlow):
        used += records * size
        if isinstance(rule.solver, diffrax.AbstractImplicitSolver):
            used += 4 * size * sum(leaf.size for leaf in jtu.tree_leaves(draft.state.params))
    shapes, rest = eqx.partition(
        draft.program, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct) or eqx.is_array(leaf)
    )

    def gradient(shapes: Any, params: Any) -> Any:
        program: Program = eqx.combine(shapes, rest)
        return program.gradient(params, program.objective)

    used += _jaxpr_bytes(jax.make_jaxpr(gradient)(shapes, draft.state.params).jaxpr)
    return max(1, int(limit // max(used, 1)))


def _jaxpr_bytes(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        total += sum(int(np.prod(v.aval.shape)) * _width(v.aval.dtype) for v in equation.outvars)
        inner = equation.params.get("jaxpr") if equation.primitive.name in ("jit", "pjit", "closed_call") else None
        total += 0 if inner is None else _jaxpr_bytes(inner.jaxpr)
    return total

"""Recurrent networks over cells of Equinox: GRU, LSTM, and any other cell."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import AbstractRecurrent, check_sizes, float_dtype, run_steps
from ._random import glorot_gaussian


class AbstractCellNetwork(AbstractRecurrent):
    """A cell `cell(x, state) -> state` with a linear readout of the first array of its state."""

    cell: eqx.AbstractVar[Any]
    output_weights: eqx.AbstractVar[Float[Array, "out hidden"]]
    output_bias: eqx.AbstractVar[Float[Array, " out"] | None]

    @property
    def in_size(self) -> int:
        """The number of inputs, where the cell tells it."""
        return self.cell.input_size

    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " out"]]:
        state = self.cell(x, state)
        output = self.output_weights @ jtu.tree_leaves(state)[0]
        return state, output if self.output_bias is None else output + self.output_bias

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        return run_steps(self, xs, state)


@cite("cho2014learning")
class GRU(AbstractCellNetwork):
    r"""The gated recurrent unit (`equinox.nn.GRUCell`) with a linear readout, $y_t = W_y h_{t+1} + c$.

    Args:
        sizes: `(in, hidden, out)`.
        use_bias: whether there are biases; they begin at 0.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, each gate's drawn from Glorot's Gaussian.
    """

    cell: eqx.nn.GRUCell
    output_weights: Float[Array, "out hidden"]
    output_bias: Float[Array, " out"] | None

    def __init__(self, sizes: Sequence[int], *, use_bias: bool = True, dtype: Any = None, key: PRNGKey) -> None:
        parts = _parts("GRU", eqx.nn.GRUCell, sizes, use_bias, dtype, key)
        self.cell, self.output_weights, self.output_bias = parts

    def init_state(self) -> Float[Array, " hidden"]:
        return jnp.zeros(self.cell.hidden_size, self.output_weights.dtype)


@cite("hochreiter1997long")
class LSTM(AbstractCellNetwork):
    r"""Long short-term memory (`equinox.nn.LSTMCell`) with a linear readout, $y_t = W_y h_{t+1} + c$.

    Args:
        sizes: `(in, hidden, out)`.
        use_bias: whether there are biases; they begin at 0.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, each gate's drawn from Glorot's Gaussian.
    """

    cell: eqx.nn.LSTMCell
    output_weights: Float[Array, "out hidden"]
    output_bias: Float[Array, " out"] | None

    def __init__(self, sizes: Sequence[int], *, use_bias: bool = True, dtype: Any = None, key: PRNGKey) -> None:
        parts = _parts("LSTM", eqx.nn.LSTMCell, sizes, use_bias, dtype, key)
        self.cell, self.output_weights, self.output_bias = parts

    def init_state(self) -> tuple[Float[Array, " hidden"], Float[Array, " hidden"]]:
        zeros = jnp.zeros(self.cell.hidden_size, self.output_weights.dtype)
        return zeros, zeros


@cite("kidger2021equinox")
class Adapted(AbstractCellNetwork):
    """Any cell with a linear readout; made by `adapt`.

    Args:
        cell: `cell(x, state) -> state`.
        output_weights: the readout of the first array of the state.
        output_bias: its bias, or `None`.
        structure: the tree of the state.
        leaves: shape and dtype of each array of the state.
    """

    cell: Any
    output_weights: Float[Array, "out hidden"]
    output_bias: Float[Array, " out"] | None
    structure: Any = eqx.field(static=True, repr=False)
    leaves: tuple = eqx.field(static=True, repr=False)

    def init_state(self) -> Any:
        return jtu.tree_unflatten(self.structure, [jnp.zeros(shape, dtype) for shape, dtype in self.leaves])


def adapt(
    cell: Callable,
    out_size: int,
    *,
    state: Any = None,
    use_bias: bool = True,
    dtype: Any = None,
    key: PRNGKey,
) -> Adapted:
    """Makes a recurrent network of an Equinox cell, or of any module with `cell(x, state) -> state`.

    Args:
        cell: the cell.
        out_size: the number of outputs, read linearly from the first array of the state.
        state: a tree of arrays like the cell's state, of which sequences begin with zeros; by default one of the cell's
            `hidden_size` (two for an `LSTMCell`). Another beginning is passed to the network's call.
        use_bias: whether the readout has a bias; it begins at 0.
        dtype: of the readout; by default that of the state.
        key: randomness of the readout.

    Returns:
        The network.

    Raises:
        ValueError: if `state` is needed, or `out_size` is not positive.

    !!! example
        ```python
        cell = eqx.nn.GRUCell(3, 16, key=key)
        net = ln.nn.adapt(cell, 2, key=key)
        ```
    """
    if out_size < 1:
        raise ValueError(f"adapt needs an out_size of at least 1, got {out_size}.")
    if state is None:
        size = getattr(cell, "hidden_size", None)
        if size is None:
            raise ValueError(
                f"adapt needs to know the state of {type(cell).__name__}, which has no `hidden_size`; pass an array "
                f"(or a tree "
                "of arrays) like it as `state`."
            )
        found = [leaf.dtype for leaf in jtu.tree_leaves(eqx.filter(cell, eqx.is_inexact_array))]
        zeros = jnp.zeros(size, found[0] if found else float_dtype(dtype))
        state = (zeros, zeros) if isinstance(cell, eqx.nn.LSTMCell) else zeros
    leaves, structure = jtu.tree_flatten(state)
    dtype = leaves[0].dtype if dtype is None else float_dtype(dtype)
    weights = glorot_gaussian(key, (out_size, leaves[0].shape[-1]), dtype, 1.0)
    bias = jnp.zeros(out_size, dtype) if use_bias else None
    return Adapted(cell, weights, bias, structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves))


def gates_of(cell: Any) -> int:
    """How many gates a cell stacks along the first axis of its arrays; 1 for what is no gated cell."""
    return {eqx.nn.GRUCell: 3, eqx.nn.LSTMCell: 4}.get(type(cell), 1)


def draw_gates(draw: Callable, key: PRNGKey, shape: tuple[int, ...], gates: int, *args: Any) -> Float[Array, "_ _"]:
    """Draws the matrix of each gate for itself, `draw(key, shape, *args)`, and stacks them."""
    if gates == 1:
        return draw(key, shape, *args)
    each = (shape[0] // gates, shape[1])
    return jnp.concatenate([draw(k, each, *args) for k in jr.split(key, gates)])


def _parts(name: str, kind: Any, sizes: Sequence[int], use_bias: bool, dtype: Any, key: PRNGKey) -> tuple:
    (num_in, hidden, num_out), dtype = check_sizes(name, sizes, 3), float_dtype(dtype)
    *keys, cell_key = jr.split(key, 4)
    cell = kind(num_in, hidden, use_bias, dtype, key=cell_key)
    gates = gates_of(cell)
    inputs = draw_gates(glorot_gaussian, keys[0], (gates * hidden, num_in), gates, dtype, 1.0)
    recurrent = draw_gates(glorot_gaussian, keys[1], (gates * hidden, hidden), gates, dtype, 1.0)
    cell = jtu.tree_map(lambda leaf: jnp.zeros_like(leaf) if leaf.ndim == 1 else leaf, cell)
    cell = eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh), cell, (inputs, recurrent))
    return (
        cell,
        glorot_gaussian(keys[2], (num_out, hidden), dtype, 1.0),
        jnp.zeros(num_out, dtype) if use_bias else None,
    )

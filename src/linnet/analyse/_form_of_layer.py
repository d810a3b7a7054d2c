"""From a layer and a sequence to the layer's dynamical form: what the engine was given, and what is read of it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from .. import nn, scan
from .._cite import cite
from ._attention_form import cached_form
from ._dynamical_form import DynamicalForm


@cite("sieber2024understanding")
def dynamical_form(layer: nn.AbstractSequenceLayer, xs: Float[Array, "step in"], state: Any = None) -> DynamicalForm:
    r"""Any layer of sequence models, on one sequence, in the common form $h_i = \Lambda_i h_{i-1} + B_i u_i$,
    $y_i = C_i h_i + D_i u_i$.

    Nothing of it is typed for each layer: the form is what the layer gives to the engine of recurrences, so it is that
    of the layer's very parameters, convolutions, gates and stabilisers included, to rounding.

    - Layers with a memory of keys and values (linear attention, GLA, Mamba-2, DeltaNet, mLSTM ...): $B$ are keys, $u$
      values, $C$ queries; one head is one system. Outputs are what is read before norms, gates and the output's
      matrix. Where there is a normaliser it is the last column; `normalised_form` makes it part of the transitions.
    - Layers with a vector for a state (LSSL, S4D, LRU, Mamba, RG-LRU ...): $u$ is what is written, $B u$ in the paper,
      and $B$ the identity. Where the layer's outputs are linear in the states, given the tokens, $C$ and $D u$ are
      their derivatives, and $C h + D u$ is what the layer returns; else (and in LSSL and S4, whose features are heads)
      $C$ is the identity.
    - Softmax attention has no form of fixed size: here its state is its cache, with one row for each token.

    Args:
        layer: of `linnet.nn`.
        xs: the sequence.
        state: the state of the layer before it; by default that of no tokens.

    Raises:
        ValueError: for another thing than a layer, a sequence that does not fit, or a recurrence of logarithms.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        form = ln.analyse.dynamical_form(ln.nn.GLA(8, 2, key=jr.key(0)), jnp.ones((10, 8)))
        form.eigenvalues()
        ```
    """
    name = type(layer).__name__
    if not isinstance(layer, nn.AbstractSequenceLayer):
        raise ValueError(f"dynamical_form needs a layer of sequence models, got {name}; see `linnet.nn.LAYERS`.")
    if xs.ndim != 2 or xs.shape[0] == 0 or xs.shape[1] != layer.hidden_size:
        raise ValueError(f"dynamical_form needs xs of shape (step, {layer.hidden_size}), got {xs.shape}.")
    if isinstance(layer, nn.SoftmaxAttention):
        if state is not None:
            raise ValueError("dynamical_form needs softmax attention from its beginning: put all tokens into xs.")
        return cached_form(layer, xs)
    state = layer.init_state() if state is None else state
    # Layers of time-invariant matrices have loops of their own, and use the engine for products of matrices.
    for mode in ("step", "associative"):
        with scan.watching() as watch:
            ys, _ = layer.forward(xs, state, resets=None, mode=mode)
        if watch.calls:
            break
    numbers = [n for n, call in enumerate(watch.calls) if not isinstance(call.transition, scan.AbstractLogSpace)]
    if not numbers:
        raise ValueError(
            f"dynamical_form needs a recurrence of sums, got the logarithms of {name}; use `log_space=False`."
        )
    call = watch.calls[numbers[-1]]
    if call.verb == "attend":
        return _of_memory(call)
    if call.mapped:
        return _of_mapped_states(call)
    before = sum(other.verb == "recur" for other in watch.calls[: numbers[-1]])
    return _of_states(call, layer, xs, state, ys, before)


def _of_memory(call: scan.Call) -> DynamicalForm:
    """Keys, values and queries, the axes that were mapped outside as heads."""
    arrays = {name: _flat(array, call.mapped) for name, array in call.arrays.items()}
    transition = jtu.tree_map(lambda leaf: _flat(leaf, call.mapped), call.transition)
    queries, values = arrays["queries"], arrays["values"]
    heads, num, size = queries.shape
    if isinstance(transition, scan.LowRank):
        matrices = jax.vmap(jax.vmap(lambda step: step.matrix()))(transition)
        keys = arrays.get("keys", transition.write)
        keys = keys[:, :, None] if keys.ndim == 3 else keys
        write = jax.vmap(jax.vmap(_seen_by_later))(transition, keys) if keys.shape[2] > 1 else keys
    else:
        matrices = _numbers(transition, (heads, num, size), mapped=1)
        write = arrays["keys"]
    write = write[:, :, None] if write.ndim == 3 else write
    values = values[:, :, None] if values.ndim == 3 else values
    return DynamicalForm(
        jnp.moveaxis(matrices, 0, 1),
        jnp.moveaxis(write, 0, 1).mT,
        jnp.moveaxis(values, 0, 1),
        jnp.moveaxis(queries, 0, 1)[:, :, None],
        arrays["start"],
    )


def _seen_by_later(step: scan.LowRank, keys: Array) -> Array:
    """Keys that are written after a correction each, as the corrections after it leave them."""
    left = []
    for number, key in enumerate(keys):
        for erase, write in zip(step.erase[number + 1 :], step.write[number + 1 :]):
            key = key + write * (erase @ key)
        left.append(key)
    return jnp.stack(left)


def _of_mapped_states(call: scan.Call) -> DynamicalForm:
    """Matrices of features, each with a state of its own, as heads; what is read of them is not seen from here."""
    drives, start = (_flat(call.arrays[name], call.mapped) for name in ("drives", "start"))
    matrix = _flat(call.transition.matrix, call.mapped)
    matrices = jnp.broadcast_to(matrix, (drives.shape[1], *matrix.shape))
    return DynamicalForm(matrices, None, jnp.moveaxis(drives, 0, 1)[..., None], None, start[..., None])


def _of_states(
    call: scan.Call, layer: nn.AbstractSequenceLayer, xs: Array, state: Any, ys: Array, number: int
) -> DynamicalForm:
    drives, start = call.arrays["drives"], call.arrays["start"]
    transition = jtu.tree_map(jnp.asarray, call.transition)
    num, shape = drives.shape[0], drives.shape[1:]
    if isinstance(transition, scan.Block):
        matrices = jnp.broadcast_to(transition.matrices(), (num, *transition.blocks.shape[-3:]))
        cut = shape
    elif isinstance(transition, scan.Dense):
        matrices = jnp.broadcast_to(transition.matrix, (num, *transition.matrix.shape[-2:]))[:, None]
        cut = (1, *shape)
    else:
        cut = (1, int(np.prod(shape)))
        matrices = _numbers(transition, (num, *shape), mapped=0).reshape(num, *cut)
    cut = cut if len(cut) == 3 else (*cut, 1)
    form = DynamicalForm(matrices, None, jnp.asarray(drives).reshape(num, *cut), None, jnp.asarray(start).reshape(cut))
    read = _linear_read(form.states().reshape(num, *shape), layer, xs, state, ys, number) if cut[-1] == 1 else None
    if read is None:
        return form
    matrix, through = read  # "step out state"
    matrix = jnp.moveaxis(matrix.reshape(num, -1, *cut[:2]), 1, 2)
    return eqx.tree_at(lambda f: (f.read, f.through), form, (matrix, through), is_leaf=lambda leaf: leaf is None)


def _linear_read(
    states: Array, layer: nn.AbstractSequenceLayer, xs: Array, start: Any, ys: Array, number: int
) -> tuple[Array, Array] | None:
    """The matrices with which the layer reads its states, and what it adds; `None` where it does more than that."""

    def outputs(states: Array) -> Array:
        with scan.watching(states, number):
            return layer.forward(xs, start, resets=None, mode="step")[0]

    def derivative(direction: Array) -> Array:
        return jax.jvp(outputs, (states,), (jnp.broadcast_to(direction, states.shape),))[1]

    shape = states.shape[1:]
    basis = jnp.eye(int(np.prod(shape)), dtype=states.dtype).reshape(-1, *shape)
    matrix = jax.lax.map(derivative, basis)
    if jnp.iscomplexobj(states):
        # Outputs are Re(C h): the derivative along i is minus the imaginary part.
        matrix = matrix - 1j * jax.lax.map(derivative, 1j * basis)
    matrix = jnp.moveaxis(matrix, 0, -1)

    def linear(states: Array) -> Array:
        return jnp.einsum("ton,tn->to", matrix, states.reshape(states.shape[0], -1)).real

    through = ys - linear(states)
    # A second point, at which a map that only looks linear at the first is not.
    other = 2 * states + 1
    tolerance = 1e3 * float(jnp.finfo(ys.dtype).eps)
    expected = through + linear(other)
    return (matrix, through) if jnp.allclose(outputs(other), expected, rtol=tolerance, atol=tolerance) else None


def _numbers(transition: Any, shape: tuple[int, ...], mapped: int) -> Array:
    """The numbers of a decay at all steps and states, from arrays that may lack either axis."""
    if isinstance(transition, scan.Identity):
        return jnp.ones(shape)
    values = transition.values()
    if transition.invariant:
        values = values.reshape(*values.shape[:mapped], 1, *values.shape[mapped:])
    return jnp.broadcast_to(values.reshape(values.shape + (1,) * (len(shape) - values.ndim)), shape)


def _flat(array: Any, mapped: int) -> Array:
    """All axes that were mapped outside as one."""
    array = jnp.asarray(array)
    return array.reshape(-1, *array.shape[mapped:])

"""The tangent kernel of a linear recurrent network of any width, and how it moves while the network learns."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._equivalent_batch import equivalent_batch
from ._linear_rnn_modes import LinearRNNModes
from ._moment_flow import MomentFlow
from ._record import DIMS, strengths
from ._theory import AbstractTheory, Assumption

#: Numbers that the features of one block of sequences may take.
_BLOCK_SIZE = 2**24


@cite("proca2025learning")
def linear_rnn_tangent_kernel(
    network: nn.LinearRNN,
    xs: Float[Array, "num step in"],
    others: Float[Array, "other ..."] | None = None,
    *,
    every_step: bool = False,
) -> Float[Array, "num ..."]:
    r"""The tangent kernel of a linear recurrent network in closed form, from the states and the back-propagated outputs
    of two scans.

    $$\Theta(x, x') = \sum_{k,l=1}^{T} (x_k^\top x'_l + h_k^\top h'_l)\, B_k B_l^\top + h_{T+1}^\top h'_{T+1}\, I,
    \qquad B_k = W_y W_h^{T-k}, \quad h_{k+1} = W_h h_k + W_x x_k$$

    The paper prints another formula, which holds only where $W_h$ and its change commute; this one holds for all
    weights. The double sum is never formed where the features $\sum_k B_k \otimes (x_k, h_k)$ are cheaper.

    Args:
        network: the network.
        xs: sequences.
        others: the second sequences; by default the first.
        every_step: of the outputs at all steps rather than the last.

    Returns:
        The kernel, `"num out other out"`, or `"num step out other step out"`, as of `linnet.analyse.tangent_kernel`.
    """
    xs = jnp.asarray(xs)
    others = xs if others is None else jnp.asarray(others)
    if xs.ndim != 3 or xs.shape[1:] != others.shape[1:]:
        raise ValueError(f"The kernel needs sequences of one shape (num, step, in), got {xs.shape} and {others.shape}.")
    return _kernel(network, xs, others, every_step)


@eqx.filter_jit
def _kernel(network: nn.LinearRNN, xs: Array, others: Array, every_step: bool) -> Array:
    steps, num_out = xs.shape[1], network.output_weights.shape[0]
    hidden, inputs = network.input_weights.shape
    size = hidden + inputs
    backs = _back_vectors(network, steps, every_step)
    rows = backs.shape[0]
    pairs, both = xs.shape[0] * others.shape[0], xs.shape[0] + others.shape[0]
    contract = both * steps * rows * hidden * size + pairs * rows**2 * hidden * size
    double_sum = pairs * steps**2 * (size + rows**2) + steps**2 * rows**2 * hidden
    gram = None if contract <= double_sum else jnp.einsum("akj,blj->akbl", backs, backs)
    per_example = rows * hidden * size if gram is None else steps * (size + steps)

    def block(pair: tuple[Any, Any]) -> Array:
        (inner, readout), (inner2, readout2) = pair
        last = jnp.einsum("pth,qsh->ptqs", readout, readout2)
        last = jnp.einsum("ptqs,ab->ptaqsb", last, jnp.eye(num_out, dtype=last.dtype))
        last = last.reshape(inner.shape[0], rows, inner2.shape[0], rows)
        if gram is None:
            first, second = (jnp.einsum("akj,pkm->pajm", backs, f) for f in (inner, inner2))
            return jnp.einsum("pajm,qbjm->paqb", first, second) + last
        return jnp.einsum("pkql,akbl->paqb", jnp.einsum("pkm,qlm->pkql", inner, inner2), gram) + last

    kernel = _in_blocks(block, _features(network, xs, every_step), _features(network, others, every_step), per_example)
    shape = (steps, num_out) if every_step else (num_out,)
    return kernel.reshape(xs.shape[0], *shape, others.shape[0], *shape)


def _back_vectors(network: nn.LinearRNN, steps: int, every_step: bool) -> Float[Array, "row step hidden"]:
    """$B_k$ for the last output, or for the outputs at all steps (zero for the inputs after them)."""

    def back(carry: Array, _: None) -> tuple[Array, Array]:
        return carry @ network.recurrent_weights, carry

    by_lag = jax.lax.scan(back, network.output_weights, length=steps)[1]
    if not every_step:
        return jnp.swapaxes(by_lag[::-1], 0, 1)
    lag = np.arange(steps)[:, None] - np.arange(steps)[None, :]
    table = jnp.where((lag >= 0)[:, :, None, None], by_lag[np.maximum(lag, 0)], 0)
    return jnp.swapaxes(table, 1, 2).reshape(-1, steps, by_lag.shape[2])


def _features(network: nn.LinearRNN, xs: Array, every_step: bool) -> tuple[Array, Array]:
    """$(x_k, h_k)$ of every step, and the states that are read out."""

    def states(sequence: Array) -> Array:
        def advance(h: Array, x: Array) -> tuple[Array, Array]:
            h = network.recurrent_weights @ h + network.input_weights @ x
            return h, h

        return jax.lax.scan(advance, network.init_state(), sequence)[1]

    after = jax.vmap(states)(xs)
    before = jnp.concatenate([jnp.zeros_like(after[:, :1]), after[:, :-1]], axis=1)
    return jnp.concatenate([xs, before], axis=2), after if every_step else after[:, -1:]


def _in_blocks(block: Any, first: Any, second: Any, per_example: int) -> Array:
    """A function of pairs of examples, on pairs of blocks of them one after the other."""
    size = max(1, _BLOCK_SIZE // max(per_example, 1))
    rows, columns = _blocks(first, size), _blocks(second, size)

    def row(one: Any) -> Array:
        found = jax.lax.map(lambda other: block((one, other)), columns)  # "block p a q b"
        return jnp.moveaxis(found, 0, 2).reshape(*found.shape[1:3], -1, found.shape[4])

    result = jax.lax.map(row, rows)
    result = result.reshape(-1, *result.shape[2:])
    num, other = jtu.tree_leaves(first)[0].shape[0], jtu.tree_leaves(second)[0].shape[0]
    return result[:num, :, :other]


def _blocks(tree: Any, size: int) -> Any:
    """Arrays in equal blocks along the first axis, filled up with zeros."""
    num = jtu.tree_leaves(tree)[0].shape[0]
    count = -(-num // size)
    each = -(-num // count)

    def split(leaf: Array) -> Array:
        missing = jnp.zeros((count * each - num, *leaf.shape[1:]), leaf.dtype)
        return jnp.concatenate([leaf, missing]).reshape(count, each, *leaf.shape[1:])

    return jtu.tree_map(split, tree)


@cite("proca2025learning", "fort2020deep")
class LinearRNNTangentKernel(AbstractTheory):
    r"""How the tangent kernel of a linear recurrent network moves while it learns.

    Besides what the underlying theory predicts: `kernel_distance`, $1 - \langle \Theta_0, \Theta_t \rangle_F / (\lVert
    \Theta_0 \rVert_F \lVert \Theta_t \rVert_F)$, 0 where learning is lazy (or only rescales the kernel). It is measured
    on the task's own samples; on moments, on unit vectors in white coordinates, which for white inputs gives the same
    as any white sample.

    Args:
        along: the theory of the weights: `LinearRNNModes` for aligned networks, `MomentFlow` for any.
    """

    along: LinearRNNModes | MomentFlow = LinearRNNModes()
    strength: ClassVar[int] = 3

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.LinearRNN):
            return f"it needs a LinearRNN, got {type(network).__name__}."
        return self.along.applies(network, task, rule, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        return self.along.assumptions(network, task, rule, loss)

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments = tasks.as_moments(task)
        data = task.train if isinstance(task, tasks.Split) else task
        batch = data if isinstance(data, tasks.Batch) else equivalent_batch(moments)
        every_step = batch.y.ndim == 3
        form, modes = moments.residual_form(), moments.singular_modes()
        if isinstance(self.along, LinearRNNModes):
            networks = self.along.networks(network, task, ts)
        else:
            networks = moment_flow_networks(network, moments, ts)
        first = linear_rnn_tangent_kernel(network, batch.x, every_step=every_step)

        def record(learned: nn.LinearRNN) -> dict[str, Array]:
            kernel = linear_rnn_tangent_kernel(learned, batch.x, every_step=every_step)
            return {
                "loss": form(moments.linear_map(learned)),
                **strengths(moments, modes, learned),
                "kernel_distance": analyse.kernel_distance(first, kernel),
            }

        values = jax.lax.map(record, networks)
        dims = {name: DIMS.get(name, ("time",)) for name in values}
        return Trajectory(ts, values, dims)  # pyright: ignore[reportArgumentType]


def moment_flow_networks(network: Any, moments: tasks.AbstractMoments, ts: Float[Array, " time"]) -> Any:
    """The networks along the gradient flow on moments, each array with a leading axis over times."""
    form = moments.residual_form()
    params, static = eqx.partition(network, eqx.is_inexact_array)

    def field(t: Array, params: Any, form: tasks.ResidualForm) -> Any:
        gradient = jax.grad(lambda p: form.excess(moments.linear_map(eqx.combine(p, static))))(params)
        return jtu.tree_map(jnp.negative, gradient)

    return eqx.combine(solve_ode(field, params, ts, form)[0], static)

"""The reduced equations of aligned linear recurrent networks: three numbers a mode."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import FALL_BACK, SMALL, flow_assumptions, needs_moments
from ._linear_rnn_alignment import RecurrentModes, lag_forms, recurrent_modes, rotating_basis, rotating_modes
from ._mode_energy import LagForm, powers
from ._record import DIMS, held_out_forms, in_blocks, strengths
from ._theory import AbstractTheory, Assumption


@cite("proca2025learning")
class LinearRNNModes(AbstractTheory):
    r"""The learning dynamics of a linear recurrent network that is aligned with its task, mode by mode.

    For $W_x = R\,a V^\top$, $W_h = R\,b R^\top$, $W_y = U c R^\top$ with one orthogonal $R$, and $\Sigma_{yx}[i] = U
    S_i V^\top$:

    $$\dot a = \sum_{i=1}^{T} c\,b^{T-i} e_i, \quad \dot b = \sum_{i=1}^{T-1} (T - i)\, a c\, b^{T-i-1} e_i, \quad
    \dot c = \sum_{i=1}^{T} a\,b^{T-i} e_i, \qquad e_i = s_i - c\,b^{T-i} a .$$

    Targets at every step (`SequenceMoments`) sum over the targets' steps too. Departs from the paper by inputs that
    need not be white: any correlations over time within a mode are taken as they are, as long as modes do not mix.

    Besides what `simulate` records it predicts `input_modes`, `recurrent_modes` and `output_modes`, the strengths $a$,
    $b$ and $c$.

    Args:
        rotating: modes with complex strengths, $\Sigma_{yx}[i] = U P D_i P^\dagger V^\top$ and the same for the
            weights, such as those of rotations; the strengths are then given as `..._radius` and `..._angle` of $b$
            (`recurrent_modes_...`) and of $u = ca$ (`input_output_modes_...`). White inputs are needed.
    """

    rotating: bool = eqx.field(default=False, static=True)
    strength: ClassVar[int] = 1

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.LinearRNN):
            return f"it is about `LinearRNN` networks, got {type(network).__name__}."
        return needs_moments(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        found, _, rest, mixing = self._prepare(network, tasks.as_moments(task))
        aligned = Assumption(
            "aligned weights",
            found.misalignment,
            SMALL,
            "the relative part of the weights that is not of the form R a V^T, R b R^T, U c R^T",
            f"begin from `linnet.nn.aligned(task, (a, b, c))`, or {FALL_BACK}",
        )
        return (*separable(rest, mixing, self.rotating), aligned, *flow_assumptions(network, task, rule))

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        found, forms, _, _ = self._prepare(network, tasks.as_moments(task))
        return solve_modes(found, forms, task, ts)

    def networks(self, network: Any, task: Any, ts: Float[Array, " time"]) -> nn.LinearRNN:
        """The networks along the predicted trajectory, each array with a leading axis over times."""
        found, forms, _, _ = self._prepare(network, tasks.as_moments(task))
        begin = _real((found.input, found.recurrent, found.output))
        states = solve_ode(_field, begin, ts, _real(forms))[0]
        return jax.vmap(lambda state: found.network(*_complex(state)))(states)

    def _prepare(self, network: Any, moments: Any) -> tuple[RecurrentModes, LagForm, Array, Array]:
        modes = moments.singular_modes()
        if not self.rotating:
            return recurrent_modes(network, modes), *lag_forms(moments, modes.left, modes.right)
        yx = moments.yx.reshape(-1, *moments.yx.shape[-2:])
        left, right, basis = rotating_basis(modes, yx)
        forms, rest, mixing = lag_forms(moments, left, right)
        return rotating_modes(network, left, right, basis), forms, rest, mixing + _memory(moments.xx)


def separable(rest: Array, mixing: Array, rotating: bool = False) -> tuple[Assumption, Assumption]:
    """That a task falls apart into modes, from what `lag_forms` measured."""
    kind = "eigenvectors" if rotating else "singular vectors"
    inputs = "is not white" if rotating else "couples different modes"
    return (
        Assumption(
            f"constant {kind}",
            rest,
            SMALL,
            f"the relative part of the input-output moments outside of constant {kind}",
            FALL_BACK,
        ),
        Assumption(
            "white inputs" if rotating else "uncoupled inputs",
            mixing,
            SMALL,
            f"the relative part of the input moments that {inputs}",
            f"whiten the inputs, or {FALL_BACK}",
        ),
    )


def solve_modes(found: RecurrentModes, forms: LagForm, task: Any, ts: Float[Array, " time"]) -> Trajectory:
    """The trajectory of modes that learn each for itself, from given strengths."""
    moments = tasks.as_moments(task)
    form, modes, held_out = moments.residual_form(), moments.singular_modes(), held_out_forms(task)

    def at(state: Any) -> dict[str, Array]:
        a, b, c = _complex(state)
        reduced = found.reduced(a, b, c)
        linear_map = moments.linear_map(reduced)
        losses = {name: other(linear_map) for name, other in held_out.items()}
        values = {"loss": form(linear_map), **losses, **strengths(moments, modes, reduced)}
        if not jnp.iscomplexobj(a):
            return {**values, "input_modes": a, "recurrent_modes": b, "output_modes": c}
        return {
            **values,
            "recurrent_modes_radius": jnp.abs(b),
            "recurrent_modes_angle": jnp.angle(b),
            "input_output_modes_radius": jnp.abs(a * c),
            "input_output_modes_angle": jnp.angle(a * c),
        }

    begin = _real((found.input, found.recurrent, found.output))
    # Three numbers a mode are cheap: more accurate than training is. What they add up to is measured afterwards, for
    # many times at once.
    tight = {"rtol": 1e-10, "atol": 1e-14} if jnp.finfo(ts.dtype).eps < 1e-10 else {}
    path, _, result = solve_ode(_field, begin, ts, _real(forms), **tight)
    values = in_blocks(at, path)
    dims = {name: DIMS.get(name, ("time", "mode")) for name in values}
    return Trajectory(ts, values, dims, result=result)  # pyright: ignore[reportArgumentType]


def _memory(xx: Float[Array, "step step in in"] | None) -> Float[Array, ""]:
    """How large the moments of inputs at different steps are, relative to those at the same step."""
    if xx is None:
        return jnp.zeros(())
    index = jnp.arange(xx.shape[0])
    same = jnp.sum(xx[index, index] ** 2)
    return jnp.sqrt(jnp.maximum(jnp.sum(xx**2) - same, 0) / jnp.where(same > 0, same, 1))


@cite("proca2025learning")
def mode_flow(forms: LagForm, state: Any) -> Any:
    """The gradient flow of all modes.

    Args:
        forms: the energies, with a leading axis over modes.
        state: $(a, b, c)$ of real modes; of complex ones each as a pair of real and imaginary parts.
    """
    if not jnp.iscomplexobj(forms.drive):
        return jax.vmap(lambda form, a, b, c: form.flow(a, b, c))(forms, *state)
    a, b, c = _complex(state)
    num = forms.drive.shape[1]
    lags = jnp.arange(num)[:, None]
    table = powers(b, num)
    u = a * c
    shifted = jnp.concatenate(
        [jnp.zeros_like(table[:1]), table[:-1]]
    ).conj()  # b^{k-1}, and 0 at lag 0, where it is not needed
    # Summed over the targets' steps: drive and pairs of steps of every lag.
    error = forms.drive.T - u * forms.gram[:, ::2].T * table
    along = jnp.sum(table.conj() * error, axis=0)
    return _real((c.conj() * along, u.conj() * jnp.sum(lags * shifted * error, axis=0), a.conj() * along))


def _field(t: Array, state: Any, forms: Any) -> Any:
    return mode_flow(_complex(forms), state)


def _real(tree: Any) -> Any:
    """Complex arrays as pairs of real ones, which is what ODE solvers want."""
    return jtu.tree_map(lambda z: _Pair(z.real, z.imag) if jnp.iscomplexobj(z) else z, tree)


def _complex(tree: Any) -> Any:
    """The inverse of `_real`."""
    return jtu.tree_map(
        lambda z: z.real + 1j * z.imag if isinstance(z, _Pair) else z, tree, is_leaf=lambda z: isinstance(z, _Pair)
    )


class _Pair(eqx.Module):
    real: Array
    imag: Array

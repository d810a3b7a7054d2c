"""The modes of a linear recurrent network: how its weights lie in the singular basis of a task, and how nearly."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from .. import nn, tasks
from .._cite import cite
from ._mode_energy import LagForm

Temporal = tasks.TemporalMoments | tasks.SequenceMoments


class RecurrentModes(eqx.Module):
    r"""Strengths of the modes of a linear recurrent network, $W_x = R\,a\,V^\top$, $W_h = R\,b\,R^\top$, $W_y =
    U\,c\,R^\top$.

    Args:
        input: $a$ of each mode.
        recurrent: $b$.
        output: $c$.
        left: $U$ (complex where the modes rotate).
        right: $V$.
        rotation: the one $R$ that all weights share ($R P$ where modes rotate); a zero column for a mode that is
            nowhere in the weights.
        basis: $P$, the identity where modes do not rotate.
        misalignment: the part of the weights that is not of this form: the largest over the three matrices of the
            relative Frobenius norm of what is left over.
    """

    input: Inexact[Array, " mode"]
    recurrent: Inexact[Array, " mode"]
    output: Inexact[Array, " mode"]
    left: Inexact[Array, "out mode"]
    right: Inexact[Array, "in mode"]
    rotation: Inexact[Array, "hidden mode"]
    basis: Inexact[Array, "mode mode"]
    misalignment: Float[Array, ""]

    def reduced(self, a: Array, b: Array, c: Array) -> nn.LinearRNN:
        """A network of one hidden unit a mode with the same output as the full one."""
        return self._network(self.basis, a, b, c)

    def network(self, a: Array, b: Array, c: Array) -> nn.LinearRNN:
        """The network with the given strengths of the modes in the original hidden units."""
        return self._network(self.rotation, a, b, c)

    def _network(self, hidden: Array, a: Array, b: Array, c: Array) -> nn.LinearRNN:
        back = hidden.conj().T
        weights = (hidden * a) @ self.right.conj().T, (hidden * b) @ back, (self.left * c) @ back
        # Rotating modes come in conjugate pairs, so that the products are real.
        return nn.LinearRNN(*(jnp.real(weight) for weight in weights))


def _relative(rest: Array, whole: Array) -> Array:
    size = jnp.sqrt(jnp.sum(jnp.abs(whole) ** 2))
    return jnp.sqrt(jnp.sum(jnp.abs(rest) ** 2)) / jnp.where(size > 0, size, 1)


def nearest_rotation(directions: Float[Array, "hidden mode"], tolerance: float) -> Float[Array, "hidden mode"]:
    """The nearest matrix with orthonormal columns (the polar factor); columns that are zero stay zero."""
    left, sizes, right = jnp.linalg.svd(directions, full_matrices=False)
    kept = sizes > tolerance * jnp.max(sizes, initial=0)
    return (left * kept) @ right


@cite("proca2025learning")
def recurrent_modes(network: nn.LinearRNN, modes: tasks.SingularModes) -> RecurrentModes:
    r"""The strengths of the modes of a linear recurrent network in the singular basis of a task.

    $R$ is recovered from the weights: each mode's direction among the hidden units is that of $W_x v + W_y^\top u$
    (with the sign for which these add up), and the matrix of directions is replaced by the nearest one with orthonormal
    columns.

    Departs from Proca et al., who allow two rotations, $W_h = R_y b R_x^\top$: powers of it are diagonal only for $R_x
    = R_y$.

    Args:
        network: the network.
        modes: the singular basis, `task.singular_modes()`.

    Returns:
        The strengths, the rotation and the misalignment.
    """
    left, right = modes.left, modes.right
    entering, leaving = network.input_weights @ right, network.output_weights.T @ left
    sign = jnp.where(jnp.sum(entering * leaving, axis=0) < 0, -1, 1)
    directions = entering + sign * leaving
    sizes = jnp.sqrt(jnp.sum(directions**2, axis=0))
    # What is no more than rounding has no direction.
    present = sizes > 20 * jnp.finfo(sizes.dtype).eps * jnp.max(sizes, initial=0)
    rotation = nearest_rotation(jnp.where(present, directions / jnp.where(present, sizes, 1), 0), 1e-3)
    return _measured(network, left, right, rotation, jnp.eye(left.shape[1], dtype=left.dtype))


def _measured(network: nn.LinearRNN, left: Array, right: Array, rotation: Array, basis: Array) -> RecurrentModes:
    """The strengths in given bases, with what is left over."""
    adjoint = rotation.conj().T
    a = jnp.diagonal(adjoint @ network.input_weights @ right)
    b = jnp.diagonal(adjoint @ network.recurrent_weights @ rotation)
    c = jnp.diagonal(left.conj().T @ network.output_weights @ rotation)
    forward, backward = network.recurrent_weights @ rotation, adjoint @ network.recurrent_weights
    rest = jnp.stack(
        [
            _relative(network.input_weights - (rotation * a) @ right.conj().T, network.input_weights),
            _relative(network.output_weights - (left * c) @ adjoint, network.output_weights),
            _relative(forward - rotation * b, forward),
            _relative(backward - b[:, None] * adjoint, backward),
        ]
    )
    return RecurrentModes(a, b, c, left, right, rotation, basis, jnp.max(rest))


@cite("proca2025learning")
def rotating_basis(
    modes: tasks.SingularModes, by_lag: Float[Array, "lag out in"]
) -> tuple[Inexact[Array, "out mode"], Inexact[Array, "in mode"], Inexact[Array, "mode mode"]]:
    r"""The complex basis in which the maps of all lags are diagonal, $U S_k V^\top = (U P) D_k (V P)^\dagger$ for
    commuting normal $S_k$.

    $P$ are the eigenvectors of one generic Hermitian combination of the symmetric and (times $i$) antisymmetric parts.

    Args:
        modes: the singular basis.
        by_lag: the input-output moments.

    Returns:
        $U P$, $V P$ and $P$.
    """
    core = jnp.einsum("om,koi,in->kmn", modes.left, by_lag, modes.right)
    generic = 1 + np.modf(np.arange(1, 2 * core.shape[0] + 1) * (np.sqrt(5) - 1) / 2)[0]
    even, odd = jnp.asarray(generic[::2], core.dtype), jnp.asarray(generic[1::2], core.dtype)
    flipped = jnp.swapaxes(core, 1, 2)
    symmetric, antisymmetric = jnp.tensordot(even, core + flipped, 1), jnp.tensordot(odd, core - flipped, 1)
    basis = jnp.linalg.eigh(symmetric + 1j * antisymmetric)[1]
    return modes.left @ basis, modes.right @ basis, basis


@cite("proca2025learning")
def rotating_modes(
    network: nn.LinearRNN,
    left: Inexact[Array, "out mode"],
    right: Inexact[Array, "in mode"],
    basis: Inexact[Array, "mode mode"],
) -> RecurrentModes:
    r"""The complex strengths of the modes of a linear recurrent network, $W_x = R P a (V P)^\dagger$ and so on with one
    real rotation $R$.

    $R P$ is the polar factor of the input weights in the basis, or of the output weights where these are better
    conditioned. The phases that this leaves open change nothing: they move between $a$ and $c$.

    Args:
        network: the network.
        left: $U P$.
        right: $V P$.
        basis: $P$.

    Returns:
        The strengths, the rotation $R P$ and the misalignment.
    """
    entering = network.input_weights @ jnp.real(right @ basis.conj().T)
    leaving = network.output_weights.T @ jnp.real(left @ basis.conj().T)
    conditions = [jnp.linalg.svd(m, compute_uv=False) for m in (entering, leaving)]
    first, second = (jnp.where(s[0] > 0, s[-1] / jnp.where(s[0] > 0, s[0], 1), 0) for s in conditions)
    tiny = 100 * float(jnp.finfo(entering.dtype).eps)
    rotation = jnp.where(first >= second, nearest_rotation(entering, tiny), nearest_rotation(leaving, tiny))
    return _measured(network, left, right, rotation @ basis, basis)


def lag_forms(
    moments: Temporal, left: Inexact[Array, "out mode"], right: Inexact[Array, "in mode"]
) -> tuple[LagForm, Float[Array, ""], Float[Array, ""]]:
    r"""The energies of all modes as polynomials of their recurrent strengths, and how far the task is from separating
    into modes.

    Args:
        moments: the task.
        left: $U$.
        right: $V$.

    Returns:
        A `LagForm` with a leading axis over modes; the relative part of the (causal) input-output moments outside of
        constant singular vectors; and the relative part of the input moments that mixes modes with each other or with
        other directions.
    """
    num = moments.num_steps
    lag = np.arange(num)[:, None] - np.arange(num)[None, :]
    if isinstance(moments, tasks.SequenceMoments):
        yx = jnp.where((lag >= 0)[:, :, None, None], moments.yx, 0)
        diagonal = jnp.einsum("om,tsoi,im->mts", left.conj(), yx, right)
        rest = yx - jnp.einsum("om,mts,im->tsoi", left, diagonal, right.conj())
        drive = jnp.stack([jnp.sum(jnp.where(lag == k, diagonal, 0), axis=(1, 2)) for k in range(num)], axis=1)
        ends = np.arange(num)
    else:
        yx = moments.yx
        diagonal = jnp.einsum("om,toi,im->mt", left.conj(), yx, right)
        rest = yx - jnp.einsum("om,mt,im->toi", left, diagonal, right.conj())
        drive = diagonal[:, ::-1]
        ends = np.array([num - 1])
    power = jnp.sum(jnp.abs(diagonal) ** 2, axis=tuple(range(1, diagonal.ndim)))
    mixing, gram = _input_power(moments.xx, right, num, ends)
    return LagForm(drive, jnp.broadcast_to(gram, (drive.shape[0], 2 * num - 1)), power), _relative(rest, yx), mixing


def _input_power(
    xx: Float[Array, "step step in in"] | None, right: Array, num: int, ends: np.ndarray
) -> tuple[Array, Array]:
    r"""How much the inputs mix modes, and $N_m$: the input power of each mode by the sum of two lags, added up over the
    targets' steps."""
    dtype = jnp.zeros((), right.dtype).real.dtype
    if xx is None:
        gram = np.zeros(2 * num - 1)
        gram[::2] = [np.sum(ends >= k) for k in range(num)]
        return jnp.zeros((), dtype), jnp.asarray(gram, dtype)
    image = jnp.einsum("stij,jm->stim", xx, right)
    variances = jnp.einsum("im,stim->stm", right.conj(), image)
    rest = image - jnp.einsum("stm,im->stim", variances, right)
    # Of two steps and their mirror image only the real part adds up.
    variances = jnp.real(jnp.moveaxis(variances, 2, 0))
    lags = np.arange(num)

    def of_target(end: Array) -> Array:
        index = end - lags
        inside = (index >= 0)[:, None] & (index >= 0)[None, :]
        found = variances[:, index[:, None], index[None, :]]
        found = jnp.where(inside, found, 0).reshape(variances.shape[0], -1)
        total = (lags[:, None] + lags[None, :]).reshape(-1)
        return jnp.zeros((variances.shape[0], 2 * num - 1), dtype).at[:, total].add(found)

    return _relative(rest, image), jnp.sum(jax.lax.map(of_target, jnp.asarray(ends)), axis=0)

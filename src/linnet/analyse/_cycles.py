"""Exact fixed points and cycles of piecewise-linear networks, by guessing the regions that they pass through."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._cite import cite
from .._types import PRNGKey
from ..nn import AbstractPiecewiseLinear, AbstractRecurrent
from ._region_guesses import affine_maps, all_sequences, draw_sequences, follow, search_regions
from ._state_function import in_float64

#: Up to so many sequences of regions are all tried.
_ALL = 2**14
#: Guesses that are solved side by side, and cycles that are checked by one call.
_BATCH, _CHUNK = 64, 32


class Cycles(eqx.Module):
    """Cycles of one order, each once; NumPy arrays in float64.

    Args:
        points: the states of each cycle in the order in which they follow one another.
        regions: the region of each.
        eigenvalues: of the Jacobian of one turn, of largest modulus first.
        num_guesses: how many sequences of regions were tried first.
        num_singular: how many ended at regions of which one turn has an eigenvalue 1, where there are no cycles or
            infinitely many.
        exhaustive: whether all sequences were tried, so that there are no other cycles than these.
        margin: moduli so close to 1 count as 1.
    """

    points: Float[np.ndarray, "cycle order state"]
    regions: Bool[np.ndarray, "cycle order switch"]
    eigenvalues: Complex[np.ndarray, "cycle state"]
    num_guesses: int
    num_singular: int
    exhaustive: bool = eqx.field(static=True)
    margin: float = eqx.field(static=True)

    @property
    def num(self) -> int:
        """How many cycles there are."""
        return len(self.points)

    @property
    def unstable_dimension(self) -> Int[np.ndarray, " cycle"]:
        """How many eigenvalues of each cycle lead away from it."""
        return np.sum(np.abs(self.eigenvalues) > 1 + self.margin, axis=1)

    @property
    def is_stable(self) -> Bool[np.ndarray, " cycle"]:
        """Whether all directions lead to the cycle."""
        return np.all(np.abs(self.eigenvalues) < 1 - self.margin, axis=1)


@cite("eisenmann2023bifurcations")
def cycles(
    model: AbstractRecurrent,
    order: int,
    *,
    key: PRNGKey | None = None,
    num_guesses: int = 4096,
    rounds: int = 32,
    starts: Any = None,
    inputs: Any = None,
    exhaustive: bool | None = None,
    tolerance: float = 1e-9,
    margin: float = 1e-6,
) -> Cycles:
    r"""The cycles of an order, exactly: fixed points for order 1.

    If the states of a cycle lie in the regions $\Omega_1, \dots, \Omega_k$, its first one solves $(1 - A_{\Omega_k}
    \cdots A_{\Omega_1}) z_1 = c_{\Omega_k} + A_{\Omega_k} c_{\Omega_{k-1}} + \dots$. For a guess of regions this is
    solved; where the states lie in other regions than those, they are the next guess. Where there are few sequences
    all of them are tried instead. Every cycle is solved once more as one system of all its states, and is kept if the
    model itself leads from each state to the next and the regions are those assumed. This is the search of Eisenmann
    et al.; guesses run side by side here, and half of them are taken from orbits.

    Args:
        model: a piecewise-linear network.
        order: how many states a cycle has; those with a shorter period are left out.
        key: of the randomness of the guesses; not needed where all sequences are tried.
        num_guesses: how many sequences of regions are tried first.
        rounds: how often the regions of the states found are the next guess.
        starts: states (start, state) whose regions, and those of the orbits from them, are guessed; by default
            Gaussian with standard deviation 1, 4 and 16.
        inputs: the constant external input.
        exhaustive: whether all sequences are tried; by default where there are at most 16,384.
        tolerance: how far the model may lead from the next state, relative to the largest number of the cycle.
        margin: how near to 1 a modulus counts as 1.

    Returns:
        The cycles, stable ones first.

    Raises:
        ValueError: if the model is not piecewise linear, or an argument is not what it must be.

    !!! example
        ```python
        model = ln.nn.AlmostLinearRNN(6, 2, key=jr.key(0))
        ln.analyse.cycles(model, 1).points  # all fixed points, in at most four regions
        ```
    """
    _check(model, order, num_guesses, rounds)
    with jax.enable_x64(True):
        model = in_float64(model)
        drive = _drive(model, inputs)
        switches = model.num_switches
        few = 2 ** (switches * order) <= _ALL
        every = few if exhaustive is None else exhaustive
        if every and switches * order > 24:
            raise ValueError(
                f"There are 2^{switches * order} sequences of {order} regions, too many to try all; leave `exhaustive`"
                " out for a search by guesses."
            )
        if every:
            guesses = all_sequences(switches, order)
        else:
            guesses = draw_sequences(model, drive, order, num_guesses, starts, key)
        size = min(_BATCH, max(1, len(guesses)))
        padded = np.concatenate([guesses, np.repeat(guesses[:1], -len(guesses) % size, axis=0)])
        codes, consistent, singular = (
            np.asarray(leaf)[: len(guesses)]
            for leaf in search_regions(model, drive, jnp.asarray(padded), jnp.asarray(0 if every else rounds), size)
        )
        found = _once(codes[consistent])
        points, eigenvalues, good = _solve(model, drive, found, tolerance)
    moduli = np.max(np.abs(eigenvalues), axis=1, initial=0.0)
    order_of = np.flatnonzero(good)[np.argsort(moduli[good], kind="stable")]
    return Cycles(
        points=points[order_of],
        regions=found[order_of],
        eigenvalues=eigenvalues[order_of],
        num_guesses=len(guesses),
        num_singular=int(np.sum(singular)),
        exhaustive=every,
        margin=margin,
    )


def _check(model: Any, order: int, num_guesses: int, rounds: int) -> None:
    if not isinstance(model, AbstractPiecewiseLinear):
        raise ValueError(
            "Exact cycles are those of piecewise-linear networks such as PLRNN, ShallowPLRNN and AlmostLinearRNN, got"
            f" {type(model).__name__}; `fixed_points` searches any network, and its cycles as the fixed points of the"
            " function that goes several steps."
        )
    if order < 1 or num_guesses < 1 or rounds < 0:
        raise ValueError(
            f"`order` and `num_guesses` must be at least 1 and `rounds` not negative, got {order}, {num_guesses} and"
            f" {rounds}."
        )


def _drive(model: AbstractPiecewiseLinear, inputs: Any) -> Float[Array, " state"]:
    """What a constant external input adds to the state."""
    zero = jnp.zeros(model.state_size)
    if inputs is None:
        return zero
    given = jnp.asarray(inputs, jnp.float64)
    if given.shape != (model.in_size,):
        raise ValueError(f"The model reads {model.in_size} external inputs, got `inputs` of shape {given.shape}.")
    return zero if model.input_weights is None else model.input_weights @ given


def _once(codes: Bool[np.ndarray, "guess order switch"]) -> Bool[np.ndarray, "cycle order switch"]:
    """Each sequence once up to cyclic shifts, and none that repeats a shorter one."""
    num, order, switches = codes.shape
    kept: dict[bytes, np.ndarray] = {}
    for code in np.unique(codes.reshape(num, order * switches), axis=0).reshape(-1, order, switches):
        shifts = [np.roll(code, shift, axis=0) for shift in range(order)]
        words = [shift.tobytes() for shift in shifts]
        if len(set(words)) == order:
            least = min(range(order), key=words.__getitem__)
            kept[words[least]] = shifts[least]
    return np.array(list(kept.values()), bool).reshape(-1, order, switches)


def _solve(
    model: AbstractPiecewiseLinear, drive: Array, codes: Bool[np.ndarray, "cycle order switch"], tolerance: float
) -> tuple[Any, Any, Any]:
    """All states of each cycle, its eigenvalues, and whether the model goes through them."""
    num, order, _ = codes.shape
    size = model.state_size
    points, eigenvalues, good = np.zeros((num, order, size)), np.zeros((num, size), complex), np.zeros(num, bool)
    for first in range(0, num, _CHUNK):
        part = codes[first : first + _CHUNK]
        here = slice(first, first + len(part))
        padded = jnp.asarray(np.concatenate([part, np.repeat(part[:1], _CHUNK - len(part), axis=0)]))
        matrices, offsets = (np.asarray(leaf)[: len(part)] for leaf in affine_maps(model, drive, padded))
        # One system of all states: errors do not grow along the cycle, as they do from one state on.
        system = np.broadcast_to(np.eye(order * size), (len(part), order * size, order * size)).copy()
        for step in range(order):
            after = (step + 1) % order
            rows, columns = slice(after * size, (after + 1) * size), slice(step * size, (step + 1) * size)
            system[:, rows, columns] -= matrices[:, step]
        flat = np.roll(offsets, 1, axis=1).reshape(len(part), -1, 1)
        try:
            found = np.linalg.solve(system, flat)
        except np.linalg.LinAlgError:  # whether these are cycles is seen below
            found = np.linalg.pinv(system) @ flat
        found = found.reshape(len(part), order, size)
        turn = np.broadcast_to(np.eye(size), (len(part), size, size))
        for step in range(order):
            turn = matrices[:, step] @ turn
        values = np.linalg.eigvals(turn).astype(complex)
        values = np.take_along_axis(values, np.argsort(-np.abs(values), axis=1), axis=1)
        whole = np.concatenate([found, np.repeat(found[:1], _CHUNK - len(part), axis=0)])
        after, regions = (np.asarray(leaf)[: len(part)] for leaf in follow(model, drive, jnp.asarray(whole)))
        apart = np.max(np.abs(after - np.roll(found, -1, axis=1)), axis=(1, 2))
        good[here] = (apart <= tolerance * np.max(np.abs(found), axis=(1, 2), initial=1.0)) & np.all(
            regions == part, axis=(1, 2)
        )
        points[here], eigenvalues[here] = found, values
    return points, eigenvalues, good

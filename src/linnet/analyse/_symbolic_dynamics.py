"""Symbolic dynamics: the regions that an orbit passes through, their graph, its entropies and its words."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from .._cite import cite
from ..nn import AbstractPiecewiseLinear

#: Words of which a dense matrix of transitions still has its eigenvalues in seconds.
_MOST_WORDS = 3000


class SymbolicDynamics(eqx.Module):
    """Symbols over time, those that are visited most first.

    Args:
        symbols: the symbol at each step, an index into the others.
        labels: what each symbol stands for: the signs of a region as a string of bits, or the symbol as given.
        regions: the signs of the regions, where there is a network.
        visits: how often each symbol occurs.
        transitions: how often each symbol (row) is followed by each (column), itself included.
    """

    symbols: Int[np.ndarray, "*trial time"]
    labels: tuple[str, ...] = eqx.field(static=True)
    regions: Bool[np.ndarray, "symbol switch"] | None
    visits: Int[np.ndarray, " symbol"]
    transitions: Int[np.ndarray, "symbol symbol"]

    @property
    def num(self) -> int:
        """How many symbols occur."""
        return len(self.labels)

    @property
    def crossings(self) -> Int[np.ndarray, "symbol symbol"]:
        """The transitions from one symbol to another."""
        return self.transitions - np.diag(np.diagonal(self.transitions))

    @property
    def probabilities(self) -> Float[np.ndarray, "symbol symbol"]:
        """The probability of the next symbol (column) after each (row); zeros after one that only ends the orbit."""
        return self.transitions / np.maximum(self.transitions.sum(axis=1, keepdims=True), 1)

    def topological_entropy(self, length: int = 1) -> float:
        r"""$\log \rho$, the spectral radius of the 0/1 matrix that says which words follow which, per step.

        Args:
            length: of the words; with 1 the graph of symbols, with more also what only longer words forbid.

        Raises:
            ValueError: if there are no such words, or too many for the eigenvalues of a matrix.
        """
        words, _ = self.words(length + 1)
        starts = np.unique(np.concatenate([words[:, :-1], words[:, 1:]]), axis=0)
        if len(starts) > _MOST_WORDS:
            raise ValueError(
                f"There are {len(starts)} words of length {length}, more than {_MOST_WORDS}; take shorter ones."
            )
        place = {word.tobytes(): index for index, word in enumerate(starts)}
        matrix = np.zeros((len(starts), len(starts)))
        rows, columns = ([place[word.tobytes()] for word in part] for part in (words[:, :-1], words[:, 1:]))
        matrix[rows, columns] = 1.0
        return float(np.log(max(np.max(np.abs(np.linalg.eigvals(matrix))), 1.0)))

    @property
    def entropy_rate(self) -> float:
        r"""$-\sum_{ij} p_i P_{ij} \log P_{ij}$, that of the Markov chain with these transitions."""
        joint = self.transitions / self.transitions.sum()
        share = joint[joint > 0] * np.log(np.broadcast_to(self.probabilities, joint.shape)[joint > 0])
        return float(-share.sum())

    def words(self, length: int) -> tuple[Int[np.ndarray, "word length"], Int[np.ndarray, " word"]]:
        """The words of a length that occur, and how often, the most frequent ones first.

        Raises:
            ValueError: if the orbit is shorter.
        """
        if not 1 <= length <= self.symbols.shape[-1]:
            raise ValueError(
                f"Words have at least one symbol and at most the {self.symbols.shape[-1]} of the orbit, got {length}."
            )
        windows = np.lib.stride_tricks.sliding_window_view(self.symbols, length, axis=-1)
        words, counts = np.unique(windows.reshape(-1, length), axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return np.ascontiguousarray(words[order]), counts[order]

    def block_entropies(self, length: int) -> Float[np.ndarray, " length"]:
        r"""$H_n = -\sum_w p_w \log p_w$ over the words of length $n = 1, \dots$; their differences tend to the entropy.

        Words must be much fewer than steps: else $H_n$ is too low by about (words - 1) / (2 steps).
        """
        entropies = []
        for size in range(1, length + 1):
            _, counts = self.words(size)
            shares = counts / counts.sum()
            entropies.append(-np.sum(shares * np.log(shares)))
        return np.array(entropies)


@cite("brenner2024almost")
def symbolic_dynamics(model: Any, trajectory: Any, *, collapse: bool = False) -> SymbolicDynamics:
    r"""The symbolic dynamics of a piecewise-linear network along an orbit, or of symbols that are given.

    The symbol of a state is the region in which it lies, $s_t = \Omega(z_t)$. The graph of which symbol follows which
    is a Markov approximation of the dynamics; where the regions are a Markov partition its topological entropy is that
    of the map. Entropies are natural logarithms per step.

    Args:
        model: a piecewise-linear network, or `None` for symbols that are given.
        trajectory: states, axes of trials before those of time and state; or symbols, integers or booleans with time
            as their last axis, such as the lobe of an attractor, `x > 0`. Nothing leads from one trial to the next.
        collapse: leave out steps that stay at the symbol, as is usual for flows, where their number is one of the
            time step; of one trial only.

    Returns:
        The symbols, their graph, and methods for entropies and words.

    Raises:
        ValueError: if the model is not piecewise linear, or the trajectory is not what it must be.

    !!! example
        ```python
        codes = ln.analyse.symbolic_dynamics(model, orbit)
        codes.labels, codes.transitions, codes.topological_entropy()
        lobes = ln.analyse.symbolic_dynamics(None, lorenz.orbit(10_000).states[:, 0] > 0, collapse=True)
        ```
    """
    values, regions = _values(model, trajectory)
    if collapse:
        if values.ndim > 1:
            raise ValueError(
                f"Only one trial can be collapsed, got symbols of shape {values.shape}; take one at a time."
            )
        values = values[np.concatenate([[True], values[1:] != values[:-1]])]
    kinds, symbols, visits = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(-visits, kind="stable")
    symbols = np.argsort(order)[symbols].reshape(values.shape)
    transitions = np.zeros((len(kinds), len(kinds)), int)
    np.add.at(transitions, (symbols[..., :-1].ravel(), symbols[..., 1:].ravel()), 1)
    if regions is None:
        found, labels = None, tuple(str(kinds[index]) for index in order)
    else:
        found = regions[kinds[order]]
        labels = tuple("".join("01"[int(bit)] for bit in region) for region in found)
    return SymbolicDynamics(symbols, labels, found, visits[order], transitions)


def _values(model: Any, trajectory: Any) -> tuple[Any, Any]:
    """An integer for each step, and what regions the integers stand for."""
    if model is None:
        values = np.asarray(trajectory)
        if values.ndim < 1 or values.shape[-1] < 2 or values.dtype.kind not in "iub":
            raise ValueError(
                "Symbols are integers or booleans over at least two steps, got an array of shape"
                f" {values.shape} and dtype {values.dtype}; states need the `model` whose regions they are in."
            )
        return values, None
    if not isinstance(model, AbstractPiecewiseLinear):
        raise ValueError(
            "Regions are those of piecewise-linear networks such as AlmostLinearRNN, got"
            f" {type(model).__name__}; give symbols of your own with `model=None`."
        )
    states = jnp.asarray(trajectory)
    if states.ndim < 2 or states.shape[-1] != model.state_size or states.shape[-2] < 2:
        raise ValueError(
            f"A trajectory is an array of states (..., time, {model.state_size}) with at least two steps, got the shape"
            f" {states.shape}."
        )
    codes = np.asarray(_regions(model, states.reshape(-1, model.state_size)))
    regions, values = np.unique(codes, axis=0, return_inverse=True)
    return values.reshape(states.shape[:-1]), regions


@eqx.filter_jit
def _regions(model, states):
    return jax.vmap(model.region)(states)

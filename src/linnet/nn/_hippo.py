"""Matrices of systems that remember by projections on orthogonal functions (HiPPO)."""

import abc
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float

from .._cite import cite


class NormalPlusLowRank(NamedTuple):
    r"""$A = V\, (\mathrm{diag}(\lambda) - P P^*)\, V^*$ with $V$ unitary, in NumPy and float64.

    Args:
        eigenvalues: $\lambda$, of the normal part, by falling imaginary part; conjugate pairs stand as far from the
            first as from the last.
        low_rank: $P$, in the basis of the eigenvectors.
        inputs: $V^* B$.
        vectors: $V$, its columns eigenvectors of the normal part.
    """

    eigenvalues: Complex[np.ndarray, " state"]
    low_rank: Complex[np.ndarray, "state rank"]
    inputs: Complex[np.ndarray, " state"]
    vectors: Complex[np.ndarray, "state state"]


class AbstractHippo(eqx.Module):
    r"""A pair $(A, B)$ for which $\dot x = A x + B u$ holds the coefficients of what $u$ was, on orthogonal functions.

    All is computed in NumPy in float64, whatever JAX's dtype: the entries grow with the size, and eigenvalues of
    matrices that are not normal lose digits.
    """

    @abc.abstractmethod
    def matrices(self, size: int) -> tuple[Float[np.ndarray, "state state"], Float[np.ndarray, " state"]]:
        """$A$ and $B$ for a number of states."""

    @abc.abstractmethod
    def low_rank(self, size: int) -> Float[np.ndarray, "state rank"]:
        r"""The real $P$ for which $A + P P^\top$ is normal."""

    @abc.abstractmethod
    def basis(self, ts: Float[np.ndarray, " time"], size: int) -> Float[np.ndarray, "time state"]:
        r"""The functions on which the past is projected, by the time that has passed: $e^{t A} B$ for many states."""


@cite("gu2020hippo", "gu2023train")
class LegS(AbstractHippo):
    r"""All of the past, ever coarser: Legendre polynomials in $e^{-t}$.

    $A_{nk} = -\sqrt{(2n+1)(2k+1)}$ below the diagonal, $-(n+1)$ on it and 0 above, $B_n = \sqrt{2n+1}$; then
    $e^{tA}B = e^{-t} \sqrt{2n+1}\, P_n(2 e^{-t} - 1)$ exactly, for any number of states.
    """

    def matrices(self, size: int) -> tuple[Float[np.ndarray, "state state"], Float[np.ndarray, " state"]]:
        root = _roots(size)
        return -np.tril(np.outer(root, root), -1) - np.diag(np.arange(size) + 1.0), root

    def low_rank(self, size: int) -> Float[np.ndarray, "state rank"]:
        return _roots(size)[:, None] / np.sqrt(2)

    def basis(self, ts: Float[np.ndarray, " time"], size: int) -> Float[np.ndarray, "time state"]:
        shrunk = np.exp(-np.asarray(ts, float))
        return shrunk[:, None] * _legendre(2 * shrunk - 1, size)


@cite("voelker2019legendre", "gu2023train")
class LegT(AbstractHippo):
    r"""The last unit of time: Legendre polynomials on $[0, 1]$.

    $A_{nk} = -\sqrt{(2n+1)(2k+1)}$ times 1 for $k \le n$ and $(-1)^{n-k}$ for $k \ge n$, $B_n = \sqrt{2n+1}$; with
    many states $e^{tA}B$ approaches $(-1)^n \sqrt{2n+1}\, P_n(2t-1)$ on $[0, 1]$ and 0 after. With finitely many it
    rings at both ends.
    """

    def matrices(self, size: int) -> tuple[Float[np.ndarray, "state state"], Float[np.ndarray, " state"]]:
        root, signs = _roots(size), _signs(size)
        return -np.outer(root, root) * np.where(np.tri(size, dtype=bool), 1.0, np.outer(signs, signs)), root

    def low_rank(self, size: int) -> Float[np.ndarray, "state rank"]:
        even = np.arange(size) % 2 == 0
        return _roots(size)[:, None] * np.stack([even, ~even], axis=1)

    def basis(self, ts: Float[np.ndarray, " time"], size: int) -> Float[np.ndarray, "time state"]:
        ts = np.asarray(ts, float)
        within = (ts >= 0) & (ts <= 1)
        return within[:, None] * _signs(size) * _legendre(2 * np.clip(ts, 0, 1) - 1, size)


@cite("gu2023train")
class FouT(AbstractHippo):
    r"""The last unit of time: sines and cosines on $[0, 1]$.

    With many states $e^{tA}B$ approaches $(1, \sqrt2 \cos 2\pi t, \sqrt2 \sin 2\pi t, \sqrt2 \cos 4\pi t, \dots)$ on
    $[0, 1]$ and 0 after. The functions are 1 at both ends of the window and 0 outside, so that it converges slowly
    there. An odd number of states holds both waves of each frequency; of an even number one is never written.
    """

    def matrices(self, size: int) -> tuple[Float[np.ndarray, "state state"], Float[np.ndarray, " state"]]:
        root = self.low_rank(size)[:, 0]
        matrix = -np.outer(root, root)
        sines = np.arange(2, size, 2)
        matrix[sines, sines - 1] += np.pi * sines
        matrix[sines - 1, sines] -= np.pi * sines
        return matrix, np.sqrt(2) * root

    def low_rank(self, size: int) -> Float[np.ndarray, "state rank"]:
        index = np.arange(size)
        return np.where(index == 0, np.sqrt(2), np.where(index % 2, 2.0, 0.0))[:, None]

    def basis(self, ts: Float[np.ndarray, " time"], size: int) -> Float[np.ndarray, "time state"]:
        ts, index = np.asarray(ts, float), np.arange(size)
        angles = 2 * np.pi * ts[:, None] * ((index + 1) // 2)
        waves = np.where(index == 0, 1.0, np.sqrt(2) * np.where(index % 2, np.cos(angles), np.sin(angles)))
        return ((ts >= 0) & (ts <= 1))[:, None] * waves


#: The memories by the names of the field.
HIPPOS: dict[str, type[AbstractHippo]] = {"LegS": LegS, "LegT": LegT, "FouT": FouT}


def find_hippo(kind: str | AbstractHippo) -> AbstractHippo:
    """A memory by its name, in any case of letters; an object is itself.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(kind, AbstractHippo):
        return kind
    found = {name.lower(): made for name, made in HIPPOS.items()}.get(kind.lower())
    if found is None:
        raise ValueError(f"There is no HiPPO memory {kind!r}: choose from {', '.join(HIPPOS)}.")
    return found()


def hippo(kind: str | AbstractHippo, size: int) -> tuple[Float[np.ndarray, "state state"], Float[np.ndarray, " state"]]:
    r"""The matrices of $\dot x = A x + B u$ for a memory.

    Args:
        kind: "LegS", "LegT", "FouT", or an object of such a class.
        size: states.

    Returns:
        $A$ and $B$, NumPy arrays of float64.

    Raises:
        ValueError: for an unknown name, or without a state.

    !!! example
        ```python
        import linnet as ln

        A, B = ln.nn.hippo("LegS", 16)
        ```
    """
    if size < 1:
        raise ValueError(f"hippo needs at least 1 state, got {size}.")
    return find_hippo(kind).matrices(size)


@cite("gu2022efficiently")
def nplr(kind: str | AbstractHippo, size: int) -> NormalPlusLowRank:
    r"""A memory's matrix as a normal one minus one of low rank, $A = V (\mathrm{diag}(\lambda) - P P^*) V^*$.

    The normal part is skew-symmetric but for a multiple of the identity ($-1/2$ for LegS, 0 for the others), so that
    its eigenvectors are those of a Hermitian matrix and lose no digits; the eigenvalues initialise S4D-LegS and S5.

    Args:
        kind: "LegS", "LegT", "FouT", or an object of such a class.
        size: states.
    """
    memory = find_hippo(kind)
    matrix, inputs = hippo(memory, size)
    low_rank = memory.low_rank(size)
    normal = matrix + low_rank @ low_rank.T
    shift = np.trace(normal) / size
    # A skew matrix S has the eigenvalues i w for the eigenvalues w of -i S, which is Hermitian. Rounding in the
    # entries is taken out first.
    frequencies, vectors = np.linalg.eigh(-0.5j * (normal - normal.T))
    frequencies, vectors = frequencies[::-1], _paired(frequencies[::-1], vectors[:, ::-1])
    back = vectors.conj().T
    return NormalPlusLowRank(shift + 1j * frequencies, back @ low_rank, back @ inputs, vectors)


def _paired(
    frequencies: Float[np.ndarray, " state"], vectors: Complex[np.ndarray, "state state"]
) -> Complex[np.ndarray, "state state"]:
    """The eigenvectors, with conjugate ones also for the frequency 0: any basis of its space is one of eigenvectors."""
    still = np.flatnonzero(np.abs(frequencies) < 1e-9 * max(1.0, np.max(np.abs(frequencies))))
    half = len(still) // 2
    if half == 0:
        return vectors
    space = vectors[:, still]
    real = np.linalg.svd(np.concatenate([space.real, space.imag], axis=1))[0][:, : len(still)]
    first = (real[:, :half] + 1j * real[:, half : 2 * half]) / np.sqrt(2)
    pairs = np.concatenate([first, real[:, 2 * half :], first[:, ::-1].conj()], axis=1)
    return np.concatenate([vectors[:, : still[0]], pairs, vectors[:, still[-1] + 1 :]], axis=1)


def _roots(size: int) -> Float[np.ndarray, " state"]:
    return np.sqrt(2.0 * np.arange(size) + 1)


def _signs(size: int) -> Float[np.ndarray, " state"]:
    return (-1.0) ** np.arange(size)


def _legendre(xs: Float[np.ndarray, " time"], size: int) -> Float[np.ndarray, "time state"]:
    r"""$\sqrt{2n+1}\, P_n(x)$: orthonormal for the uniform distribution on $[-1, 1]$."""
    return np.polynomial.legendre.legvander(xs, size - 1) * _roots(size)

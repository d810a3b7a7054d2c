"""What is accumulated while a file streams by: moments, and as many samples as fit."""

import numpy as np

from .._cite import cite


@cite("chan1983algorithms")
class RunningMoments:
    r"""Count, mean and scatter $\sum (z - \bar z)(z - \bar z)^\top$ of rows in chunks, without cancellation.

    Chunks are merged by $S = S_a + S_b + \frac{n_a n_b}{n_a + n_b}\,\delta\delta^\top$ with $\delta = \bar z_b - \bar
    z_a$. A chunk may have more columns than the ones before it; earlier rows then count as zero in the new columns (a
    category not met so far).

    Rows are taken relative to the first chunk's mean, so that a large offset costs no digits either.

    Attributes:
        num: rows so far.
        scatter: as above, float64.
        low, high: the extremes of each column, by which a constant one is known without rounding.
    """

    def __init__(self) -> None:
        self.num = 0
        self.scatter = np.zeros((0, 0))
        self.low, self.high = np.zeros(0), np.zeros(0)
        self._shift, self._mean = np.zeros(0), np.zeros(0)

    @property
    def mean(self) -> np.ndarray:
        """The mean of each column."""
        return self._shift + self._mean

    def add(self, rows: np.ndarray) -> None:
        """Takes in a chunk, `"row column"`."""
        self.widen(rows.shape[1])
        num = rows.shape[0]
        if num == 0:
            return
        if not self.num:
            self._shift = rows.mean(axis=0)
        low, high = rows.min(axis=0), rows.max(axis=0)
        rows = rows - self._shift
        mean = rows.mean(axis=0)
        rows -= mean
        total = self.num + num
        delta = mean - self._mean
        self.scatter += rows.T @ rows
        if self.num:
            self.scatter += np.outer(delta, delta * (self.num * num / total))
        self._mean = self._mean + delta * (num / total)
        self.low = np.minimum(self.low, low) if self.num else low
        self.high = np.maximum(self.high, high) if self.num else high
        self.num = total

    def widen(self, width: int) -> None:
        """Adds columns that were zero in all rows so far."""
        more = width - len(self._mean)
        if more > 0:
            self._shift, self._mean = np.pad(self._shift, (0, more)), np.pad(self._mean, (0, more))
            self.low, self.high = np.pad(self.low, (0, more)), np.pad(self.high, (0, more))
            self.scatter = np.pad(self.scatter, (0, more))

    def select(self, columns: np.ndarray) -> "RunningMoments":
        """The same for some of the columns, in a new order."""
        part = RunningMoments()
        part.num, part.scatter = self.num, self.scatter[np.ix_(columns, columns)]
        part._shift, part._mean = self._shift[columns], self._mean[columns]
        part.low, part.high = self.low[columns], self.high[columns]
        return part

    def about(self, centre: np.ndarray) -> np.ndarray:
        r"""The second moments about a centre, $S/n + (\bar z - c)(\bar z - c)^\top$."""
        offset = self._mean - (centre - self._shift)
        return self.scatter / self.num + np.outer(offset, offset)


class Reservoir:
    """As many rows as a number of bytes allows, drawn evenly from all that came by (those with the smallest hash).

    Which rows are kept depends on the seed and on the rows' numbers only, never on how they were cut into chunks.

    Args:
        num_bytes: for the rows kept; while it fills up, twice as much is used.
        seed: of the hash.
    """

    def __init__(self, num_bytes: int, seed: int) -> None:
        self._num_bytes, self._seed = num_bytes, seed
        self._blocks: list[tuple[np.ndarray, np.ndarray]] = []
        self._held = self.seen = 0

    def add(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Takes in rows with their numbers."""
        self._blocks.append((numbers, rows))
        self._held += len(rows)
        self.seen += len(rows)
        if self._held > 2 * self._capacity(rows.shape[1]):
            self._compact()

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the rows kept, ascending, and the rows."""
        self._compact()
        return self._blocks[0]

    def _capacity(self, width: int) -> int:
        return max(1, self._num_bytes // (8 * max(width, 1)))

    def _compact(self) -> None:
        numbers = np.concatenate([block[0] for block in self._blocks])
        width = max(block[1].shape[1] for block in self._blocks)
        keep = self._capacity(width)
        mine = np.arange(len(numbers))
        if len(numbers) > keep:
            mine = np.sort(np.argpartition(hashed(numbers, self._seed), keep - 1)[:keep])
        rows = np.zeros((len(mine), width))
        first = 0
        for _, block in self._blocks:
            inside = mine[np.searchsorted(mine, first) : np.searchsorted(mine, first + len(block))]
            at = np.searchsorted(mine, first)
            rows[at : at + len(inside), : block.shape[1]] = block[inside - first]
            first += len(block)
        self._blocks, self._held = [(numbers[mine], rows)], len(mine)


@cite("steele2014fast")
def hashed(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Pseudo-random 64-bit integers, a function of each number and the seed alone (SplitMix64)."""
    with np.errstate(over="ignore"):
        start = _mix(np.asarray([seed % 2**64], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
        return _mix(start + (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))

"""Moments of all windows of a time series, summed while it streams by, without ever cutting the windows."""

import dataclasses

import numpy as np

from ._running import hashed


@dataclasses.dataclass(frozen=True)
class Windows:
    """How examples are cut from a series: `window` inputs, and the target `horizon` steps after the last of them.

    Args:
        window, horizon: in rows.
        inputs, targets: which columns of the rows.
        threshold: windows with a hash below this are kept as samples; 2**64 keeps all.
        seed: of the hash.
    """

    window: int
    horizon: int
    inputs: np.ndarray
    targets: np.ndarray
    threshold: int
    seed: int

    @property
    def span(self) -> int:
        """Rows that an example covers."""
        return self.window + self.horizon


class LaggedMoments:
    r"""Sums over windows $s$ of $x_{s+i} x_{s+j}^\top$, $y_s x_{s+i}^\top$ and $y_s y_s^\top$ with $y_s$ at $s+T-1+h$.

    Exact, edges included: only the first row $S_{0,k} = \sum_s x_s x_{s+k}^\top$ is summed over rows; the others are
    $S_{i+1,j+1} = S_{ij} + x_{e+1+i} x_{e+1+j}^\top - x_{a+i} x_{a+j}^\top$ for a segment whose windows start at $a
    \dots e$. That takes $T$ products of matrices in place of $T^2$, and no memory for windows. Windows never leave a
    segment.

    Args:
        windows: how they are cut.
        shift: a value near each column's mean, subtracted before squaring.
    """

    def __init__(self, windows: Windows, shift: np.ndarray) -> None:
        self._windows, self._shift = windows, shift
        steps, inputs, targets = windows.window, len(windows.inputs), len(windows.targets)
        self.num = 0
        self._first_row = np.zeros((steps, inputs, inputs))
        self._edges = np.zeros(((steps - 1) * inputs,) * 2)
        self._yx = np.zeros((steps, targets, inputs))
        self._yy = np.zeros((targets, targets))
        self._x_sums, self._y_sum = np.zeros((steps, inputs)), np.zeros(targets)
        self._head: np.ndarray | None = None
        self._carry, self._carry_number = np.zeros((0, len(shift))), 0
        self._x_kept: list[np.ndarray] = []
        self._y_kept: list[np.ndarray] = []

    def add(self, rows: np.ndarray, number: int) -> None:
        """Takes in the next rows of the segment, the first of which has this number."""
        if not len(self._carry):
            self._carry_number = number
        rows = np.concatenate([self._carry, rows - self._shift])
        num = len(rows) - self._windows.span + 1
        if num <= 0:
            self._carry = rows
            return
        x, y = rows[:, self._windows.inputs], rows[self._windows.span - 1 :, self._windows.targets]
        if self._head is None:
            self._head = x[: self._windows.window - 1]
        start = x[:num].T
        for lag in range(self._windows.window):  # products of matrices, each over all rows
            later = x[lag : lag + num]
            self._first_row[lag] += start @ later
            self._yx[lag] += y.T @ later
            self._x_sums[lag] += later.sum(axis=0)
        self._yy += y.T @ y
        self._y_sum += y.sum(axis=0)
        self._keep(x, y, self._carry_number + np.arange(num))
        self.num += num
        self._carry, self._carry_number = rows[num:].copy(), self._carry_number + num

    def close(self) -> None:
        """Ends the segment; the next rows do not follow on."""
        if self._head is not None:
            tail = self._carry[: self._windows.window - 1][:, self._windows.inputs].ravel()
            head = self._head.ravel()
            self._edges += np.outer(tail, tail) - np.outer(head, head)
        self._head = None
        self._carry = self._carry[:0]

    def about(self, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means over windows about a centre: `xx` "step step in in", `yx` "step out in", `yy` "out out"."""
        offset = centre - self._shift
        of_x, of_y = offset[self._windows.inputs], offset[self._windows.targets]
        xx = self._all_pairs()
        xx -= (
            self._x_sums[:, None, :, None] * of_x
            + of_x[:, None] * self._x_sums[None, :, None, :]
            - self.num * np.outer(of_x, of_x)
        )
        yx = (
            self._yx
            - self._y_sum[:, None] * of_x
            - of_y[:, None] * self._x_sums[:, None, :]
            + self.num * np.outer(of_y, of_x)
        )
        yy = self._yy - np.outer(self._y_sum, of_y) - np.outer(of_y, self._y_sum) + self.num * np.outer(of_y, of_y)
        return xx / self.num, yx / self.num, yy / self.num

    def samples(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The windows kept, `"num step in"`, and their targets `"num out"`; `None` if there are none."""
        if not self._x_kept:
            return None
        x, y = np.concatenate(self._x_kept), np.concatenate(self._y_kept)
        return x + self._shift[self._windows.inputs], y + self._shift[self._windows.targets]

    def _all_pairs(self) -> np.ndarray:
        steps, inputs = self._x_sums.shape
        edges = np.swapaxes(self._edges.reshape(steps - 1, inputs, steps - 1, inputs), 1, 2)
        xx = np.zeros((steps, steps, inputs, inputs))
        for lag in range(steps):
            at = np.arange(steps - lag)
            xx[at, at + lag] = self._first_row[lag]
            xx[at[1:], at[1:] + lag] += np.cumsum(edges[at[:-1], at[:-1] + lag], axis=0)
            xx[at + lag, at] = np.swapaxes(xx[at, at + lag], 1, 2)
        return xx

    def _keep(self, x: np.ndarray, y: np.ndarray, numbers: np.ndarray) -> None:
        wanted = np.arange(len(numbers))
        if self._windows.threshold < 2**64:
            wanted = np.flatnonzero(hashed(numbers, self._windows.seed) < np.uint64(self._windows.threshold))
        if len(wanted):
            views = np.lib.stride_tricks.sliding_window_view(x, self._windows.window, axis=0)
            self._x_kept.append(np.swapaxes(views[wanted], 1, 2))
            self._y_kept.append(y[wanted])

"""The time column of a series: in order, and evenly spaced or not."""

import numpy as np

from .._errors import InputError

_NAMES = frozenset(["time", "date", "datetime", "timestamp"])


def looks_like_time(name: str) -> bool:
    """Whether a column of this name is taken for the time of each row."""
    return name.strip().lower() in _NAMES


class Clock:
    """Follows the time column of a series and refuses rows that go back in time.

    Args:
        path: for messages.
        name: of the column.
    """

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._last: np.generic | None = None
        self._row = 0
        self._shortest, self._longest = np.inf, 0.0

    def add(self, times: np.ndarray, good: np.ndarray) -> None:
        """Takes in the next times.

        Raises:
            InputError: with the first row that does not come after the one before.
        """
        number = np.flatnonzero(good) + self._row + 1
        self._row += len(times)
        times = times[good]
        if self._last is not None:
            times, number = np.concatenate([[self._last], times]), np.concatenate([[0], number])
        if not len(times):
            return
        steps = np.diff(times)
        back = np.flatnonzero(steps <= 0)
        if len(back):
            at = int(back[0]) + 1
            raise InputError(
                f"Rows of a time series need to be in order, but by column {self._name!r} of {self._path} row "
                f"{number[at]} "
                f"({self._show(times[at])}) does not come after the one before ({self._show(times[at - 1])}). Sort "
                f"the file by {self._name!r}"
                + (
                    ", or, if it is no time, name the columns to use (--columns)."
                    if looks_like_time(self._name)
                    else "."
                )
            )
        if len(steps):
            self._shortest, self._longest = (
                min(self._shortest, float(steps.min())),
                max(self._longest, float(steps.max())),
            )
        self._last = times[-1]

    def notes(self) -> tuple[str, ...]:
        """A warning of uneven steps."""
        # Months differ by a tenth, so do rounded clocks by less; windows count rows all the same.
        if self._longest <= 1.2 * self._shortest:
            return ()
        ratio = self._longest / self._shortest
        return (
            f"By column {self._name!r}, steps in time are uneven (the longest is {ratio:.3g} times the shortest); "
            "windows count rows.",
        )

    @staticmethod
    def _show(time: np.generic) -> str:
        return str(np.datetime64(int(time), "ns").astype("datetime64[s]")) if time.dtype == np.int64 else f"{time:g}"

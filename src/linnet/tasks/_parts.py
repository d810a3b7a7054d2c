"""Which part of the data a row belongs to, known from its number alone."""

import dataclasses
from fractions import Fraction
from math import lcm

import numpy as np

from .._errors import InputError
from ._running import hashed

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")

#: Blocks of rows in which the fractions hold exactly are at most this long.
_LONGEST_BLOCK = 200


@dataclasses.dataclass(frozen=True)
class Fractions:
    """The shares of the training, validation and test part.

    Args:
        train, validation, test: non-negative numbers with the sum 1; the first is positive.

    Raises:
        InputError: if they are not.
    """

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        shares = self.shares
        if not all(0 <= share <= 1 for share in shares) or not shares[0] > 0 or abs(sum(shares) - 1) > 1e-6:
            raise InputError(
                "A split needs three shares (train, validation, test) that sum to 1, the first above 0, such as "
                "(0.8, 0.1, 0.1); "
                f"got {shares}."
            )

    @property
    def shares(self) -> tuple[float, float, float]:
        return self.train, self.validation, self.test

    def borders(self, rows: int) -> tuple[int, int]:
        """The rows at which the validation and the test part begin when parts follow each other in time."""
        first = round(self.train * rows)
        return first, max(first, min(rows, round((self.train + self.validation) * rows)))

    def assign(self, numbers: np.ndarray, seed: int) -> np.ndarray:
        """The part of each row, by its number: in every block of consecutive rows the shares hold, in a random order.

        Blocks are as short as the shares allow (10 rows for 0.8, 0.1, 0.1), so parts are of the right size in small
        files too, and each stretch of a sorted file is in all of them.

        Args:
            numbers: row numbers.
            seed: of the order within blocks.
        """
        counts = self._block()
        length = sum(counts)
        if not len(numbers):
            return np.zeros(0, np.int8)
        blocks, index = np.unique(numbers // length, return_inverse=True)
        keys = hashed((blocks[:, None] * length + np.arange(length)).ravel(), seed).reshape(-1, length)
        ranks = np.empty_like(keys, dtype=np.int64)
        np.put_along_axis(ranks, np.argsort(keys, axis=1), np.arange(length)[None, :], axis=1)
        part_of_rank = np.repeat(np.arange(3, dtype=np.int8), counts)
        return part_of_rank[ranks[index, numbers % length]]

    def _block(self) -> tuple[int, int, int]:
        close = [Fraction(share).limit_denominator(_LONGEST_BLOCK) for share in self.shares]
        length = lcm(*(share.denominator for share in close))
        if length > _LONGEST_BLOCK or sum(close) != 1:
            length = _LONGEST_BLOCK
        train = max(1, round(self.train * length))
        validation = min(length - train, round(self.validation * length))
        return train, validation, length - train - validation


def as_fractions(split: "Fractions | tuple[float, float, float]") -> Fractions:
    """Fractions, or three numbers."""
    if isinstance(split, Fractions):
        return split
    if len(split) != 3:
        raise InputError(
            f"A split needs three shares (train, validation, test), such as (0.8, 0.1, 0.1); got {tuple(split)}."
        )
    return Fractions(*(float(share) for share in split))

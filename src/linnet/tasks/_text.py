"""Text, or any file of bytes, for prediction of the next byte."""

from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, UInt8

from .._errors import InputError
from .._types import PRNGKey
from ._batch import Split
from ._sequence_task import AbstractTokenTask, Example, single_answer

_PROBE = 1 << 20
_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")


class TextTask(AbstractTokenTask):
    """The next byte at every step of a window drawn uniformly from a text: $y_t = x_{t+1}$.

    Tokens and classes are bytes. `sample` draws from the part for training, `held_out` is the same task on the rest,
    and `draw` trains on the former and looks at the latter.

    Args:
        train: the bytes that are trained on.
        test: those held out, behind them.
        length: of the windows in training.
        commonest: the share of the commonest byte in what is trained on.
    """

    train: UInt8[Array, " byte"]
    test: UInt8[Array, " rest"]
    length: int = eqx.field(static=True)
    commonest: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        return "text"

    @property
    def chance(self) -> float:
        return self.commonest

    @property
    def vocab_size(self) -> int:
        return 257

    @property
    def num_classes(self) -> int:
        return 256

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "every"

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*(chr(byte) for byte in range(256)), "")

    @property
    def held_out(self) -> "TextTask":
        """The same task on the bytes that are held out."""
        return TextTask(self.test, self.test, self.length, self.commonest)

    def check_lengths(self, length: int | None, min_length: int | None, shortest: int = 1) -> tuple[int, int]:
        found = AbstractTokenTask.check_lengths(self, length, min_length, shortest)
        if found[0] >= self.train.shape[0]:
            raise ValueError(
                f"A window of {found[0]} bytes and the next one need a text of {found[0] + 1} bytes, got "
                f"{self.train.shape[0]}. Use shorter windows or a longer text."
            )
        return found

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        start = jr.randint(key, (), 0, self.train.shape[0] - size)
        index = jnp.minimum(start + jnp.arange(length + 1), self.train.shape[0] - 1)
        window = self.train[index].astype(jnp.int32)
        return single_answer(window[:-1], window[1:], size, self.pad_token, every_step=True)

    def draw(self, num: int, *, key: PRNGKey) -> Split:
        if num < 1:
            raise ValueError(f"draw needs at least 1 example, got {num}.")
        train, validation, test = jr.split(key, 3)
        held_out = self.held_out
        return Split(self.sample(num, key=train), held_out.sample(num, key=validation), held_out.sample(num, key=test))


def text_task(path: Any, length: int = 128, *, held_out: float = 0.1, max_bytes: int | None = None) -> TextTask:
    """The bytes of a file as a task.

    Args:
        path: of a text in any encoding that has no NUL bytes.
        length: of the windows in training.
        held_out: the share of the file, at its end, that is not trained on.
        max_bytes: read no more than this from the beginning of the file; by default all.

    Raises:
        ValueError: if the file is missing, empty, too short for a window in each part, or no text.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"A text is needed, and {path} is no file. Check the path.")
    if path.stat().st_size == 0:
        raise InputError(f"A text is needed, and {path} is empty. Choose a file with something in it.")
    if not 0 < held_out < 1:
        raise InputError(f"The share that is held out needs to be between 0 and 1, got {held_out}.")
    data = np.memmap(path, np.uint8, "r")[:max_bytes]
    _check_text(path, data)
    border = len(data) - int(np.ceil(held_out * len(data)))
    shortest = min(border, len(data) - border)
    if length < 1 or shortest <= length:
        raise InputError(
            f"Windows of {length} bytes need a text of more than {length} bytes in each part, and {path} has {border} "
            f"to train and {len(data) - border} held out. Use shorter windows (length >= 1), a longer text or another "
            "held_out."
        )
    commonest = np.max(np.bincount(data[:border], minlength=256)) / border
    return TextTask(jnp.asarray(data[:border]), jnp.asarray(data[border:]), length, float(commonest))


def _check_text(path: Path, data: np.ndarray) -> None:
    """Refuses what is no text, by its beginning."""
    counts = np.bincount(data[:_PROBE], minlength=256)
    controls = sum(int(counts[byte]) for byte in (*range(1, 32), 127) if byte not in _TEXT_CONTROLS)
    if counts[0] or controls > 0.1 * counts.sum():
        found = "NUL bytes" if counts[0] else f"{controls / counts.sum():.0%} control bytes"
        raise InputError(
            f"A text is needed, and {path} looks binary ({found} in its beginning). Convert it to text first."
        )

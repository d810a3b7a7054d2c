"""The settings of `linnet sequence`."""

import dataclasses

from ._check import at_least, option, positive


@dataclasses.dataclass(frozen=True)
class SequenceConfig:
    """All that decides what `linnet sequence` finds, besides the task's name or the text.

    Args:
        layer: the layer over time.
        control: the layer that is trained beside it as the negative control; "auto" takes the same layer with
            eigenvalues in [0, 1], or a diagonal layer; "none" leaves it out.
        layer_settings: other arguments of the layer, such as num_heads=2,allow_neg_eigval=true.
        mode: how the recurrence is computed in training.
        task_settings: other arguments of the task, such as modulus=3.
        hidden: features between the blocks.
        num_layers: how many blocks there are.
        mlp: middle of the network over features after each layer, over `hidden`; 0 for none.
        short_conv: steps of a short convolution in front of each layer; 0 for none.
        length: of the longest sequences in training (of a text: of its windows); by default the task's.
        min_length: of the shortest.
        curriculum: the part of training over which lengths grow; 0 for all from the beginning.
        reach: tests go to this many times the training length.
        samples: sequences at each tested length.
        steps: of training.
        batch: sequences in a step.
        rate: the largest learning rate of Adam: it rises to it over a tenth of training and falls as a cosine.
        weight_decay: of all parameters.
        seeds: models that are trained side by side.
        seed: the seed of everything random.
        held_out: the part of a text, at its end, that is not trained on.
        max_bytes: read no more of a text than this; by default all.
        layers: of the scoreboard.
        tasks: of the scoreboard.
    """

    layer: str = "delta-net"
    control: str = "auto"
    layer_settings: tuple[str, ...] = ()
    mode: str = "auto"
    task_settings: tuple[str, ...] = ()
    hidden: int = 32
    num_layers: int = 1
    mlp: float = 2.0
    short_conv: int = 0
    length: int | None = None
    min_length: int = 3
    curriculum: float = 0.5
    reach: int = 16
    samples: int = 256
    steps: int = 2000
    batch: int = 64
    rate: float = 3e-3
    weight_decay: float = 0.0
    seeds: int = 1
    seed: int = 0
    held_out: float = 0.1
    max_bytes: int | None = None
    layers: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        at_least(self, hidden=1, num_layers=1, mlp=0, short_conv=0, length=1, min_length=1, reach=1, samples=1)
        at_least(self, steps=1, batch=1, weight_decay=0, seeds=1, seed=0, max_bytes=1)
        positive(self, "rate")
        if not 0 <= self.curriculum <= 1 or not 0 < self.held_out < 1:
            raise ValueError(
                f"--curriculum must be between 0 and 1 and --held-out within them, got {self.curriculum} and "
                f"{self.held_out}."
            )
        if self.length is not None and self.length < self.min_length:
            raise ValueError(f"--length must be at least --min-length, got {self.length} and {self.min_length}.")
        if self.seed >= 2**32:
            raise ValueError(f"--seed must be below {2**32}, got {self.seed}.")
        parse_settings(self, "layer_settings")
        parse_settings(self, "task_settings")


def parse_settings(config: SequenceConfig, name: str) -> dict[str, bool | int | float | str | None]:
    """Settings that were written as `name=value`, with their values as numbers or truths where they are some.

    Raises:
        ValueError: for what is no such pair.
    """
    found = {}
    for item in getattr(config, name):
        key, equals, word = item.partition("=")
        if not key.strip() or not equals or not word.strip():
            raise ValueError(f"{option(name)} needs pairs such as num_heads=2,expand_v=1.0; got {item!r}.")
        found[key.strip().replace("-", "_")] = _value(word.strip())
    return found


def _value(word: str) -> bool | int | float | str | None:
    known = {"true": True, "false": False, "none": None}
    if word.lower() in known:
        return known[word.lower()]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word

"""What `linnet sequence` trains: the task, the layer, its negative control, and the lengths that are tested."""

import dataclasses
import inspect
from typing import Any

import numpy as np

from .. import nn, tasks
from ..config import SequenceConfig, parse_settings

#: The layer that others are held against where they have no eigenvalue range of their own: real, positive, diagonal.
POSITIVE = "hgrn"

#: Multiples of the training length that are tested.
MULTIPLES = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A layer with its settings.

    Args:
        name: what it is called in results.
        layer: its name in `linnet.nn.LAYERS`.
        settings: its other arguments.
        about: what it is, in words.
    """

    name: str
    layer: str
    settings: dict[str, Any]
    about: str


def contestants(config: SequenceConfig, longest: int) -> list[Contestant]:
    """The layer and, where it has one, its control.

    Where a layer has a choice of eigenvalues, it gets [-1, 1] unless the settings say otherwise; the control gets
    [0, 1].

    Args:
        config: the settings.
        longest: the steps of the longest sequence, for layers that keep what they read.
    """
    layer, given = nn.layer_name(config.layer), parse_settings(config, "layer_settings")
    ranged = "allow_neg_eigval" in _known(layer)
    chosen = {"allow_neg_eigval": True} | given if ranged else given
    about = layer
    if ranged:
        about += ", eigenvalues in [-1, 1]" if chosen["allow_neg_eigval"] else ", eigenvalues in [0, 1]"
    found = [Contestant(layer, layer, _fitted(layer, chosen, config, longest), about)]
    if config.control == "none":
        return found
    if config.control != "auto":
        other = nn.layer_name(config.control)
        return [*found, Contestant(f"{other}-control", other, _fitted(other, {}, config, longest), other)]
    if ranged and chosen["allow_neg_eigval"]:
        limited = _fitted(layer, chosen | {"allow_neg_eigval": False}, config, longest)
        about = f"{layer}, eigenvalues in [0, 1]"
        return [*found, Contestant(f"{layer}-control", layer, limited, about)]
    if ranged or layer == POSITIVE:  # these are what others are held against
        return found
    about = f"{POSITIVE}, a diagonal layer with positive eigenvalues"
    return [*found, Contestant(f"{POSITIVE}-control", POSITIVE, _fitted(POSITIVE, {}, config, longest), about)]


def lengths_of(task: Any, config: SequenceConfig) -> list[int]:
    """The lengths that are tested, from below the training length to `reach` times it."""
    if not isinstance(task, tasks.AbstractTokenTask):
        return [task.length]
    wanted = [round(m * task.length) for m in MULTIPLES if m <= config.reach]
    if config.reach not in MULTIPLES:
        wanted.append(config.reach * task.length)
    return sorted({int(np.asarray(task.fit(n))) for n in wanted if n >= max(task.shortest, 1)})


def make_task(name: str, config: SequenceConfig) -> Any:
    """The task of a name.

    Raises:
        ValueError: for an unknown name or setting, or a task whose answers are no classes.
    """
    # The names of tasks have underscores; a hyphen is as good on a command line.
    name = name.lower().replace("-", "_")
    given = parse_settings(config, "task_settings")
    if config.length is not None:
        given = {"length": config.length} | given
    if name == "sequential_digits":
        import jax.numpy as jnp

        given = given | {"dtype": jnp.float32}
        given.pop("length", None)
    task = tasks.sequence_task(name, **given)
    if not isinstance(task, (tasks.AbstractTokenTask, tasks.SequentialDigits)):
        raise ValueError(
            f"linnet sequence measures accuracy, and the answers of {name} are numbers: use "
            "`linnet.learn.simulate` with SquaredError, or another task."
        )
    return task


def training_task(task: Any, config: SequenceConfig) -> Any:
    """The task as it is trained on: all lengths up to one that grows."""
    if not isinstance(task, tasks.AbstractTokenTask) or isinstance(task, tasks.TextTask):
        return task
    shortest = min(max(config.min_length, task.shortest), task.length)
    return tasks.Curriculum(task, shortest, round(config.curriculum * config.steps))


def _known(layer: str) -> Any:
    return inspect.signature(nn.LAYERS[layer]).parameters


def _fitted(layer: str, settings: dict[str, Any], config: SequenceConfig, longest: int) -> dict[str, Any]:
    """The settings with the mode, and room for the longest sequence where a layer keeps all."""
    if "max_length" in _known(layer):
        settings = {"max_length": longest} | settings
    # "auto" is every layer's default, and not every layer of a scoreboard has the mode that was asked for.
    return settings if config.mode == "auto" else {"mode": config.mode} | settings

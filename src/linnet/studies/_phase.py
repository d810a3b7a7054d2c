"""The contract of a phase diagram: one number of a study, simulated and predicted, over any two of its parameters."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from .. import learn
from .._trajectory import half_times
from .._types import PRNGKey

Spacing = Literal["linear", "log", "whole"]

#: Members that are predicted at once.
BLOCK = 128


@dataclasses.dataclass(frozen=True)
class Axis:
    """One parameter that can be an axis.

    Args:
        name: the option's name.
        label: what it is, for the axis of the figure.
        default: its value where it is no axis.
        low: where the axis begins unless asked for otherwise.
        high: where it ends.
        spacing: "linear", "log", or "whole" for whole numbers.
        least: the smallest value that makes sense.
        most: the largest.
        recompiles: whether it changes shapes, so that each of its values is a program of its own.
    """

    name: str
    label: str
    default: float
    low: float
    high: float
    spacing: Spacing = "linear"
    least: float = -np.inf
    most: float = np.inf
    recompiles: bool = False

    def values(self, num: int, ends: tuple[float, ...] = ()) -> np.ndarray:
        """The values of the axis: `num` of them, or fewer where it has only so many whole numbers.

        Args:
            num: how many.
            ends: the first and the last; by default the axis' own.

        Raises:
            ValueError: if the ends make no sense for this axis.
        """
        low, high = ends or (self.low, self.high)
        needs = f"between {self.least:g} and {self.most:g}" if np.isfinite([self.least, self.most]).any() else "finite"
        if not (np.isfinite([low, high]).all() and self.least <= low and high <= self.most):
            raise ValueError(f"The axis {self.name} needs values {needs}, got {low:g} to {high:g}.")
        if not low < high:
            raise ValueError(f"The axis {self.name} needs a range that rises, got {low:g} to {high:g}.")
        if self.spacing == "log":
            if low <= 0:
                raise ValueError(f"The axis {self.name} is logarithmic and needs positive values, got {low:g}.")
            return np.geomspace(low, high, num)
        if self.spacing == "whole":
            return np.unique(np.round(np.linspace(low, high, num)))
        return np.linspace(low, high, num)


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One number of a member.

    Args:
        name: the option's name.
        label: what it is, with its unit, for the colour bar.
        log: whether its colours are logarithmic.
    """

    name: str
    label: str
    log: bool = False


@dataclasses.dataclass(frozen=True)
class PhaseModel:
    """What a study hands over for phase diagrams: a member for every point, and its numbers on the two roads.

    The functions are traced with one member at a time and mapped over all. Axes that recompile come as Python numbers,
    all others as arrays.

    Args:
        axes: the parameters.
        quantities: the numbers, the most telling first.
        ts: learning times that are recorded.
        make: `make(key, **values) -> (network, task, rule)`, as for `linnet.learn.ensemble`.
        simulated: `simulated(ts, recorded, before, after, **values)`, the numbers of a trained member by name, from
            what was recorded and the networks before and after training.
        predicted: `predicted(ts, network, task, **values)`, the same without training, as far as theory knows them.
        theory: what predicts, for the caption.
    """

    axes: tuple[Axis, ...]
    quantities: tuple[Quantity, ...]
    ts: np.ndarray
    make: Callable[..., tuple[Any, Any, Any]]
    simulated: Callable[..., dict[str, Array]]
    predicted: Callable[..., dict[str, Array]]
    theory: str

    def axis(self, name: str) -> Axis | None:
        """The axis of a name, `None` if there is none."""
        return next((axis for axis in self.axes if axis.name == name), None)


#: The numbers of one mode: when it is learned, and how suddenly.
CURVE = (
    Quantity("half_time", "half time of the strongest mode (learning time)", log=True),
    Quantity("rise", "rise from 10 to 90 % over half time (one layer: 3.2)"),
)


def curve_numbers(ts: Float[Array, " time"], strength: Float[Array, " time"], final: Array) -> dict[str, Array]:
    """`half_time` and `rise` of a mode's strength over time, with its final value."""
    low, half, high = (half_times(ts, strength, 2 * part * final) for part in (0.1, 0.5, 0.9))
    return {"half_time": half, "rise": jnp.where(half > 0, (high - low) / jnp.where(half > 0, half, 1), jnp.nan)}


def evaluate(
    model: PhaseModel,
    grid: Mapping[str, np.ndarray],
    fixed: Mapping[str, Any],
    seeds: int,
    *,
    key: PRNGKey,
    checkpointer: learn.Checkpointer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Trains and predicts a network for every point of a grid, in one program for each road.

    Args:
        model: the study's model.
        grid: the axes of the grid, none of which recompiles.
        fixed: the values of all other axes.
        seeds: members at every point.
        key: randomness of the members; a seed has the same at all points.
        checkpointer: keeps the state of training.
        progress: is told how far training is.

    Returns:
        The simulated and the predicted quantities, each `"seed *axis"`.
    """
    axes = {"seed": seeds, **{name: jnp.asarray(values) for name, values in grid.items()}}

    def make(key: PRNGKey, **values: Any) -> tuple[Any, Any, Any]:
        return model.make(key, **fixed, **values)

    trained = learn.ensemble(make, model.ts, axes, key=key, checkpointer=checkpointer, progress=progress)
    shape = (seeds, *(len(values) for values in grid.values()))
    places = np.indices(shape).reshape(len(shape), -1)
    keys = jax.vmap(lambda seed: jr.fold_in(key, seed))(jnp.arange(seeds))
    values = {name: jnp.asarray(points)[places[row + 1]] for row, (name, points) in enumerate(grid.items())}
    flat = lambda leaf: leaf.reshape(-1, *leaf.shape[len(shape) :])  # noqa: E731
    arrays, static = eqx.partition(trained.network, eqx.is_array)
    recorded = {name: flat(trained[name]) for name in trained.names()}
    ts = jnp.asarray(model.ts)

    def both(member: tuple) -> tuple[dict[str, Array], dict[str, Array]]:
        key, values, recorded, after = member
        before, task, _ = make(key, **values)
        after = eqx.combine(after, static)
        simulated = model.simulated(ts, recorded, before, after, **fixed, **values)
        return simulated, model.predicted(ts, before, task, **fixed, **values)

    @eqx.filter_jit
    def mapped(members: tuple) -> Any:
        return jax.lax.map(both, members, batch_size=BLOCK)

    found = mapped((keys[places[0]], values, recorded, jtu.tree_map(flat, arrays)))
    failed = np.asarray(trained.result).reshape(-1) != 0
    unknown = np.full(failed.shape, np.nan)
    names = [quantity.name for quantity in model.quantities]
    simulated = {name: np.where(failed, np.nan, found[0][name]).reshape(shape) for name in names}
    predicted = {name: np.asarray(found[1].get(name, unknown)).reshape(shape) for name in names}
    return simulated, predicted

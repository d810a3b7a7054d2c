"""The step of a system in continuous time, as what decides how far back it sees."""

import math
from typing import Any, TypeVar

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey

LayerT = TypeVar("LayerT", bound=eqx.Module)


def check_timescales(name: str, dt_min: float, dt_max: float) -> None:
    """Refuses steps that are no range.

    Raises:
        ValueError: with what was needed and what was got.
    """
    if not 0 < dt_min <= dt_max or not math.isfinite(dt_max):
        raise ValueError(f"{name} needs 0 < dt_min <= dt_max, got {dt_min} and {dt_max}.")


def log_timescales(
    key: PRNGKey, shape: tuple[int, ...], dt_min: float, dt_max: float, dtype: Any
) -> Float[Array, "..."]:
    r"""$\log \Delta$, uniform between those of two steps."""
    return jr.uniform(key, shape, dtype, math.log(dt_min), math.log(dt_max))


@cite("gu2023train")
def timescale_range(shortest: float, longest: float | None = None) -> tuple[float, float]:
    r"""The range `(dt_min, dt_max)` for dependencies over so many steps.

    A memory in continuous time has one unit of it: its window is $[0, 1]$ (LegT, FouT), or it decays as $e^{-t}$
    (LegS). In steps of $\Delta$ it reaches back $1 / \Delta$ of them.

    Args:
        shortest: steps over which the nearest dependency reaches.
        longest: that of the farthest; by default the same.

    Raises:
        ValueError: if they are not positive and in this order.

    !!! example
        ```python
        import linnet as ln

        dt_min, dt_max = ln.nn.timescale_range(10, 1000)  # 0.001, 0.1: the defaults of S4
        ```
    """
    longest = shortest if longest is None else longest
    if not 0 < shortest <= longest or not math.isfinite(longest):
        raise ValueError(
            f"timescale_range needs 0 < shortest <= longest numbers of steps, got {shortest} and {longest}."
        )
    return 1 / longest, 1 / shortest


@cite("gu2022efficiently", "smith2023simplified")
def resample(layer: LayerT, step_rescale: float) -> LayerT:
    r"""A trained layer for sequences that were sampled at another rate: all steps $\Delta$ times a factor.

    Args:
        layer: one in continuous time, with `log_dt`: `LSSL`, `S4`, `S4D`, `S5`.
        step_rescale: 2 where only every second step is left.

    Raises:
        ValueError: for a layer that is not in continuous time, or a factor that is not positive.
    """
    log_dt = getattr(layer, "log_dt", None)
    if log_dt is None:
        raise ValueError(f"resample needs a layer in continuous time, with `log_dt`; {type(layer).__name__} has none.")
    if not 0 < step_rescale < math.inf:
        raise ValueError(f"resample needs a positive factor of the steps, got {step_rescale}.")
    return eqx.tree_at(lambda found: found.log_dt, layer, log_dt + math.log(step_rescale))

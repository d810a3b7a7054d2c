"""Systems by name, from the table."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .._cite import cite
from . import (
    _flows_biology as _flows_biology,
    _flows_delay as _flows_delay,
    _flows_fluid as _flows_fluid,
    _flows_hyper as _flows_hyper,
    _flows_lorenz as _flows_lorenz,
    _flows_mechanics as _flows_mechanics,
    _flows_oscillators as _flows_oscillators,
    _flows_simple as _flows_simple,
    _flows_sprott as _flows_sprott,
    _maps as _maps,
)
from ._delay_flow import DelayFlow
from ._equations import DELAYS, FLOWS, MAPS
from ._flow import Flow
from ._map import IteratedMap
from ._system import closest
from ._table import FLAGS, KINDS, table


@cite("gilpin2021chaos")
def get(name: str, *, dtype: Any = None) -> Flow | DelayFlow | IteratedMap:
    """A system of the table.

    Args:
        name: its name, as `names()` lists it.
        dtype: the floating dtype of its parameters and states, by default JAX's.

    Returns:
        A `Flow`, a `DelayFlow` or an `IteratedMap`.

    Raises:
        ValueError: if no system has this name; the sentence has the closest ones.

    ```python
    lorenz = ln.systems.get("Lorenz")
    orbit = lorenz.orbit(1000, points_per_period=100)
    orbit.states.shape  # (1000, 3)
    ```
    """
    entries = table()
    if name not in entries:
        raise ValueError(
            f"There is no system {name!r}{closest(name, entries)}; `linnet.systems.names()` lists all {len(entries)}."
        )
    entry = entries[name]
    dtype = jnp.result_type(float) if dtype is None else jnp.dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"The states of {name} are real floating-point arrays, got the dtype {dtype}.")
    parameters = {key: jnp.asarray(value, dtype) for key, value in entry["parameters"].items()}
    kind, function = {
        "flow": (Flow, FLOWS),
        "delay": (DelayFlow, DELAYS),
        "map": (IteratedMap, MAPS),
    }[entry["kind"]]
    return kind(
        name=name,
        function=function[name],
        parameters=parameters,
        initial=jnp.asarray(entry["initial"], dtype),
        period=entry["period"],
        dt=entry["dt"],
        flags=tuple(entry.get("flags", ())),
        unbounded=tuple(entry.get("unbounded", ())),
        citation=entry["citation"],
        shapes=tuple((key, np.shape(value)) for key, value in entry["parameters"].items()),
    )


def names(
    *, kind: str | None = None, dimension: int | None = None, flags: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The names of the systems, flows before delay flows before maps, each in alphabetical order.

    Args:
        kind: only "flow", "delay" or "map".
        dimension: only those with so many coordinates.
        flags: only those with all of these flags (see `FLAGS`).
        without: none with any of these flags.

    Raises:
        ValueError: if the kind or a flag is not known.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"A kind of system is one of {', '.join(KINDS)}, got {kind!r}.")
    for flag in (*flags, *without):
        if flag not in FLAGS:
            raise ValueError(f"There is no flag {flag!r}{closest(flag, FLAGS)}; there are {', '.join(FLAGS)}.")
    return tuple(
        name
        for name, entry in table().items()
        if (kind is None or entry["kind"] == kind)
        and (dimension is None or len(entry["initial"]) == dimension)
        and set(flags) <= set(entry.get("flags", ()))
        and not set(without) & set(entry.get("flags", ()))
    )

"""What a second call with new data of the same shape compiles: nothing."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import linnet as ln
from tests.compilations import count_compilations

from ._row import Row

NAME = "compilations"


def measure(points: int = 50) -> list[Row]:
    """Calls simulate, ensemble and predict with one data set, and counts what the call with the next one compiles.

    Args:
        points: times that are recorded.
    """
    ts = jnp.linspace(0.0, 1.0, points)
    inputs = {seed: _data(seed) for seed in (0, 1)}
    calls = {"simulate": _simulate, "ensemble": _ensemble, "predict": _predict}
    rows = []
    for name, call in calls.items():
        with count_compilations() as first:
            jax.block_until_ready(call(*inputs[0], ts))
        with count_compilations() as second:
            jax.block_until_ready(call(*inputs[1], ts))
        note = f"the first call compiled {len(first)}"
        rows.append(Row(NAME, f"{name} on new data", float(len(second)), "programs", "<=", 0.0, note=note))
    return rows


def _data(seed: int) -> tuple[Any, ln.tasks.Batch]:
    """A small network and samples in whitened form, other ones for every seed."""
    rng = np.random.default_rng(seed)
    x = np.linalg.qr(rng.standard_normal((40, 5)))[0] * np.sqrt(40)
    batch = ln.tasks.Batch(jnp.asarray(x), jnp.asarray(x @ rng.standard_normal((5, 3))))
    return ln.nn.small(1e-3)(ln.nn.DeepLinear, (5, 8, 3), key=jr.key(seed)), batch


def _simulate(network: Any, batch: ln.tasks.Batch, ts: jax.Array) -> Any:
    return ln.learn.simulate(network, batch, ts, rule=ln.learn.Descent(0.01)).values


def _ensemble(network: Any, batch: ln.tasks.Batch, ts: jax.Array) -> Any:
    start = ln.nn.small(1e-3)

    def make(key: jax.Array) -> tuple[Any, Any, Any]:
        return start(network, key=key), batch, ln.learn.Descent(0.01)

    return ln.learn.ensemble(make, ts, {"seed": 4}, key=jr.key(0)).values


def _predict(network: Any, batch: ln.tasks.Batch, ts: jax.Array) -> Any:
    return ln.theory.predict(network, batch, ts, theory=ln.theory.SmallInitialization()).values

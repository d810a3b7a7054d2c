"""Predictions of a thousand time points, as shares of the simulations that they replace."""

import functools as ft
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import linnet as ln

from ._clock import race
from ._row import Row

NAME = "predictions"
SHARE = 1.0


class Size(NamedTuple):
    """How large the simulated runs are.

    Args:
        points: times that are predicted.
        sizes: of the two-layer network.
        rate: learning rate of the descent that stands for one simulated run.
        recurrent: sizes of the recurrent network.
        length: steps of its sequences.
        seeds: members of its ensemble.
    """

    points: int = 1000
    sizes: tuple[int, int, int] = (16, 32, 8)
    rate: float = 1e-4
    recurrent: tuple[int, int, int] = (8, 32, 8)
    length: int = 20
    seeds: int = 16


SIZE = Size()


def measure(size: Size = SIZE, rounds: int = 5) -> list[Row]:
    """Races closed forms against one run each, and the mode ODE against an ensemble.

    Args:
        size: of the runs.
        rounds: how often each runs after the first call.
    """
    return [*closed_forms(size, rounds), mode_ode(size, max(1, rounds // 2))]


def whitened_task(sizes: tuple[int, int, int]) -> ln.tasks.Moments:
    """White inputs and a singular value from 3 to 1 for every output."""
    rng = np.random.default_rng(0)
    left, right = _orthonormal(rng, sizes[2], sizes[2]), _orthonormal(rng, sizes[0], sizes[2])
    values = np.linspace(3.0, 1.0, sizes[2])
    cross = (left * values) @ right.T
    power = (left * (values**2 + 0.1)) @ left.T
    return ln.tasks.Moments(jnp.eye(sizes[0]), jnp.asarray(cross), jnp.asarray(power))


def _orthonormal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def closed_forms(size: Size, rounds: int) -> list[Row]:
    """Each closed form on a network that it is about, against descent and against adaptive gradient flow."""
    task = whitened_task(size.sizes)
    ts = jnp.linspace(0.0, 12.0, size.points)
    starts = {
        "DeepLinearModes": ln.nn.aligned(task, 1e-3),
        "SmallInitialization": ln.nn.small(1e-3),
        "BalancedRiccati": ln.nn.zero_balanced(ln.nn.small(1e-2)),
    }
    networks = {name: start(ln.nn.DeepLinear, size.sizes, key=jr.key(0)) for name, start in starts.items()}
    network = networks["SmallInitialization"]
    contestants = {
        name: ft.partial(_predicted, networks[name], task, ts, getattr(ln.theory, name)()) for name in networks
    }
    contestants["descent"] = ft.partial(_simulated, network, task, ts, ln.learn.Descent(size.rate))
    contestants["adaptive flow"] = ft.partial(_simulated, network, task, ts, ln.learn.GradientFlow())
    ran = race(contestants, rounds)
    rows = []
    for name in networks:
        for run in ("descent", "adaptive flow"):
            what = f"{name}, {size.points} points / one run by {run}"
            if run == "descent":
                what += f" (learning rate {size.rate:g})"
            seconds = {each: ran.best(each).as_dict() for each in (name, run)}
            share = 100 * ran.best(name).cpu / ran.best(run).cpu
            note = f"compiled in {ran.first[name].wall:.2g} s, the run in {ran.first[run].wall:.2g} s"
            rows.append(Row(NAME, what, share, "%", "<", SHARE, seconds, note))
    return rows


def _predicted(network: Any, task: Any, ts: jax.Array, theory: ln.theory.AbstractTheory) -> dict[str, jax.Array]:
    return ln.theory.predict(network, task, ts, theory=theory).values


def _simulated(network: Any, task: Any, ts: jax.Array, rule: Any) -> dict[str, jax.Array]:
    return ln.learn.simulate(network, task, ts, rule=rule).values


def mode_ode(size: Size, rounds: int) -> Row:
    """The equations of aligned recurrent modes against an ensemble of linear recurrent networks by gradient flow."""
    rng = np.random.default_rng(0)
    inputs, _, outputs = size.recurrent
    left, right = _orthonormal(rng, outputs, outputs), _orthonormal(rng, inputs, outputs)
    profile = 0.8 ** np.arange(size.length - 1, -1, -1)
    values = np.linspace(3.0, 1.0, outputs) * profile[:, None]
    cross = np.einsum("om,tm,im->toi", left, values, right)
    task = ln.tasks.TemporalMoments(None, jnp.asarray(cross), 40 * jnp.eye(outputs))
    start, ts = ln.nn.aligned(task, (0.05, 0.1, 0.05)), jnp.linspace(0.0, 5.0, size.points)

    def make(key: jax.Array) -> tuple[Any, Any, Any]:
        return start(ln.nn.LinearRNN, size.recurrent, key=key), task, ln.learn.GradientFlow()

    def together() -> dict[str, jax.Array]:
        return ln.learn.ensemble(make, ts, {"seed": size.seeds}, key=jr.key(0)).values

    theory, network = ln.theory.LinearRNNModes(), make(jr.key(1))[0]
    ran = race({"LinearRNNModes": ft.partial(_predicted, network, task, ts, theory), "ensemble": together}, rounds)
    one, many = ran.best("LinearRNNModes"), ran.best("ensemble")
    note = f"compiled in {ran.first['LinearRNNModes'].wall:.2g} s, the ensemble in {ran.first['ensemble'].wall:.2g} s"
    what = f"LinearRNNModes, {size.points} points / ensemble of {size.seeds} seeds by adaptive flow"
    seconds = {"LinearRNNModes": one.as_dict(), "ensemble": many.as_dict()}
    return Row(NAME, what, 100 * one.cpu / many.cpu, "%", "<", SHARE, seconds, note)

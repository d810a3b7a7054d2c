"""All methods on all series: what each forecasts, its errors and how long it is good."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr

from .. import nn
from .._cite import cite
from .._types import PRNGKey
from ..config import Gilpin2021Chaos
from ._gilpin2021_linear import reservoirs, sparse_reservoirs
from ._gilpin2021_methods import Pieces, choose_echo, choose_polynomial, errors, standardise, valid_steps
from ._gilpin2021_networks import network_forecasts, train
from ._gilpin2021_orbits import Orbits

#: Of the published reservoirs, as the benchmark's code sets them; only the leak is chosen.
PUBLISHED = {"radius": 0.99, "scale": 1.0, "bias": 1.0}
#: What the readout of all published ridge regressions was fitted with, in the systems' own units.
PUBLISHED_RIDGE = 1e-4


@cite("gilpin2021chaos", "gilpin2023model", "jaeger2004harnessing", "gauthier2021next")
def forecasts(
    config: Gilpin2021Chaos, orbits: Orbits, noise: float, *, networks: bool, key: PRNGKey,
    progress: Callable[[str], None],
) -> tuple[xr.Dataset, xr.Dataset]:  # fmt: skip
    """Errors and valid times of every method on every series.

    Args:
        config: the settings.
        orbits: of all systems.
        noise: of the observations, in standard deviations; forecasts are compared with what was without noise.
        networks: whether the GRU and the MLP are trained too.
        key: of noise, reservoirs and networks.
        progress: told the stage.

    Returns:
        By method, system and piece: the sMAPE over the horizon, `error`, and the good steps, `valid`; and by system the
        settings that were chosen.
    """
    sizes, known, pieces = orbits.sizes, orbits.known, orbits.testing.shape[1]
    each, (count, width) = np.repeat(sizes, pieces), (len(sizes), orbits.tuning.shape[-1])
    keys = jr.split(key, 6)
    clean = orbits.testing.reshape(-1, *orbits.testing.shape[2:])
    tuning = standardise(_noisy(orbits.tuning, noise, known, keys[0]), sizes, known)
    testing = standardise(_noisy(clean, noise, known, keys[1]), each, known)
    # Choices see nothing but the noisy series; what is scored at last is the truth.
    truth = Pieces(jnp.asarray((clean - testing.mean) / testing.scale), testing.mean, testing.scale, each, known)
    lengths = tuple(known * fifths // 5 for fifths in (2, 3, 4, 5))
    found: dict[str, np.ndarray] = {}
    told = lambda what: lambda stage: progress(f"{what}: {stage}")  # noqa: E731

    last = np.asarray(testing.values[:, known - 1 : known])
    found["persistence"] = np.repeat(last, clean.shape[1] - known, axis=1)
    lags = [{"num_delays": delays, "degree": 1, "stride": 1} for delays in config.delays]
    one = choose_polynomial(
        tuning.raw(), testing.raw(), lags, (PUBLISHED_RIDGE,), (known,), values=True,
        progress=told("linear maps with the published settings"),
    )  # fmt: skip
    found["linear, as published"] = (one.forecasts - testing.mean) / testing.scale
    leaks = [{"leak": leak, **PUBLISHED} for leak in config.published_leaks]
    net = sparse_reservoirs(width, config.published_units, key=keys[2])
    old, _ = choose_echo(
        net, tuning.raw(), testing.raw(), leaks, (PUBLISHED_RIDGE,), (known,),
        progress=told("reservoirs with the published settings"),
    )  # fmt: skip
    found["echo state, as published"] = (old.forecasts - testing.mean) / testing.scale

    # With up to 120 delays these are the largest of the regressions: scored after two lengths, not four.
    linear = choose_polynomial(tuning, testing, lags, config.ridges, lengths[1::2], progress=told("linear maps"))
    found["linear"] = linear.forecasts
    terms = [{"num_delays": 1, "degree": degree, "stride": 1} for degree in config.degrees]
    terms += [{"num_delays": 2, "degree": degree, "stride": 1} for degree in config.pairs]
    products = choose_polynomial(
        tuning, testing, terms, config.ridges, lengths, most=config.features, progress=told("polynomials")
    )
    found["polynomial"] = products.forecasts
    grid = [
        {"radius": radius, "leak": leak, "scale": scale, "bias": config.bias}
        for radius, leak, scale in itertools.product(config.radii, config.leaks, config.scales)
    ]
    net, order = reservoirs(width, config.units, key=keys[5]), np.roll(np.arange(count), max(1, count // 3))
    echo, other = choose_echo(
        net, tuning, testing, grid, config.ridges, lengths, order=order, progress=told("reservoirs")
    )
    found["echo state"] = echo.forecasts
    if other is not None:
        found["echo state, another's settings"] = other.forecasts
    if networks:
        found |= _networks(config, testing, keys[3:5], told)

    data = {
        "error": np.stack([errors(truth, one[:, : config.horizon]) for one in found.values()]),
        "valid": np.stack([valid_steps(truth, one) for one in found.values()]),
    }
    shape = (len(found), count, pieces)
    axes = ("method", "system", "piece")
    scores = xr.Dataset(
        {name: (axes, np.minimum(value, 200.0 if name == "error" else np.inf).reshape(shape))
         for name, value in data.items()},
        {"method": list(found), "system": list(orbits.names)},
    )  # fmt: skip
    chosen = {key: [grid[i][key] for i in echo.settings[:, 0]] for key in ("radius", "leak", "scale")}
    chosen["ridge"] = [config.ridges[i] for i in echo.settings[:, 1]]
    chosen["degree"] = [terms[i]["degree"] for i in products.settings[:, 0]]
    chosen["points"] = [terms[i]["num_delays"] for i in products.settings[:, 0]]
    settings = {key: ("system", np.array(value, float)) for key, value in chosen.items()}
    return scores, xr.Dataset(settings, {"system": list(orbits.names)})


def _noisy(pieces: np.ndarray, noise: float, known: int, key: PRNGKey) -> np.ndarray:
    """Pieces with noise, a fraction of the standard deviation of each coordinate."""
    if not noise:
        return pieces
    spread = pieces[:, :known].std(axis=1, keepdims=True)
    return pieces + noise * spread * np.asarray(jr.normal(key, pieces.shape))


def _networks(config: Gilpin2021Chaos, testing: Pieces, keys: Any, told: Any) -> dict[str, np.ndarray]:
    """What trained networks forecast, of every series its own."""
    series = testing.values[:, : testing.known].astype(jnp.float32)
    mask, num, width = jnp.asarray(testing.mask()), testing.values.shape[1] - testing.known, series.shape[-1]
    kinds: dict[str, tuple[Callable[[PRNGKey], Any], dict[str, Any]]] = {
        "MLP": (
            lambda key: nn.MLP((width, config.mlp_units, config.mlp_units, width), dtype=jnp.float32, key=key),
            {"steps": config.mlp_steps, "batch": 32, "read": 1, "free": 8},
        ),
        "GRU": (
            lambda key: nn.GRU((width, config.gru_units, width), dtype=jnp.float32, key=key),
            {"steps": config.gru_steps, "batch": 16, "read": 32, "free": 8},
        ),
    }
    found = {}
    for key, (name, (make, options)) in zip(keys, kinds.items()):
        nets, sizes = train(make, series, mask, rate=config.rate, key=key, progress=told(name), **options)
        run = network_forecasts(nets, series, sizes, num)
        found[name] = np.asarray(jax.block_until_ready(run), float)
        del nets
    return found

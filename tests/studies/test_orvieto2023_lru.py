"""The numerics of the study of the linear recurrent unit, its rungs, and one small run of it."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

from linnet import config, nn, studies
from linnet.studies._lru_ladder import DIAGONAL, dense_unit, diagonal_unit
from linnet.studies._orvieto2023_lru import ring_power
from tests.tolerances import assert_close

RING = (0.9, 0.99)


def test_the_power_of_a_ring_is_an_integral():
    total = scipy.integrate.quad(lambda r: 2 * r / (1 - r**2), 0.8, 0.99)[0] / (0.99**2 - 0.8**2)
    assert ring_power(0.8, 0.99) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("rung", range(len(DIAGONAL)))
def test_diagonal_rungs_are_their_formula(rung):
    unit = diagonal_unit(rung, 3, 5, RING, 2.0, jnp.float64, jr.key(0))
    p, q = np.asarray(unit.first), np.asarray(unit.second)
    poles = [p + 1j * q, np.exp(-p + 1j * q), np.exp(-np.exp(p) + 1j * np.exp(q))][min(rung, 2)]
    assert_close(unit.poles(), poles, "exact")
    inside = (0.0, 1.0) if rung < 3 else RING
    assert np.all((np.abs(poles) > inside[0]) & (np.abs(poles) < inside[1]))
    gain = np.sqrt(1 - np.abs(poles) ** 2) if rung == 4 else np.ones(5)
    b, c = (np.asarray(part[0]) + 1j * np.asarray(part[1]) for part in (unit.read_in, unit.read_out))
    xs = np.random.default_rng(0).normal(size=(7, 3))
    state, ys = np.zeros(5, complex), []
    for x in xs:
        state = poles * state + gain * (b @ x)
        ys.append((c @ state).real + np.asarray(unit.skip) * x)
    found, last = eqx.filter_jit(unit)(jnp.asarray(xs))
    assert_close(found, ys, "exact")
    assert_close(last[0] + 1j * last[1], state, "exact")


def test_the_last_rung_is_the_layer():
    unit = diagonal_unit(4, 3, 5, RING, 2.0, jnp.float64, jr.key(0))
    layer = nn.LRU(3, 5, output="none", key=jr.key(1))
    parts = unit.first, unit.second, unit.gain_log, unit.read_in, unit.read_out, unit.skip
    layer = eqx.tree_at(
        lambda l: (l.nu_log, l.theta_log, l.gamma_log, l.read_in, l.read_out, l.skip), layer, parts
    )  # fmt: skip
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(9, 3)))
    assert_close(unit(xs)[0], layer(xs)[0], "exact")


@pytest.mark.parametrize("rung", [0, 1])
def test_dense_rungs_are_their_formula(rung):
    unit = dense_unit(rung, 3, 5, jnp.float64, jr.key(0))
    a, b, c, d = (np.asarray(part) for part in (unit.recurrent, unit.read_in, unit.read_out, unit.skip))
    xs = np.random.default_rng(0).normal(size=(7, 3))
    state, ys = np.zeros(5), []
    for x in xs:
        state = a @ state + b @ x
        state = state if rung else np.tanh(state)
        ys.append(c @ state + d * x)
    assert_close(unit(jnp.asarray(xs))[0], ys, "exact")


@pytest.mark.slow
def test_a_small_study_holds():
    found = studies.STUDIES["orvieto2023-lru"](config.load("orvieto2023-lru", "quick"), key=jr.key(0))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"r_min": 0.99}, "--r-min must be below --r-max and that below 1, got 0.99 and 0.99"),
        ({"copy_r_max": 1.0}, "--copy-r-min must be below --copy-r-max and that below 1"),
        ({"delay": 2}, "--delay must be above --copied, 3"),
        ({"units": 10}, "--units must be at least 100"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("orvieto2023-lru", "quick", **settings)

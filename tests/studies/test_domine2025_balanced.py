"""The numerics under the study of balance, against closed forms."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from linnet import config, nn, studies
from linnet.studies._domine2025_balanced import _gap, _movement, _reverse, _rise, _task


def test_rises_of_an_exponential_and_of_a_sigmoid_are_the_closed_forms():
    ts = np.linspace(0, 60, 60001)
    np.testing.assert_allclose(_rise(ts, 1 - np.exp(-ts)), np.log(9) / np.log(2), rtol=1e-4)
    delayed = 1 / (1 + np.exp(-2 * (ts - 10)))
    np.testing.assert_allclose(_rise(ts, delayed), np.log(81) / 2 / 10, rtol=1e-4)


def test_tasks_have_the_modes_that_they_say():
    moments = _task(jr.key(0), 6, 4)
    np.testing.assert_allclose(np.linalg.svd(np.asarray(moments.yx), compute_uv=False), [3, 7 / 3, 5 / 3, 1])
    np.testing.assert_allclose(moments.yy, moments.yx @ moments.yx.T)


def test_kernels_of_two_layers_move_by_their_closed_form():
    """K = I x W2 W2^T + W1^T W1 x I on white inputs, in NumPy."""
    rng = np.random.default_rng(0)
    pairs = [[rng.normal(size=(3, 2)), rng.normal(size=(2, 3))] for _ in range(2)]
    kernels = [np.kron(np.eye(2), b @ b.T) + np.kron(a.T @ a, np.eye(2)) for a, b in pairs]
    expected = 1 - np.sum(kernels[0] * kernels[1]) / np.prod([np.linalg.norm(k) for k in kernels])
    networks = (nn.DeepLinear.__new__(nn.DeepLinear) for _ in pairs)
    stacked = []
    for network, pair in zip(networks, pairs, strict=True):
        object.__setattr__(network, "weights", tuple(jnp.asarray(w)[None, None] for w in pair))
        stacked.append(network)
    np.testing.assert_allclose(_movement(*stacked, jnp.eye(2)), [[expected]], rtol=1e-10)
    assert _gap(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])) == 0.5


def test_reversal_with_balance_is_that_of_the_scalar_modes():
    """a' = b (-1 - a b), b' = a (-1 - a b) from a b = 1 and a^2 - b^2 = 1, by SciPy."""
    outer = (1 + np.sqrt(5)) / 2
    start = [np.sqrt(outer), 1 / np.sqrt(outer)]
    path = solve_ivp(lambda t, w: [w[1] * (-1 - w[0] * w[1]), w[0] * (-1 - w[0] * w[1])], (0, 8), start, rtol=1e-9)
    np.testing.assert_allclose(_reverse(jr.key(0), 2, 1.0), -np.prod(path.y[:, -1]), rtol=1e-4)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("domine2025-balanced", "quick", size=3, inputs=6, balances=(-10.0, 0.0), times=60)
    found = studies.STUDIES["domine2025-balanced"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)

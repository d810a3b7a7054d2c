"""The numerics under the study of integration, against plain NumPy."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies
from linnet.studies._proca2025_integration import _losses, _sampled, integration, mean_loss

SETTINGS = config.load("proca2025-integration", "quick", modalities=1)


def brute_force(network, task):
    """The loss by the covariance of all inputs at once, written out entry by entry."""
    steps, covariance = task.num_steps, np.asarray(task.stimulus_covariance)
    size = covariance.shape[0]
    gain = 1 / steps if task.mean else 1.0
    maps = [np.linalg.multi_dot([network.output_weights, np.linalg.matrix_power(network.recurrent_weights, k),
                                 network.input_weights]) for k in range(steps)][::-1]  # fmt: skip
    error = np.concatenate([gain * np.eye(size) - m for m in maps], axis=1)
    inputs = np.kron(np.ones((steps, steps)), covariance) + float(task.noise_variance) * np.eye(steps * size)
    return 0.5 * np.trace(error @ inputs @ error.T)


@pytest.mark.parametrize("stimulus", [0, 1])
@pytest.mark.parametrize("report", [0, 1])
def test_losses_at_another_length_are_those_of_the_full_covariance(stimulus, report):
    keys = jr.split(jr.key(0), 3)
    weights = [0.6 * jr.normal(k, (2, 3, shape[1]) if shape[0] == 3 else (2, *shape)) for k, shape in zip(
        keys, [(3, 2), (3, 3), (2, 3)])]  # fmt: skip
    stacked = nn.LinearRNN.__new__(nn.LinearRNN)
    for name, value in zip(("input_weights", "recurrent_weights", "output_weights"), weights):
        object.__setattr__(stacked, name, value[:, None])
    task = integration(SETTINGS, 7, stimulus, report)
    found = _losses(stacked, task.moments())
    expected = [brute_force(nn.LinearRNN(*(value[i] for value in weights)), task) for i in range(2)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-10)


@pytest.mark.parametrize("stimulus", [0, 1])
def test_a_perfect_network_of_the_mean_fails_by_the_closed_form(stimulus):
    """Recurrence 1, output 1/4: what training on 4 steps asks for; at 9 steps the loss is the predicted one."""
    network = nn.LinearRNN(jnp.eye(2), jnp.eye(2), jnp.eye(2) / 4)
    np.testing.assert_allclose(brute_force(network, integration(SETTINGS, 4, stimulus, 1)), 0, atol=1e-12)
    task = integration(SETTINGS, 9, stimulus, 1)
    np.testing.assert_allclose(mean_loss(task, 4), brute_force(network, task), rtol=1e-12)
    if not stimulus:
        np.testing.assert_allclose(mean_loss(task, 4), 2 * 9 / 2 * (1 / 9 - 1 / 4) ** 2)
    batch = task.sample(4000, key=jr.key(3))
    each = np.asarray(_sampled(network, batch))
    assert abs(each.mean() - mean_loss(task, 4)) < 4 * each.std() / np.sqrt(4000)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("proca2025-integration", "quick", seeds=2, hidden=8, lengths=(30,))
    found = studies.STUDIES["proca2025-integration"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)

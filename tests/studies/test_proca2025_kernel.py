"""The numerics under the study of kernels, against finite differences and the kernels of linnet."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import analyse, config, nn, studies
from linnet.studies._proca2025_kernel import (
    closed_distance,
    distance,
    numpy_kernel,
    printed_kernel,
    unit_sequences,
    unpack,
)

MODES, HIDDEN, STEPS = 2, 3, 4
SIZE = HIDDEN * (2 * MODES + HIDDEN)


def flat(entering, recurrent, leaving):
    return np.concatenate([entering.ravel(), recurrent.ravel(), leaving.ravel()])


def test_kernels_by_complex_steps_are_those_of_finite_differences_and_of_jacobians():
    weights = np.random.default_rng(0).normal(size=SIZE) / 2
    units = unit_sequences(STEPS, MODES, STEPS)

    def outputs(values):
        entering, recurrent, leaving = unpack(values, MODES, HIDDEN)
        state = np.zeros((len(units), HIDDEN))
        for t in range(STEPS):
            state = state @ recurrent.T + units[:, t] @ entering.T
        return (state @ leaving.T).ravel()

    steps = 1e-5 * np.eye(SIZE)
    jacobian = np.stack([(outputs(weights + s) - outputs(weights - s)) / 2e-5 for s in steps], axis=1)
    found = numpy_kernel(weights, MODES, HIDDEN, STEPS)
    np.testing.assert_allclose(found, jacobian @ jacobian.T, atol=1e-8)
    network = nn.LinearRNN(*map(jnp.asarray, unpack(weights, MODES, HIDDEN)))
    kernel = analyse.tangent_kernel(network, jnp.asarray(units), output=nn.apply_last)
    np.testing.assert_allclose(found, np.asarray(kernel).reshape(found.shape), rtol=1e-11, atol=1e-13)


def test_shorter_sequences_are_long_ones_that_begin_silent():
    """The kernel on pulses in the last two of four steps is that of two steps."""
    weights = np.random.default_rng(1).normal(size=SIZE)
    long = numpy_kernel(weights, MODES, HIDDEN, STEPS)
    np.testing.assert_allclose(long[-2 * MODES**2 :, -2 * MODES**2 :], numpy_kernel(weights, MODES, HIDDEN, 2))
    assert unit_sequences(STEPS, MODES, 2).shape == (4, STEPS, MODES)
    assert not unit_sequences(STEPS, MODES, 2)[:, :2].any()


def test_the_printed_kernel_is_right_only_where_the_recurrence_commutes_with_its_change():
    rng = np.random.default_rng(2)
    entering, leaving = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    for recurrent, right in ((0.7 * np.eye(2), True), (rng.normal(size=(2, 2)), False)):
        weights = flat(entering, recurrent, leaving)
        exact, printed = numpy_kernel(weights, 2, 2, STEPS), printed_kernel(weights, 2, 2, STEPS)
        assert np.allclose(exact, printed, rtol=1e-10) is right


@pytest.mark.parametrize("start", [(0.2, 0.2), (1.0, 0.3), (0.4, 1.0), (1.0, 1.0)])
def test_aligned_kernels_move_as_far_as_that_of_a_single_unit(start):
    outer, recurrent = start
    left, right, basis = (np.linalg.qr(np.random.default_rng(i).normal(size=(n, n)))[0][:, :2]
                          for i, n in enumerate((2, 2, HIDDEN)))  # fmt: skip

    def kernel(a, b):
        return numpy_kernel(flat(a * basis @ right.T, b * basis @ basis.T, a * left @ basis.T), 2, HIDDEN, STEPS)

    np.testing.assert_allclose(distance(kernel(outer, recurrent), kernel(1, 1)), closed_distance(STEPS, *start),
                               atol=1e-12)  # fmt: skip


def test_from_infinitely_weak_weights_the_kernel_moves_by_what_the_longest_lags_weigh():
    """Only lag 0 is left of the first kernel: 1 - 2 / |2 + p q|, for two steps 1 - 2 / sqrt(21)."""
    np.testing.assert_allclose(closed_distance(2, 1e-7, 1e-7), 1 - 2 / np.sqrt(21), atol=1e-6)
    assert closed_distance(1, 0.1, 0.1) == pytest.approx(0, abs=1e-15)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("proca2025-kernel", "quick", seeds=3, steps=(1, 2, 3), scales=(0.1, 1.0))
    found = studies.STUDIES["proca2025-kernel"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)

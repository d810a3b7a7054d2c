"""The three transitions between feedforward and recurrent solutions, against brute force."""

import jax.numpy as jnp
import numpy as np
import pytest

import linnet as ln


def crossing_by_brute_force(steps, b_max, early=None):
    """The ratio at which the least energy over a grid of b leaves b = 0, by bisection over NumPy tables."""
    b = np.linspace(0, b_max, 40001)
    lags = np.arange(steps - 1, -1, -1)
    early = np.eye(steps - 1)[0] if early is None else early
    table = b[None, :] ** lags[:, None]

    def recurrent(ratio):
        s = np.append(ratio * early, 1.0)
        energy = np.sum(s**2) - (s @ table) ** 2 / np.sum(table**2, axis=0)
        return np.min(energy) < energy[0] - 1e-12

    low, high = 0.0, 8.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if recurrent(middle) else (middle, high)
    return high


@pytest.mark.parametrize(("steps", "b_max"), [(3, 2.0), (4, 2.0), (5, 2.0), (7, 1.5), (12, 3.0)])
def test_energetic_transition_bounded(steps, b_max):
    found = float(ln.theory.energetic_transition(steps, b_max=b_max))
    assert abs(found - crossing_by_brute_force(steps, b_max)) < 1e-4


def test_energetic_transition_of_a_profile():
    early = np.array([0.2, 0.7, 0.4, 0.0])
    found = float(ln.theory.energetic_transition(5, b_max=2.0, profile=jnp.array(early)))
    assert abs(found - crossing_by_brute_force(5, 2.0, early)) < 1e-4
    # importance just before the last step: there is always some recurrence
    assert ln.theory.energetic_transition(5, profile=jnp.ones(4)) == 0


@pytest.mark.parametrize(("steps", "ratio"), [(2, 0.0), (3, 0.5), (4, 1.0), (5, 1.0), (6, 1.0), (20, 1.0)])
def test_energetic_transition_unbounded(steps, ratio):
    assert abs(float(ln.theory.energetic_transition(steps)) - ratio) < 1e-6


def test_bounded_search_is_the_papers_critical_point():
    for b_max in (1.5, 2.0, 3.0):
        beta = float(ln.theory.energetic_transition(60, b_max=b_max)) ** 0.5
        assert abs(beta - (1 - b_max**-2.0) ** -0.25) < 1e-4


def test_energy_is_dual():
    beta, steps = 1.3, 6
    s = lambda beta: jnp.array([beta, *[0.0] * (steps - 2), 1 / beta])  # noqa: E731
    for b in (0.4, 1.0, 1.7):
        one = ln.theory.minimized_energy(b, s(beta))[0]
        other = ln.theory.minimized_energy(1 / b, s(1 / beta))[0]
        assert abs(float(one - other)) < 1e-12


@pytest.mark.parametrize(("steps", "ratio"), [(2, 0.0), (3, 0.5), (4, np.inf), (8, np.inf)])
def test_spinodal_transition(steps, ratio):
    found = float(ln.theory.spinodal_transition(steps))
    assert found == ratio
    # The curvature of the minimised energy at b = 0 changes sign there (or never does).
    for factor, stable in ((0.98, True), (1.02, False)):
        if 0 < ratio < np.inf:
            s = jnp.array([factor * ratio, 0.0, 1.0])
            assert (ln.theory.minimized_energy(1e-3, s)[0] > ln.theory.minimized_energy(0.0, s)[0]) == stable
    if ratio == np.inf:
        s = jnp.array([50.0, *[0.0] * (steps - 2), 1.0])
        assert ln.theory.minimized_energy(1e-4, s)[0] > ln.theory.minimized_energy(0.0, s)[0]


def test_recurrent_window():
    """A local minimum of the energy at finite b exists within the window and not outside of it, on a fine grid."""

    def has_minimum(steps, ratio):
        b = np.linspace(0.02, 30, 60001)
        s = np.array([ratio, *[0.0] * (steps - 2), 1.0])
        energy = np.asarray(ln.theory.minimized_energy(jnp.array(b), jnp.array(s))[0])
        slope = np.diff(energy)
        return bool(np.any((slope[:-1] < -1e-13) & (slope[1:] > 1e-13)))

    low, high = (float(x) for x in ln.theory.recurrent_window(4))
    assert abs(low * high - 1) < 1e-6  # duality
    for ratio, inside in ((0.995 * low, False), (1.005 * low, True), (0.995 * high, True), (1.005 * high, False)):
        assert has_minimum(4, ratio) == inside
    assert ln.theory.recurrent_window(3)[0] == 0.5
    for steps in (5, 7):
        assert np.all(np.isnan(ln.theory.recurrent_window(steps)))
        assert not any(has_minimum(steps, ratio) for ratio in (0.5, 1.0, 2.0))


@pytest.mark.parametrize(
    ("steps", "initial", "critical"),
    # by an independent integration, from the collection of equations that linnet was written from
    [
        (3, [0.1, 0.7], [0.50, 0.50]),
        (5, [0.1, 0.3, 0.5, 0.7], [14.9, 2.01, 1.13, 1.03]),
        (6, [0.1, 0.3, 0.5, 0.7], [np.inf, 4.65, 1.57, 1.18]),
    ],
)
def test_dynamical_transition(steps, initial, critical):
    found = ln.theory.dynamical_transition(steps, jnp.array(initial))
    np.testing.assert_allclose(found, critical, rtol=0.02)


def test_transitions_refuse_what_has_no_recurrence():
    with pytest.raises(ValueError, match="at least 2 steps"):
        ln.theory.energetic_transition(1)
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        ln.theory.spinodal_transition(5, profile=jnp.ones(5))

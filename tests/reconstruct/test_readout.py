"""Ridge regression of readouts against NumPy, and forecasts by reservoirs."""

import jax.numpy as jnp
import numpy as np
import pytest

from linnet import nn, reconstruct, systems
from tests.tolerances import assert_close


def test_echo_state_readout_is_the_ridge_regression_of_its_states(keys):
    rng = np.random.default_rng(0)
    pieces = [rng.normal(size=(40, 2)).cumsum(axis=0), rng.normal(size=(35, 2)).cumsum(axis=0)]
    net = nn.EchoState(2, 12, leak=0.4, key=keys())
    found = reconstruct.fit_readout(net, pieces, 0.01, washout=5)
    joined = np.concatenate(pieces)
    mean, scale = joined.mean(axis=0), joined.std(axis=0)
    w, u, b = (np.asarray(leaf) for leaf in (net.recurrent_weights, net.feedback_weights, net.hidden_bias))
    features, targets = [], []
    for piece in pieces:
        series, state = (piece - mean) / scale, np.zeros(12)
        for t in range(len(series) - 1):
            state = 0.6 * state + 0.4 * np.tanh(w @ state + u @ series[t] + b)
            if t >= 4:
                features.append(np.append(state, 1.0))
                targets.append(series[t + 1])
    x, y = np.array(features), np.array(targets)
    expected = np.linalg.solve(x.T @ x + 0.01 * np.eye(13), x.T @ y).T
    model = found.model
    assert isinstance(model, nn.EchoState)
    assert_close(jnp.concatenate([model.output_weights, model.output_bias[:, None]], axis=1), expected, "closed_form")
    # The first forecast is what is read from the state that has taken up the series; then it reads itself.
    last = (pieces[1] - mean) / scale
    state, steps = np.zeros(12), []
    for x in last:
        state = 0.6 * state + 0.4 * np.tanh(w @ state + u @ x + b)
    for _ in range(3):
        y = expected[:, :-1] @ state + expected[:, -1]
        steps.append(y * scale + mean)
        state = 0.6 * state + 0.4 * np.tanh(w @ state + u @ y + b)
    assert_close(found.forecast(pieces[1], 3).values, steps, "closed_form")


def test_next_generation_reservoir_finds_the_henon_map():
    """A map of degree 2 is in its span: it is found to rounding, its external drive too."""
    rng = np.random.default_rng(0)
    drive, x = 0.02 * rng.uniform(size=(400, 1)), np.zeros((400, 2))
    for t in range(399):
        x[t + 1] = [1 - 1.4 * x[t, 0] ** 2 + x[t, 1] + 0.5 * drive[t + 1, 0], 0.3 * x[t, 0]]
    net = nn.NextGenerationReservoir(2, 1, 2, 1)
    found = reconstruct.fit_readout(net, x[:300], 0.0, washout=0, inputs=drive[:300], standardise=False)
    forecast = found.forecast(x[:300], 20, inputs=drive[300:320])
    np.testing.assert_allclose(forecast.values, x[300:320], atol=1e-6)
    assert not bool(forecast.diverged)


@pytest.mark.slow
def test_reservoirs_forecast_lorenz(keys):
    orbit = np.asarray(systems.get("Lorenz").orbit(3000, dt=0.025, transient=20.0).states)
    for model, ridge in (
        (nn.EchoState(3, 200, key=keys()), 1e-5),
        (nn.NextGenerationReservoir(3), 1e-6),
    ):
        found = reconstruct.fit_readout(model, orbit[:2500], ridge)
        for start in (1000, 2500):  # within the data, and after them
            forecast = np.asarray(found.forecast(orbit[:start], 40).values)
            error = np.sqrt(np.mean((forecast - orbit[start : start + 40]) ** 2, axis=0)) / orbit.std(axis=0)
            # One Lyapunov time; persistence has an error of more than 1.
            assert error.max() < 0.2, (type(model), error)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: reconstruct.fit_readout(nn.NextGenerationReservoir(3), x), "reads 3 columns"),
        (lambda x: reconstruct.fit_readout(nn.NextGenerationReservoir(2), x, -1.0), "not negative"),
        (lambda x: reconstruct.fit_readout(nn.NextGenerationReservoir(2), x[:50]), "smaller `washout`"),
        (lambda x: reconstruct.fit_readout(nn.NextGenerationReservoir(2), np.where(x > 2, np.nan, x)), "finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.random.default_rng(0).normal(size=(300, 2)))

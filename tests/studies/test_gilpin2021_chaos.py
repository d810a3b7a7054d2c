"""The parts of the study of chaos as a benchmark against independent computations, and one small run of it."""

import json
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp
from sklearn.linear_model import Ridge
from sklearn.preprocessing import PolynomialFeatures

from linnet import config, nn, reconstruct, studies, systems
from linnet.studies import _gilpin2021_linear as linear
from linnet.studies._gilpin2021_annotations import CHANGED, annotations, contractions, differ, impossible, published
from linnet.studies._gilpin2021_chaos import better, intervals
from linnet.studies._gilpin2021_methods import choose_polynomial, errors, groups, standardise, valid_steps
from linnet.studies._gilpin2021_networks import Stepper, network_forecasts, train
from linnet.studies._gilpin2021_orbits import observe, orbits

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that numba is missing
    import dysts
    import dysts.flows


@pytest.fixture(scope="module")
def collection():
    path = Path(str(dysts.__file__)).parent / "data" / "chaotic_attractors.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lorenz():
    """Pieces of Lorenz's orbit, standardised, with two coordinates more that are not there."""
    orbit = np.asarray(systems.get("Lorenz").orbit(2400, points_per_period=100).states)
    return standardise(np.pad(orbit.reshape(2, 1200, 3), ((0, 0), (0, 0), (0, 2))), np.array([3, 3]), 1000)


def test_annotations_are_those_that_were_published(collection):
    assert set(published()) == set(collection) and set(published()) <= set(systems.names())
    for name, entry in published().items():
        theirs = collection[name]
        assert entry["largest"] == pytest.approx(theirs["maximum_lyapunov_estimated"], rel=1e-5)
        assert entry["dimension"] == pytest.approx(theirs["kaplan_yorke_dimension"], rel=1e-5)
        assert entry["spectrum"] == pytest.approx(theirs["lyapunov_spectrum_estimated"] or [], rel=1e-5)


def test_counts_are_those_of_a_loop(collection):
    table = annotations(published())
    many = 0
    for name, entry in collection.items():
        own = systems.invariants(name)
        if own is not None and own.verdict == "chaotic" and name not in CHANGED:
            many += abs(entry["maximum_lyapunov_estimated"] / own.exponents[0] - 1) > 0.25
    assert differ(table, "largest", 0.25) == many > 0
    flows = [name for name in collection if isinstance(systems.get(name), systems.Flow)]
    above = [name for name in flows if collection[name]["kaplan_yorke_dimension"] > systems.get(name).dimension]
    assert impossible(table, "dimension") == above
    assert not impossible(table, "own_dimension")


def test_contractions_are_the_divergences():
    found = contractions(["Lorenz", "Rossler", "MackeyGlass"], 2000)
    assert list(found["system"].values) == ["Lorenz", "Rossler"]
    size = abs(systems.invariants("Lorenz").exponents[-1])
    np.testing.assert_allclose(found["mean"].values[0] * size, -(10 + 1 + 8 / 3), rtol=1e-10)
    # Of Rössler it is a + <x> - c.
    rhs = lambda t, s: [-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)]  # noqa: E731
    start = np.asarray(systems.get("Rossler").initial)
    solved = solve_ivp(rhs, (0, 3000), start, t_eval=np.arange(0, 3000, 0.5), rtol=1e-8)
    size = abs(systems.invariants("Rossler").exponents[-1])
    margin = 4 * float(found["error"][1]) * size + 0.02
    assert abs(float(found["mean"][1]) * size - (0.2 - 5.7 + solved.y[0].mean())) < margin


@pytest.mark.parametrize("name", ["Duffing", "DoublePendulum", "BlinkingRotlet", "OscillatingFlow", "ForcedVanDerPol",
                                  "BickleyJet", "ArnoldWeb", "LidDrivenCavityFlow", "SwingingAtwood", "TurchinHanski",
                                  "CircadianRhythm", "InteriorSquirmer", "StickSlipOscillator", "DoubleGyre",
                                  "ArnoldBeltramiChildress", "FluidTrampoline", "ForcedBrusselator"])  # fmt: skip
def test_what_is_seen_is_what_the_collection_shows(name):
    states = np.random.default_rng(0).normal(size=(20, systems.get(name).dimension))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = np.stack(getattr(dysts.flows, name)()._postprocessing(*states.T), axis=-1)
    np.testing.assert_allclose(observe(name, states), theirs, rtol=1e-9, atol=1e-9)


def test_orbits_are_solutions_and_their_pieces_follow_each_other():
    found = orbits(["Lorenz", "HyperRossler", "MackeyGlass"], known=200, ahead=100, horizon=50, pieces=2)
    assert found.names == ("Lorenz", "HyperRossler", "MackeyGlass") and list(found.sizes) == [3, 4, 10]
    assert found.tuning.shape == (3, 250, 10) and found.testing.shape == (3, 2, 300, 10)
    assert np.all(found.testing[0, ..., 3:] == 0) and np.all(found.testing[1, ..., 4:] == 0)
    joined = np.concatenate([found.tuning[0], *found.testing[0]])[:, :3]
    rhs = lambda t, s: [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]  # noqa: E731
    for start in (0, 230, 500):
        times = found.dt[0] * np.arange(40)
        solved = solve_ivp(rhs, (0, times[-1]), joined[start], t_eval=times, rtol=1e-10, atol=1e-12).y.T
        np.testing.assert_allclose(joined[start : start + 40], solved, rtol=1e-5, atol=1e-5)
    # The second coordinate of a delay flow is the first, a ninth of the delay before.
    lag = float(systems.get("MackeyGlass").delay) / 9 / found.dt[2]
    seen = found.testing[2, 0]
    late = np.interp(np.arange(50, 150) - lag, np.arange(300), seen[:, 0])
    np.testing.assert_allclose(seen[50:150, 1], late, atol=2e-3)


@pytest.mark.parametrize("values", [False, True])
def test_polynomials_are_ridge_regressions_in_closed_loop(lorenz, values):
    """By scikit-learn and a loop over steps; the constant is a feature like the others."""
    points, ridge, num = np.asarray(lorenz.values[0, :, :3]), 1e-3, 30
    found = linear.polynomial_forecasts(jnp.asarray(points)[None], jnp.array([[ridge, 1.0]]), num_delays=2, degree=2,
                                        stride=1, lengths=(600, 1000), num=num, values=values)  # fmt: skip
    make = PolynomialFeatures(2)
    window = lambda at: np.concatenate([points[at], points[at - 1]])  # noqa: E731
    features = make.fit_transform(np.stack([window(at) for at in range(1, 999)]))
    last = 0 if values else points[1:999]
    model = Ridge(ridge, fit_intercept=False, solver="svd").fit(features, points[2:1000] - last)
    state, run = window(999), []
    for _ in range(num):
        following = model.predict(make.transform(state[None]))[0] + (0 if values else state[:3])
        state = np.concatenate([following, state[:3]])
        run.append(following)
    np.testing.assert_allclose(found[0, 1, 0], run, rtol=1e-5, atol=1e-6)


def test_reservoirs_are_echo_states(lorenz):
    """As `fit_readout` fits an `EchoState` of the same matrices, with other settings for each series."""
    chosen = {"radius": (0.9, 0.3), "leak": (0.5, 1.0), "scale": (0.3, 0.1), "bias": (0.5, 0.2)}
    settings = {name: jnp.array(values) for name, values in chosen.items()}
    net = linear.reservoirs(3, 60, key=jr.key(1))
    series, ridges = lorenz.values[..., :3], jnp.array([[1e-6, 1e-2], [1e-4, 1.0]])
    found = linear.echo_forecasts(net, series, settings, ridges, lengths=(1000,), num=40)
    for row in range(2):
        names = {"radius": "spectral_radius", "scale": "input_scale", "bias": "bias_scale", "leak": "leak"}
        options = {names[name]: values[row] for name, values in chosen.items()}
        model = nn.EchoState(3, 60, key=jr.key(1), **options)
        for at in range(2):
            one = reconstruct.fit_readout(model, series[row, :1000], float(ridges[row, at]), standardise=False,
                                          washout=linear.WASHOUT + 1)  # fmt: skip
            run = one.forecast(series[row, :1000], 40).values
            np.testing.assert_allclose(found[row, 0, at], run, rtol=1e-4, atol=1e-5)


def test_several_lengths_are_fitted_one_by_one(lorenz):
    net, ridges = linear.reservoirs(3, 40, key=jr.key(0)), jnp.full((2, 1), 1e-2)
    settings = {name: jnp.full(2, 0.5) for name in ("radius", "leak", "scale", "bias")}
    series = lorenz.values[..., :3]
    both = linear.echo_forecasts(net, series, settings, ridges, lengths=(400, 1000), num=20)
    for at, length in enumerate((400, 1000)):
        one = linear.echo_forecasts(net, series, settings, ridges, lengths=(length,), num=20)
        # The last point before each length has no known successor, and is left out of longer ones too.
        np.testing.assert_allclose(both[:, at], one[:, 0], atol=1e-12 if at == 0 else 5e-2)


def test_sparse_reservoirs_are_sparse_and_of_radius_one():
    base = linear.sparse_reservoirs(3, 300, key=jr.key(0)).base
    assert np.abs(np.linalg.eigvals(base.recurrent_weights)).max() == pytest.approx(1)
    for part, share in ((base.recurrent_weights, 0.1), (base.feedback_weights, 0.2), (base.hidden_bias, 0.2)):
        filled = np.asarray(part) != 0
        assert abs(filled.mean() - share) < 5 * np.sqrt(share / filled.size)
    assert set(np.unique(base.feedback_weights)) == {-1.0, 0.0, 1.0}


def test_scores_leave_out_coordinates_that_are_not_there(lorenz):
    rng = np.random.default_rng(0)
    forecasts = np.asarray(lorenz.values[:, 1000:]) + 0.2 * rng.normal(size=(2, 200, 5))
    found, valid = errors(lorenz, forecasts), valid_steps(lorenz, forecasts)
    for row in range(2):
        scale, mean = (np.asarray(x)[row, :, :3] for x in (lorenz.scale, lorenz.mean))
        truth, run = (np.asarray(x)[row, :, :3] * scale + mean for x in (lorenz.values[:, 1000:], forecasts))
        expected = 200 * np.mean(np.abs(truth - run) / (np.abs(truth) + np.abs(run)))
        assert found[row] == pytest.approx(expected)
        off = np.sqrt(np.mean(((truth - run) / scale) ** 2, axis=1))
        assert valid[row] == (np.argmax(off > 0.4) if np.any(off > 0.4) else 200)
    broken = forecasts.copy()
    broken[0, 10:] = np.nan
    assert errors(lorenz, broken)[0] == pytest.approx((10 * errors(lorenz, forecasts[:, :10])[0] + 190 * 200) / 200)


def test_groups_cover_every_row_once():
    sizes = np.array([3, 10, 4, 3, 6, 5, 10])
    found = groups(sizes)
    assert [width for width, _ in found] == [3, 6, 10]
    assert sorted(np.concatenate([rows for _, rows in found])) == list(range(7))
    assert all(np.all(sizes[rows] <= width) for width, rows in found)
    assert groups(np.array([2, 2]))[0][0] == 2 and groups(np.array([4, 4]))[0][0] == 4


def test_settings_are_chosen_where_they_forecast_best(lorenz):
    """The logistic map is a square, not a line, which the choice finds out."""
    x = np.empty((2, 1200, 1))
    x[:, 0, 0] = 0.3, 0.7
    for step in range(1199):
        x[:, step + 1] = 3.9 * x[:, step] * (1 - x[:, step])
    tuning, testing = (
        standardise(x[row : row + 1, : 1000 + num], np.array([1]), 1000) for row, num in ((0, 10), (1, 15))
    )
    terms = [{"num_delays": 1, "degree": degree, "stride": 1} for degree in (1, 2)]
    found = choose_polynomial(tuning, testing, terms, (1e-10, 1e3), (600, 1000))
    assert list(found.settings[0]) == [1, 0]
    np.testing.assert_allclose(found.forecasts[0], testing.values[0, 1000:], atol=1e-3)


def test_networks_learn_each_series_its_own():
    """Two rotations in opposite directions, padded; both are continued by networks trained in one program."""
    angle = np.arange(500)[:, None] * 2 * np.pi / np.array([50.0, -80.0])
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1).transpose(1, 0, 2)
    series, mask = jnp.asarray(circle[:, :400], jnp.float32), jnp.asarray([[True, True, False]] * 2)
    make = lambda key: nn.MLP((3, 16, 3), dtype=jnp.float32, key=key)  # noqa: E731
    nets, sizes = train(make, series, mask, steps=600, batch=16, read=1, free=8, rate=1e-2, key=jr.key(0))
    run = network_forecasts(nets, series, sizes, 40)
    assert np.all(run[..., 2] == 0)
    assert np.abs(run - circle[:, 400:440]).max() < 0.3
    # A network of one series does not continue the other.
    swapped = network_forecasts(nets, series[::-1], sizes[::-1], 40)
    assert np.abs(swapped - circle[::-1, 400:440]).max() > 0.5


def test_a_forecast_is_a_loop_over_steps():
    net = Stepper(nn.GRU((2, 5, 2), key=jr.key(0)))
    points, size = jr.normal(jr.key(1), (6, 2)), jnp.array([0.1, 0.2])
    memory, x = net.start(), None
    for point in points:
        memory, x = net.step(memory, point, size)
    run = [x]
    for _ in range(3):
        memory, x = net.step(memory, x, size)
        run.append(x)
    stacked = jax.tree_util.tree_map(lambda leaf: leaf[None], net)
    np.testing.assert_allclose(network_forecasts(stacked, points[None], size[None], 4)[0], jnp.stack(run), rtol=1e-12)


def test_intervals_and_signs():
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(50, 10, (100, 1)), rng.normal(60, 10, (100, 1))])
    data = xr.DataArray(values, dims=("method", "system", "piece"), coords={"method": ["a", "b"]})
    found = intervals(data, 2000, 0)
    # A median of normal numbers has the standard error 1.253 s / sqrt(n).
    for method, row in zip("ab", values):
        low, high = found[method]
        assert low < np.median(row) < high and abs((high - low) / 4 / (1.253 * 10 / 10) - 1) < 0.4
    assert better(data, "a", "b") > 0.5 > better(data, "b", "a")


@pytest.mark.slow
def test_a_small_study_holds():
    found = studies.STUDIES["gilpin2021-chaos"](config.load("gilpin2021-chaos", "quick"), key=jr.key(0))
    assert found.hold, [claim for claim in found.claims if not claim.holds]


@pytest.mark.slow
def test_several_pieces_and_noise_are_scored():
    settings = {"systems": ("Lorenz", "HyperRossler", "MackeyGlass"), "pieces": 2, "noise": 0.02, "duration": 0.1,
                "noisy_networks": True, "mlp_steps": 30, "gru_steps": 20, "radii": (0.3,), "leaks": (0.5,)}  # fmt: skip
    found = studies.STUDIES["gilpin2021-chaos"](config.load("gilpin2021-chaos", "quick", **settings), key=jr.key(1))
    assert [figure.name for figure in found.figures] == ["invariants", "forecasts", "noise"]
    for part in ("clean", "noisy"):
        scores = found.datasets[part]
        assert dict(scores.sizes) == {"method": 9, "system": 3, "piece": 2}
        assert np.all((scores["error"] >= 0) & (scores["error"] <= 200))
    # What noise hides cannot be forecast.
    one = {"method": "polynomial", "system": "Lorenz"}
    clean, noisy = (float(found.datasets[part]["valid"].sel(one).mean()) for part in ("clean", "noisy"))
    assert clean > 1.5 * noisy > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"known": 500}, "--known must be a multiple of 200"),
        ({"recomputed": ("Lorenz",)}, "--recomputed needs Lorenz, Rossler and Henon"),
        ({"leaks": (0.5, 1.5)}, "--leaks are at most 1"),
        ({"ahead": 100}, "--ahead must be at least 200"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("gilpin2021-chaos", "quick", **settings)


def test_systems_without_annotations_are_refused():
    settings = config.load("gilpin2021-chaos", "quick", systems=("Lorenz", "Henon"))
    with pytest.raises(ValueError, match="--systems takes flows and delay flows of dysts, got Henon"):
        studies.STUDIES["gilpin2021-chaos"](settings, key=jr.key(0))

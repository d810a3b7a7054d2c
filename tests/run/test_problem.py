"""What `linnet learn` makes of data, before anything is trained: modes, noise edge, networks, ends and rates."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from linnet import analyse, config, nn, tasks
from linnet.run import _choose, _networks, _noise, _predict, _problem, _rate
from tests.run.data import write_series, write_table


def settings(**values):
    return config.load("learn", "quick", **values)


@pytest.fixture
def table(tmp_path):
    return _problem.read_problem(settings(target=("y", "z")), write_table(tmp_path / "table.csv"))


def test_a_table_has_white_inputs_and_as_many_modes_as_targets(table):
    assert not table.is_series and table.sizes == (4, 2) and table.num_modes == 2
    assert np.allclose(table.moments.train.xx, np.eye(4), atol=1e-10)
    x, y = np.asarray(table.samples.train.x), np.asarray(table.samples.train.y)
    assert np.allclose(np.linalg.svd(y.T @ x / len(x))[1], table.modes.singular_values)


def test_the_target_of_learning_is_the_least_squares_map(tmp_path):
    problem = _problem.read_problem(settings(target=("y",), whiten=False), write_table(tmp_path / "table.csv"))
    x, y = np.asarray(problem.samples.train.x), np.asarray(problem.samples.train.y)
    solution = np.linalg.lstsq(x, y, rcond=None)[0].T
    modes = problem.modes
    assert np.allclose(problem.target, np.diag(modes.left.T @ solution @ modes.right)[:1])


def test_a_series_has_windows(tmp_path):
    problem = _problem.read_problem(settings(window=5), write_series(tmp_path / "series.csv"))
    assert problem.is_series and problem.sizes == (2, 2) and problem.num_modes == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": ("y",)}, "--target needs a FILE"),
        ({"columns": ("a",)}, "--columns needs a FILE"),
        ({"window": 3}, "--window needs a FILE"),
    ],
)
def test_options_about_a_file_need_one(values, message):
    with pytest.raises(ValueError, match=message):
        _problem.read_problem(settings(**values), "")


def test_options_of_a_series_are_not_for_a_table(tmp_path):
    path = write_table(tmp_path / "table.csv")
    with pytest.raises(ValueError, match="--horizon 2 belongs to a time series"):
        _problem.read_problem(settings(target=("y",), horizon=2), path)
    with pytest.raises(ValueError, match="--target .* --window"):
        _problem.read_problem(settings(columns=("a",)), path)


def test_the_noise_edge_is_that_of_a_random_matrix(key):
    # Independent white X (d) and Y (o): the largest singular value of Y^T X / P is (sqrt(d) + sqrt(o)) / sqrt(P).
    first, second, third = jr.split(key, 3)
    num, inputs, outputs = 4000, 60, 20
    batch = tasks.Batch(jr.normal(first, (num, inputs)), jr.normal(second, (num, outputs)))
    edge, found = _noise.noise_edge(batch, num, 50, key=third)
    expected = (np.sqrt(inputs) + np.sqrt(outputs)) / np.sqrt(num)
    assert edge == pytest.approx(expected, rel=0.06)
    assert np.mean(found > edge) == pytest.approx(0.05, abs=0.03)
    assert _noise.noise_edge(batch, 4 * num, 50, key=third)[0] == pytest.approx(edge / 2)


def test_the_noise_edge_of_a_series_keeps_its_correlations(key):
    # Two independent slow series align by chance far more often than two white ones of the same length.
    def windows(decay, key):
        noise = jr.normal(key, (404, 2))
        out = [noise[0]]
        for row in noise[1:]:
            out.append(decay * out[-1] + (1 - decay**2) ** 0.5 * row)
        z = jnp.stack(out)
        return tasks.Batch(jnp.stack([z[i : i + 400, :1] for i in range(4)], axis=1), z[4:404, 1:])

    slow, white = (_noise.noise_edge(windows(d, key), 400, 60, key=key)[0] for d in (0.95, 0.0))
    assert slow > 2 * white


def test_the_members_are_those_of_the_ensemble(table):
    spec = _networks.make_specs(table, settings(hidden=3, seeds=2))[1]
    drawn = _networks.draw_members(spec, 5, 2)
    for member in range(2):
        again = spec.make(jr.fold_in(spec.key(5), member))
        for a, b in zip(drawn.weights, again.weights):
            assert np.allclose(a[member], b, rtol=1e-12)
    assert np.std(np.asarray(drawn.weights[0])) == pytest.approx(1e-3, rel=0.5)


def test_other_depths_do_not_change_a_networks_weights(table):
    alone = _networks.make_specs(table, settings(depths=(3,)))[0]
    among = _networks.make_specs(table, settings(depths=(1, 2, 3)))[2]
    assert alone.name == among.name == "linear_3"
    assert np.array_equal(alone.make(alone.key(0)).weights[0], among.make(among.key(0)).weights[0])


def test_networks(table, tmp_path):
    specs = _networks.make_specs(table, settings(depths=(1, 4)))
    assert [spec.name for spec in specs] == ["linear_1", "linear_4", "tanh", "relu"]
    assert _networks.main_spec(specs).name == "linear_1"
    network = specs[3].make(jr.key(0))
    assert network.weights[0].dtype == jnp.float32 and nn.has_kinks(network)
    series = _problem.read_problem(settings(window=5), write_series(tmp_path / "series.csv"))
    assert [spec.name for spec in _networks.make_specs(series, settings())] == ["linear_rnn", "tanh_rnn", "gru"]


@pytest.mark.slow
def test_the_end_lies_beyond_the_slowest_mode(table):
    values = settings(seeds=2, times=80)
    for spec in _networks.make_specs(table, values):
        if not spec.linear:
            continue
        found = _predict.predict_spec(spec, table, values)
        slowest = np.nanmax(np.median(found["half_times"].values, axis=0))
        assert 0.3 * float(found["time"][-1]) <= slowest <= 0.85 * float(found["time"][-1]), spec.name


def test_predicted_losses_are_those_of_the_predicted_map(table):
    values = settings(seeds=1, times=30, depths=(1,))
    found = _predict.predict_spec(_networks.make_specs(table, values)[0], table, values)
    modes, strengths = table.modes, found["mode_strengths"].values[0, 11]
    linear_map = np.asarray(modes.left)[:, :2] @ np.diag(strengths) @ np.asarray(modes.right)[:, :2].T
    test = table.samples.test
    residual = np.asarray(test.y) - np.asarray(test.x) @ linear_map.T
    assert found["test_loss"].values[0, 11] == pytest.approx(0.5 * np.mean(np.sum(residual**2, axis=1)), rel=1e-3)


def test_deep_networks_of_small_weights_are_expected_from_their_scale(table):
    spec = _networks.make_specs(table, settings(depths=(3,)))[0]
    begin = _choose.expected_strengths(spec, table, settings(depths=(3,)))
    assert begin is not None and np.all(begin[:2] > 0)
    assert _choose.expected_strengths(spec, table, settings(depths=(3,), scale=0.5)) is None
    found = _predict.predict_spec(spec, table, settings(depths=(3,), times=200))
    for mode, strength in enumerate(np.asarray(table.modes.singular_values)):
        # One balanced mode of three layers, du/dt = 3 u^(4/3) (s - u), integrated in log u.
        path = solve_ivp(
            lambda _, z, s=strength: 3 * np.exp(z / 3) * (s - np.exp(z)),
            (0, 3 * float(found["time"][-1])),
            [np.log(begin[mode])],
            rtol=1e-9,
            events=lambda _, z, s=strength: z[0] - np.log(s / 2),
        )
        assert found["half_times"].values[0, mode] == pytest.approx(path.t_events[0][0], rel=0.01)


def test_a_rate_that_diverges_is_refused_with_the_largest_stable_one(table):
    largest = float(analyse.largest_stable_rate_at_minimum(table.moments.train, 2))
    assert _rate.check_rate(None, largest) == pytest.approx(0.05 * largest)
    assert _rate.check_rate(0.9 * largest, largest) == 0.9 * largest
    with pytest.raises(ValueError, match=f"largest stable one is {largest:.4g}"):
        _rate.check_rate(1.01 * largest, largest)

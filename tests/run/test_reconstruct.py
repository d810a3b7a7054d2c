"""`linnet reconstruct` and `linnet forecast`: data, plans, bad input, and whole runs that are killed and resumed."""

import csv
import json
import math
import signal
import subprocess
import sys

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import config, nn, reconstruct, run, store
from linnet.cli import main
from linnet.config._reconstruct import MODELS
from linnet.run import _reconstruct_data as data, _reconstruct_forecast as ahead, _reconstruct_models as models
from linnet.run._reconstruct_summary import answer

#: The smallest run there is.
TINY = {"points": 400, "relus": 4, "window": 8, "batch": 2, "steps": 40, "seeds": 2, "ahead": 3}


def tiny(**settings):
    return config.load("reconstruct", **TINY | settings)


def henon(num, noise=0.0):
    """The Henon map in NumPy."""
    x = np.zeros((num + 100, 2))
    for t in range(len(x) - 1):
        x[t + 1] = 1 - 1.4 * x[t, 0] ** 2 + x[t, 1], 0.3 * x[t, 0]
    x = x[100:]
    return x + noise * np.random.default_rng(0).normal(size=x.shape)


def write(path, columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(path)


# --- what is learned from, and with what ------------------------------------------------------------------------------


def test_lorenz_is_taken_without_a_file_and_the_test_part_follows_the_training_part():
    found = data.read_data(tiny(noise=0.0), "")
    assert found.system == "Lorenz" and found.train.shape == (300, 3) and found.test.shape == (100, 3)
    assert found.dt == 0.02 and found.names == ("x", "y", "z") and found.end == pytest.approx(399 * 0.02)
    joined = np.concatenate([found.train, found.test])

    def field(x):  # the flow itself, by the midpoint of two points
        return np.stack(
            [10 * (x[:, 1] - x[:, 0]), x[:, 0] * (28 - x[:, 2]) - x[:, 1], x[:, 0] * x[:, 1] - 8 / 3 * x[:, 2]]
        )

    slope = (joined[2:] - joined[:-2]) / 0.04
    assert np.sqrt(np.mean((slope - field(joined[1:-1]).T) ** 2)) < 0.03 * slope.std()
    noisy = data.read_data(tiny(), "Lorenz63").train
    assert np.std(noisy - found.train, axis=0) == pytest.approx(0.05 * joined.std(axis=0), rel=0.2)


def test_an_embedding_has_delays_of_each_part_alone(tmp_path):
    series = np.sin(np.arange(200) * 0.3) + 0.1 * np.arange(200) % 3
    path = write(tmp_path / "one.csv", {"x": series})
    found = data.read_data(tiny(embed="3,4"), path)
    assert found.train.shape == (150 - 8, 3) and found.test.shape == (50 - 8, 3)
    np.testing.assert_allclose(found.train[0], series[[8, 4, 0]])
    np.testing.assert_allclose(found.test[0], series[[158, 154, 150]])  # nothing of it was trained on
    assert found.end == 199 and found.names[2] == "x 8 steps before"
    assert data.read_data(tiny(embed="none"), path).train.shape == (150, 1)


@pytest.mark.parametrize(
    ("name", "package", "shape", "end", "known"),
    [
        ("sunspots", "statsmodels", (309, 1), 2008, (1957 - 1700, 190.2)),  # the largest one on record
        ("nino-3.4", "statsmodels", (732, 1), 2010 + 11 / 12, None),
        ("nino3", "pywt", (264, 1), 2015.75, None),
        ("ecg", "pywt", (1024, 1), 1023, None),
        ("fmri", "nitime", (250, 28), 249 * 1.89, None),
    ],
)
def test_real_data_come_by_name(name, package, shape, end, known):
    pytest.importorskip(package)
    found = data.read_data(tiny(embed="" if name == "fmri" else "none"), name)
    joined = np.concatenate([found.train, found.test])
    assert joined.shape == shape and found.end == pytest.approx(end) and np.all(np.isfinite(joined))
    assert known is None or (np.argmax(joined), joined.max()) == known
    assert ("Niño 1+2" in " ".join(found.notes)) == (name == "nino-3.4")


def test_embeddings_are_estimated_as_the_period_says():
    (dimension, lag), _ = data.estimate_embedding(np.sin(2 * np.pi * np.arange(2000) / 40.0))
    assert 5 <= lag <= 12 and dimension >= 2


def test_predictability_is_that_of_the_system():
    steps, reason = models.predictability(henon(2000))
    # The exponent of the map is 0.419: errors double in 1.65 steps.
    assert steps == 2 and "Lyapunov" in reason
    wave = np.stack([np.sin(np.arange(800) * 0.1), np.cos(np.arange(800) * 0.1)], axis=1)
    steps, reason = models.predictability(wave)
    # The cosine falls to 1/e after 1.194 / 0.1 steps.
    assert steps == 12 and "autocorrelation" in reason


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_stored_and_shows_the_columns(model, key):
    plan = models.Plan(model, 2, 2 if model == "nvar" else 5, 3, "generalized", 0.1, None, 5, 1, 2, "", 2)
    network, observation = models.empty(plan, key=key)
    assert isinstance(network, nn.AbstractRecurrent) and observation.out_size == 2
    state = observation.start(jnp.zeros(2))
    assert ahead.mover(network)(state).shape == state.shape


@pytest.mark.slow
def test_forecasts_from_all_points_are_those_of_the_model(key):
    """Against `Reconstruction.forecast`, which takes up the series and goes on, from a few points."""
    network = nn.AlmostLinearRNN(4, 2, key=key)
    seen = nn.IdentityObservation(2, 4, key=key)
    series = henon(60)
    one = reconstruct.Reconstruction(network, seen, jnp.full(2, 0.1), jnp.full(2, 2.0), jnp.zeros((1, 2)))
    error, found, starts = ahead.prediction_errors(one, series[:20], series[20:], 3, 0.5)
    by_hand = []
    for row, start in zip(found, starts, strict=True):
        wanted = one.standardise(one.forecast(series[: 20 + start + 1], 3, strength=0.5).values)
        np.testing.assert_allclose(row, wanted, atol=1e-10)
        by_hand.append((np.asarray(wanted)[-1] - np.asarray(one.standardise(series[20 + start + 3]))) ** 2)
    assert error == pytest.approx(np.mean(by_hand)) and len(starts) == 37


def test_horizons_are_counted_until_the_first_bad_step():
    truth = np.zeros((30, 2))
    found = np.array([[0.1, 0.3, 0.5, 0.1], [np.nan, 0, 0, 0], [0.2, 0.2, 0.2, 0.2]])[..., None] * np.ones(2)
    assert ahead.horizon(found, np.array([0, 5, 9]), truth).tolist() == [2, 0, 4]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    orbit = henon(300)
    write("two.csv", {"x": orbit[:, 0], "y": orbit[:, 1], "flat": np.ones(300)})
    write("late.csv", {"x": np.where(np.arange(300) < 260, 1.0, orbit[:, 0]), "y": orbit[:, 1]})
    write("one.csv", {"x": np.sin(0.3 * np.arange(300)) + 0.2 * orbit[:, 0]})
    write("short.csv", {"x": orbit[:40, 0], "y": orbit[:40, 1]})
    write("nan.csv", {"x": [*orbit[:40, 0], "", *orbit[41:, 0]], "y": orbit[:, 1]})
    write("gap.csv", {"t": [*range(100), *range(110, 310)], "x": orbit[:, 0], "y": orbit[:, 1]})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("lorrenz", "no system 'lorrenz'; the closest names are Lorenz"),
        ("sunspotz", "the closest names are sunspots"),
        ("missing.csv", "There is no file 'missing.csv'"),
        ("--model shalow-plrn", "no model 'shalow-plrn'; the closest are shallow-plrnn"),
        ("--forcing generalised-tf", "no forcing 'generalised-tf'; the closest are generalized"),
        (
            "two.csv",
            "Column 'flat' of 'two.csv' is constant: there is nothing to learn in it. Leave it out: --columns x,y",
        ),
        ("late.csv", "Column 'x' of late.csv is constant in the part that is trained on"),
        (
            "one.csv",
            "has one channel, 'x', and one number is seldom the state of a system: embed it in its past with --embed",
        ),
        ("short.csv --window 50", "A forcing window of 50 steps needs 51 points, but the part to train on has 30"),
        ("nan.csv", "column 'x' has 1 missing (rows 41, counted from 1)"),
        ("gap.csv --time t", "a step of 11 after row 100 (99). Fill the gaps by straight lines with --interpolate"),
        ("two.csv --columns x,z", "no column 'z'"),
        ("two.csv --columns x,y --embed 3,2", "--embed is of one channel"),
        ("two.csv --columns x,y --latent 1", "which --latent 1 units cannot show: give at least 2"),
        ("--embed 3", '--embed needs a dimension and a lag such as 3,8, or "estimated"'),
        ("--held-out 1", "--held-out must be between 0 and 1"),
        ("--strength 2", "--strength must be between 0 and 1"),
        ("--strength 0.1 --forcing sparse", "--strength is of generalized forcing, got --forcing sparse"),
        ("--model nvar --strength 0.1 --points 400", "such as nvar, has no --forcing"),
        ("--model gru --relus 3 --points 400", "--relus is of shallow-plrnn, al-rnn, dendritic-plrnn"),
        ("--model lstm --forcing identity --points 400", "use --forcing sparse or generalized"),
        ("Henon --dt 0.1", "Henon is a map, whose steps have no --dt"),
        ("Henon --interpolate", "--interpolate is of files"),
        ("two.csv --columns x,y --ahead 60", "are tested on at least 128 points"),
        ("--budget 0", "--budget must be a positive number"),
    ],
)
def test_bad_input_is_a_sentence(words, sentence, files, tmp_path, capsys):
    assert main(["reconstruct", *words.split(), "--json"]) == 2
    out, err = capsys.readouterr()
    assert not out and sentence in err and "Traceback" not in err and len(err.strip().splitlines()) == 1
    assert not list(tmp_path.glob("runs/*"))


def test_packages_that_are_missing_are_named(monkeypatch, capsys):
    for name in ("statsmodels.api", "pywt", "pywt.data", "nitime"):
        monkeypatch.setitem(sys.modules, name, None)
    for word, package in (("sunspots", "statsmodels"), ("ecg", "PyWavelets"), ("fmri", "nitime")):
        assert main(["reconstruct", word]) == 2
        err = capsys.readouterr().err
        assert f"the package {package}, which is not installed: pip install 'linnet[data]'" in err


def test_no_such_run(capsys, tmp_path):
    assert main(["forecast", "nothing", "--runs", str(tmp_path)]) == 2
    assert main(["forecast", "nothing", "--steps", "0"]) == 2
    assert "--steps must be at least 1" in capsys.readouterr().err


# --- whole runs -------------------------------------------------------------------------------------------------------


def no_nan(value):
    if isinstance(value, dict):
        return all(no_nan(item) for item in value.values())
    if isinstance(value, list):
        return all(no_nan(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.slow
def test_a_file_becomes_a_model_that_goes_on(tmp_path, capsys):
    """A nonlinear vector autoregression of degree two is the Henon map itself, so all numbers are known."""
    orbit = henon(1200)
    path = write(tmp_path / "henon.csv", {"time": 0.5 * np.arange(1200), "x": orbit[:, 0], "y": orbit[:, 1]})
    words = ["reconstruct", path, "--model", "nvar", "--latent", "1", "--out", str(tmp_path / "runs"), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert no_nan(found) and found["failure_rate"] == 0 and not found["diverged"]
    # Per unit of time, of which a step is a half. The ridge moves the map a little.
    assert found["lyapunov_exponents"] == pytest.approx([2 * 0.4192, -2 * 1.6232], abs=0.06)
    floor, gaussian = (found["scales"][name]["state_space_divergence"] for name in ("floor", "gaussian"))
    assert found["state_space_divergence"] < 2 * floor + 0.2 < gaussian
    assert found["prediction_error"] < 1e-2 < found["scales"]["persistence"]["prediction_error"]
    # The fixed points of the map: x = (-0.7 +- sqrt(0.49 + 5.6)) / 2.8.
    xs = sorted(point["point"]["x"] for point in found["fixed_points"])
    wanted = sorted((-0.7 + sign * math.sqrt(0.49 + 5.6)) / 2.8 for sign in (1, -1))
    assert xs == pytest.approx(wanted, abs=0.02) and found["fixed_points"][0]["unstable_dimension"] == 1
    assert found["forecast"]["good_steps"] > 5 * found["forecast"]["persistence_steps"]
    page = open(found["report"]).read()
    assert all(
        f'id="{name}"' in page for name in ("phase-space", "time", "power-spectrum", "scales", "forecast", "seeds")
    )
    assert "nan" not in page.lower().replace("nand", "")
    assert main(words) == 0 and json.loads(capsys.readouterr().out)["run"] == found["run"]
    # Going on: the map's own next points, from the last one.
    table = tmp_path / "next.csv"
    assert main(["forecast", found["run"], "--steps", "5", "--out", str(table), "--json"]) == 0
    more = json.loads(capsys.readouterr().out)
    assert more["times"] == pytest.approx(0.5 * np.arange(1200, 1205)) and more["columns"] == ["x", "y"]
    np.testing.assert_allclose(more["forecast"], henon(1205)[1200:], atol=0.1)
    rows = list(csv.DictReader(open(table)))
    assert [float(row["x"]) for row in rows] == [row[0] for row in more["forecast"]] and float(rows[0]["time"]) == 600


KILLED = """
import os, signal
import jax
jax.config.update("jax_enable_x64", True)
from linnet import config, run
left = [3]
def progress(stage, done, total):
    left[0] -= bool(done)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
run.reconstruct(config.load("reconstruct", **{settings}), "", out={out!r}, progress=progress)
"""


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_bits(tmp_path):
    settings = tiny()
    whole = run.reconstruct(settings, out=str(tmp_path / "whole"))
    out = str(tmp_path / "killed")
    code = KILLED.format(settings=TINY, out=out)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == -signal.SIGKILL, done.stderr
    told = []
    again = run.reconstruct(
        settings, out=out, resume=True, progress=lambda stage, done, total: told.append((done, total))
    )
    chunks = [done for done, total in told if total == TINY["steps"]]
    assert chunks[0] > 1 and chunks[-1] == TINY["steps"]  # it did not begin anew
    first, second = (store.read_data(store.RunFolder(found["run"])) for found in (whole, again))
    assert first.identical(second)
    for name in ("state_space_divergence", "lyapunov_exponents", "failure_rate", "seeds", "forecast", "scales"):
        assert whole[name] == again[name]
    models = [
        next((tmp_path / part).glob("*/ckpt/model.eqx")).read_bytes().split(b"\n", 1)[1] for part in ("whole", "killed")
    ]
    assert models[0] == models[1]
    assert 'id="symbolic-graph"' in open(again["report"]).read() and again["symbols"]["num"] > 0


@pytest.mark.slow
def test_a_budget_decides_the_steps(tmp_path):
    found = run.reconstruct(tiny(budget=0.02), out=str(tmp_path))
    assert found["settings"]["steps"] >= 200 and found["settings"]["steps"] % 100 == 0


def test_a_divergent_run_is_said_and_has_no_metrics():
    seed = {"verdict": 2}
    summary = {"about": "al-rnn", "forcing": "trained", "title": "data", "diverged": True, "seeds": [seed, seed]}
    assert answer(summary) == (
        "An al-rnn, trained on data: its free run left every bound, so that it is no reconstruction; 2 of 2 seeds"
        " failed."
    )


@pytest.mark.slow
def test_a_run_that_diverges_is_reported(tmp_path, monkeypatch):
    """Weights that grow without bound are what was learned, by force."""
    from linnet.run import _reconstruct_train as training

    made = training.make_network

    def explosive(plan, *, key):
        network = made(plan, key=key)
        return eqx.tree_at(lambda n: n.diagonal, network, 3 * jnp.ones_like(network.diagonal))

    monkeypatch.setattr(training, "make_network", explosive)
    found = run.reconstruct(tiny(steps=1, rate=1e-9, last_rate=1e-9), out=str(tmp_path))
    assert found["diverged"] and found["failure_rate"] == 1 and no_nan(found)
    assert found["state_space_divergence"] is None and found["lyapunov_exponents"] == []
    assert "diverged" in found["warnings"][0] and "left every bound" in found["answer"]
    assert "left every bound" in open(found["report"]).read()

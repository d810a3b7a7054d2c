"""Phase diagrams: what is refused, what is computed against closed forms, and that interrupted ones resume."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from linnet import config, run, studies
from linnet.config import PhaseConfig
from linnet.run._phase_plan import make_plan, whole_axes


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"study": "domine2025-balanced", "x": "ballance"}, r"'ballance'. Did you mean balance\? .*balance, scale"),
        ({"study": "domine2025-balanced", "x": "balance", "y": "times"}, "both from these, or both from size"),
        ({"study": "saxe2014-chaos", "x": "nothing"}, "the whole study runs at every point"),
        ({"study": "saxe2014-chaos"}, "Say over which of its settings"),
        ({"study": "no-study"}, "There is no study"),
        ({"study": "domine2025-balanced", "scalar": "colour"}, "kernel_distance, half_time"),
        ({"study": "domine2025-balanced", "y": "scale", "y_range": (-1.0, 1.0)}, "scale needs values between 1e-09"),
        ({"study": "domine2025-balanced", "x_range": (2.0, 1.0)}, "a range that rises"),
        ({"study": "saxe2014-modes", "x": "hidden", "y": "scale", "x_range": (8.0, 8.2)}, "at least 2 points"),
        ({"study": "domine2025-balanced", "x": "size", "y": "times", "scalar": "half_time"}, "number of a claim"),
        ({"study": "domine2025-balanced", "x": "size", "y": "inputs", "x_range": (2.0, 30.0)}, "refuses its settings"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_plan(PhaseConfig(**settings))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"cells": (1,)}, "--cells must be at least 2"),
        ({"cells": (2, 3, 4)}, "one number or two"),
        ({"x_range": (1.0,)}, "a first and a last value"),
        ({"x": "scale", "y": "scale"}, "two parameters"),
        ({"seeds": 0}, "--seeds must be at least 1"),
    ],
)
def test_wrong_settings_are_sentences(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        PhaseConfig(**settings)


def test_axes_are_spaced_as_they_say():
    axis = studies.Axis("a", "a", 1.0, 1.0, 100.0, "log", 0.1)
    np.testing.assert_allclose(axis.values(3), [1, 10, 100])
    np.testing.assert_allclose(dataclasses.replace(axis, spacing="linear").values(3, (0.5, 1.5)), [0.5, 1, 1.5])
    # Fewer whole numbers than asked for are all of them, once.
    np.testing.assert_array_equal(dataclasses.replace(axis, spacing="whole").values(9, (2, 5)), [2, 3, 4, 5])


@pytest.mark.parametrize("name", sorted(studies.PHASES))
def test_every_model_names_what_it_has(name):
    model = studies.PHASES[name](config.load(name), {})
    assert len({axis.name for axis in model.axes}) == len(model.axes) >= 2 and model.quantities and model.theory
    for axis in model.axes:
        assert axis.least <= axis.low < axis.high <= axis.most and axis.least <= axis.default <= axis.most
    plan = make_plan(PhaseConfig(study=name))
    assert plan.config.cells[0] >= 2 and plan.config.scalar == model.quantities[0].name
    assert plan.config == make_plan(plan.config).config  # what is resolved stays so


def test_settings_of_a_study_are_axes():
    axes = whole_axes(config.load("domine2025-balanced"))
    assert set(axes) == {"size", "inputs", "scale", "seeds", "times"}
    assert axes["size"].spacing == "whole" and axes["scale"].spacing == "log"


SETTINGS = PhaseConfig(
    study="kunin2024-rich", x="size", y="angle", scalar="half_time", x_range=(0.01, 0.1), y_range=(0.0, 1.5),
    cells=(3, 2), seeds=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def diagram(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return out, run.phase(SETTINGS, out=str(out), command="linnet phase kunin2024-rich")


def test_both_roads_are_the_closed_form(diagram):
    """A balanced neuron that points at the target is a logistic curve, dm/dt = 2 m (1 - m)."""
    _, summary = diagram
    size = np.array(summary["x"]["values"])
    expected = np.log(1 / size - 1) / 2
    # Half times are interpolated between recordings.
    np.testing.assert_allclose(summary["simulated"][0], expected, rtol=2e-3)
    np.testing.assert_allclose(summary["predicted"][0], expected, rtol=2e-3)
    # Pointing elsewhere takes longer: mu and phi by small steps of their equations.
    mu, phi, t, step = size.copy(), np.full(3, np.cos(1.5)), np.zeros(3), 1e-4
    for _ in range(200_000):
        going = mu * phi < 0.5
        if not going.any():
            break
        kappa = 2 * mu
        slope = kappa * (phi - mu), (1 - phi**2)  # a / |w| = 1 where they are balanced
        mu, phi, t = mu + going * step * slope[0], phi + going * step * slope[1], t + going * step
    np.testing.assert_allclose(summary["simulated"][1], t, rtol=5e-3)


def test_what_is_kept(diagram):
    out, summary = diagram
    with xr.open_datatree(summary["data"], engine="h5netcdf") as tree:
        assert tree["simulation"]["half_time"].dims == ("seed", "size", "angle")
        np.testing.assert_allclose(tree["simulation"]["half_time"].median("seed").T, summary["simulated"], rtol=1e-12)
        gap = tree["theory"]["kernel_distance"] - tree["simulation"]["kernel_distance"]
        assert float(np.max(np.abs(gap))) < 1e-6
    assert summary["largest_gap"] < 1e-4 and summary["failed"] == 0 and "all points" in summary["answer"]
    assert (out / summary["figure"]).read_text().startswith("<svg") or "<svg" in (out / summary["figure"]).read_text()
    again = run.phase(SETTINGS, out=str(out))
    assert again["run"] == summary["run"]


def test_an_interrupted_diagram_resumes_with_the_same_numbers(diagram, tmp_path):
    def stop(stage, done, total):
        if 0 < done < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.phase(SETTINGS, out=str(tmp_path), progress=stop)
    resumed = run.phase(SETTINGS, out=str(tmp_path), resume=True)
    assert resumed["simulated"] == diagram[1]["simulated"] and resumed["predicted"] == diagram[1]["predicted"]


def test_whole_studies_run_at_every_point(tmp_path, monkeypatch):
    """A study whose one claim measures the product of two settings, interrupted once."""
    calls = []

    def product(settings, *, key, progress=None):
        calls.append((settings.size, settings.scale, settings.seed))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return studies.Findings((studies.Claim("a product", 1.0, settings.size * settings.scale),), ())

    monkeypatch.setitem(studies.STUDIES, "domine2025-balanced", product)
    settings = PhaseConfig(
        study="domine2025-balanced", x="size", y="times", x_range=(2.0, 4.0), y_range=(4.0, 8.0), cells=(3, 2), seeds=1
    )
    with pytest.raises(KeyboardInterrupt):
        run.phase(settings, out=str(tmp_path))
    summary = run.phase(settings, out=str(tmp_path))
    assert len(calls) == 7  # 6 points, one of them begun twice
    np.testing.assert_allclose(summary["simulated"], [[0.1, 0.15, 0.2]] * 2)
    assert summary["scalars"] == {"claim-1": "a product"}


@pytest.mark.slow
def test_sizes_are_programs_of_their_own(tmp_path):
    settings = PhaseConfig(
        study="saxe2014-modes", x="hidden", y="scale", x_range=(6.0, 9.0), y_range=(1e-4, 1e-2), cells=(2, 3), seeds=3
    )
    summary = run.phase(settings, out=str(tmp_path))
    assert summary["x"]["values"] == [6.0, 9.0] and summary["largest_gap"] < 0.02
    # More hidden units begin with more, and learn sooner.
    first, last = np.array(summary["simulated"]).T
    assert np.all(last < first)

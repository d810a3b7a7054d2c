"""Two runs are compared on common times, by medians, whatever their numbers of seeds."""

import numpy as np
import pytest
import xarray as xr

from linnet.run import compare_runs


def tree(rate, seeds, end, num):
    ts = np.linspace(0, end, num)
    values = np.exp(-rate * ts)[None] * np.linspace(0.9, 1.1, seeds)[:, None]
    halves = np.full((seeds, 2), np.log(2) / rate)
    data = xr.Dataset({"loss": (("seed", "time"), values), "half_times": (("seed", "mode"), halves)}, {"time": ts})
    return xr.DataTree.from_dict({"/networks/linear_2/simulation": data})


def found(first, second):
    return {entry["name"].rsplit("/", 1)[-1]: entry for entry in compare_runs(first, second)["quantities"]}


def test_other_times_and_seeds_do_not_matter():
    same = found(tree(1.0, 3, 5.0, 201), tree(1.0, 5, 8.0, 801))
    assert same["loss"]["absolute"] < 1e-3
    assert same["half_times"]["half_time_shift"] == pytest.approx(0)


def test_differences_are_found():
    other = found(tree(1.0, 3, 5.0, 201), tree(2.0, 3, 5.0, 201))
    ts = np.linspace(0, 5, 201)
    assert other["loss"]["absolute"] == pytest.approx(np.max(np.abs(np.exp(-ts) - np.exp(-2 * ts))), rel=1e-6)
    assert other["half_times"]["half_time_shift"] == pytest.approx(0.5)


def test_what_cannot_be_compared_is_said():
    first, second = tree(1.0, 3, 5.0, 201), tree(1.0, 3, 5.0, 201)
    second["/networks/tanh/simulation"] = second["/networks/linear_2/simulation"].copy()
    second["/networks/linear_2/simulation"] = xr.DataTree(
        second["/networks/linear_2/simulation"].to_dataset().isel(mode=[0])
    )
    sentences = compare_runs(first, second)["not_compared"]
    assert any("half_times has the axes {'mode': 2}" in sentence for sentence in sentences)
    assert any("Only the second run has quantities under tanh/simulation" in sentence for sentence in sentences)

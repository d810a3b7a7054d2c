"""The figure of a phase diagram, by numbers made by hand."""

import numpy as np
import pytest

from linnet import report

X = report.PhaseAxis("a", "a in s", np.array([1.0, 2.0, 3.0]))
Y = report.PhaseAxis("b", "b", np.array([0.1, 1.0, 10.0]), log=True)


def diagram(simulated, predicted, log=False):
    return report.PhaseDiagram("study", "number", log, X, Y, np.asarray(simulated), np.asarray(predicted), "a theory")


def test_edges_lie_between_points():
    np.testing.assert_allclose(X.edges(), [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(Y.edges(), 10.0 ** np.array([-1.5, -0.5, 0.5, 1.5]))


def test_gaps_are_over_the_range_or_relative():
    simulated = np.arange(1, 10.0).reshape(1, 3, 3)
    found = diagram(simulated, simulated + 0.8)
    np.testing.assert_allclose(found.gaps(), [0.1, 0.1])
    found = diagram(simulated, 1.5 * simulated, log=True)
    np.testing.assert_allclose(found.gaps(), [0.5, 0.5])
    assert "50 %" in found.answer() and "from 1 to 9" in found.answer()
    assert "0.01 %" in diagram(simulated, simulated).answer()


def test_points_without_a_number_are_left_out():
    simulated = np.arange(1, 10.0).reshape(1, 3, 3)
    simulated[0, 0, 0] = np.nan
    nothing = np.full_like(simulated, np.nan)
    assert "nothing was predicted" in diagram(simulated, nothing).answer()
    assert "no point" in diagram(nothing, nothing).answer()
    np.testing.assert_allclose(diagram(simulated, simulated).gaps(), [0, 0])


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("predicted", ["same", "constant", "none"])
def test_figures_can_be_drawn(log, predicted):
    simulated = np.arange(1, 10.0).reshape(1, 3, 3)
    simulated[0, 1, 1] = np.nan
    other = {"same": simulated, "constant": np.ones_like(simulated), "none": np.full_like(simulated, np.nan)}[predicted]
    figure = report.phase_figure(diagram(simulated, other, log))
    assert "a in s" in figure.svg and "a theory" in figure.caption

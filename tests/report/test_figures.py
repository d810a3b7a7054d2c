"""Figures as a reader meets them: well-formed, the same in every run, without overlaps, and seen by everyone."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, strategies as st

from linnet import report
from linnet.report._claims import distance
from linnet.report._label import spread
from linnet.studies import Claim
from tests.report.synthetic import logistic

TS = np.linspace(0, 30, 60)
STRENGTHS = np.array([0.9, 0.6, 0.59, 0.585, 0.2])


def curves(num_seeds=4, theory="theory", title="depth 2"):
    values = np.stack([logistic(TS, STRENGTHS, 1e-3, 0.3 * seed) for seed in range(num_seeds)])
    return report.ModeCurves(title, TS, values, values * 1.01, theory=theory)


def losses(label, scale=1.0, seeds=3):
    return report.LossCurve(label, TS, scale * np.exp(-TS / 5)[None] * np.linspace(1, 1.1, seeds)[:, None])


CLAIMS = [
    {"predicted": 1.0, "measured": 1.05, "tolerance": 0.1, "holds": True},
    {"predicted": 1.0, "measured": 9.0, "tolerance": 0.1, "holds": False, "control": True},
    {"predicted": 1.0, "measured": 3.0, "tolerance": 0.0, "holds": True, "relation": "at least"},
    {"predicted": 1.0, "measured": None, "tolerance": 0.1, "holds": False},
]

#: Every kind of figure with what is special about it.
FIGURES = {
    "overlay": lambda: report.mode_overlay("overlay", "All modes.", [curves()]),
    "two panels": lambda: report.mode_overlay("two", "Two.", [curves(theory="A"), curves(theory="B")]),
    "no theory": lambda: report.mode_overlay("bare", "Bare.", [report.ModeCurves("x", TS, curves().measured[0])]),
    "logarithmic": lambda: report.mode_overlay("log", "Log.", [curves()], log_time=True),
    "difference": lambda: report.difference_figure("difference", "Less.", curves()),
    "half times": lambda: report.half_time_scatter(
        "half", "When.", [report.HalfTimes("depth 2", np.array([1.0, 2.0, 40.0]), np.array([[1.1, 2.1, np.nan]] * 3))]
    ),
    "nothing learned": lambda: report.half_time_scatter(
        "never", "When.", [report.HalfTimes("depth 2", np.array([1.0]), np.array([[np.nan]]))]
    ),
    "stopping": lambda: report.test_error_figure(
        "stop", "Stop.", losses("depth 2"), losses("theory"), stopping=(3.0, 28.0), others=[losses("tanh", 0.5)]
    ),
    "no stopping": lambda: report.test_error_figure("go", "Go on.", losses("depth 2"), train=losses("training", 0.8)),
    "spectrum": lambda: report.spectrum_figure("spectrum", "Modes.", STRENGTHS, 0.4, np.linspace(0.3, 0.42, 20)),
    "one mode": lambda: report.spectrum_figure("one", "Mode.", STRENGTHS[:1]),
    "claims": lambda: report.claims_figure("claims", "Claims.", CLAIMS),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_svg_that_can_stand_in_a_page(name):
    figure = FIGURES[name]()
    root = ElementTree.fromstring(figure.svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "width" not in root.attrib and "viewBox" in root.attrib, "It has to scale with the page."
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids)) and all(name.startswith(f"{figure.name}-") for name in ids)
    used = set(re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', figure.svg))
    assert {a or b for a, b in used} <= set(ids), "A reference inside the figure lost what it points to."
    assert "<style" not in figure.svg and "@import" not in figure.svg
    assert not re.search(r'(?:href|src)="http', figure.svg)
    assert report.INK not in figure.svg and "currentColor" in figure.svg
    assert figure == FIGURES[name](), "The same data must give the same file."


def test_axes_have_labels_with_units():
    svg = FIGURES["overlay"]().svg
    assert "learning time (learning rate × steps)" in svg and "mode strength" in svg
    assert "½ mean squared error" in FIGURES["stopping"]().svg


def texts(svg):
    """Every text of a figure with where it stands, in points."""
    found = []
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        place = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", element.attrib.get("transform", ""))
        x, y = place.groups() if place else (element.get("x", "nan"), element.get("y", "nan"))
        found.append(("".join(element.itertext()).strip(), float(x), float(y)))
    return found


@pytest.mark.parametrize("name", ["overlay", "two panels"])
def test_labels_of_tied_modes_do_not_overlap(name):
    labels = [(x, y) for text, x, y in texts(FIGURES[name]().svg) if text in {"1", "2", "3", "4", "5"}]
    right = [(x, y) for x, y in labels if sum(abs(x - other) < 2 for other, _ in labels) == 5]
    for column in {round(x) for x, _ in right}:
        heights = sorted(y for x, y in right if round(x) == column)
        assert len(heights) == 5 and min(np.diff(heights)) >= 8, "Labels of 8.5 points need about as much room."


def test_stopping_times_are_written_beside_their_lines():
    words = [text for text, _, _ in texts(FIGURES["stopping"]().svg)]
    assert "stop at 3 (predicted)" in words and "stop at 28 (measured)" in words
    assert not [text for text, _, _ in texts(FIGURES["no stopping"]().svg) if text.startswith("stop")]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.floats(0.01, 0.12))
def test_spread_is_the_nearest_arrangement(positions, gap):
    moved = spread(positions, gap)
    order = np.argsort(positions, kind="stable")
    assert np.all(np.diff(moved[order]) >= gap - 1e-9)
    assert moved.min() >= -1e-9 and moved.max() <= 1 + 1e-9
    wanted = np.asarray(positions)[order]
    constraints = {"type": "ineq", "fun": lambda x: np.diff(x) - gap}
    start = np.linspace(0, 1, len(positions))
    found = scipy.optimize.minimize(
        lambda x: np.sum((x - wanted) ** 2), start, bounds=[(0, 1)] * len(positions), constraints=constraints
    )
    assert np.sum((moved[order] - wanted) ** 2) <= found.fun + 1e-3


def test_spread_of_too_many_labels_fills_the_room():
    np.testing.assert_allclose(spread(np.zeros(5), 0.5), np.linspace(0, 1, 5))
    assert spread([], 0.1).size == 0


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("paper", ["#ffffff", "#17191c"])
def test_every_colour_is_seen_on_white_and_on_black(paper):
    for colour in report.COLOURS:
        light, dark = sorted((luminance(colour), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 2.1, f"{colour} is too faint on {paper}."


@given(
    st.floats(-5, 5),
    st.floats(-5, 5),
    st.one_of(st.just(0.0), st.floats(0.01, 2)),
    st.sampled_from(["close", "at least", "at most"]),
)
def test_a_claim_is_within_its_tolerance_exactly_if_it_holds(predicted, measured, tolerance, relation):
    claim = Claim("x", predicted, measured, tolerance, relation)
    far = distance(claim.to_dict())
    if abs(far - 1) > 1e-9:
        assert (far < 1) == claim.holds


def test_figures_need_no_pyplot():
    code = "import linnet.report, sys; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False", "pyplot brings a window system and global state."

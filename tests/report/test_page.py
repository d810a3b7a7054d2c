"""The page: self-contained, in its fixed order, for people and screen readers, never broken by a column name."""

import functools as ft
import html.parser
import math
import re
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest

from linnet import report
from linnet.report._reference import reference
from linnet.report._table import cell, number
from tests.report.synthetic import run

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(html.parser.HTMLParser):
    """What is in a page: its elements with attributes, its text, and whether every element was closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        assert not self.open, f"Never closed: {self.open}."

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}."
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@ft.cache
def learn_page(**options):
    tree, summary = run(**options)
    return Page(report.report_html(report.learn_content(tree, summary, ("saxe2014exact",))))


def test_the_order_is_fixed():
    page = learn_page()
    order = ["Theory on simulation", "Their difference", "The numbers", "How to reproduce", "Citations"]
    places = [page.text.index(part) for part in ["predicted within 1 %", *order]]
    assert places == sorted(places)
    assert len(page.all("h1")) == 1 and len(page.all("h2")) == 5
    assert "iris <b>.csv" in page.text, "A file name is text, whatever it looks like."
    assert not page.all("b")
    assert "Exact solutions to the nonlinear dynamics" in page.text and "@inproceedings{saxe2014exact" in page.text


def test_nothing_comes_from_elsewhere():
    page = learn_page()
    assert not page.all("script") and not page.all("link") and not page.all("img") and not page.all("iframe")
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    style = "".join(page.words)
    assert (
        "@import" not in style and "url(" not in style and "prefers-color-scheme" in style and "@media print" in style
    )


def test_figures_and_tables_can_be_read_aloud():
    page = learn_page()
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), f"Ids used twice: {sorted({i for i in ids if ids.count(i) > 1})}."
    for figure in page.all("svg"):
        assert figure.get("role") == "img"
        assert figure.get("aria-label") or figure.get("aria-labelledby") in ids
    for table in page.all("table"):
        assert table["aria-labelledby"] in ids
    headers = page.all("th")
    assert headers and {header["scope"] for header in headers} == {"col", "row"}
    assert dict(page.elements)["html"]["lang"] == "en"


def test_the_numbers_are_those_of_the_run():
    page = learn_page()
    _, summary = run()
    for mode in summary["modes"]:
        assert number(mode["singular_value"]) in page.text
        assert number(mode["predicted_times"]["linear_1"]) in page.text and number(mode["predicted_time"]) in page.text
        assert number(mode["measured_time"]) in page.text
    assert "+1.00" in page.text, "Measured times are 1 % late."
    assert "noise edge 0.3" in page.text and "3 of 4 modes stand above" in page.text
    assert "20 000 steps" in page.text and "Tied" in page.text
    assert "none / 20.0" in page.text, "Where there is no minimum there is no time to stop."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"held_out": False}, "none / none"),
        ({"learned": False}, "no mode was learned"),
        ({"strengths": (0.5,)}, "the mode stands above"),
        ({"strengths": tuple(0.9 * 0.95**i for i in range(40)), "edge": 0.5}, "10 weaker modes"),
        ({"names": ("a" * 80, "<script>alert(1)</script>", "ünï", "&amp;", '"', "'")}, "<script>alert(1)</script>"),
    ],
)
def test_unusual_runs_make_pages_too(options, words):
    page = learn_page(**options)
    assert words in page.text and not page.all("script")


def test_pixels_are_pictures():
    names = tuple(f"pixel {row},{column}" for row in range(3) for column in range(3))[1:]
    page = learn_page(names=names)
    pictures = [figure for figure in page.all("svg") if figure.get("class") == "pixels"]
    assert len(pictures) == 4
    assert all("pixel" in picture["aria-label"] for picture in pictures)
    squares = [r for r in page.all("rect") if (r.get("fill") or "").startswith("rgb") and r["width"] == "1"]
    assert len(squares) == 4 * len(names)
    assert {square["fill"] for square in squares} & {"rgb(255,255,255)", "rgb(1,1,1)"}
    assert not [f for f in learn_page().all("svg") if f.get("class") == "pixels"]


def test_the_sign_of_a_mode_shows_its_largest_output_as_positive():
    tree, summary = run()
    table = next(
        t for t in report.learn_content(tree, summary).tables if isinstance(t, report.Table) and "made of" in t.caption
    )
    for mode, (_, inputs, outputs) in zip(summary["modes"], table.rows):
        assert outputs.items[0][1] == abs(mode["outputs"][0]["weight"]) > 0
        sign = math.copysign(1, mode["outputs"][0]["weight"])
        assert inputs.items[0][1] == sign * mode["inputs"][0]["weight"]


def test_a_report_is_files_that_replace_older_ones(tmp_path):
    tree, summary = run()
    (tmp_path / "citations.bib").write_text("@inproceedings{saxe2014exact,\n  title = {x},\n}\n")
    old = tmp_path / "report" / "figures" / "gone.svg"
    old.parent.mkdir(parents=True)
    old.write_text("x")
    path = report.write_learn_report(tmp_path, tree, summary)
    assert path == tmp_path / "report" / "index.html" and not old.exists()
    files = sorted(file.name for file in (tmp_path / "report" / "figures").iterdir())
    assert {"modes.svg", "stopping.svg", "half-times.svg", "difference.svg", "spectrum.svg"} <= set(files)
    for file in (tmp_path / "report" / "figures").iterdir():
        root = ElementTree.parse(file).getroot()
        assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert not list(tmp_path.rglob("*.tmp"))
    first = path.read_bytes()
    assert report.write_learn_report(tmp_path, tree, summary).read_bytes() == first
    assert b"A. M. Saxe, J. L. McClelland and S. Ganguli (2014)" in first
    assert len(first) < 2_000_000


def test_an_unknown_citation_is_refused():
    with pytest.raises(ValueError, match="nobody2020nothing"):
        report.report_html(report.ReportContent("t", "a.", citations=("nobody2020nothing",)))


def test_a_study_shows_its_claims(tmp_path):
    claim = {"statement": "One is 1 & not <2>", "predicted": 1.0, "measured": 1.01, "tolerance": 0.1, "holds": True}
    bad = {**claim, "statement": "Two is 1", "measured": 2.0, "holds": False, "control": True, "relation": "at most"}
    summary = {"study": "saxe2014-modes", "title": "Modes.", "answer": "1 of 2 claims do not hold", "preset": "quick"}
    figure = report.draw("curve", "A curve.", lambda canvas: canvas.subplots().plot([0, 1]) and None)
    findings = SimpleNamespace(figures=(figure,))
    path = report.write_study_report(tmp_path, findings, {**summary, "seed": 3, "claims": [claim, bad]})
    page = Page(path.read_text())
    assert "One is 1 & not <2>" in page.text and "Two is 1 (negative control)" in page.text
    assert "linnet study saxe2014-modes --preset quick --seed 3" in page.text
    assert "Claims that do not hold: 2." in page.text and "✗ no" in page.text and "✓ yes" in page.text
    assert "1 of 2 claims do not hold." in page.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.5, "1234"),
        (0.012345, "0.0123"),
        (-3.14159, "−3.14"),
        (12345678, "12\u2009345\u2009678"),
        (3, "3"),
        (1.5e-7, "1.50 · 10⁻⁷"),
        (2.5e9, "2.50 · 10⁹"),
        (99999.0, "99999"),
    ],
)
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


def test_cells():
    assert "–" in cell(None) and "–" in cell(float("nan")) and "–" in cell(float("inf"))
    assert "yes" in cell(True) and "no" in cell(False)
    assert cell("a < b") == "a &lt; b"


def test_references_are_written_out():
    entry = r"""@article{x, title = {The {B}ures {\'e}tude}, author = {M{\"u}ller, Anna B. and Carl D. Str{\o}m},
        journal = {J. of {\^I}les}, volume = {3}, number = {2}, pages = {1--9}, year = 1999, note = "seen"}"""
    assert reference(entry).startswith("A. B. Müller and C. D. Str")
    assert reference(entry).endswith("(1999). The Bures étude. J. of Îles 3(2), 1–9. seen.")

"""The documentation tells the truth: names exist, code runs, every room has a page and every theory its note."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import pytest

import linnet as ln

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted((DOCS / "theory").glob("*.md")),
]
#: Pages whose Python blocks are whole programs.
RUNNABLE = [ROOT / "README.md", DOCS / "index.md", DOCS / "conventions.md"]


def blocks(page):
    return re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_code_on_pages_runs(page, capsys):
    found = blocks(page)
    assert found, f"{page} shows no Python."
    x64 = jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
    try:
        for block in found:
            exec(compile(block, str(page), "exec"), {"__name__": "__main__"})
    finally:
        jax.config.update("jax_enable_x64", x64)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_on_pages_exist(page):
    """Every `ln.room.name` and `linnet.room.name` of the text and of the code is there."""
    text = page.read_text(encoding="utf-8")
    for dotted in sorted(set(re.findall(r"\b(?:ln|linnet)((?:\.[A-Za-z]\w*)+)", text))):
        value, path = ln, "linnet"
        for name in dotted.strip(".").split("."):
            if name == "svg" or not (name.isidentifier() and path.count(".") < 3):
                break
            assert getattr(value, name, None) is not None, (
                f"{page.name} speaks of linnet{dotted}; {path} has no {name}."
            )
            value, path = getattr(value, name), f"{path}.{name}"


def test_numbers_in_the_conventions_example():
    """The comments of the example on docs/conventions.md are its results."""
    (block,) = blocks(DOCS / "conventions.md")
    names = {}
    for line in block.splitlines():
        found = re.search(r": ([\d.]+)$", line)
        exec(line, names)
        if found:
            assert eval(line.split("#")[0], names) == pytest.approx(float(found[1])), line


def test_every_room_has_an_api_page():
    pages = {page.stem for page in (DOCS / "api").glob("*.md")}
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    rooms = {index.parent.name for index in (ROOT / "src" / "linnet").glob("*/__init__.py")}
    assert rooms <= pages, f"No page in docs/api for {sorted(rooms - pages)}: copy the two lines of another room's."
    for page in pages:
        assert f'"api/{page}.md"' in navigation, f"docs/api/{page}.md is not in the navigation of zensical.toml."


def theories():
    """The names of all theories that the room exports."""
    base = ln.theory.AbstractTheory
    found = [name for name, value in vars(ln.theory).items() if isinstance(value, type) and issubclass(value, base)]
    return [name for name in found if not name.startswith("Abstract")]


def test_every_theory_has_a_page_and_a_row():
    """A theory is documented where it is explained, with what it assumes, and where it is chosen."""
    pages = {page.name: page.read_text(encoding="utf-8") for page in (DOCS / "theory").glob("*.md")}
    choose = (DOCS / "how-to-choose.md").read_text(encoding="utf-8")
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    for name in theories():
        assert f"`{name}`" in choose, f"docs/how-to-choose.md has no row for the theory {name}."
        block = f"<!-- assumptions: {name} -->"
        assert any(block in text for text in pages.values()), f"No page of docs/theory has the block `{block}`."
    for page in pages:
        assert f'"theory/{page}"' in navigation, f"docs/theory/{page} is not in the navigation of zensical.toml."


def test_pages_say_what_theories_assume():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "theory_pages.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_convention_has_a_row():
    text = (DOCS / "conventions.md").read_text(encoding="utf-8")
    source = ast.parse(Path(str(ln.conventions.__file__)).read_text(encoding="utf-8"))
    names = [n.name for n in source.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    assert len(names) >= 11
    for name in names:
        assert f"`{name}(" in text, f"docs/conventions.md has no row for {name}."


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {ln.__version__}" in citation, "CITATION.cff and _version.py name different versions."
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["license"] == "Apache-2.0" and "license: Apache-2.0" in citation

"""Every script in examples/ runs as a newcomer would run it, is at most 60 lines, and is shown in the gallery."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example, tmp_path):
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 60, "An example is at most 60 lines."
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert f"examples/{example.name}" in gallery, f"docs/gallery.md does not show {example.name}."
    environment = os.environ | {"MPLBACKEND": "Agg", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, example], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    assert done.stdout.strip() or list(tmp_path.iterdir()), "An example prints or draws something."

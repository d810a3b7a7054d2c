"""Every error is a sentence on stderr and an exit status; nothing but the answer reaches stdout."""

import errno
import json
import math

import numpy as np
import pytest

from linnet.cli import _answer, _info, main


def fail_with(monkeypatch, error):
    def fail(command):
        print("a library talks")
        raise error

    monkeypatch.setattr(_info, "info", fail)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("The sentence."), "The sentence."),
        (OSError(errno.ENOSPC, "No space left on device", "/disk/file"), "full: free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/disk/file"), "/disk/file cannot be written"),
        (MemoryError(), "not enough memory"),
        (TypeError("surprise\nmore"), "(TypeError: surprise)"),
    ],
)
def test_an_error_is_a_sentence_and_exit_2(monkeypatch, capsys, error, words):
    fail_with(monkeypatch, error)
    assert main(["info", "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and "Traceback" not in err


def test_debug_shows_the_trace(monkeypatch):
    fail_with(monkeypatch, ValueError("The sentence."))
    with pytest.raises(ValueError, match="The sentence"):
        main(["info", "--debug"])


def test_interrupts_exit_130_and_say_how_to_go_on(monkeypatch, capsys):
    fail_with(monkeypatch, KeyboardInterrupt("runs/x"))
    assert main(["info", "--json"]) == 130
    assert "runs/x. Continue with: linnet info --json --resume" in capsys.readouterr().err
    fail_with(monkeypatch, KeyboardInterrupt())
    assert main(["info"]) == 130
    assert "before anything was written" in capsys.readouterr().err


def test_json_has_no_nan():
    content = {
        "a": math.nan,
        "b": [np.float64(1.5), np.inf, np.int64(3)],
        "c": np.array([[1.0, np.nan]]),
        "d": np.bool_(True),
    }
    text = json.dumps(_answer.plain(content), allow_nan=False)
    assert json.loads(text) == {"a": None, "b": [1.5, None, 3], "c": [[1.0, None]], "d": True}


def test_cells():
    assert [_answer.cell(x) for x in (None, math.nan, True, 1.23456, 7, "x")] == ["-", "-", "yes", "1.235", "7", "x"]

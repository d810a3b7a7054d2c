"""The command line itself: help, misuse, and how words become settings."""

import json

import pytest

from linnet.cli import _main, main


@pytest.mark.parametrize(
    "command",
    [
        "",
        "learn",
        "study",
        "sequence",
        "generate",
        "reconstruct",
        "forecast",
        "list",
        "show",
        "compare",
        "cite",
        "info",
    ],
)
def test_help(capsys, command):
    assert main([*command.split(), "--help"]) == 0
    assert "usage: linnet" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip().count(".") == 2


@pytest.mark.parametrize(
    "words",
    [
        "",
        "lern",
        "learn --hiden 3",
        "learn --hidden many",
        "learn --hidden 1.5",
        "learn --window soon",
        "learn --depths 1,two",
        "learn --preset fast",
        "learn a.csv b.csv",
        "study",
        "show",
        "compare one",
        "list --jsn",
        "sequence",
        "sequence parity --hidden many",
        "generate",
    ],
)
def test_misuse_exits_2_and_says_so_on_stderr_only(capsys, words):
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert not out and err and "Traceback" not in err


def parsed(words):
    return _main._parse(words.split())


def test_options_may_stand_before_the_file():
    command = parsed("learn --target species --depths 1,2 --json data.csv")
    assert command.file == "data.csv" and command.settings.target == ("species",)
    assert command.settings.depths == (1, 2) and command.output.json


def test_names_with_commas_are_quoted():
    settings = _main._parse(["learn", "--columns", 'a, "b, c" ,d']).settings
    assert settings.columns == ("a", "b, c", "d")


def test_a_preset_gives_the_defaults_and_options_replace_them():
    assert parsed("learn").settings.seeds == 16
    assert parsed("learn --preset quick").settings.seeds == 4
    assert parsed("learn --seeds 5 --preset=quick").settings.seeds == 5
    assert parsed("learn --rate auto").settings.rate is None
    assert parsed("learn --rate 2").settings.rate == 2.0


def test_an_empty_list_of_runs(capsys, tmp_path):
    assert main(["list", "--out", str(tmp_path / "none"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": []}
    assert main(["list", "--out", str(tmp_path)]) == 0
    assert "no runs" in capsys.readouterr().out


def test_info(capsys):
    assert main(["info", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["devices"] and content["packages"]["jax"]
    assert main(["info"]) == 0
    assert "jax" in capsys.readouterr().out


def test_a_list_of_runs_does_not_load_jax(tmp_path):
    import subprocess
    import sys

    code = (
        f"import sys; from linnet.cli import main; code = main(['list', '--out', {str(tmp_path)!r}]);"
        "print(sorted({'jax', 'xarray', 'scipy'} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_settings_of_sequences_are_the_presets_unless_given():
    command = parsed("sequence parity --layer gla --steps 7 --layer-settings num_heads=2 --layers a,b")
    given = {name: value for name, value in vars(command.settings).items() if value not in (None, ())}
    assert given == {"layer": "gla", "steps": 7, "layer_settings": ("num_heads=2",), "layers": ("a", "b")}
    assert command.task == "parity" and not command.file
    command = parsed("sequence text --held-out 0.2 book.txt --json")
    assert command.file == "book.txt" and command.settings.held_out == 0.2 and command.output.json


def test_what_is_given_to_reconstruct_is_kept_and_can_be_typed_again():
    from linnet.cli import _reconstruct

    words = "reconstruct two.csv --preset quick --columns x,y --interpolate --embed none --noise 0 --seeds 3"
    command = parsed(words)
    assert command.file == "two.csv" and command.settings.interpolate and command.settings.noise == 0.0
    assert command.settings.model is None and command.settings.columns == ("x", "y")
    given = {"columns": ("x", "y"), "interpolate": True, "embed": "none", "noise": 0.0, "seeds": 3}
    assert parsed(_reconstruct._typed(command, given).removeprefix("linnet ")) == command
    assert parsed("forecast RUN --steps 7 --out next.csv").out == "next.csv"

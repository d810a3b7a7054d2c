"""`linnet sequence` and `linnet generate`: what is planned, bad input, and whole runs that are killed and resumed."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

from linnet import config, nn, run, store, tasks
from linnet.cli import main
from linnet.run import _sequence, _sequence_plan as plan, _sequence_text, _sequence_train as training
from linnet.run._sequence_train import sizes_of

#: The smallest run there is.
TINY = {"hidden": 4, "mlp": 0.0, "length": 4, "min_length": 1, "reach": 2, "samples": 8, "steps": 9, "batch": 2}


def tiny(kind="sequence", **settings):
    return config.load(kind, **TINY | {"layer": "mingru", "control": "none"} | settings)


# --- what is planned --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "settings", "control", "expected"),
    [
        ("DeltaNet", (), "auto", [("delta-net", True), ("delta-net", False)]),
        ("delta_net", ("allow_neg_eigval=false",), "auto", [("delta-net", False)]),
        ("delta-net", (), "none", [("delta-net", True)]),
        ("delta-net", (), "retnet", [("delta-net", True), ("retnet", None)]),
        ("mlstm", (), "auto", [("mlstm", None), ("hgrn", None)]),
        ("hgrn", (), "auto", [("hgrn", None)]),
    ],
)
def test_controls(layer, settings, control, expected):
    found = plan.contestants(tiny(layer=layer, layer_settings=settings, control=control), 8)
    assert [(c.layer, c.settings.get("allow_neg_eigval")) for c in found] == expected
    assert len({c.name for c in found}) == len(found) and len({c.about for c in found}) == len(found)


def test_lengths_go_from_below_to_far_beyond_and_are_of_the_task():
    assert plan.lengths_of(tasks.sequence_task("parity"), tiny(reach=16))[-3:] == [320, 480, 640]
    odd = tasks.sequence_task("modular_arithmetic")
    lengths = plan.lengths_of(odd, tiny(reach=5))
    assert all(odd.fit(length) == length for length in lengths) and min(lengths) < odd.length < max(lengths)
    contestant = plan.contestants(tiny(layer="softmax-attention", control="none"), 640)[0]
    assert contestant.settings["max_length"] == 640


def test_curriculum_grows_to_the_length_of_training(key):
    task = tasks.Curriculum(tasks.Parity(length=12), min_length=2, steps=10)

    sample = eqx.filter_jit(lambda step: task.sample_at(400, key=jr.fold_in(key, step), step=step))

    def lengths(step):
        batch = sample(jnp.asarray(step))
        assert batch.x.shape == (400, 12)
        assert bool(jnp.all(batch.y == (jnp.cumsum(batch.x * (batch.x < 2), axis=1) % 2) * batch.mask))
        return np.unique(np.argmax(batch.mask, axis=1) + 1)

    assert lengths(0).tolist() == [2]
    assert lengths(5).tolist() == list(range(2, 8))
    assert lengths(99).tolist() == list(range(2, 13))


def test_solved_to_and_answer():
    shares = {"5": 0.4, "10": 1.0, "20": 0.96, "40": 0.7, "80": 1.0}
    assert _sequence.solved_to(shares, 0.5, 10) == 20
    assert _sequence.solved_to(shares, 0.5, 40) is None
    entry = {"about": "a layer", "accuracy_by_length": shares, "solved_to": 20}
    said = _sequence.answer("parity", 10, 0.5, entry, None)
    assert said == (
        "a layer, trained on parity up to length 10: 100 % at length 10 and 100 % at 80, 8 times as long; chance is "
        "50 %; solved up to length 20."
    )


def test_references_of_a_text_are_counted():
    text = tasks.TextTask(
        jnp.asarray(np.frombuffer(b"ab" * 500, np.uint8)), jnp.asarray(np.frombuffer(b"ab" * 50, np.uint8)), 4, 0.5
    )
    found = {str(name): float(value) for name, value in _sequence_text._references(text).data_vars.items()}
    names = list(found)
    assert abs(found[names[0]] - 1) < 0.2 and found[names[1]] < 0.02 and found[names[2]] < 0.5


def test_a_text_learned_by_heart_is_said_to_be():
    found = {
        "about": "hgrn",
        "file": "book.txt",
        "train_bytes": 9000,
        "bits_per_byte": 5.0,
        "references": {"pairs": 4.2},
    }
    last = {"steps": [0, 90], "kept_step": 90}
    assert "by heart (0.10 bits a byte there)" in _sequence_text._answer({**found, **last, "loss": [6.0, 0.1]})
    assert "by heart" not in _sequence_text._answer({**found, **last, "loss": [6.0, 4.0]})


def test_a_text_is_read_until_what_was_kept_back_gets_worse(tmp_path, capsys):
    rng = np.random.default_rng(0)
    text = tmp_path / "noise.txt"
    text.write_bytes(bytes(rng.choice(list(b"abcdefgh"), 800).tolist()))  # nothing to learn but its frequencies
    words = "mingru --hidden 32 --mlp 0 --num-layers 1 --length 8 --steps 200 --batch 16 --rate 0.03 --json"
    command = ["sequence", "text", str(text), "--out", str(tmp_path / "runs"), "--layer", *words.split()]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    losses = found["validation_loss"]
    assert found["train_bytes"] == 648 and found["validation_bytes"] == 72 and found["held_out_bytes"] == 80
    assert losses[found["steps"].index(found["kept_step"])] == min(losses) < 0.98 * losses[-1]
    assert f"that of step {found['kept_step']} of 200" in found["answer"]
    # The stored model is that of the step: what was kept back costs with it what was recorded then.
    settings = config.load("sequence-text", layer="mingru", hidden=32, mlp=0.0, num_layers=1, length=8)
    contestant, shown = _sequence_text._contestant(settings), _sequence_text._shown(tasks.text_task(text, 8))
    models = training.load_models(store.RunFolder(found["run"]), "text", contestant, _sequence_text.BYTES, settings)
    batch = shown.held_out.sample(training.WATCHED, key=jr.fold_in(jr.key(0), training._TEST))
    logits = np.asarray(jax.vmap(_sequence_text._first(models))(batch.x)[0], float)
    logs = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    bits = -np.take_along_axis(logs, np.asarray(batch.y)[..., None], -1).mean() / np.log(2)
    assert abs(bits - min(losses)) < 1e-4


@pytest.mark.slow
def test_bits_are_those_of_a_loop(key):
    settings = tiny("sequence-text", layer="mingru", seeds=2)
    text = np.random.default_rng(0).integers(97, 100, 60).astype(np.uint8)
    task = tasks.TextTask(jnp.asarray(text), jnp.asarray(text[:33]), 4, 0.5)
    models = [
        training.make_model(_sequence_text._contestant(settings), _sequence_text.BYTES, settings, key=k)
        for k in jr.split(key)
    ]
    stacked = jtu.tree_map(lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *models)
    found = _sequence_text._measure(stacked, task, True)

    def bits(logits, target):
        return -(logits[target] - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max()) / np.log(2)

    held = text[:33].astype(int)
    for model, fresh, carried in zip(models, found["bits_per_byte"].values, found["bits_per_byte_carried"].values):
        lone, through = [], []
        for stream in range(8):  # 8 streams of one window each
            part = held[4 * stream : 4 * stream + 5]
            logits = np.asarray(nn.run_steps(model, jnp.asarray(part[:-1]))[0], float)
            lone += [bits(row, target) for row, target in zip(logits, part[1:])]
        assert abs(np.mean(lone) - fresh) < 1e-5 and abs(fresh - carried) < 1e-5 and not through


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sequence paritty", "no sequence task 'paritty'; the closest names are parity"),
        ("sequence parity --layer deltanett", "no layer 'deltanett'; the closest are delta-net"),
        ("sequence parity --mode newton", "does not admit the mode 'newton'"),
        ("sequence parity --layer-settings heads=2", "has no setting 'heads'"),
        ("sequence parity --layer-settings heads", "needs pairs such as"),
        ("sequence parity --length 0", "--length must be at least 1, got 0"),
        ("sequence parity --length 2", "--length must be at least --min-length, got 2 and 3"),
        ("sequence parity --task-settings colour=3", "does not take these settings"),
        ("sequence parity book.txt", "Only `linnet sequence text` reads a file"),
        ("sequence parity --steps 0", "--steps must be at least 1"),
        ("sequence adding", "the answers of adding are numbers"),
        ("sequence text", "needs a file"),
        ("sequence text missing.txt", "missing.txt is no file"),
        ("sequence text empty.txt", "empty.txt is empty"),
        ("sequence text binary.txt", "looks binary"),
        ("sequence text short.txt", "Windows of 128 bytes need a text"),
        ("sequence scoreboard --task-settings a=1", "leave out --task-settings"),
        ("sequence scoreboard --tasks parity,sun", "no sequence task 'sun'; the closest names are sum"),
        ("generate nothing --prompt a", "nothing"),
        ("generate nothing --prompt a --length 0", "must be at least 1"),
    ],
)
def test_bad_input_is_a_sentence(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, content in {"empty": b"", "binary": b"\0\1" * 400, "short": b"abc" * 50}.items():
        (tmp_path / f"{name}.txt").write_bytes(content)
    assert main([*words.split(), "--json"]) == 2
    out, err = capsys.readouterr()
    assert not out and sentence in err and "Traceback" not in err
    assert not list(tmp_path.glob("runs/*"))


# --- whole runs -------------------------------------------------------------------------------------------------------


class Stop:
    """Ctrl-C after some calls of the progress that tell of work done."""

    def __init__(self, after):
        self.left = after

    def __call__(self, stage, done, total):
        self.left -= bool(done)
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_that_is_killed_resumes_to_the_same_bits(tmp_path):
    settings = tiny(control="hgrn")
    whole = run.sequence(settings, "parity", out=str(tmp_path / "whole"))
    for after in (1, 2, 4):  # within the layer, at its end, within the control
        out = str(tmp_path / f"killed-{after}")
        with pytest.raises(KeyboardInterrupt):
            run.sequence(settings, "parity", out=out, progress=Stop(after))
        again = run.sequence(settings, "parity", out=out, resume=True)
        first, second = (store.read_data(store.RunFolder(s["run"])) for s in (whole, again))
        assert first.identical(second)
        assert again["accuracy_by_length"] == whole["accuracy_by_length"] and again["control"] == whole["control"]
    assert set(whole) >= {"task", "layer", "chance", "train_length", "accuracy_by_length", "solved_to", "control"}
    assert whole["train_length"] == 4 and whole["chance"] == 0.5 and list(whole["accuracy_by_length"])[-1] == "8"
    found = run.sequence(settings, "parity", out=str(tmp_path / "whole"))
    assert found["run"] == whole["run"]
    page = (tmp_path / "whole").glob("*/report/index.html")
    assert "negative" not in next(page).read_text() and "hgrn" in whole["answer"]


@pytest.mark.slow
def test_a_text_is_learned_and_goes_on(tmp_path, capsys):
    text = tmp_path / "book.txt"
    text.write_bytes(b"the cat sat on the mat. " * 40)
    words = "--layer mingru --hidden 8 --mlp 0 --num-layers 1 --length 12 --steps 120 --batch 4 --rate 0.02"
    assert main(["sequence", "text", str(text), *words.split(), "--out", str(tmp_path / "runs"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bits_per_byte"] < found["references"]["bytes one by one (unigram entropy)"]
    assert found["held_out_bytes"] == 96 and found["train_length"] == 12
    greedy = ["generate", found["run"], "--prompt", "the cat", "--length", "20", "--temperature", "0", "--json"]
    assert main(greedy) == 0
    first = json.loads(capsys.readouterr().out)
    assert len(first["text"]) == 20 and main(greedy) == 0
    assert json.loads(capsys.readouterr().out)["text"] == first["text"]
    # By the stored model, read back and called anew on all of the text so far.
    settings = config.load("sequence-text", **{f.name: v for f, v in _given(words)})
    contestant = _sequence_text._contestant(settings)
    models = training.load_models(store.RunFolder(found["run"]), "text", contestant, _sequence_text.BYTES, settings)
    model = _sequence_text._first(models)
    read = np.zeros(27, int)
    read[:7] = list(b"the cat")
    for place in range(7, 27):
        read[place] = int(jnp.argmax(model(jnp.asarray(read))[0][place - 1]))
    assert bytes(read[7:].tolist()).decode() == first["text"]


def _given(words):
    pairs = zip(words.split()[::2], words.split()[1::2], strict=True)
    fields = {f.name: f for f in dataclasses.fields(config.SequenceConfig)}
    for option, value in pairs:
        field = fields[option.removeprefix("--").replace("-", "_")]
        kind = {"num_layers": int, "hidden": int, "length": int, "steps": int, "batch": int}.get(field.name)
        yield field, kind(value) if kind else value if field.name == "layer" else float(value)


@pytest.mark.slow
def test_a_scoreboard_is_resumed(tmp_path):
    settings = tiny("sequence-scoreboard", layers=("mingru", "hgrn"), tasks=("parity", "even-pairs"))
    with pytest.raises(KeyboardInterrupt):
        run.scoreboard(settings, out=str(tmp_path), progress=Stop(4))
    found = run.scoreboard(settings, out=str(tmp_path))
    assert found["layers"] == ["mingru", "hgrn"] and found["tasks"] == ["parity", "even_pairs"]
    for task in found["tasks"]:
        for layer in found["layers"]:
            share = found["accuracy_by_length"][task][layer]["8"]
            assert found["scores"][task][layer] == pytest.approx(2 * (share - 0.5))
    assert len(list(tmp_path.glob("*/report/figures/scores-*.svg"))) == 2


@pytest.mark.slow
def test_images_are_read_pixel_by_pixel(tmp_path):
    found = run.sequence(tiny(), "sequential_digits", out=str(tmp_path))
    assert found["lengths"] == [64] and found["chance"] == 0.1


def test_sizes_of_tasks():
    assert sizes_of(tasks.sequence_task("parity")) == (3, 2)
    assert sizes_of(tasks.sequence_task("sequential_digits")) == (None, 10)

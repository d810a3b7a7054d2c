"""`linnet sequence text FILE`: a language model of bytes, and what it is worth; `linnet generate`: its voice."""

import inspect
import lzma
import math
import time
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from .. import nn, store, tasks
from .._cite import bibliography, citations
from .._errors import InputError
from .._loss import CrossEntropy
from ..config import SequenceConfig, from_plain
from ._sequence_plan import Contestant, contestants
from ._sequence_train import Sizes, check_model, load_models, train
from ._session import begin, finite, located, resume_note, session

Progress = Callable[[str, int, int], None]

KIND, NAME = "sequence-text", "text"

#: A held-out byte that needs so many times the bits of one that was read says that the text was learned by heart.
BY_HEART = 2.0
#: The part of the text for training, at its end, that says when to stop, and the windows it needs to be asked.
VALIDATED, ENOUGH = 0.1, 8

#: Parts of the held-out text that are read side by side.
STREAMS = 16

#: What a layer that keeps all it reads has room for, at least.
ROOM = 4096

BYTES = Sizes(257, 256)


def sequence_text(
    config: SequenceConfig,
    file: str,
    *,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Trains a language model of bytes on a text and measures it on the text's end.

    Args:
        config: the settings.
        file: the text.
        out: the folder of runs.
        force: repeat a finished run.
        resume: say so if there was nothing to resume.
        command: what the user typed, for the record.
        progress: called with the name of a stage, how much is done and of how much.

    Returns:
        The summary: `bits_per_byte`, `bits_per_byte_carried`, `references`, `answer`, `report`, `run` and more; plain
        values without NaN.

    Raises:
        ValueError: a sentence for a file that is missing, empty, binary or too short, and for settings that do not fit.
    """
    length = config.length or 128
    task = tasks.text_task(file, length, held_out=config.held_out, max_bytes=config.max_bytes)
    contestant = _contestant(config)
    check_model(contestant, BYTES, config)
    name, inputs = f"{KIND}-{_slug(Path(file).stem)}", {"text": store.file_digest(file)}
    run = begin(KIND, name, config, inputs, out, force=force, command=command, paths={"text": file})
    if run.state == store.FINISHED:
        return located(run)
    with session(run):
        resume_note(run, resume)
        started = time.monotonic()
        title = f"training {contestant.about} on {Path(file).name}"
        progress(title, 0, 0)
        shown = _shown(task)
        trained, models = train(
            run,
            NAME,
            contestant,
            shown or task,
            config,
            lambda done, total: progress(title, done, total),
            go_back=shown is not None,
        )
        progress("reading the held-out end", 0, 0)
        tested = store.stage(run, "test", lambda: _measure(models, task, _is_recurrent(contestant)))
        references = store.stage(run, "references", lambda: _references(task))
        store.write_data(run, xr.DataTree.from_dict({"/training": trained, "/test": tested, "/references": references}))
        run.write(store.CITATIONS, bibliography(citations(nn.LAYERS[contestant.layer])))
        bits = {key: float(np.median(tested[key].values)) for key in tested.data_vars}
        found = {
            "layer": contestant.layer,
            "about": contestant.about,
            "file": file,
            "train_bytes": int((shown or task).train.shape[0]),
            "validation_bytes": int(shown.test.shape[0]) if shown else 0,
            "held_out_bytes": int(task.test.shape[0]),
            "train_length": length,
            "parameters": trained.attrs["parameters"],
            **bits,
            "bits_per_byte_carried": bits.get("bits_per_byte_carried"),
            "references": {str(key): float(references[key]) for key in references.data_vars},
            "steps": trained["step"].values.tolist(),
            "loss": (np.median(trained["loss"].values, axis=0) / length / math.log(2)).tolist(),
            "validation_loss": (
                (np.median(trained["validation_loss"].values, axis=0) / length / math.log(2)).tolist()
                if shown
                else None
            ),
            "kept_step": trained.attrs["kept_step"],
            "training_accuracy": np.median(trained["accuracy"].values, axis=0).tolist(),
            "chance": task.chance,
            "seeds": config.seeds,
            "batch": config.batch,
            "sample": _voice(models, task, config),
        }
        summary = finite(
            {
                **found,
                "answer": _answer(found),
                "command": command,
                "seconds": round(time.monotonic() - started, 1),
                "run": str(run.path),
                "report": str(run.path / "report" / "index.html"),
            }
        )
        progress("writing the report", 0, 0)
        from .. import report

        report.write_text_report(run.path, summary)
        run.finish(answer=summary["answer"], summary=summary)
    return summary


def continue_prompt(
    name: str,
    prompt: str,
    *,
    out: str = "runs",
    length: int = 200,
    temperature: float = 0.8,
    top_k: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Continues a prompt with the stored model of a run, by its step form.

    Args:
        name: the run: a path, a name, or the unique beginning of its name or hash.
        prompt: the text that is continued.
        out: the folder of runs.
        length: bytes to add.
        temperature: of the draws; at 0 always the likeliest byte.
        top_k: draw from this many likeliest bytes only.
        seed: of the draws.

    Returns:
        `prompt`, `text`, `run`, `layer` and `bytes_per_second`, of the compiled program without its compilation.

    Raises:
        ValueError: if the run has no model of bytes, or a number is out of range.
    """
    if not prompt:
        raise InputError("--prompt needs at least one character to go on from.")
    if length < 1 or temperature < 0 or (top_k is not None and top_k < 1) or seed < 0:
        raise InputError(
            f"--length and --top-k must be at least 1, --temperature and --seed at least 0, got {length}, {top_k}, "
            f"{temperature} and {seed}."
        )
    run = store.find_run(name, out)
    record = tomllib.loads((run.path / "config.toml").read_text(encoding="utf-8")).get("config", {})
    if record.pop("kind", None) != KIND:
        raise InputError(f"{run.path} is no run of `linnet sequence text`, and only those have a model of text.")
    record.pop("name", None)
    config = from_plain(SequenceConfig, record, str(run.path))
    contestant = _contestant(config)
    models = load_models(run, NAME, contestant, BYTES, config)
    if models is None:
        raise InputError(f"{run.path} is {run.state} and has no model yet: run its command again to end it.")
    model = _first(models)
    tokens = np.frombuffer(prompt.encode(), np.uint8).astype(np.int32)
    options: dict[str, Any] = {"key": jr.key(seed), "temperature": temperature, "top_k": top_k}
    found, _ = nn.generate(model, tokens, length, **options)
    jax.block_until_ready(found)
    started = time.perf_counter()
    jax.block_until_ready(nn.generate(model, tokens, length, **options)[0])
    seconds = time.perf_counter() - started
    return {
        "prompt": prompt,
        "text": _decoded(found),
        "run": str(run.path),
        "layer": contestant.layer,
        "length": length,
        "temperature": temperature,
        "bytes_per_second": round(length / seconds, 1),
    }


def _contestant(config: SequenceConfig) -> Contestant:
    return contestants(config, max(ROOM, 4 * (config.length or 128)))[0]


def _shown(task: tasks.TextTask) -> tasks.TextTask | None:
    """The text for training without its end, which is held out of it to say when to stop; `None` for too little text.

    The held-out end of the whole text is not looked at: what it says at the last is about bytes that decided nothing.
    """
    border = len(task.train) - math.ceil(VALIDATED * len(task.train))
    if len(task.train) - border < ENOUGH * task.length or border <= task.length:
        return None
    return tasks.TextTask(task.train[:border], task.train[border:], task.length, task.commonest)


def _is_recurrent(contestant: Contestant) -> bool:
    return "max_length" not in inspect.signature(nn.LAYERS[contestant.layer]).parameters


def _first(models: Any) -> Any:
    return jtu.tree_map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, models)


def _measure(models: Any, task: tasks.TextTask, carried: bool) -> xr.Dataset:
    """Bits for each held-out byte: windows read from nothing, and in one go with the state carried on."""
    held = np.asarray(task.test, np.int32)
    pieces = max(1, (len(held) - 1) // task.length)
    streams = min(STREAMS, pieces)
    pieces = pieces // streams
    span = pieces * task.length
    # Each stream's bytes and the one after: the same bytes are predicted both ways.
    windows = np.stack([held[s * span : s * span + span + 1] for s in range(streams)])
    ways = {"bits_per_byte": False} | ({"bits_per_byte_carried": True} if carried else {})
    return xr.Dataset(
        {
            name: ("seed", np.asarray(_bits(models, jnp.asarray(windows), task.length, jnp.asarray(way))))
            for name, way in ways.items()
        },
        attrs={"bytes": int(streams * span)},
    )


@eqx.filter_jit
def _bits(models: Any, streams: Int[Array, "stream byte"], length: int, carry: Array) -> Float[Array, " seed"]:
    inputs = streams[:, :-1].reshape(streams.shape[0], -1, length)
    targets = streams[:, 1:].reshape(inputs.shape)

    def of_stream(model: Any, xs: Array, ys: Array) -> Array:
        start = model.init_state()

        def advance(state: Any, piece: tuple[Array, Array]) -> tuple[Any, Array]:
            state = jtu.tree_map(lambda old, new: jnp.where(carry, old, new), state, start)
            logits, state = model(piece[0], state)
            return state, jnp.mean(CrossEntropy()(logits, piece[1])) / math.log(2)

        return jnp.mean(jax.lax.scan(advance, start, (xs, ys))[1])

    def of_model(model: Any) -> Array:
        return jnp.mean(jax.vmap(lambda xs, ys: of_stream(model, xs, ys))(inputs, targets))

    arrays, rest = eqx.partition(models, eqx.is_array)
    return jax.lax.map(lambda leaves: of_model(eqx.combine(leaves, rest)), arrays)


def _references(task: tasks.TextTask) -> xr.Dataset:
    """What simpler means need for a held-out byte, having seen the rest."""
    seen, held = np.asarray(task.train), np.asarray(task.test)
    singles = np.bincount(seen, minlength=256) + 0.5
    unigram = float(-np.mean(np.log2(singles / singles.sum())[held]))
    pairs = np.bincount(256 * seen[:-1].astype(int) + seen[1:], minlength=1 << 16).reshape(256, 256)
    # Pairs that were seen rarely lean on single bytes.
    conditional = (pairs + singles / singles.sum()) / (pairs.sum(axis=1, keepdims=True) + 1)
    bigram = float(-np.mean(np.log2(conditional[held[:-1], held[1:]])))
    found = {"bytes one by one (unigram entropy)": unigram, "pairs of bytes (bigram entropy)": bigram}
    for name, compress in {"zlib": lambda data: zlib.compress(data, 9), "lzma": lzma.compress}.items():
        before, whole = len(compress(seen.tobytes())), len(compress(seen.tobytes() + held.tobytes()))
        found[f"{name}, after the rest of the text"] = 8 * (whole - before) / len(held)
    return xr.Dataset(found)


def _voice(models: Any, task: tasks.TextTask, config: SequenceConfig) -> dict[str, str]:
    """A beginning from the held-out text and how the model goes on."""
    prompt = np.asarray(task.test[: min(80, task.length)], np.int32)
    found, _ = nn.generate(_first(models), prompt, 240, key=jr.key(config.seed), temperature=0.8)
    return {"prompt": _decoded(prompt), "text": _decoded(found)}


def _decoded(tokens: Any) -> str:
    return np.asarray(tokens).astype(np.uint8).tobytes().decode(errors="replace")


def _answer(found: dict[str, Any]) -> str:
    bits, references = found["bits_per_byte"], found["references"]
    best = min(references, key=references.__getitem__)
    beaten = sum(value > bits for value in references.values())
    said = f"{found['about']} needs {bits:.3f} bits for a held-out byte of {Path(found['file']).name}"
    if beaten == len(references):
        said += f", fewer than all {beaten} references; the best of them, {best}, needs {references[best]:.3f}."
    else:
        worse = {name: value for name, value in references.items() if value <= bits}
        least = max(worse, key=worse.__getitem__)
        least, cost = least + "," * ("," in least), references[least]
        said += f"; {least} needs {cost:.3f}, and {beaten} of {len(references)} references need more."
    kept, steps, seen = found["kept_step"], found["steps"], found["loss"][-1]
    if kept < steps[-1]:
        said += (
            f" The model is that of step {kept:,} of {steps[-1]:,}: after it, bytes that were kept back to see when to "
            f"stop cost more, {found['validation_loss'][-1]:.2f} bits in the end where it was "
            f"{min(found['validation_loss']):.2f}."
        )
    elif bits > BY_HEART * seen:
        said += (
            f" It has learned what it read by heart ({seen:.2f} bits a byte there): take fewer --steps, or more text "
            f"than {found['train_bytes']:,} bytes."
        )
    return said


def _slug(name: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name.lower())
    return kept.strip("-.")[:40] or "text"

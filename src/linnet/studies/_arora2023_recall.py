"""Recall costs state: recurrent layers on multi-query associative recall, by the size of what they carry along."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks
from .._cite import cite
from .._loss import CrossEntropy
from .._types import PRNGKey
from ..config import Arora2023Recall
from ..report import COLOURS, GUIDE, draw
from ._recall_memory import Rewritten, narrowed, random_codes
from ._study import Claim, Findings, silent

_ADAM = optax.scale_by_adam()

#: Steps of the short convolution of every layer: as many as a key and its value take, and no more.
CONV = 2


@cite("arora2024zoology", "yang2024parallelizing")
def arora2023_recall(config: Arora2023Recall, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Recall by the number of keys of a state, for sums, gates and the delta rule, with attention as the reference.

    Each model is an embedding, one block with norm and residual and no network over features, and a readout. Where the
    paper has two blocks, one is enough here, because every layer has a short convolution by which a key reaches the
    step of its value. All states have one head and as many values as the model has features, so that two layers with
    as many keys have states of the same size. Numbers are those of the best seed, because some starts stay on the
    plateau at chance for longer than the training takes.

    The delta rule is claimed to recall more than sums of the same size. With keys written once it does not, neither
    trained nor with random codes; it does where keys are written again, which a sum cannot undo. Both are decided here.
    """
    task = tasks.AssociativeRecall(length=config.length, num_pairs=config.pairs, num_tokens=config.tokens)
    runs = {}
    for name in config.layers:
        progress(f"training {name}")
        runs[name] = _recall(name, task, task.vocab_size, config, key)
    again: dict[str, np.ndarray] = {}
    if config.rewriting:
        for name in ("linear-attention", "delta-net"):
            progress(f"training {name} on keys that are written twice")
            again[name] = _recall(name, Rewritten(task), task.vocab_size, config, key)
    little = None
    if config.few:
        progress("training on few pairs")
        short = tasks.AssociativeRecall(length=4 * config.few, num_pairs=config.few, num_tokens=config.tokens)
        # As many queries in a step of training as elsewhere.
        denser = dataclasses.replace(config, batch=config.batch * config.pairs // config.few)
        little = _recall("linear-attention", short, task.vocab_size, denser, key)
    progress("filling memories of random codes")
    rng = np.random.default_rng(config.seed)
    random = np.array(
        [
            [
                random_codes(
                    config.pairs, config.tokens, size, config.hidden, delta=delta, num=config.memories, rng=rng
                )
                for size in config.sizes
            ]
            for delta in (False, True)
        ]
    )

    ends = {name: np.max(found[..., -1], axis=0) for name, found in runs.items()}
    grown = {name: float(end[-1] - end[0]) for name, end in ends.items() if name != "softmax-attention"}
    sums = ends["linear-attention"]
    largest = config.sizes[-1]
    claims = [
        Claim("Softmax attention, whose state grows with the sequence, recalls all", 0.95,
              float(np.min(ends["softmax-attention"])), 0.0, "at least"),
        Claim(f"Recurrent layers recall more with {largest} keys in their state than with {config.sizes[0]} (smallest "
              "gain in accuracy of all)", 0.2, min(grown.values()), 0.0, "at least"),
        Claim("Where a memory of random codes that are summed recalls nearly all, above 0.95, so does a trained sum "
              "(smallest accuracy there)", 0.95, float(np.min(sums[random[0] > 0.95], initial=1.0)), 0.05, "at least"),
        Claim(f"... and the smallest state, {config.sizes[0]} keys, recalls less than attention (accuracy that is "
              "missing)", 0.2, float(ends["softmax-attention"].mean() - sums[0]), 0.0, "at least"),
    ]  # fmt: skip
    if little is not None:
        few = np.max(little[..., -1], axis=0)
        claims.append(
            Claim(f"With {config.few} of {config.pairs} pairs to recall, the size of the state does not count (gain of "
                  f"{largest} keys over {config.sizes[0]})", 0.1, float(few[-1] - few[0]), 0.0, "at most", control=True)
        )  # fmt: skip
    if again:
        twice = {name: np.max(found[..., -1], axis=0) for name, found in again.items()}
        once = float(ends["delta-net"][-1] - sums[-1])
        claims += [
            Claim("Where every key is written twice, a sum holds both values and tells the last one by chance "
                  f"(accuracy with {largest} keys)", 0.5, float(twice["linear-attention"][-1]), 0.1),
            Claim("... and the delta rule, which takes the first one out, is above it at equal state (difference)",
                  0.25, float(twice["delta-net"][-1] - twice["linear-attention"][-1]), 0.0, "at least"),
            Claim("Where every key is written once, it is not (difference)", 0.1, once, 0.0, "at most", control=True),
        ]  # fmt: skip
    coords = {"size": list(config.sizes), "rule": ["sum", "delta"]}
    axes = ("layer", "seed", "size", "time")
    found = {"recall": (axes, np.stack(list(runs.values()))), "random_codes": (("rule", "size"), random)}
    if again:
        found["recall_rewritten"] = (("rewritten_layer", *axes[1:]), np.stack(list(again.values())))
        coords["rewritten_layer"] = list(again)
    if little is not None:
        found["recall_few"] = (axes[1:], little)
    coords["layer"] = list(runs)
    coords["step"] = ("time", _steps(config))  # pyright: ignore[reportArgumentType]
    data = xr.Dataset(found, coords)
    figure = draw(
        "recall",
        "Left: recall of trained layers by the numbers in their state, which for softmax attention are the keys and "
        "values of the whole sequence; crosses and pluses are memories whose codes are random, written by sums and by "
        "the delta rule. Middle: recall over training with the largest state. Right: the same layers where every key "
        "is written twice. Lines are the best of the seeds.",
        lambda canvas: _plot(canvas, data, config),
        height=3.0,
    )
    return Findings(tuple(claims), (figure,), {"runs": data})


def _steps(config: Arora2023Recall) -> np.ndarray:
    return np.unique(np.round(np.linspace(0, config.steps, config.times)))


def _recall(name: str, task: Any, vocab_size: int, config: Arora2023Recall, key: PRNGKey) -> np.ndarray:
    """The share of queries that are answered, `"seed size time"`."""
    wide = config.sizes[-1]
    settings = {
        "softmax-attention": {"max_length": task.length},
        "linear-attention": {"num_heads": 1, "expand_k": wide / config.hidden, "feature_map": "identity"},
        "gla": {"num_heads": 1, "expand_k": wide / config.hidden},
        # One head draws one decay: within the range of many it may forget all at once.
        "mamba2": {"head_dim": config.hidden, "state_size": wide, "expand": 1.0, "decay_range": (1.0, 1.0)},
        "delta-net": {"num_heads": 1, "expand_k": wide / config.hidden},
        "gated-delta-net": {"num_heads": 1, "head_dim": wide, "expand_v": config.hidden / wide},
    }[name]
    if name != "softmax-attention":
        settings["conv_size"] = CONV
    if name in ("linear-attention", "gla"):
        settings["use_short_conv"] = True
    conv = CONV if name == "softmax-attention" else None

    def make(key: PRNGKey, size: Any) -> tuple:
        layer_key, *keys = jr.split(key, 3)
        layer = nn.layer(name, config.hidden, dtype=jnp.float32, key=layer_key, **settings)
        return _model(narrowed(layer, size), conv, vocab_size, config, keys), task, rule

    rule = learn.Descent(config.rate, _ADAM, batch_size=config.batch)
    test = task.sample(config.tested, key=jr.fold_in(key, 1))
    # Attention has no state to cut down: it is trained once for all sizes.
    sizes = config.sizes[-1:] if name == "softmax-attention" else config.sizes
    trained = learn.ensemble(
        make,
        _steps(config) * config.rate,
        {"seed": config.seeds, "size": np.array(sizes)},
        key=jr.fold_in(key, 2),
        loss=CrossEntropy(),
        observe=(learn.Accuracy("test", test),),
    )
    return np.repeat(np.asarray(trained["test_accuracy"]), len(config.sizes) // len(sizes), axis=1)


def _model(layer: Any, conv: int | None, vocab_size: int, config: Arora2023Recall, keys: list) -> nn.SequenceModel:
    """An embedding, one block and a readout."""
    made = nn.sequence_model(
        "softmax-attention",
        vocab_size=vocab_size,
        num_classes=config.tokens,
        hidden_size=config.hidden,
        num_layers=1,
        mlp=None,
        short_conv=conv,
        dtype=jnp.float32,
        key=keys[0],
    )
    block = made.blocks[0]
    return nn.SequenceModel(made.embedding, (nn.Block(layer, block.norm, block.conv),), made.head)


def _plot(canvas: Canvas, data: xr.Dataset, config: Arora2023Recall) -> None:
    panels = canvas.subplots(1, 3 if "recall_rewritten" in data else 2, sharey=True)
    left, middle = panels[:2]
    sizes = data["size"].values * config.hidden
    recall, steps = data.recall.max("seed"), data.step.values
    for index, name in enumerate(data.layer.values):
        found = recall.sel(layer=name)
        if name == "softmax-attention":
            left.axhline(float(found[:, -1].mean()), color=GUIDE, linewidth=1)
            left.plot([2 * config.length * config.hidden], [float(found[:, -1].mean())], "s", color="0.4", label=name)
            middle.plot(steps, found[-1], color=GUIDE, linestyle="--", label=name)
            continue
        colour = COLOURS[(index - 1) % len(COLOURS)]
        left.plot(sizes, found[:, -1], "o-", color=colour, markersize=4, label=name)
        middle.plot(steps, found[-1], color=colour, label=name)
    for rule, marker in (("sum", "x"), ("delta", "+")):
        left.plot(sizes, data.random_codes.sel(rule=rule), marker, color="0.3", markersize=6, label=f"random, {rule}")
    left.set(xscale="log", xlabel="numbers in the state", ylabel="recall", title="at the end of training")
    left.set_xscale("log", base=2)
    middle.set(xlabel="step", title=f"with {config.sizes[-1]} keys")
    left.legend(fontsize=6.5, loc="lower right")
    if "recall_rewritten" in data:
        right = panels[2]
        for name in data.rewritten_layer.values:
            colour = COLOURS[(list(data.layer.values).index(name) - 1) % len(COLOURS)]
            right.plot(steps, data.recall_rewritten.sel(rewritten_layer=name).max("seed")[-1], color=colour, label=name)
        right.axhline(0.5, color=GUIDE, linewidth=1)
        right.set(xlabel="step", title="keys written twice")
        right.legend(fontsize=7, loc="lower right")
    left.set_ylim(-0.03, 1.05)

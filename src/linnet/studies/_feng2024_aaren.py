"""Attention as a recurrence: the same outputs in constant memory, and what a query that sees no input can learn."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks
from .._cite import cite
from .._loss import CrossEntropy
from .._types import PRNGKey
from ..config import Feng2024Aaren
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent

#: The layers that are trained side by side.
LAYERS = {"aaren": "Aaren", "softmax-attention": "softmax attention"}


def masked_attention(layer: nn.Aaren, xs: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Causal softmax attention with the layer's learned query, in NumPy and float64: no recurrence, no running maximum.

    Args:
        layer: whose weights are taken.
        xs: "step hidden".
        scale: a factor of the query.
    """
    query, keys, values, output = (
        np.asarray(w, np.float64) for w in (layer.query, layer.key_weights, layer.value_weights, layer.output_weights)
    )
    num_heads, size = query.shape
    heads = []
    for head in range(num_heads):
        rows = slice(head * size, (head + 1) * size)
        scores = scale * (xs @ keys[rows].T) @ query[head] / np.sqrt(size)
        # Each row of the matrix of attention is a softmax over the steps so far.
        table = np.where(np.tri(len(xs), dtype=bool), scores, -np.inf)
        table = np.exp(table - table.max(axis=1, keepdims=True))
        heads.append(table / table.sum(axis=1, keepdims=True) @ (xs @ values[rows].T))
    return np.concatenate(heads, axis=1) @ output.T


def attention_at_last(layer: nn.Aaren, xs: np.ndarray) -> np.ndarray:
    """The last row of `masked_attention`, for sequences whose matrix would be too large."""
    query, keys, values, output = (
        np.asarray(w, np.float64) for w in (layer.query, layer.key_weights, layer.value_weights, layer.output_weights)
    )
    scores = np.einsum("thk,hk->th", (xs @ keys.T).reshape(len(xs), *query.shape), query) / np.sqrt(query.shape[1])
    weights = np.exp(scores - scores.max(axis=0))
    seen = np.einsum("th,thd->hd", weights, (xs @ values.T).reshape(len(xs), *query.shape))
    return (seen / weights.sum(axis=0)[:, None]).ravel() @ output.T


def plain_sums(layer: nn.Aaren, xs: Any) -> Any:
    """The same recurrence without the running maximum: sums of exponentials as they are."""
    num_heads, size = layer.query.shape
    keys, values = ((xs @ w.T).reshape(len(xs), num_heads, size) for w in (layer.key_weights, layer.value_weights))
    weights = jnp.exp(jnp.einsum("thk,hk->th", keys, layer.query) / size**0.5)
    sums = jnp.cumsum(weights[..., None] * values, axis=0) / jnp.cumsum(weights, axis=0)[..., None]
    return sums.reshape(len(xs), -1) @ layer.output_weights.T


def numbers(state: Any) -> int:
    """How many numbers a state holds."""
    return sum(leaf.size for leaf in jtu.tree_leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact))


def _gap(found: Any, expected: np.ndarray) -> float:
    """The largest gap over the largest entry; infinite where something is not finite."""
    gap = np.max(np.abs(np.asarray(found, np.float64) - expected)) / np.max(np.abs(expected))
    return float(gap) if np.isfinite(gap) else np.inf


def _equalities(config: Feng2024Aaren, key: PRNGKey) -> dict[str, Any]:
    """What is compared with the matrix of attention, without any learning."""
    layer_key, short_key, long_key = jr.split(key, 3)
    layer = nn.Aaren(config.hidden_size, config.num_heads, dtype=jnp.float64, key=layer_key)
    xs = jr.normal(short_key, (config.tokens, config.hidden_size), jnp.float64)
    expected = masked_attention(layer, np.asarray(xs))
    found = {}
    for mode in ("scan", "associative", "chunk"):
        other = nn.Aaren(config.hidden_size, config.num_heads, mode=mode, dtype=jnp.float64, key=layer_key)
        found[mode] = _gap(other(xs)[0], expected)
    # In float32, with scores far beyond what it can exponentiate.
    narrow = jtu.tree_map(lambda w: w.astype(jnp.float32), layer)
    narrow = eqx.tree_at(lambda net: net.query, narrow, config.extreme * narrow.query)
    ys = xs.astype(jnp.float32)
    truth = masked_attention(narrow, np.asarray(ys, np.float64))
    found["float32"] = _gap(narrow(ys)[0], truth)
    found["finite"] = float(np.mean(np.all(np.isfinite(np.asarray(plain_sums(narrow, ys))), axis=1)))
    # One by one: attention at the last step needs all of them, the state does not.
    stream = jr.normal(long_key, (config.stream, config.hidden_size), jnp.float64)
    ys, state = eqx.filter_jit(nn.run_steps)(layer, stream)
    found["stream"] = _gap(ys[-1], attention_at_last(layer, np.asarray(stream)))
    found["numbers"] = numbers(state)
    return found


def _memory(config: Feng2024Aaren) -> xr.Dataset:
    """Numbers in the state after so many tokens, of Aaren and of attention, which keeps keys and values."""
    lengths = np.unique(np.geomspace(1, config.stream, 9).round().astype(int))

    def held(name: str, **settings: int) -> int:
        def start() -> Any:
            layer: Any = nn.layer(name, config.hidden_size, num_heads=config.num_heads, key=jr.key(0), **settings)
            return layer.init_state()

        return numbers(jax.eval_shape(start))

    sizes = {
        "aaren": [held("aaren") for _ in lengths],
        "softmax-attention": [held("softmax-attention", max_length=int(length)) for length in lengths],
    }
    return xr.Dataset({name: ("tokens", np.array(found)) for name, found in sizes.items()}, {"tokens": lengths})


def _digits() -> tuple[tasks.Batch, tasks.Batch]:
    """Digits as sequences of 8 rows of 8 pixels, and those of other writers."""
    data = tasks.SequentialDigits.load(dtype=jnp.float32)
    rows = (data.images.reshape(-1, 8, 8), data.test_images.reshape(-1, 8, 8))
    return tasks.Batch(rows[0], data.labels), tasks.Batch(rows[1], data.test_labels)


def _train(
    name: str, task: Any, held_out: tasks.Batch, steps: int, config: Feng2024Aaren, key: PRNGKey, **model: Any
) -> np.ndarray:
    """The accuracy on held-out sequences over learning, "seed time", of models with one kind of layer."""

    def make(key: PRNGKey) -> tuple:
        settings = model | {"hidden_size": config.hidden_size, "num_heads": config.num_heads, "dtype": jnp.float32}
        if name == "softmax-attention":
            settings["max_length"] = held_out.x.shape[1]
        network = nn.sequence_model(name, key=key, **settings)
        rule = learn.Descent(config.learning_rate, optax.scale_by_adam(), batch_size=config.batch_size)
        return network, task, rule

    ts = np.linspace(0, steps, config.times).round() * config.learning_rate
    trained = learn.ensemble(
        make, ts, {"seed": config.seeds}, key=key, loss=CrossEntropy(), observe=[learn.Accuracy("test", held_out)]
    )
    return np.asarray(trained["test_accuracy"])


@cite("feng2024attention")
def feng2024_aaren(config: Feng2024Aaren, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Aaren is softmax attention with a learned query, in constant memory, and it learns as attention does.

    Its outputs against the matrix of attention in NumPy, its state against the cache, and its learning beside softmax
    attention in the same model, on digits read row by row and on recall, for which a query must look at its input.
    """
    progress("comparing with the matrix of attention")
    equal, memory = _equalities(config, jr.fold_in(key, 0)), _memory(config)
    digits, held_out = _digits()
    recall = tasks.sequence_task(
        "mqar", length=4 * config.recall_pairs, num_pairs=config.recall_pairs, num_tokens=config.recall_tokens
    )
    asked = recall.sample(256, key=jr.fold_in(key, 1))
    curves: dict[str, Any] = {}
    for name, title in LAYERS.items():
        progress(f"training {title}")
        curves[f"digits {name}"] = _train(
            name, digits, held_out, config.digit_steps, config, jr.fold_in(key, 2),
            in_size=8, num_classes=10, num_layers=config.num_layers, short_conv=3,
        )  # fmt: skip
        curves[f"recall {name}"] = _train(
            name, recall, asked, config.recall_steps, config, jr.fold_in(key, 3),
            vocab_size=recall.vocab_size, num_classes=recall.num_classes, num_layers=1, short_conv=2,
        )  # fmt: skip
    data = xr.Dataset(
        {name.replace(" ", "_").replace("-", "_"): (("seed", "share"), found) for name, found in curves.items()},
        {"share": np.linspace(0, 1, config.times)},
    )
    figure = draw(
        "aaren",
        "Left: numbers in the state after so many tokens. Middle: accuracy on digits of other writers, read row by "
        "row, over learning, for Aaren and softmax attention in the same model (lines: means, dots: each network). "
        "Right: the same for associative recall, where the query has to be the token that asks; dashed: chance.",
        lambda canvas: _plot(canvas, curves, memory, recall.chance, config),
        height=3.0,
    )
    claims = _claims(equal, memory, curves, config)
    return Findings(claims, (figure,), {"memory": memory, "learned": data})


def _claims(equal: dict[str, Any], memory: xr.Dataset, curves: dict, config: Feng2024Aaren) -> tuple[Claim, ...]:
    last = {name: float(np.mean(found[:, -1])) for name, found in curves.items()}
    long = memory.sel(tokens=memory["tokens"] > 1)
    power = np.polyfit(np.log(long["tokens"].values), np.log(long["softmax-attention"].values), 1)[0]
    size = config.hidden_size // config.num_heads
    # Two accuracies of 360 digits each, and networks that differ.
    apart = 3 * np.sqrt(2 * 0.1 * 0.9 / 360) + 0.01
    return (
        Claim("Aaren's recurrence over maximum, normaliser and sum of values is the matrix of causal softmax attention "
              f"with its query, at all of {config.tokens} steps and by loop, tree and chunks (largest gap over the "
              "largest output)", 0.0, max(equal[mode] for mode in ("scan", "associative", "chunk")), 1e-10, "at most"),
        Claim(f"... also in float32 with scores {config.extreme:g} times as large", 0.0, equal["float32"], 1e-3,
              "at most"),
        Claim("Without the running maximum sums of exponentials leave float32 there: at most a tenth of the outputs "
              "are finite", 0.1, equal["finite"], 0.0, "at most", control=True),
        Claim(f"Read one by one, the last of {config.stream} tokens gets the attention over all of them", 0.0,
              equal["stream"], 1e-10, "at most"),
        Claim("... from a state of 2 + d numbers for each head", config.num_heads * (2 + size), equal["numbers"]),
        Claim("The keys and values that softmax attention keeps grow in proportion to the tokens (power)", 1.0, power,
              1e-6, control=True),
        Claim("Digits read row by row: in the place of softmax attention Aaren is as accurate (difference of "
              "accuracies on other writers, at most 3 standard errors and 1 %)", 0.0,
              abs(last["digits aaren"] - last["digits softmax-attention"]), apart, "at most"),
        Claim("... and both have learned: the lower accuracy is at least 0.75", 0.75,
              min(last["digits aaren"], last["digits softmax-attention"]), 0.0, "at least"),
        Claim("Associative recall: softmax attention finds the value of the key that is asked for (accuracy)", 0.9,
              last["recall softmax-attention"], 0.0, "at least"),
        Claim("... Aaren, whose query does not look at the input, does not", 0.6, last["recall aaren"], 0.0, "at most",
              control=True),
    )  # fmt: skip


def _plot(canvas: Canvas, curves: dict, memory: xr.Dataset, chance: float, config: Feng2024Aaren) -> None:
    left, middle, right = canvas.subplots(1, 3)
    for (name, title), colour in zip(LAYERS.items(), COLOURS, strict=False):
        left.plot(memory["tokens"], memory[name], "o-", color=colour, markersize=3, linewidth=1, label=title)
        for axes, task, steps in ((middle, "digits", config.digit_steps), (right, "recall", config.recall_steps)):
            found, at = curves[f"{task} {name}"], np.linspace(0, steps, config.times)
            axes.plot(at, found.mean(axis=0), color=colour, linewidth=1.2, label=title)
            axes.plot(np.tile(at, (len(found), 1)).T, found.T, ".", color=colour, markersize=2)
    left.set(xscale="log", yscale="log", xlabel="tokens read", ylabel="numbers in the state", title="memory")
    left.legend()
    middle.axhline(0.1, color=GUIDE, linewidth=0.8, linestyle="--")
    right.axhline(chance, color=GUIDE, linewidth=0.8, linestyle="--")
    middle.set(xlabel="steps", ylabel="accuracy", ylim=(0, 1.03), title="digits by rows")
    right.set(xlabel="steps", ylabel="accuracy", ylim=(0, 1.03), title="associative recall")

"""Attention, state space models and gated recurrences as one kind of linear system: equalities by number."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import analyse, nn
from .._cite import cite
from .._types import PRNGKey
from ..config import Sieber2024Dynamical
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent


def masked_map(read: np.ndarray, write: np.ndarray, gates: np.ndarray | None = None) -> np.ndarray:
    """The map of a gated memory, entry by entry: $q_i^\\top k_j$ times the product of the gates after $j$ until $i$.

    Args:
        read: queries, "step key".
        write: keys, "step key".
        gates: one number a step; 1 where there are none.
    """
    num = len(read)
    gates = np.ones(num) if gates is None else gates
    found = np.zeros((num, num))
    for i in range(num):
        for j in range(i + 1):
            found[i, j] = read[i] @ write[j] * np.prod(gates[j + 1 : i + 1])
    return found


def softmax_map(scores: np.ndarray) -> np.ndarray:
    """Causal softmax of a matrix of scores."""
    weights = np.where(np.tri(len(scores), dtype=bool), np.exp(scores - scores.max()), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def gap(found: Any, expected: Any) -> float:
    """The largest gap over the largest entry."""
    expected = np.asarray(expected)
    return float(np.max(np.abs(np.asarray(found) - expected)) / np.max(np.abs(expected)))


def form_gap(layer: Any, xs: Any) -> float:
    """How far the form of a layer is from the layer, run in its own parallel mode: its outputs where the form has them,
    else its final state."""
    form = analyse.dynamical_form(layer, xs)
    ys, final = layer(xs)
    if form.through is not None:
        return gap(form.outputs().sum(1)[..., 0] + form.through, ys)
    last = form.states()[-1]
    alike = [leaf for leaf in jtu.tree_leaves(final) if leaf.size == last.size]
    return min(gap(last, leaf.reshape(last.shape)) for leaf in alike) if alike else math.inf


def _linear_attention(config: Sieber2024Dynamical, key: PRNGKey, xs: Any) -> dict[str, float]:
    """Linear attention against its matrix of weights, from the layer's parameters alone."""
    layer = nn.LinearAttention(config.hidden_size, config.num_heads, dtype=jnp.float64, key=key)
    plain = analyse.dynamical_form(layer, xs)
    form = analyse.normalised_form(plain)
    q, k = (np.asarray(xs @ w.T).reshape(len(xs), config.num_heads, -1) for w in (layer.inputs.query, layer.inputs.key))
    q, k = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (q, k))
    found = {"map": 0.0, "ratio": 0.0, "plain": math.inf, "above": 0.0}
    for head in range(config.num_heads):
        scores = masked_map(q[:, head], k[:, head])
        eta = scores.sum(axis=1)
        ratio = eta[:-1] / eta[1:]
        found["map"] = max(found["map"], gap(form.mixing()[head, :, 0, :, 0], scores / eta[:, None]))
        found["ratio"] = max(found["ratio"], gap(form.transition[1:, head], ratio[:, None]))
        found["plain"] = min(found["plain"], gap(plain.mixing()[head, :, 0, :, 0], scores / eta[:, None]))
        found["above"] += float(np.mean(ratio > 1)) / config.num_heads
    return found


def _fixed_query(config: Sieber2024Dynamical, key: PRNGKey, xs: Any) -> dict[str, Any]:
    """Attention whose query sees no token: its ratios of normalisers are gates."""
    layer = nn.Aaren(config.hidden_size, config.num_heads, dtype=jnp.float64, key=key)
    keys, values = ((xs @ w.T).reshape(len(xs), config.num_heads, -1) for w in (layer.key_weights, layer.value_weights))
    scores = jnp.einsum("thk,hk->th", keys, layer.query) / math.sqrt(keys.shape[-1])
    form = analyse.attention_form(jnp.ones_like(scores)[..., None], jnp.exp(scores)[..., None], values, lambda x: x)
    odds = np.asarray(scores)[1:] - np.log(np.cumsum(np.exp(np.asarray(scores)), axis=0))[:-1]
    outputs = form.outputs()[:, :, 0].reshape(len(xs), -1) @ layer.output_weights.T
    return {
        "gate": gap(form.transition[1:, :, 0], 1 / (1 + np.exp(odds))),
        "write": gap(form.write[1:, :, 0, 0], 1 / (1 + np.exp(-odds))),
        "layer": gap(outputs, layer(xs)[0]),
        "transition": np.asarray(form.transition[:, 0, 0]),
    }


def _state_space(config: Sieber2024Dynamical, key: PRNGKey, xs: Any) -> dict[str, Any]:
    """Mamba-2: gates from its parameters, its map, and gated linear attention with gates that are tied or not."""
    first, second = jr.split(key)
    size = config.hidden_size // config.num_heads
    layer = nn.Mamba2(config.hidden_size, head_dim=size, state_size=size, expand=1, dtype=jnp.float64, key=first)
    form = analyse.dynamical_form(layer, xs)
    steps = np.asarray(xs @ layer.step_size.T) + np.asarray(layer.dt_bias)
    gates = (1 / (1 + np.exp(steps))) ** np.exp(np.asarray(layer.A_log))
    found = {"gate": gap(form.transition, gates[..., None] * np.ones(size)), "map": 0.0, "tied": 0.0, "free": math.inf}
    gla = nn.GLA(
        config.hidden_size, config.num_heads, expand_k=1.0, gate_logit_normalizer=1.0, dtype=jnp.float64, key=second
    )
    rows = gla.decay_up.reshape(config.num_heads, size, -1)
    tied = eqx.tree_at(lambda net: net.decay_up, gla, jnp.repeat(rows[:, :1], size, 1).reshape(gla.decay_up.shape))
    for head in range(config.num_heads):
        read, write = (np.asarray(part) for part in (form.read[:, head, 0], form.write[:, head, :, 0]))
        found["map"] = max(found["map"], gap(form.mixing()[head, :, 0, :, 0], masked_map(read, write, gates[:, head])))
        for name, worse, net in (("tied", max, tied), ("free", min, gla)):
            own = analyse.dynamical_form(net, xs)
            logits = np.asarray(xs @ net.decay_down.T @ rows[head, 0]) + np.asarray(net.decay_bias)[head * size]
            q, k = (np.asarray(part) for part in (own.read[:, head, 0], own.write[:, head, :, 0]))
            expected = masked_map(q, k, 1 / (1 + np.exp(-logits)))
            found[name] = worse(found[name], gap(own.mixing()[head, :, 0, :, 0], expected))
    return found | {"transition": np.asarray(form.transition[:, 0, 0]), "free gates": np.asarray(own.transition[:, 0])}


def _softmax(config: Sieber2024Dynamical, rng: np.random.Generator) -> xr.Dataset:
    """Attention with Taylor features of rising order, and with those of linear attention, against a softmax."""
    q, k = config.spread * rng.normal(size=(2, config.tokens, 1, config.key_size))
    scores = q[:, 0] @ k[:, 0].T / math.sqrt(config.key_size)
    expected, most = softmax_map(scores), float(np.max(np.abs(scores)))
    values = jnp.zeros((config.tokens, 1, 1))

    def distance(features: Any) -> tuple[float, int]:
        form = analyse.attention_form(jnp.asarray(q), jnp.asarray(k), values, features)
        return float(np.max(np.abs(np.asarray(form.mixing()[0, :, 0, :, 0]) - expected))), form.transition.shape[-1]

    found = [distance(analyse.softmax_features(order)) for order in config.orders]
    # The remainder of the exponential's series over the least weight, twice: in the weight and in the sum.
    rests = [2 * math.exp(2 * most) * most ** (p + 1) / math.factorial(p + 1) for p in config.orders]
    elu = distance(lambda x: jnp.where(x > 0, x + 1, jnp.exp(jnp.minimum(x, 0))))[0]
    return xr.Dataset(
        {
            "gap": ("order", [one for one, _ in found]),
            "states": ("order", [size for _, size in found]),
            "bound": ("order", rests),
            "linear_attention": elu,
        },
        {"order": list(config.orders)},
    )


def _cache(config: Sieber2024Dynamical, key: PRNGKey, xs: Any) -> dict[str, float]:
    """Softmax attention with its cache for a state."""
    layer = nn.SoftmaxAttention(config.hidden_size, config.num_heads, dtype=jnp.float64, key=key)
    form = analyse.dynamical_form(layer, xs)
    outputs = form.outputs()[:, :, 0].reshape(len(xs), -1) @ layer.output.T
    return {"outputs": gap(outputs, layer(xs)[0]), "states": form.transition.shape[-1]}


@cite("sieber2024understanding", "katharopoulos2020transformers", "dao2024transformers", "yang2024gated")
def sieber2024_dynamical(
    config: Sieber2024Dynamical, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Layers in the form of a linear system whose matrices depend on the tokens: which of them are one another.

    Transitions, what is written and how it is read, of linnet's layers, against matrices written out in NumPy.
    """
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    sequences = [jnp.asarray(rng.normal(size=(config.tokens, config.hidden_size))) for _ in range(config.seeds)]
    kinds = {"linear": _linear_attention, "fixed": _fixed_query, "space": _state_space, "cache": _cache}
    found: dict[str, list[dict]] = {name: [] for name in kinds}
    for number, xs in enumerate(sequences):
        progress(f"comparing maps of inputs to outputs, sequence {number + 1}")
        for name, compare in kinds.items():
            found[name].append(compare(config, jr.fold_in(key, number), xs))
    series = [_softmax(config, rng) for _ in sequences]
    gaps = {}
    for number, name in enumerate(config.layers):
        progress(f"comparing {name} with its form")
        layer = nn.layer(name, config.hidden_size, dtype=jnp.float64, key=jr.fold_in(key, 1000 + number))
        gaps[name] = form_gap(layer, sequences[0])
    taylor = xr.concat(series, "seed")
    data = taylor.assign(form_gap=("layer", list(gaps.values()))).assign_coords(layer=list(gaps))
    figure = draw(
        "forms",
        "Left: what one step keeps of the state before it, over the tokens, for attention with a fixed query, Mamba-2 "
        "and (grey) four keys of gated linear attention. Middle: what Mamba-2 has left of each token later. Right: how "
        "far attention with Taylor features is from a softmax (dots: each sequence), by number of states; dashed: "
        "linear attention.",
        lambda canvas: _plot(canvas, found, taylor),
        height=3.2,
    )
    return Findings(_claims(found, taylor, gaps, config), (figure,), {"forms": data})


def _claims(
    found: dict[str, list[dict]], taylor: xr.Dataset, gaps: dict[str, float], config: Sieber2024Dynamical
) -> tuple[Claim, ...]:
    def worst(kind: str, name: str) -> float:
        return max(one[name] for one in found[kind])

    def least(kind: str, name: str) -> float:
        return min(one[name] for one in found[kind])

    last = taylor.isel(order=-1)
    falling = float((taylor["gap"].values[:, 1:] / taylor["gap"].values[:, :-1]).max())
    return (
        Claim(f"The forms of {', '.join(gaps)} give the layers' own outputs, or states where outputs are not linear in "
              "them (largest gap over the largest entry)", 0.0, max(gaps.values()), 1e-10, "at most"),
        Claim("Normalised linear attention is a system with transitions eta_(i-1) / eta_i, the ratio of its sums of "
              "weights (from the layer's parameters, in NumPy)", 0.0, worst("linear", "ratio"), 1e-10, "at most"),
        Claim("... and its map of values to outputs is the matrix of normalised weights", 0.0, worst("linear", "map"),
              1e-10, "at most"),
        Claim("Without the normaliser in the transitions the map is another: off by at least a half", 0.5,
              least("linear", "plain"), 0.0, "at least", control=True),
        Claim("Attention with a query that sees no token: the transitions are gates, 1 - sigmoid(z), z the score less "
              "the logarithm of the sum of those before", 0.0, worst("fixed", "gate"), 1e-10, "at most"),
        Claim("... with sigmoid(z) for what is written, as in minGRU", 0.0, worst("fixed", "write"), 1e-10, "at most"),
        Claim("... and this system is the layer Aaren", 0.0, worst("fixed", "layer"), 1e-10, "at most"),
        Claim("Where queries see their tokens the ratios are no gates: at least a tenth of them is above 1", 0.1,
              least("linear", "above"), 0.0, "at least", control=True),
        Claim("The transitions of Mamba-2 are reversed sigmoids to a power, (1 - sigmoid(z))^exp(A)", 0.0,
              worst("space", "gate"), 1e-10, "at most"),
        Claim("... and its map is that of linear attention, C B^T, times the products of these gates", 0.0,
              worst("space", "map"), 1e-10, "at most"),
        Claim("Gated linear attention whose gates are tied over the keys of a head has a map of that form", 0.0,
              worst("space", "tied"), 1e-10, "at most"),
        Claim("... with a gate for each key it has not: off by at least a hundredth", 0.01, least("space", "free"), 0.0,
              "at least", control=True),
        Claim("Softmax attention is a system with one state for each token, its cache (largest gap of outputs)", 0.0,
              worst("cache", "outputs"), 1e-10, "at most"),
        Claim("Features of finite order only approach it: each two orders of a Taylor series more bring the weights "
              "closer (largest quotient of two gaps in a row)", 1.0, falling, 0.0, "at most"),
        Claim(f"... at order {config.orders[-1]} to within the remainder of the series (gap over the bound)", 1.0,
              float((last["gap"] / last["bound"]).max()), 0.0, "at most"),
        Claim("The features of linear attention do not: its weights are further off than those of order "
              f"{config.orders[-1]} by a factor of at least 10", 10.0,
              float((taylor["linear_attention"] / last["gap"]).min()), 0.0, "at least", control=True),
    )  # fmt: skip


def _plot(canvas: Canvas, found: dict[str, list[dict]], taylor: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3)
    space, fixed = found["space"][0], found["fixed"][0]
    steps = np.arange(1, len(fixed["transition"]))
    left.plot(steps, space["free gates"][1:, :4], color=GUIDE, linewidth=0.5)
    left.plot(steps, fixed["transition"][1:], color=COLOURS[0], linewidth=1.2, label="attention, fixed query")
    left.plot(steps, space["transition"][1:], color=COLOURS[1], linewidth=1.2, label="Mamba-2")
    left.set(xlabel="token", ylabel="kept of the state", ylim=(0, 1.4), yticks=(0, 0.5, 1), title="transitions")
    left.legend(loc="upper right")
    products = np.cumprod(space["transition"])
    middle.imshow(np.tril(products[:, None] / products[None]), cmap="Greys", aspect="auto")
    middle.set(xlabel="token written", ylabel="token read", title="what is left, Mamba-2")
    states, gaps = taylor["states"].values[0], taylor["gap"].values
    right.plot(np.tile(states, (len(gaps), 1)).T, gaps.T, "o", color=COLOURS[0], markersize=3)
    right.plot(states, gaps.mean(axis=0), color=COLOURS[0], linewidth=1)
    right.axhline(float(taylor["linear_attention"].mean()), color=GUIDE, linewidth=0.8, linestyle="--")
    right.set(xscale="log", yscale="log", xlabel="states", ylabel="largest gap of weights", title="towards a softmax")

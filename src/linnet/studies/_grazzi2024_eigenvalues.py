"""Counting with linear recurrences: not without negative eigenvalues, and beyond parity by alternating reflections."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import nn, scan, tasks
from .._cite import cite
from .._types import PRNGKey
from ..config import Grazzi2024Eigenvalues
from ..report import COLOURS, GUIDE, draw
from ._state_tracking import Trained, train, transitions
from ._study import Claim, Findings, silent

TITLES = {"delta-net": "DeltaNet", "mamba": "Mamba"}
RANGES = {False: "[0, 1]", True: "[-1, 1]"}


def counting_layer(allow_neg_eigval: bool) -> nn.DeltaNet:
    """A DeltaNet whose weights are set by hand: one key, one value, and a strength of 2 (or 1) for a one, 0 for a zero.

    Its memory is one number, $s \\leftarrow (1 - \\beta) s + \\beta v$: with $\\beta = 2$ a one takes 0 to $2 v$ and
    $2 v$ to 0. The norm of the output makes it 0 or 1.
    """
    layer = nn.DeltaNet(
        2, 1, 0.5, 0.5, allow_neg_eigval=allow_neg_eigval, use_short_conv=False, dtype=jnp.float32, key=jr.key(0)
    )
    # Keys of length 1000 before they are divided by it: then no digit is lost to the epsilon of that division.
    inputs = jnp.array([[1000.0, 1000.0], [1000.0, 1000.0], [1.0, 1.0]], jnp.float32)
    strengths, output = jnp.array([[-1000.0, 50.0]], jnp.float32), jnp.array([[1.0], [0.0]], jnp.float32)
    where = lambda la: (la.inputs.weight, la.b_proj, la.outputs.output)  # noqa: E731
    return eqx.tree_at(where, layer, (inputs, strengths, output))


def answers(layer: nn.DeltaNet, bits: np.ndarray) -> np.ndarray:
    """What the layer's output says of each prefix."""
    ys, _ = layer(jax.nn.one_hot(jnp.asarray(bits), 2, dtype=jnp.float32))
    return (np.asarray(ys[:, 0]) > 0.5).astype(int)


def counted(layer: nn.DeltaNet, bits: np.ndarray) -> float:
    """The share of prefixes whose parity the layer's output says."""
    return float(np.mean(answers(layer, bits) == np.cumsum(bits) % 2))


def sums_by_reflections(numbers: np.ndarray, modulus: int, reflect: bool = True) -> np.ndarray:
    r"""Sums modulo $m$ of all prefixes, from one reflection in the plane for each number.

    $R(\alpha) F$ turns by $\alpha$ what $F$ has mirrored. Numbers $x$ at even positions reflect by
    $-2 \pi x / m$ and those at odd ones by $2 \pi x / m$: two in a row then turn by the sum of both. The parity of the
    position is what a layer below can count.

    Args:
        numbers: what is added.
        modulus: $m$.
        reflect: with `False` strengths are 1, and what would be mirrored is erased.
    """
    side = np.where(np.arange(len(numbers)) % 2 == 0, -1, 1)
    angle = side * 2 * np.pi * numbers / modulus
    # The reflection R(a) F, with F = diag(1, -1), has the unit normal (-sin a/2, cos a/2).
    keys = jnp.asarray(np.stack([-np.sin(angle / 2), np.cos(angle / 2)], axis=1))[:, None]
    transition = scan.LowRank(-keys, (2.0 if reflect else 1.0) * keys)
    states, _ = scan.recur(transition, jnp.zeros((len(numbers), 2)), jnp.array([1.0, 0.0]), mode="scan")
    angles = np.arctan2(*np.asarray(states).T[::-1])
    # After an odd number of reflections the angle is the mirror image of the sum.
    return np.round(side * angles * modulus / (2 * np.pi)).astype(int) % modulus


def alternation(said: np.ndarray) -> float:
    """How often the answer changes from one token to the next in the second half of a sequence."""
    return float(np.mean(np.diff(said[len(said) // 2 :]) != 0))


def answers_to_ones(model: Any, length: int) -> np.ndarray:
    """What a trained network says along a sequence of ones."""
    return np.argmax(np.asarray(nn.apply(model, jnp.ones(length, jnp.int32))), axis=-1)


@dataclasses.dataclass(frozen=True)
class Found:
    """Everything that is measured.

    Args:
        exact: by name, of the networks whose weights are set by hand.
        parity: by layer and range.
        arithmetic: by range; empty where it is not learned.
    """

    exact: dict[str, float]
    parity: dict[tuple[str, bool], Trained]
    arithmetic: dict[bool, Trained]


def _exact(config: Grazzi2024Eigenvalues, rng: np.random.Generator) -> dict[str, float]:
    bits = rng.integers(0, 2, config.exact_length)
    numbers = rng.integers(0, config.modulus, config.exact_length)
    sums = np.cumsum(numbers) % config.modulus
    return {
        "parity": counted(counting_layer(True), bits),
        "ones": alternation(answers(counting_layer(True), np.ones(config.exact_length, int))),
        "parity, positive": counted(counting_layer(False), bits),
        "sums": float(np.mean(sums_by_reflections(numbers, config.modulus) == sums)),
        "sums, positive": float(np.mean(sums_by_reflections(numbers, config.modulus, False) == sums)),
    }


def _train_all(
    config: Grazzi2024Eigenvalues, key: PRNGKey, progress: Callable[[str], None]
) -> tuple[dict[tuple[str, bool], Trained], dict[bool, Trained]]:
    def run(layer: str, task: Any, steps: int, key: PRNGKey, **model: Any) -> Trained:
        return train(
            layer, task, test_length=config.test_length, test_size=config.test_size, steps=steps,
            learning_rate=config.learning_rate, batch_size=config.batch_size, seeds=config.seeds, times=config.times,
            key=key, hidden_size=config.hidden_size, **model,
        )  # fmt: skip

    parity, settings = {}, {
        "delta-net": {"num_heads": config.num_heads, "use_short_conv": False, "mode": "chunk"},
        "mamba": {"state_size": config.state_size},
    }  # fmt: skip
    bits = tasks.sequence_task("parity", length=config.train_length, every_step=True)
    for number, layer in enumerate(config.layers):
        for signed in (False, True):
            progress(f"training {TITLES[layer]} within {RANGES[signed]} on parity")
            parity[layer, signed] = run(
                layer, bits, config.steps, jr.fold_in(key, number),
                num_layers=1, mlp=None, allow_neg_eigval=signed, **settings[layer],
            )  # fmt: skip
    arithmetic = {}
    if config.arithmetic_steps:
        expressions = tasks.sequence_task(
            "modular_arithmetic", length=config.arithmetic_length, modulus=config.modulus, every_step=True
        )
        for signed in (False, True):
            progress(f"training DeltaNet within {RANGES[signed]} on modular arithmetic")
            arithmetic[signed] = run(
                "delta-net", expressions, config.arithmetic_steps, jr.fold_in(key, 9),
                num_layers=2, num_heads=config.num_heads, mode="chunk", allow_neg_eigval=signed,
            )  # fmt: skip
    return parity, arithmetic


@cite("grazzi2025unlocking", "merrill2024illusion")
def grazzi2024_eigenvalues(
    config: Grazzi2024Eigenvalues, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """What linear recurrences can count by the range of their eigenvalues: with weights set by hand, and by learning.

    Networks have one layer without a network over features, and read short sequences in training, with the parity of
    every prefix as a target; the paper has two layers and longer sequences, and targets at the end. Modular arithmetic
    is learned at the `paper` preset only.
    """
    progress("counting with weights set by hand")
    exact = _exact(config, np.random.default_rng(config.seed))
    found = Found(exact, *_train_all(config, key, progress))
    lengths = np.arange(1, config.test_length + 1)
    data = xr.Dataset(
        {
            f"{layer.replace('-', '_')}_{'signed' if signed else 'positive'}": (
                ("seed", "share", "length"),
                trained.accuracy,
            )
            for (layer, signed), trained in found.parity.items()
        },
        {"length": lengths, "share": np.linspace(0, 1, config.times)},
    )
    eigenvalues = {signed: _eigenvalues(found.parity["delta-net", signed], config) for signed in RANGES}
    figure = draw(
        "parity",
        f"Left: accuracy of the parity of prefixes after training on {config.train_length} tokens (dotted), by the "
        "range of the eigenvalues (lines: networks); dashed: chance. Right: what a zero and a one do to the memory of "
        "the trained DeltaNets along their keys, in each head: the eigenvalues 1 - beta |k|^2.",
        lambda canvas: _plot(canvas, found, eigenvalues, config),
        height=3.2,
    )
    return Findings(_claims(found, eigenvalues, config), (figure,), {"parity": data})


def _eigenvalues(trained: Trained, config: Grazzi2024Eigenvalues) -> np.ndarray:
    """The eigenvalue along the key, "seed token head", of zeros and ones."""
    rows = []
    for seed in range(config.seeds):
        matrices = transitions(trained.member(seed))[:2]
        rows.append(np.trace(matrices, axis1=2, axis2=3) - matrices.shape[-1] + 1)
    return np.stack(rows)


def _claims(found: Found, eigenvalues: dict[bool, np.ndarray], config: Grazzi2024Eigenvalues) -> tuple[Claim, ...]:
    far = 2 * config.train_length + 1
    chance = 3 * np.sqrt(0.25 / config.exact_length)
    claims = [
        Claim(f"DeltaNet with weights set by hand and eigenvalues 1 and -1 says the parity of all prefixes of "
              f"{config.exact_length} bits (share)", 1.0, found.exact["parity"]),
        Claim("... with the same weights within [0, 1] it guesses (share; 3 standard errors)", 0.5,
              found.exact["parity, positive"], 2 * chance, control=True),
        Claim(f"Reflections that alternate with the parity of the position say sums modulo {config.modulus} of all "
              f"prefixes of {config.exact_length} numbers (share)", 1.0, found.exact["sums"]),
        Claim("... with strengths of 1 in place of 2 they do not (share)", 2 / config.modulus,
              found.exact["sums, positive"], 0.0, "at most", control=True),
    ]  # fmt: skip
    for layer in config.layers:
        title, signed, positive = TITLES[layer], found.parity[layer, True], found.parity[layer, False]
        claims += [
            Claim(f"{title} within [-1, 1] learns parity from {config.train_length} tokens for all lengths up to "
                  f"{config.test_length} (scaled accuracy beyond {far - 1} tokens, best network)", 0.8,
                  float(np.max(signed.scaled(far))), 0.0, "at least"),
            Claim(f"... within [0, 1] {title} does not", 0.1, float(np.max(positive.scaled(far))), 0.0, "at most",
                  control=True),
        ]  # fmt: skip
    signed, positive = found.parity["delta-net", True], found.parity["delta-net", False]
    span = 4 * config.test_length
    zero, one = eigenvalues[True][signed.best(far)]
    head = int(np.argmin(one - zero))
    constant = max(alternation(answers_to_ones(positive.member(seed), span)) for seed in range(config.seeds))
    claims += [
        Claim("What DeltaNet has learned is the reflection: in one head a one has the eigenvalue -1", -1.0,
              float(one[head]), 0.1),
        Claim("... and a zero a positive one", 0.0, float(zero[head]), 0.0, "at least"),
        Claim(f"On ones alone the answers of the network set by hand change with every token (share of changes in "
              f"the second half of {config.exact_length})", 1.0, found.exact["ones"]),
        Claim(f"... those of networks trained within [0, 1] have become constant, as powers of positive numbers do "
              f"(after {span // 2} tokens)", 0.0, constant, control=True),
    ]  # fmt: skip
    if found.arithmetic:
        near = config.arithmetic_length + 1
        claims += [
            Claim("DeltaNet of two layers within [-1, 1] learns modular arithmetic without brackets for longer "
                  "expressions (scaled accuracy, best network)", 0.8,
                  float(np.max(found.arithmetic[True].scaled(near))), 0.0, "at least"),
            Claim("... within [0, 1] it does not", 0.5, float(np.max(found.arithmetic[False].scaled(near))), 0.0,
                  "at most", control=True),
        ]  # fmt: skip
    return tuple(claims)


def _plot(canvas: Canvas, found: Found, eigenvalues: dict[bool, np.ndarray], config: Grazzi2024Eigenvalues) -> None:
    left, right = canvas.subplots(1, 2, width_ratios=(1.6, 1))
    lengths = np.arange(1, config.test_length + 1)
    for number, ((layer, signed), trained) in enumerate(found.parity.items()):
        for seed, accuracy in enumerate(trained.accuracy[:, -1]):
            label = f"{TITLES[layer]} {RANGES[signed]}" if seed == 0 else None
            left.plot(lengths, accuracy, color=COLOURS[number], linewidth=1.2, label=label)
    left.axhline(0.5, color=GUIDE, linewidth=0.8, linestyle="--")
    left.axvline(config.train_length, color=GUIDE, linewidth=0.8, linestyle=":")
    left.set(xlabel="tokens", ylabel="accuracy", ylim=(0.35, 1.03), title="parity of prefixes")
    left.legend(loc="center right", bbox_to_anchor=(1.0, 0.47))
    for signed, colour in zip(RANGES, COLOURS, strict=False):
        for token in range(2):
            values = eigenvalues[signed][:, token].ravel()
            place = token + (0.12 if signed else -0.12) + np.linspace(-0.05, 0.05, len(values))
            right.plot(place, values, "o", color=colour, markersize=4, label=RANGES[signed] if not token else None)
    right.axhline(0, color=GUIDE, linewidth=0.8)
    right.set(xticks=(0, 1), xticklabels=("zero", "one"), xlim=(-0.5, 1.5), ylim=(-1.1, 1.1), title="eigenvalues")
    right.legend(loc="lower left")

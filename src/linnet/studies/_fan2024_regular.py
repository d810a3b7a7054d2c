"""Regular languages read far beyond the length of training, by full blocks and not by diagonal gates."""

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
from ..config import Fan2024Regular
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent
from ._token_table import TokenTable

TITLES = {"sum": "sum", "even_pairs": "even pairs", "modular_arithmetic": "modular arithmetic"}

#: What is trained, and its layer.
KINDS = {"full blocks": "block-diagonal-lrnn", "diagonal gates": "hgrn"}


@dataclasses.dataclass(frozen=True)
class Tests:
    """Accuracies of networks in the course of learning, "seed test".

    Args:
        near: at all steps of sequences as long as in training.
        far: at the last step of long ones.
    """

    near: np.ndarray
    far: np.ndarray

    @property
    def best(self) -> float:
        """The best test on long sequences of any of the networks, as the paper reports it."""
        return float(np.max(self.far))


def _task(language: str, config: Fan2024Regular) -> Any:
    settings = {} if language == "even_pairs" else {"modulus": config.modulus}
    # Expressions have odd lengths.
    length = config.length - 1 + config.length % 2 if language == "modular_arithmetic" else config.length
    return tasks.sequence_task(language, length=length, every_step=True, **settings)


def _title(language: str, config: Fan2024Regular) -> str:
    return TITLES[language] if language == "even_pairs" else f"{TITLES[language]} modulo {config.modulus}"


def _train(language: str, kind: str, config: Fan2024Regular, key: PRNGKey) -> Tests:
    """Networks of one kind, tested at even distances of their learning."""
    task, name = _task(language, config), KINDS[kind]
    beyond = task.sample(config.test_size, key=jr.fold_in(key, 0), length=task.fit(config.test_length))
    near = task.sample(config.test_size, key=jr.fold_in(key, 1))
    far = tasks.Batch(beyond.x, beyond.y[:, -1])
    layers = config.arithmetic_layers if language == "modular_arithmetic" else 1
    settings: dict[str, Any] = {"block_size": config.block_size} if name == "block-diagonal-lrnn" else {}
    transform = optax.chain(optax.add_decayed_weights(config.weight_decay), optax.scale_by_adam())
    rule = learn.Descent(config.learning_rate, transform, batch_size=config.batch_size)

    def make(key: PRNGKey) -> tuple:
        network = nn.sequence_model(
            name,
            vocab_size=task.vocab_size,
            num_classes=task.num_classes,
            hidden_size=config.hidden_size,
            num_layers=layers,
            norm="layer",
            mlp=1.0,
            gated_mlp=False,
            residual=layers > 1,
            final_norm=layers > 1,
            dtype=jnp.float32,
            key=key,
            **settings,
        )
        return TokenTable(network) if settings and layers == 1 else network, task, rule

    ts = np.linspace(0, config.steps, config.tests + 1).round()[1:] * config.learning_rate
    trained = learn.ensemble(
        make,
        ts,
        {"seed": config.seeds},
        key=jr.fold_in(key, 2),
        loss=CrossEntropy(),
        observe=[learn.Accuracy("validation", near), learn.Accuracy("test", far)],
    )
    return Tests(np.asarray(trained["validation_accuracy"]), np.asarray(trained["test_accuracy"]))


@cite("fan2024advancing")
def fan2024_regular(config: Fan2024Regular, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """A linear recurrence of full, input-dependent blocks reads regular languages far beyond the length of training.

    As in the paper the best of the tests during learning counts: what was learned at one length drifts at the other, in
    and out of the right answer, and even an accuracy of 0 on sums, where guesses have 1/5, is that of a count that is
    turned. On sums modulo 5 five of ten networks passed the right answer within 4,000 or 6,000 steps, at the rate of
    1e-3 with the decay of weights within Adam here, and three of five within 4,000 to 12,000 at the paper's rate of
    1e-4 without one. Models of one layer make their blocks once a token. Gates are those of `HGRN`, and even pairs are
    of two symbols, where the authors have five.
    """
    found: dict[str, dict[str, Tests]] = {}
    for number, language in enumerate(config.languages):
        found[language] = {}
        for kind in KINDS:
            progress(f"training {kind} on {TITLES[language]}")
            found[language][kind] = _train(language, kind, config, jr.fold_in(key, number))
    data = xr.Dataset(
        {
            f"{language}_{kind}_{part}".replace(" ", "_"): (("seed", "step"), getattr(tests, part))
            for language, kinds in found.items()
            for kind, tests in kinds.items()
            for part in ("near", "far")
        },
        {"step": np.linspace(0, config.steps, config.tests + 1).round()[1:]},
    )
    figure = draw(
        "extrapolation",
        f"Accuracy at the last of {config.test_length} steps in the course of learning at {config.length} (dots and "
        "lines: each network; dashed: chance; dotted: accuracy at the length of training).",
        lambda canvas: _plot(canvas, found, config),
        width=3.0 * max(2, len(found)),
        height=3.0,
    )
    claims = [claim for language, kinds in found.items() for claim in _claims(language, kinds, config)]
    return Findings(tuple(claims), (figure,), {"accuracy": data})


def _claims(language: str, kinds: dict[str, Tests], config: Fan2024Regular) -> list[Claim]:
    chance, title = _task(language, config).chance, _title(language, config)
    # The best of many guesses by chance on as many sequences as a test has.
    guessed = chance + 4 * np.sqrt(chance * (1 - chance) / config.test_size)
    blocks, diagonal = kinds["full blocks"], kinds["diagonal gates"]
    return [
        Claim(f"{title.capitalize()}: full blocks learn it at the length of training, {config.length} (best accuracy)",
              0.99, float(np.max(blocks.near)), 0.0, "at least"),
        Claim(f"... and read sequences of {config.test_length} (best test of {config.seeds} networks, accuracy at the "
              "last step)", 0.95, blocks.best, 0.0, "at least"),
        Claim("Diagonal gates of as many numbers do no better there than the best of many guesses", guessed,
              diagonal.best, 0.0, "at most", control=True),
    ]  # fmt: skip


def _plot(canvas: Canvas, found: dict, config: Fan2024Regular) -> None:
    panels = np.atleast_1d(canvas.subplots(1, len(found), sharey=True))
    steps = np.linspace(0, config.steps, config.tests + 1).round()[1:]
    for axes, (language, kinds) in zip(panels, found.items(), strict=True):
        for (kind, tests), colour in zip(kinds.items(), COLOURS, strict=False):
            lines = axes.plot(steps, tests.far.T, "o-", color=colour, markersize=1.8, linewidth=0.8)
            lines[0].set_label(kind)
            axes.plot(steps, tests.near.mean(axis=0), color=colour, linewidth=0.9, linestyle=":")
        axes.axhline(_task(language, config).chance, color=GUIDE, linewidth=0.8, linestyle="--")
        axes.set(xlabel="steps", ylim=(-0.03, 1.05), title=_title(language, config))
    panels[0].set_ylabel(f"accuracy at step {config.test_length}")
    # Below, because curves may run anywhere in the panels.
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=len(labels))

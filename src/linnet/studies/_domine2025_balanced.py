"""From lazy to rich: the balance of two layers decides how a network learns the same function."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure as Canvas

from .. import analyse, learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Domine2025Balanced
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: The balance and the learning time of the reversal experiment; all modes have strength 1 there.
REVERSAL_BALANCE, REVERSAL_TIME = 1.0, 8.0


def _task(key: PRNGKey, inputs: int, size: int) -> tasks.Moments:
    """White inputs and a map with as many modes as outputs, of strengths from 3 down to 1."""
    first, second = jr.split(key)
    left = jnp.linalg.qr(jr.normal(first, (size, size)))[0]
    right = jnp.linalg.qr(jr.normal(second, (inputs, size)))[0]
    yx = (left * jnp.linspace(3.0, 1.0, size)) @ right.T
    return tasks.Moments(jnp.eye(inputs), yx, yx @ yx.T)


@eqx.filter_jit
def _predicted(networks: Any, moments: tasks.Moments, ts: Array) -> Array:
    """Mode strengths by the matrix Riccati solution, for networks with the axes seed and balance."""

    def solve(network: Any) -> Array:
        return theory.BalancedRiccati().solve(network, moments, ts)["mode_strengths"]

    return jax.vmap(jax.vmap(solve))(networks)


@eqx.filter_jit
def _movement(before: Any, after: Any, xs: Array) -> Array:
    """Kernel distance between networks before and after training, by the Jacobians of the networks themselves."""

    def distance(a: Any, b: Any) -> Array:
        return analyse.kernel_distance(analyse.tangent_kernel(a, xs), analyse.tangent_kernel(b, xs))

    return jax.vmap(jax.vmap(distance))(before, after)


def _gap(measured: Any, predicted: Any) -> float:
    return float(jnp.max(jnp.abs(measured - predicted)) / jnp.max(jnp.abs(predicted)))


@cite("domine2025lazy", "braun2022exact")
def domine2025_balanced(
    config: Domine2025Balanced, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """The balance of the layers takes a network from lazy to rich learning, as the matrix Riccati solution says.

    Two layers of small end-to-end map on white inputs, with W2^T W2 - W1 W1^T = lambda I from strongly negative to
    strongly positive; then the task is reversed.
    """
    task_key, key = jr.split(key)
    moments = _task(task_key, config.size, config.size)
    values = np.asarray(moments.singular_modes().singular_values)
    balances = np.asarray(sorted(config.balances))
    ts = 12.0 * jnp.linspace(0.0, 1.0, config.times) ** 2  # dense at first, where lazy networks learn

    def weights(key: PRNGKey, balance: Any, inputs: int = config.size) -> nn.DeepLinear:
        initialiser = nn.balanced(balance, nn.small(config.scale))
        return initialiser(nn.DeepLinear, (inputs, config.size, config.size), key=key)

    def make(key: PRNGKey, balance: Any) -> tuple:
        return weights(key, balance), moments, learn.GradientFlow()

    keys = jax.vmap(lambda seed: jr.fold_in(key, seed))(jnp.arange(config.seeds))
    before = jax.vmap(lambda k: jax.vmap(lambda b: weights(k, b))(jnp.asarray(balances)))(keys)
    progress("training balanced networks")
    trained = learn.ensemble(make, ts, {"seed": config.seeds, "balance": balances}, key=key)
    progress("solving the matrix Riccati equation")
    strengths = _predicted(before, moments, ts)
    # The same networks without their balance: Gaussian weights of the task's size, for which the solution is not meant.
    loose = jax.tree.map(lambda w: w + 0.5 * jr.normal(jr.fold_in(key, w.size), w.shape), before)

    def make_loose(key: PRNGKey, member: Any) -> tuple:
        return jax.tree.map(lambda w: w[member, 0], loose), moments, learn.GradientFlow()

    unbalanced = learn.ensemble(make_loose, ts, {"member": np.arange(config.seeds)}, key=key)
    unbalanced_gap = _gap(unbalanced["mode_strengths"], _predicted(loose, moments, ts)[:, 0])

    progress("measuring kernels and representations")
    moved = np.asarray(_movement(before, trained.network, jnp.eye(config.size)))
    movement = np.median(moved, axis=0)
    rich, lazy = int(np.flatnonzero(balances == 0)[0]), int(np.argmin(balances))
    wide = _task(task_key, config.inputs, config.size)
    wide_before = jax.vmap(lambda k: weights(k, balances[lazy], config.inputs))(keys)

    def make_wide(key: PRNGKey) -> tuple:
        return weights(key, balances[lazy], config.inputs), wide, learn.GradientFlow()

    wide_after = learn.ensemble(make_wide, jnp.array([0.0, 12.0]), {"seed": config.seeds}, key=key).network
    pair = (jax.tree.map(lambda w: w[None], network) for network in (wide_before, wide_after))
    turned = float(np.median(_movement(*pair, jnp.eye(config.inputs))))
    first, _ = trained.network.weights
    eigenvalues = np.linalg.eigvalsh(np.asarray(first @ jnp.swapaxes(first, -1, -2)))[..., ::-1]
    # A square network of balance 0 cannot change the sign of its determinant, so it may never learn the last mode.
    kept = balances != 0
    expected = (np.sqrt(balances[:, None] ** 2 + 4 * values**2) - balances[:, None]) / 2
    curves = np.median(np.asarray(trained["mode_strengths"]), axis=0)[..., 0]
    rise = np.array([_rise(np.asarray(ts), curve) for curve in curves])

    progress("reversing the task")
    stuck, escaped = (_reverse(jr.fold_in(key, 1), config.size, balance) for balance in (0.0, REVERSAL_BALANCE))
    claims = (
        Claim("Mode strengths of all trained networks lie on the matrix Riccati solution (largest gap over largest "
              "strength)", 0.0, _gap(trained["mode_strengths"], strengths), 1e-4),
        Claim("Without balance the same solution is off by more than 2 %", 0.02, unbalanced_gap, 0.0,
              "at least", control=True),
        Claim("Eigenvalues of W1 W1^T end at (sqrt(lambda^2 + 4 s^2) - lambda) / 2 where lambda is not 0 (largest "
              "gap)", 0.0,
              float(np.max(np.abs(eigenvalues - expected)[:, kept]) / np.max(expected)), 0.01),
        Claim(f"Rich at balance 0: the tangent kernel moves at least 3 times as far as at {balances[lazy]:g}",
              3.0,
              float(movement[rich] / movement[lazy]), 0.0, "at least"),
        Claim("No balance moves the kernel further than balance 0", 1.0, float(np.max(movement) / movement[rich]), 0.02,
              "at most"),
        Claim(f"Delayed rich: with more inputs than hidden units the large first layer of {balances[lazy]:g} has to "
              "turn, and the kernel moves at least 3 times as far as in the square network", 3.0, turned /
              movement[lazy], 0.0,
              "at least", control=True),
        Claim(f"Lazy at {balances[lazy]:g}: the strongest mode rises like an exponential, from 10 to 90 % in at least "
              "2 of its half times (ln 9 / ln 2 = 3.2 for one layer)", 2.0, rise[lazy], 0.0, "at least"),
        Claim("At balance 0 it is a sigmoid: the same ratio is at most 1.5", 1.5, rise[rich], 0.0, "at most",
              control=True),
        Claim("Reversal from aligned weights of balance 0 fails: the strongest part learned of the new task", 0.0,
              stuck, 0.01, control=True),
        Claim(f"With balance {REVERSAL_BALANCE:g} the reversed task is learned: the weakest part learned", 1.0, escaped,
              0.05),
    )  # fmt: skip
    coords = {"balance": balances, "time": np.asarray(ts)}
    variables = {
        "kernel_distance": (("seed", "balance"), moved),
        "mode_strengths": (("seed", "balance", "time", "mode"), np.asarray(trained["mode_strengths"])),
        "predicted_mode_strengths": (("seed", "balance", "time", "mode"), np.asarray(strengths)),
        "input_representation": (("seed", "balance", "mode_of_hidden"), eigenvalues),
        "predicted_input_representation": (("balance", "mode_of_hidden"), expected),
    }
    figure = draw(
        "balance",
        "The strongest mode while it is learned (left; dashed: the matrix Riccati solution) and how far the "
        "tangent kernel moves in training (right; range over seeds), by the balance of the layers: rich at 0, lazy "
        "on both sides.",
        lambda canvas: _plot(canvas, np.asarray(ts), balances, curves, np.median(strengths, axis=0)[..., 0], moved),
        height=3.4,
    )
    return Findings(claims, (figure,), {"balanced": xr.Dataset(variables, coords)})


def _rise(ts: np.ndarray, curve: np.ndarray) -> float:
    """The time of the rise from 10 to 90 % of the last value, over the half time."""
    low, half, high = np.interp((0.1, 0.5, 0.9), np.maximum.accumulate(curve / curve[-1]), ts)
    return float((high - low) / half)


def _reverse(key: PRNGKey, size: int, balance: float) -> float:
    """How much of a reversed task is learned, from balanced weights that hold the task itself.

    The weakest mode of a network that succeeds; for balance 0, where none should move past zero, the strongest.
    """
    left, right = (jnp.linalg.qr(jr.normal(k, (size, size)))[0] for k in jr.split(key))
    yx = left @ right.T
    outer = (balance + np.sqrt(balance**2 + 4)) / 2  # a^2 - b^2 = balance with a b = 1
    network = nn.DeepLinear((right.T / np.sqrt(outer), np.sqrt(outer) * left))
    reversed_task = tasks.Moments(jnp.eye(size), -yx, yx @ yx.T)
    network = learn.simulate(network, reversed_task, jnp.array([0.0, REVERSAL_TIME])).network
    learned = -jnp.diagonal(left.T @ network.end_to_end() @ right)
    return float(jnp.min(learned) if balance else jnp.max(jnp.abs(jnp.maximum(learned, 0))))


def _plot(canvas: Canvas, ts: Any, balances: Any, curves: Any, predicted: Any, moved: Any) -> None:
    left, right = canvas.subplots(1, 2)
    widths = np.linspace(5, 2, len(balances))  # balances of both signs have one curve: the wider one shows behind
    for balance, colour, width, curve, line in zip(balances, COLOURS * 3, widths, curves, predicted, strict=False):
        left.plot(ts, curve, color=colour, linewidth=width, alpha=0.6, label=f"{balance:g}")
        left.plot(ts, line, color="black", linewidth=0.8, linestyle="--")
    left.set(xlim=(0, 4), xlabel="learning time", ylabel="strength of the strongest mode")
    left.legend(title="balance", loc="lower right")
    middle, low, high = np.median(moved, 0), np.min(moved, 0), np.max(moved, 0)
    right.errorbar(balances, middle, [middle - low, high - middle], fmt="o-", color=COLOURS[0], markersize=4)
    right.set(xlabel=r"balance $\lambda$", ylabel="kernel distance, start to end", ylim=(0, None))

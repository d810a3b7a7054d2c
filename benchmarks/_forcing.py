"""A gradient step of generalized teacher forcing: linnet, alone and with many seeds, against eager PyTorch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np

from linnet import nn, reconstruct

from ._clock import Race, race
from ._row import Row
from ._torch_parts import MISSING, torch

NAME = "forcing"
ALONE, TOGETHER = 7.0, 15.0
RATE = 1e-3
#: Of float32 losses and gradients that sum in other orders.
TOLERANCE = 1e-4


class Size(NamedTuple):
    """How large the step is.

    Args:
        units: latent units, all of them observed.
        hidden: hidden units.
        steps: of a window.
        batch: windows.
        seeds: networks that are trained together.
        strength: of the forcing.
        rows: gradient steps in a row, as they are taken in a training.
    """

    units: int = 3
    hidden: int = 50
    steps: int = 200
    batch: int = 16
    seeds: int = 20
    strength: float = 0.1
    rows: int = 10


SIZE = Size()
#: The parameters in the order in which PyTorch holds them.
NAMES = ("diagonal", "outer_weights", "inner_weights", "bias", "hidden_bias")


class Problem(NamedTuple):
    """Networks with the seeds first, and windows of their own for each, "seed point batch unit"."""

    network: nn.ShallowPLRNN
    windows: np.ndarray
    size: Size


def make_problem(size: Size = SIZE) -> Problem:
    """Random networks, and windows of a random walk."""
    network = eqx.filter_vmap(lambda key: nn.ShallowPLRNN(size.units, size.hidden, dtype=jnp.float32, key=key))(
        jr.split(jr.key(0), size.seeds)
    )
    steps = np.random.default_rng(0).normal(size=(size.seeds, size.steps + 1, size.batch, size.units))
    return Problem(network, (0.1 * steps.cumsum(axis=1)).astype(np.float32), size)


def _loss(network: nn.ShallowPLRNN, windows: Any, strength: Any) -> Any:
    strengths = jnp.broadcast_to(strength, (windows.shape[0] - 1, windows.shape[-1]))
    inputs = jnp.zeros((*windows[1:].shape[:-1], 0), windows.dtype)
    predicted, _ = reconstruct.forced_orbits(network, windows[0], windows[1:], strengths, inputs)
    return jnp.mean((predicted - windows[1:]) ** 2)


@eqx.filter_jit
def gradients(network: nn.ShallowPLRNN, windows: Any, strength: Any) -> Any:
    """Losses and gradients of all seeds."""
    return eqx.filter_vmap(eqx.filter_value_and_grad(_loss), in_axes=(eqx.if_array(0), 0, None))(
        network, windows, strength
    )


@eqx.filter_jit
def _descend(network: nn.ShallowPLRNN, windows: Any, strength: Any, num: Any) -> Any:
    params, rest = eqx.partition(network, eqx.is_array)

    def one(_: Any, params: Any) -> Any:
        _, gradient = gradients(eqx.combine(params, rest), windows, strength)
        return jtu.tree_map(lambda leaf, slope: leaf - RATE * slope, params, eqx.filter(gradient, eqx.is_array))

    return jax.lax.fori_loop(0, num, one, params)


def linnet_steps(problem: Problem, seeds: int) -> Callable[[], Any]:
    """A call that takes gradient steps with the first seeds, and gives their parameters."""
    network = jtu.tree_map(lambda leaf: leaf[:seeds], problem.network)
    windows = jnp.asarray(problem.windows[:seeds])
    strength = jnp.asarray(problem.size.strength, jnp.float32)

    num = jnp.asarray(problem.size.rows)
    return lambda: _descend(network, windows, strength, num)


def torch_loss(params: list[Any], windows: Any, strength: float) -> Any:
    """The loss in PyTorch, with the fewest calls for each step that there are; params with or without seeds."""
    diagonal, outer, inner, bias, hidden_bias = params
    outer, inner = outer.mT, inner.mT
    seeds = windows.ndim == 4
    product = torch.baddbmm if seeds else torch.addmm
    diagonal, bias, hidden_bias = (p[:, None] if seeds else p for p in (diagonal, bias, hidden_bias))
    points = windows.unbind(1 if seeds else 0)
    state, predicted = points[0], []
    for point in points[1:]:
        active = product(hidden_bias, state, inner).relu()
        expected = product(bias, active, outer).addcmul(diagonal, state)
        predicted.append(expected)
        state = torch.lerp(expected, point, strength)
    return (torch.stack(predicted, 1 if seeds else 0) - (windows[:, 1:] if seeds else windows[1:])).square()


def torch_steps(problem: Problem, batched: bool) -> Callable[[], Any]:
    """The same steps in PyTorch on one thread: of the first seed, or of all by batches of products."""
    params, windows = torch_parts(problem, batched)

    def step() -> None:
        for param in params:
            param.grad = None
        errors = torch_loss(params, windows, problem.size.strength)
        # Every seed has a mean of its own.
        (errors.mean() * (problem.size.seeds if batched else 1)).backward()
        with torch.no_grad():
            for param in params:
                param.sub_(param.grad, alpha=RATE)

    def run() -> None:
        torch.set_num_threads(1)
        for _ in range(problem.size.rows):
            step()

    return run


def torch_parts(problem: Problem, batched: bool) -> tuple[list[Any], Any]:
    """Parameters and windows as tensors."""
    leaves = [np.array(getattr(problem.network, name)) for name in NAMES]
    leaves = leaves if batched else [leaf[0] for leaf in leaves]
    windows = problem.windows if batched else problem.windows[0]
    return [torch.tensor(leaf, requires_grad=True) for leaf in leaves], torch.tensor(windows)


def agree(problem: Problem) -> None:
    """Checks that both sides take the same step.

    Raises:
        RuntimeError: if losses or gradients differ.
    """
    losses, gradient = gradients(problem.network, jnp.asarray(problem.windows), jnp.asarray(problem.size.strength))
    for batched in (False, True):
        params, windows = torch_parts(problem, batched)
        errors = torch_loss(params, windows, problem.size.strength)
        (errors.mean() * (problem.size.seeds if batched else 1)).backward()
        found = [errors.detach().numpy().mean()] + [param.grad.numpy() for param in params]
        own = [np.asarray(getattr(gradient, name)) for name in NAMES]
        expected = [np.mean(losses), *own] if batched else [losses[0], *(leaf[0] for leaf in own)]
        for one, other in zip(found, expected, strict=True):
            off = np.linalg.norm(one - other) / np.linalg.norm(other)
            if not off < TOLERANCE:
                raise RuntimeError(f"PyTorch's forcing takes another step than linnet's: they differ by {off:.1e}.")


def measure(size: Size = SIZE, rounds: int = 8) -> list[Row]:
    """Races a gradient step, alone and with all seeds."""
    problem = make_problem(size)
    calls = {"linnet, alone": linnet_steps(problem, 1), "linnet, together": linnet_steps(problem, size.seeds)}
    if not MISSING:
        agree(problem)
        calls |= {"PyTorch": torch_steps(problem, False), "PyTorch, batched by hand": torch_steps(problem, True)}
    return _rows(size, race(calls, rounds))


def _rows(size: Size, ran: Race) -> list[Row]:
    costs = {name: ran.best(name).times(1 / size.rows) for name in ran.rounds}
    seconds = {name: cost.as_dict() for name, cost in costs.items()}
    for name in ("linnet, alone", "linnet, together"):
        seconds[f"{name}, first call"] = ran.first[name].as_dict()
    form = f"M {size.units}, L {size.hidden}, T {size.steps}, batch {size.batch}"
    seeds = size.seeds
    rows = [
        (f"a gradient step, {form}: PyTorch / linnet", "PyTorch", "linnet, alone", 1.0, ALONE),
        (f"{seeds} seeds together, a model: PyTorch / linnet", "PyTorch", "linnet, together", seeds, TOGETHER),
        (
            f"{seeds} seeds together: PyTorch batched / linnet",
            "PyTorch, batched by hand",
            "linnet, together",
            1.0,
            None,
        ),
    ]
    found = []
    for what, peer, own, times, target in rows:
        if MISSING:
            found.append(Row(NAME, what, None, target=target, seconds=seconds, note=MISSING))
            continue
        # CPU seconds: one core each, whatever else runs.
        ratio = times * costs[peer].cpu / costs[own].cpu
        note = f"linnet {1e3 * costs[own].cpu / (seeds if 'together' in own else 1):.3g} ms a model"
        found.append(Row(NAME, what, ratio, target=target, seconds=seconds, note=note))
    return found

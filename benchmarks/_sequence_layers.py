"""A training step of every sequence layer: linnet against the same layer in PyTorch."""

import functools as ft
import inspect
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jax.flatten_util import ravel_pytree

from linnet import keep_freed_memory, nn

from . import _fla
from ._clock import Race, race, timed
from ._row import Row
from ._torch_layers import PEERS
from ._torch_parts import MISSING, torch, with_tensors

NAME = "sequence layers"
FASTER = 3.0
#: A peer that takes so many times longer than the other is not raced.
HOPELESS = 4.0
RATE = 1e-3
#: Of float32 outputs and gradients that sum in other orders, relative to their root mean square.
TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-2


class Size(NamedTuple):
    """How large the layers are, and what they read.

    Args:
        batch: sequences.
        steps: of each.
        hidden_size: features of the layers.
        num_heads: of layers that have any.
        dtype: of everything.
    """

    batch: int = 4
    steps: int = 2048
    hidden_size: int = 64
    num_heads: int = 4
    dtype: str = "float32"


SIZE = Size()


class Problem(NamedTuple):
    """A layer, its inputs and what it should answer, "batch step feature"."""

    layer: Any
    xs: np.ndarray
    targets: np.ndarray


def make_problem(name: str, size: Size, mode: str = "auto") -> Problem:
    """A layer by its name; all its parameters, also those that begin at 0, are a little random."""
    made = nn.LAYERS[name]
    heads = {"num_heads": size.num_heads} if "num_heads" in inspect.signature(made).parameters else {}
    heads |= {"head_dim": 2 * size.hidden_size // size.num_heads} if name == "mamba2" else {}
    layer = made(size.hidden_size, key=jr.key(0), dtype=jnp.dtype(size.dtype), mode=mode, **heads)
    rng = np.random.default_rng(0)
    params, rest = eqx.partition(layer, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    layer = eqx.combine(unravel(flat + jnp.asarray(0.02 * rng.standard_normal(flat.shape), flat.dtype)), rest)
    xs, targets = rng.standard_normal((2, size.batch, size.steps, size.hidden_size)).astype(size.dtype)
    return Problem(layer, xs, targets)


def _loss(layer: Any, xs: Any, targets: Any) -> tuple[Any, Any]:
    ys = eqx.filter_vmap(nn.apply, in_axes=(None, 0))(layer, xs)
    return jnp.mean((ys - targets) ** 2), ys


@eqx.filter_jit
def expected(problem: Problem) -> tuple[Any, Any]:
    """linnet's gradient and outputs."""
    return eqx.filter_grad(_loss, has_aux=True)(problem.layer, problem.xs, problem.targets)


@eqx.filter_jit
def train_step(layer: Any, xs: Any, targets: Any) -> Any:
    """The layer after one step of gradient descent."""
    gradient, _ = eqx.filter_grad(_loss, has_aux=True)(layer, xs, targets)
    return eqx.apply_updates(layer, jtu.tree_map(lambda leaf: -RATE * leaf, gradient))


def linnet_trains(problem: Problem) -> Callable[[], Any]:
    """A call that takes one more step each time and gives the parameters."""
    layer, xs, targets = problem.layer, jnp.asarray(problem.xs), jnp.asarray(problem.targets)

    def train() -> Any:
        nonlocal layer
        layer = train_step(layer, xs, targets)
        return layer

    return train


def torch_trains(problem: Problem, forward: Callable[[Any, Any], Any]) -> Callable[[], Any]:
    """The same in PyTorch, eagerly; it gives nothing."""
    module, params = with_tensors(problem.layer)
    xs, targets = torch.tensor(problem.xs), torch.tensor(problem.targets)

    def train() -> None:
        for param in params:
            param.grad = None
        torch.nn.functional.mse_loss(forward(module, xs), targets).backward()
        with torch.no_grad():
            for param in params:
                if param.grad is not None:
                    param.sub_(param.grad, alpha=RATE)

    return train


def agree(problem: Problem, forward: Callable[[Any, Any], Any], truth: tuple[Any, Any]) -> tuple[float, float]:
    """How far outputs and gradients of PyTorch are from linnet's, relative to their root mean squares.

    Args:
        problem: the layer and its inputs.
        forward: the same layer in PyTorch.
        truth: linnet's gradient and outputs.

    Raises:
        RuntimeError: if it is not the same layer. A gradient that is not a number is let pass, for the row to say so.
    """
    module, params = with_tensors(problem.layer)
    others = forward(module, torch.tensor(problem.xs))
    torch.nn.functional.mse_loss(others, torch.tensor(problem.targets)).backward()
    other = [np.zeros(p.shape, p.detach().numpy().dtype) if p.grad is None else p.grad.numpy() for p in params]
    off = _apart([others.detach().numpy()], [truth[1]]), _apart(other, jtu.tree_leaves(truth[0]))
    if not off[0] < TOLERANCE or off[1] > GRADIENT_TOLERANCE:
        name = type(problem.layer).__name__
        raise RuntimeError(
            f"PyTorch's {name} is another layer than linnet's: its outputs differ by {off[0]:.1e}, its gradients by "
            f"{off[1]:.1e}."
        )
    return off


def _apart(found: list[Any], expected: list[Any]) -> float:
    first, second = (np.concatenate([np.ravel(np.asarray(part)) for part in parts]) for parts in (found, expected))
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


def measure(size: Size = SIZE, rounds: int = 7, names: Iterable[str] | None = None) -> list[Row]:
    """Races a training step of each layer, in a process of its own: what layers before have left of the memory does
    not count.

    Args:
        size: of the layers.
        rounds: how often each contestant runs after its first call.
        names: of the layers; by default all that have a peer.
    """
    names = [name for name in nn.LAYERS if name in PEERS] if names is None else list(names)
    options: Any = {"mp_context": multiprocessing.get_context("spawn"), "max_tasks_per_child": 1}
    with ProcessPoolExecutor(1, initializer=keep_freed_memory, **options) as pool:
        return [row for rows in pool.map(ft.partial(measure_here, size, rounds), names) for row in rows]


def measure_here(size: Size, rounds: int, *names: str) -> list[Row]:
    """The same in this process."""
    rows = []
    no_chunks = MISSING or _fla.missing()
    for name in names:
        problem, peer, notes = make_problem(name, size), PEERS[name], []
        peers = {} if MISSING else {"token loop": peer.loop}
        if peer.chunked is not None:
            peers |= {} if no_chunks else {"FLA's chunks": peer.chunked}
            notes += [no_chunks] if no_chunks and not MISSING else []
        truth, calls, once = expected(problem), {}, {}
        for other, forward in peers.items():
            if np.isnan(agree(problem, forward, truth)[1]):
                notes.append(f"{other} give gradients that are no numbers")
            for threads in sorted({1, os.cpu_count() or 1}):
                label = f"{other}, {threads} thread{'s' if threads > 1 else ''}"
                calls[label] = _with_threads(threads, torch_trains(problem, forward))
                once[label] = timed(calls[label])[0].wall
        raced = {other: call for other, call in calls.items() if once[other] <= HOPELESS * min(once.values())}
        notes += [f"{other}: {once[other]:.3g} s once, and not raced" for other in calls if other not in raced]
        rows.append(_row(name, size, race({"linnet": linnet_trains(problem), **raced}, rounds, before=2), notes))
    return rows


def _with_threads(num: int, call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        torch.set_num_threads(num)
        return call()

    return run


def _row(name: str, size: Size, ran: Race, notes: list[str]) -> Row:
    costs = {other: ran.best(other) for other in ran.rounds}
    seconds = {other: cost.as_dict() for other, cost in costs.items()}
    seconds["linnet, first call"] = ran.first["linnet"].as_dict()
    what = f"{name}, a training step on {size.batch} x {size.steps} tokens: PyTorch / linnet"
    own = costs.pop("linnet")
    if not costs:
        return Row(NAME, what, None, target=FASTER, seconds=seconds, note=MISSING)
    times = ", ".join(f"{other} {1e3 * cost.wall:.3g} ms" for other, cost in costs.items())
    cpu = min(cost.cpu for cost in costs.values()) / own.cpu
    note = "; ".join([f"linnet {1e3 * own.wall:.3g} ms, {times}; CPU {cpu:.3g} x", *notes])
    best = min(cost.wall for cost in costs.values())
    return Row(NAME, what, best / own.wall, target=FASTER, seconds=seconds, note=note)

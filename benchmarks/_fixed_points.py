"""Fixed points of a trained network: linnet's search against the field's, Adam on the speed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import linnet as ln

from ._clock import race
from ._row import Row
from ._torch_parts import MISSING, torch

NAME = "fixed points"
FASTER, ENOUGH = 10.0, 95.0
#: The speed below which the field takes a point for fixed, and the settings of its search.
FIXED = 1e-12
RATE, EPSILON = 1.0, 0.01


class Size(NamedTuple):
    """What is searched, and from where.

    Args:
        hidden_size: of the GRU.
        training: steps of it.
        starts: how many states of its trajectories.
        noise: the standard deviation of what is added to them.
        iterations: of Adam in all.
        timed: how many of them are timed; every one costs the same.
    """

    hidden_size: int = 64
    training: int = 2500
    starts: int = 1024
    noise: float = 0.1
    iterations: int = 10_000
    timed: int = 1000


SIZE = Size()


def trained(size: Size) -> tuple[Any, np.ndarray]:
    """A GRU that has learned the three-bit flip-flop, in float32, and starts."""
    task = ln.tasks.FlipFlop(64, pulse_probability=0.2)
    network = ln.nn.GRU((3, size.hidden_size, 3), dtype=jnp.float32, key=jr.key(0))
    steps = size.training
    rule = ln.learn.Descent(
        optax.warmup_cosine_decay_schedule(1e-4, 1e-2, steps // 10, steps, 1e-4),
        optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam()),
        batch_size=64,
    )
    end = float(jnp.sum(jax.vmap(rule.rate)(jnp.arange(steps))))
    run = ln.learn.simulate(network, task, [0.0, end], rule=rule, loss=ln.SquaredError(), key=jr.key(1))
    network = run.network

    def states(x: Any) -> Any:
        return jax.lax.scan(lambda h, x: (network.step(h, x)[0],) * 2, network.init_state(), x)[1]

    x = jnp.asarray(task.sample(64, key=jr.key(2)).x, jnp.float32)
    visited = jax.vmap(states)(x).reshape(-1, size.hidden_size)
    chosen = visited[jr.choice(jr.key(3), len(visited), (size.starts,), replace=False)]
    return network, np.asarray(chosen + size.noise * jr.normal(jr.key(4), chosen.shape, chosen.dtype))


def speeds(network: Any, states: Any) -> Any:
    """$q$ of each state for no input."""
    zeros = jnp.zeros(3, states.dtype)
    return 0.5 * jnp.sum((jax.vmap(lambda h: network.step(h, zeros)[0])(states) - states) ** 2, axis=1)


@eqx.filter_jit
def adam(network: Any, states: Any, iterations: Any, later: bool = False) -> Any:
    """States after so many iterations of Adam on the mean speed.

    Args:
        network: the network.
        states: where to start.
        iterations: how many.
        later: with the settings of FixedPointFinder's PyTorch version, a rate of 0.05 that falls by 0.7 every 500
            iterations, instead of a rate of 1 that falls where the mean speed no longer does.
    """
    if later:
        rule = optax.adam(optax.exponential_decay(0.05, 500, 0.7, staircase=True))
    else:
        plateau = optax.contrib.reduce_on_plateau(factor=0.95, patience=5, rtol=1e-9)
        rule = optax.chain(optax.scale_by_adam(eps=EPSILON), plateau, optax.scale(-RATE))
    rule = optax.with_extra_args_support(rule)

    def one(_: Any, carry: Any) -> Any:
        states, memory = carry
        value, gradient = jax.value_and_grad(lambda states: jnp.mean(speeds(network, states)))(states)
        change, memory = rule.update(gradient, memory, states, value=value)
        return states + change, memory

    return jax.lax.fori_loop(0, iterations, one, (states, rule.init(states)))[0]


def torch_adam(network: Any, starts: np.ndarray, iterations: int) -> Callable[[], Any]:
    """The same number of iterations in PyTorch, by its own GRU, on one thread."""
    cell, size = network.cell, starts.shape[1]
    gru = torch.nn.GRU(3, size, batch_first=True).requires_grad_(False)
    # PyTorch and Equinox keep the gates in the same order, and one bias of the candidate inside the reset gate.
    zeros = np.zeros(2 * size, np.float32)
    values = {
        "weight_ih_l0": cell.weight_ih, "weight_hh_l0": cell.weight_hh, "bias_ih_l0": cell.bias,
        "bias_hh_l0": np.concatenate([zeros, cell.bias_n]),
    }  # fmt: skip
    for name, value in values.items():
        getattr(gru, name).copy_(torch.tensor(np.asarray(value)))
    states = torch.tensor(starts)[None]
    inputs = torch.zeros(len(starts), 1, 3)
    expected = jax.vmap(lambda h: network.step(h, jnp.zeros(3, h.dtype))[0])(jnp.asarray(starts))
    off = np.max(np.abs(gru(inputs, states)[1][0].numpy() - np.asarray(expected)))
    if off > 1e-5:
        raise RuntimeError(f"PyTorch's GRU is another network than linnet's: they differ by {off:.1e}.")

    def run() -> None:
        torch.set_num_threads(1)
        moved = states.clone().requires_grad_(True)
        rule = torch.optim.Adam([moved], lr=RATE, eps=EPSILON)
        for _ in range(iterations):
            rule.zero_grad()
            after = gru(inputs, moved)[1]
            (0.5 * (after - moved).square().sum(-1).mean()).backward()
            rule.step()

    return run


def measure(size: Size = SIZE, rounds: int = 3) -> list[Row]:
    """Races both searches, and says what each has found.

    Args:
        size: of the problem.
        rounds: how often each contestant runs after its first call.
    """
    network, starts = trained(size)
    calls: dict[str, Callable[[], Any]] = {
        "linnet": lambda: ln.analyse.fixed_points(network, starts, inputs=jnp.zeros(3)),
        "Adam in JAX": lambda: adam(network, jnp.asarray(starts), jnp.asarray(size.timed)),
    }
    if not MISSING:
        calls["Adam in PyTorch"] = torch_adam(network, starts, size.timed)
    ran = race(calls, rounds)
    share = size.iterations / size.timed
    costs = {name: ran.best(name).times(1.0 if name == "linnet" else share) for name in calls}
    seconds = {name: cost.as_dict() for name, cost in costs.items()}
    seconds["linnet, first call"] = ran.first["linnet"].as_dict()
    own = costs.pop("linnet")
    found = ran.values["linnet"]
    fixed = int(found.num_starts[found.speeds < FIXED].sum())
    named = 100 * (fixed + int(found.slow_num_starts.sum())) / size.starts
    first, num = jnp.asarray(starts), jnp.asarray(size.iterations)
    shares = [
        100 * float(np.mean(speeds(network, adam(network, first, num, later)) < FIXED)) for later in (False, True)
    ]
    dimensions = np.bincount(found.unstable_dimension).tolist()
    what = f"{size.starts} starts, GRU of {size.hidden_size} on the flip-flop"
    times = ", ".join(f"{name} {cost.cpu:.3g} s" for name, cost in costs.items())
    race_note = f"linnet {own.cpu:.3g} s of CPU, {times} in float32" + (f"; {MISSING}" if MISSING else "")
    note = (
        f"{found.num} fixed points, by unstable dimension {dimensions}, and {len(found.slow_points)} slow points;"
        f" largest speed {found.speeds.max(initial=0.0):.1e}; Adam below 1e-12: {shares[0]:.3g} % of the starts, with"
        f" later published settings {shares[1]:.3g} %"
    )
    quickest = min(cost.cpu for cost in costs.values())
    return [
        Row(NAME, f"{what}: {size.iterations} iterations of Adam / linnet", quickest / own.cpu, target=FASTER,
            seconds=seconds, note=race_note),
        Row(NAME, f"{what}: below 1e-12 or at a slow point", named, unit="%", target=ENOUGH, note=note),
    ]  # fmt: skip

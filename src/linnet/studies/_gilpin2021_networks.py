"""Trained networks that forecast, one for every series, all of them in one program."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from .. import nn
from .._types import PRNGKey


class Stepper(eqx.Module):
    r"""$x_{t+1} = x_t + \delta \odot f(x_t)$, with f an MLP or a GRU.

    Args:
        core: `nn.MLP` or `nn.GRU`, as wide in as out.
    """

    core: Any

    def start(self) -> Any:
        """The memory before the first point: nothing for an MLP."""
        return self.core.init_state() if isinstance(self.core, nn.AbstractRecurrent) else ()

    def step(self, memory: Any, x: Array, size: Array) -> tuple[Any, Array]:
        """The next point; `size` is the usual length of an increment of each coordinate, 0 where there is none."""
        if isinstance(self.core, nn.AbstractRecurrent):
            memory, found = self.core.step(memory, x)
        else:
            found = self.core(x)
        return memory, x + size * found


def unroll(
    net: Stepper, points: Float[Array, "time out"], size: Float[Array, " out"], num: int
) -> tuple[Float[Array, "step out"], Float[Array, "free out"]]:
    """What is expected after each point while reading them, and then on its own for `num` steps more."""

    def read(memory, x):
        return net.step(memory, x, size)

    memory, expected = jax.lax.scan(read, net.start(), points)

    def free(carry, _):
        memory, following = net.step(*carry, size)
        return (memory, following), following

    return expected, jax.lax.scan(free, (memory, expected[-1]), length=num - 1)[1]


def train(
    make: Callable[[PRNGKey], Any],
    series: Float[Array, "series time out"],
    mask: Bool[Array, "series out"],
    *,
    steps: int,
    batch: int,
    read: int,
    free: int,
    rate: float,
    key: PRNGKey,
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[Stepper, Float[Array, "series out"]]:
    """Trains a network on every series at once, by Adam on windows of which the last part is forecast freely.

    Args:
        make: a core from a key.
        series: standardised.
        mask: the coordinates that each series has.
        steps: of gradient descent.
        batch: windows of each series in a step.
        read: points that are read in a window.
        free: points after those that are forecast from forecasts.
        rate: the learning rate, which falls to zero along a cosine.
        key: of weights and windows.
        progress: told how far it is.

    Returns:
        The networks, and the usual increments of each series.
    """
    *_, num, _ = series.shape
    keys, data_key = jr.split(key, len(series)), jr.fold_in(key, 1)
    nets = Stepper(eqx.filter_vmap(make)(keys))
    # Without an increment a coordinate that a series does not have stays at zero.
    sizes = jnp.where(mask, jnp.std(jnp.diff(series, axis=1), axis=1), 0)
    rates = optax.cosine_decay_schedule(rate, steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rates))

    def loss(net, points, size, own, start):
        def one(begin):
            window = jax.lax.dynamic_slice_in_dim(points, begin, read + free)
            expected, later = unroll(net, window[:read], size, free)
            errors = (jnp.concatenate([expected, later]) - window[1:]) / jnp.where(own, size, 1)
            # Errors grow along the free part: late ones are weighed by what they are in increments of one step.
            weight = jnp.concatenate([jnp.ones(len(expected)), 1 / jnp.arange(2.0, free + 1)])
            return jnp.mean(jnp.sum((errors * weight.astype(errors.dtype)[:, None]) ** 2, axis=1)) / jnp.sum(own)

        return jnp.mean(jax.vmap(one)(start))

    params, static = eqx.partition(nets, eqx.is_inexact_array)

    @jax.jit
    def chunk(params, state, numbers):
        def body(carry, number):
            params, state = carry
            starts = jr.randint(jr.fold_in(data_key, number), (len(series), batch), 0, num - read - free + 1)

            def descend(params, state, points, size, own, start):
                gradient = jax.grad(lambda p: loss(eqx.combine(p, static), points, size, own, start))(params)
                updates, state = optimiser.update(gradient, state, params)
                return optax.apply_updates(params, updates), state

            return jax.vmap(descend)(params, state, series, sizes, mask, starts), None

        return jax.lax.scan(body, (params, state), numbers)[0]

    state = jax.vmap(optimiser.init)(params)
    for numbers in np.array_split(np.arange(steps), max(1, steps // 250)):
        progress(f"step {numbers[0]} of {steps}")
        params, state = chunk(params, state, jnp.asarray(numbers))
    return eqx.combine(params, static), sizes


@eqx.filter_jit
def network_forecasts(
    nets: Stepper, series: Float[Array, "series time out"], sizes: Float[Array, "series out"], num: int
) -> Float[Array, "series step out"]:
    """What each network expects after its series."""

    def one(net, points, size):
        expected, later = unroll(net, points, size, num)
        return jnp.concatenate([expected[-1:], later])

    return eqx.filter_vmap(one)(nets, series, sizes)

"""Networks that learn to remember more and more bits, by one readout or by one for each number of bits.

All tasks, curricula and seeds are members of one compiled program, and how many bits a member is at is an array in it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from .. import nn, tasks
from .._types import PRNGKey
from ..config import Khajehabdollahi2024Timescales
from ._leaky_batch import leaky_states

TASKS = ("parity", "match")
CURRICULA = ("multi-head", "single-head", "none")


class Member(eqx.Module):
    """What is not learned: the number of a task and of a curriculum in `TASKS` and `CURRICULA`, and N by now."""

    task: Int[Array, "*member"]
    curriculum: Int[Array, "*member"]
    window: Int[Array, "*member"]


@dataclasses.dataclass(frozen=True)
class Trained:
    """What became of all members.

    Args:
        places: the numbers of task, curriculum and seed of each member.
        solved: the largest N that was solved by the end of each interval, 1 for none, "interval member".
        accuracy: of the newest readout at the N that is being learned, "interval member".
        timescale: the mean of $\\tau$ over units, "interval member".
        slowest: the mean of $\\tau$ over the tenth of units where it is largest, "interval member".
        networks: the network after the first test in which it solved N, by (member, N).
    """

    places: np.ndarray
    solved: np.ndarray
    accuracy: np.ndarray
    timescale: np.ndarray
    slowest: np.ndarray
    networks: dict[tuple[int, int], nn.LeakyRNN]

    def members(self, task: int, curriculum: int) -> np.ndarray:
        """The numbers of the members of a task and curriculum."""
        return np.flatnonzero((self.places[:, 0] == task) & (self.places[:, 1] == curriculum))

    def when_solved(self, values: np.ndarray, largest: int) -> np.ndarray:
        """Values "interval member" at the interval in which N was first solved, "member N" for N from 2; else NaN."""
        windows = np.arange(2, largest + 1)
        done = self.solved[..., None] >= windows
        found = np.take_along_axis(values[..., None].astype(float), np.argmax(done, axis=0)[None], axis=0)[0]
        return np.where(done.any(axis=0), found, np.nan)


def num_steps(config: Khajehabdollahi2024Timescales) -> int:
    """The steps of a sequence, as many as the largest N has at most."""
    return config.largest + 2 + int(config.stretch * config.largest)


def counted_steps(config: Khajehabdollahi2024Timescales, window: Any) -> Bool[Array, " step"]:
    """At which steps targets count, those that are the last of a sequence of some length for this N."""
    length = jnp.arange(1, num_steps(config) + 1)
    return (length >= window + 2) & (length <= window + 2 + jnp.floor(config.stretch * window))


def train(config: Khajehabdollahi2024Timescales, *, key: PRNGKey, progress: Callable[[str], None]) -> Trained:
    """Trains everything, and keeps each network that has solved an N.

    Of the members without a curriculum there are half as many.
    """
    places = np.array([place for place in np.ndindex(len(TASKS), len(CURRICULA), config.seeds)
                       if place[1] < 2 or 2 * place[2] < config.seeds])  # fmt: skip
    task, curriculum, seed = (jnp.asarray(part) for part in places.T)
    member = Member(task, curriculum, jnp.where(curriculum == 2, config.largest, 2))
    init_key, key = jr.split(key)
    # The same first weights for all tasks and curricula.
    params, static = _networks(config, jr.split(init_key, config.seeds)[seed])
    state = jax.vmap(_rule(config).init)(params)
    solved, rows, networks = np.ones(len(places), int), [], {}
    for interval in range(config.intervals):
        keys = jr.split(jr.fold_in(key, interval), len(places))
        params, state, passed, row = _interval(config, static, params, state, member, keys)
        passed, window = np.asarray(passed), np.asarray(member.window)
        fresh = np.flatnonzero(passed & (window > solved))
        if len(fresh):
            solved[fresh] = window[fresh]
            kept = jtu.tree_map(np.asarray, params)
            for index in fresh.tolist():
                one = jtu.tree_map(lambda leaf, index=index: jnp.asarray(leaf[index]), kept)
                networks[index, int(window[index])] = eqx.combine(one, static)
            moved = jnp.minimum(member.window + passed, config.largest)
            member = eqx.tree_at(lambda m: m.window, member, moved)
        rows.append([solved.copy(), *(np.asarray(value) for value in row)])
        if (interval + 1) % max(1, config.intervals // 10) == 0:
            told = [f"{TASKS[t]} {CURRICULA[c]} {np.median(solved[(places[:, 0] == t) & (places[:, 1] == c)]):g}"
                    for t, c in np.ndindex(len(TASKS), 2)]  # fmt: skip
            progress(f"{(interval + 1) * config.interval} updates, largest N: {', '.join(told)}")
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    return Trained(places, *columns, networks)


def _rule(config: Khajehabdollahi2024Timescales) -> optax.GradientTransformation:
    descent = optax.sgd(config.learning_rate, config.momentum, nesterov=True)
    return optax.chain(optax.clip_by_global_norm(config.clip), descent)


@eqx.filter_jit
def _networks(config: Khajehabdollahi2024Timescales, keys: Any) -> tuple[Any, Any]:
    def make(key):
        return nn.LeakyRNN((1, config.units, config.largest - 1), dtype=jnp.float32, key=key)

    static = eqx.partition(make(keys[0]), eqx.is_inexact_array)[1]
    return jax.vmap(lambda key: eqx.filter(make(key), eqx.is_inexact_array))(keys), static


@eqx.filter_jit
def _interval(config: Any, static: Any, params: Any, state: Any, member: Member, keys: Any) -> tuple:
    """An interval of updates and the test behind it, of all members."""

    def one(params, state, member, key):
        update_key, test_key = jr.split(key)

        def update(carry, key):
            params, state = carry
            gradient = jax.grad(lambda params: _loss(config, eqx.combine(params, static), member, key))(params)
            change, state = _rule(config).update(gradient, state, params)
            return (optax.apply_updates(params, change), state), None

        (params, state), _ = jax.lax.scan(update, (params, state), jr.split(update_key, config.interval))
        network = eqx.combine(params, static)
        mean, newest = _test(config, network, member, test_key)
        slow = jax.lax.top_k(network.unit_timescales, max(1, config.units // 10))[0]
        passed = (mean > config.solved) & (newest > config.solved)
        return params, state, passed, (newest, jnp.mean(network.unit_timescales), jnp.mean(slow))

    return jax.vmap(one)(params, state, member, keys)


def _answers(config: Any, network: nn.LeakyRNN, member: Member, num: int, key: PRNGKey) -> tuple[Array, Array, Array]:
    """What readouts say and should say, "step sequence head", and how much each head counts."""
    bit_key, start_key = jr.split(key)
    bits = jr.bernoulli(bit_key, 0.5, (num, num_steps(config))).astype(jnp.int32)
    start = jr.uniform(start_key, (num, config.units), jnp.float32, 0.0, 0.1)
    said = network.read(leaky_states(network, bits.T[..., None].astype(jnp.float32), start))
    windows = jnp.arange(2, config.largest + 1)
    label = jax.vmap(label_of, in_axes=(None, None, 0), out_axes=1)
    labels = jax.vmap(label, in_axes=(None, 0, None), out_axes=1)(member.task, bits, windows)
    multi = member.curriculum == 0
    asked = jnp.where(multi, labels, jnp.take(labels, member.window - 2, axis=2)[..., None])
    heads = jnp.where(multi, windows <= member.window, windows == 2)
    return said, asked == 1, heads.astype(said.dtype)


@jax.jit
def label_of(task: Int[Array, ""], bits: Int[Array, " step"], window: Int[Array, ""]) -> Int[Array, " step"]:
    """The answers of a task, by its number."""
    return jnp.where(task == 0, tasks.window_parity(bits, window), tasks.window_match(bits, window))


def _over_steps(config: Any, member: Member, values: Float[Array, "step sequence head"]) -> Float[Array, " head"]:
    """The mean over sequences and over the steps that count."""
    counted = counted_steps(config, member.window)
    return counted @ jnp.mean(values, axis=1) / jnp.sum(counted)


def _loss(config: Any, network: nn.LeakyRNN, member: Member, key: PRNGKey) -> Float[Array, ""]:
    """The sum over readouts of their mean cross-entropy."""
    said, asked, heads = _answers(config, network, member, config.batch, key)
    return heads @ _over_steps(config, member, jax.nn.softplus(jnp.where(asked, -said, said)))


def _test(config: Any, network: nn.LeakyRNN, member: Member, key: PRNGKey) -> tuple[Array, Array]:
    """The accuracy of all readouts that learn in their mean, and of the newest."""
    said, asked, heads = _answers(config, network, member, config.test, key)
    right = _over_steps(config, member, ((said > 0) == asked).astype(said.dtype))
    newest = jnp.where(member.curriculum == 0, right[member.window - 2], right[0])
    return heads @ right / jnp.sum(heads), newest

"""The networks of `linnet learn`: linear ones that theory speaks about, nonlinear ones for comparison."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from .. import nn
from .._types import PRNGKey
from ..config import LearnConfig
from ._problem import Problem


@dataclasses.dataclass(frozen=True)
class Spec:
    """One kind of network.

    Args:
        name: in files and JSON.
        title: for people.
        make: draws a network, `make(key)`.
        linear: trained on moments in float64 along the gradient flow, and predicted; else on samples in float32 by
            steps.
        index: its place among all kinds, which its key is made of, so that its weights do not depend on which other
            networks a run has.
        depth: of a feedforward linear network.
    """

    name: str
    title: str
    make: Callable[[PRNGKey], Any]
    linear: bool
    index: int
    depth: int | None = None

    def key(self, seed: int) -> PRNGKey:
        """The key of its ensemble."""
        return jr.fold_in(jr.key(seed), self.index)


def make_specs(problem: Problem, config: LearnConfig) -> list[Spec]:
    """The networks of a run, linear ones first."""
    num_in, num_out = problem.sizes
    small = nn.small(config.scale)
    # Inputs and targets are centred: biases would only blur the comparison with linear networks.
    single: dict[str, Any] = {"dtype": jnp.float32, "use_bias": False}
    if problem.is_series:
        sizes = (num_in, config.hidden, num_out)
        return [
            Spec(
                "linear_rnn",
                "linear RNN",
                lambda key: small(nn.LinearRNN, sizes, key=key, dtype=jnp.float64),
                True,
                100,
            ),
            Spec("tanh_rnn", "tanh RNN", lambda key: small(nn.VanillaRNN, sizes, key=key, **single), False, 101),
            Spec("gru", "GRU", lambda key: small(nn.GRU, sizes, key=key, **single), False, 102),
        ]
    deep = [_linear(depth, num_in, num_out, config.hidden, small) for depth in config.depths]
    sizes = (num_in, config.hidden, num_out)
    shallow = [
        Spec(
            name,
            f"{title} network",
            lambda key, f=activation: small(nn.MLP, sizes, key=key, activation=f, **single),
            False,
            index,
        )
        for name, title, activation, index in (("tanh", "tanh", jnp.tanh, 201), ("relu", "ReLU", jax.nn.relu, 202))
    ]
    return deep + shallow


def main_spec(specs: list[Spec]) -> Spec:
    """The network whose times are *the* predicted and measured times: two layers where there are such."""
    linear = [spec for spec in specs if spec.linear]
    return next((spec for spec in linear if spec.depth == 2), linear[0])


def draw_members(spec: Spec, seed: int, num: int) -> Any:
    """The networks of an ensemble before training, with the same weights that `linnet.learn.ensemble` begins from."""
    key = spec.key(seed)
    # Not compiled as one program: the draws inside are programs that all networks share.
    return eqx.filter_vmap(lambda member: spec.make(jr.fold_in(key, member)))(jnp.arange(num, dtype=jnp.uint32))


def _linear(depth: int, num_in: int, num_out: int, hidden: int, small: Any) -> Spec:
    sizes = (num_in, *[hidden] * (depth - 1), num_out)
    return Spec(
        f"linear_{depth}",
        f"depth {depth}",
        lambda key: small(nn.DeepLinear, sizes, key=key, dtype=jnp.float64),
        True,
        depth,
        depth,
    )

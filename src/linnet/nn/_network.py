"""What every network can do, and what the rest of linnet asks of it."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._types import EndToEnd, ImpulseResponse


class AbstractLinearNetwork(eqx.Module):
    """A network whose output is a linear map of its input, `net(x) = net.end_to_end() @ x`."""

    @abc.abstractmethod
    def end_to_end(self) -> Float[Array, "out in"]:
        """The map from input to output."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """The output for one example."""


class AbstractRecurrent(eqx.Module):
    """A network that reads a sequence step by step; the step form and the call agree to rounding."""

    @abc.abstractmethod
    def init_state(self) -> Any:
        """The state before the first step."""

    @abc.abstractmethod
    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " out"]]:
        """One step: the new state and the output read from it."""

    @abc.abstractmethod
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        """The outputs at all steps and the final state, from `state` (by default the initial state)."""


def run_steps(
    network: AbstractRecurrent, xs: Float[Array, "step in"] | Int[Array, " step"], state: Any = None
) -> tuple[Float[Array, "step out"], Any]:
    """The call of a recurrent network by its own step, scanned over the sequence."""
    # A bound method of a module has arrays in it and no hash, by which JAX would know the loop's body again.
    start = network.init_state() if state is None else state
    final, ys = jax.lax.scan(lambda state, x: network.step(state, x), start, xs)
    return ys, final


def apply(network: Any, x: Float[Array, "*step in"] | Int[Array, " step"]) -> Float[Array, "*step out"]:
    """The output of a network on one example; of a recurrent network, its outputs at all steps."""
    return network(x)[0] if isinstance(network, AbstractRecurrent) else network(x)


def apply_last(network: Any, x: Float[Array, "*step in"] | Int[Array, " step"]) -> Float[Array, " out"]:
    """The output of a network on one example; of a recurrent network, its output at the last step."""
    return network(x)[0][-1] if isinstance(network, AbstractRecurrent) else network(x)


def is_linear(network: Any) -> bool:
    """Whether a network is linear in its inputs and knows its linear map (`end_to_end` or `impulse_response`)."""
    return isinstance(network, (EndToEnd, ImpulseResponse))


def check_sizes(name: str, sizes: Any, num: int | None = None) -> tuple[int, ...]:
    """The sizes `(in, hidden, ..., out)` of a network as a tuple of positive integers.

    Args:
        name: of the network, for the message.
        sizes: what was given.
        num: how many there must be; `None` for two or more.

    Raises:
        ValueError: if they are not.
    """
    try:
        found = tuple(int(size) for size in sizes)
        whole = all(size == given for size, given in zip(found, sizes, strict=True))
    except (TypeError, ValueError):
        found, whole = (), False
    if not whole or min(found, default=0) < 1 or (len(found) < 2 if num is None else len(found) != num):
        form = "(in, hidden, out)" if num == 3 else "(in, hidden, ..., out)"
        raise ValueError(f"{name} needs sizes {form}, positive integers, got {sizes}.")
    return found


def float_dtype(dtype: Any) -> Any:
    """A floating dtype, by default that of JAX (float32, or float64 where x64 is on).

    Raises:
        ValueError: if it is not a real floating dtype.
    """
    found = jnp.result_type(float) if dtype is None else jnp.dtype(dtype)
    if not jnp.issubdtype(found, jnp.floating):
        raise ValueError(f"Parameters are real floating-point arrays; a dtype such as float32 is needed, got {found}.")
    return found

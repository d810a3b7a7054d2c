"""The flip-flop: each output holds the sign of the last pulse of its input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch
from ._sequence_task import AbstractSequenceTask


@cite("sussillo2013opening", "golub2018fixedpointfinder")
class FlipFlop(AbstractSequenceTask):
    r"""A memory of $n$ bits: $y_t$ is the sign of the last pulse of each channel, $y_t = x_t$ if $x_t \ne 0$, else
    $y_{t-1}$.

    In each step each channel has a pulse with some probability, $+1$ or $-1$ with equal chance; all have one in the
    first step, so that there is always something to hold, as Golub and Sussillo have it. A network that has learned it
    has a stable fixed point for each of the $2^n$ memories. To answer always 0 has a squared error of 1 in each bit,
    which is `chance` (twice linnet's loss, divided by $n$).

    Args:
        length: of the sequences in training.
        num_bits: $n$.
        pulse_probability: of a pulse in one step of one channel.
    """

    length: int = eqx.field(static=True, default=64)
    num_bits: int = eqx.field(static=True, default=3)
    pulse_probability: float = eqx.field(static=True, default=0.5)

    def __check_init__(self) -> None:
        if self.num_bits < 1 or not 0 <= self.pulse_probability <= 1:
            raise ValueError(
                "FlipFlop needs at least one bit and a probability of pulses between 0 and 1, got "
                f"num_bits={self.num_bits} and pulse_probability={self.pulse_probability}."
            )

    @property
    def name(self) -> str:
        return "flip_flop"

    @property
    def chance(self) -> float:
        return 1.0

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None, min_length: int | None = None) -> Batch:
        length, least = self.check_lengths(length, min_length)
        size_key, pulse_key, sign_key = jr.split(key, 3)
        shape = (num, length, self.num_bits)
        pulses = jr.bernoulli(pulse_key, self.pulse_probability, shape).at[:, 0].set(True)
        x = jnp.where(pulses, 1.0, 0.0) * jr.rademacher(sign_key, shape)
        y = _held(x)
        if min_length is None:
            return Batch(x, y)
        sizes = jr.randint(size_key, (num,), least, length + 1)
        real = jnp.arange(length) < sizes[:, None]
        return Batch(x * real[..., None], y * real[..., None], real)


def _held(x: Float[Array, "num step bit"]) -> Float[Array, "num step bit"]:
    """The last entry that is not zero, at each step."""
    return jax.lax.associative_scan(lambda before, now: jnp.where(now == 0, before, now), x, axis=1)

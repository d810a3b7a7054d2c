"""Attention without a softmax: a sum of outer products."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ..scan import Identity
from ._head_inputs import HeadInputs
from ._head_outputs import HeadOutputs
from ._matrix_state import FEATURE_MAPS, POSITIVE_MAPS, attend_heads, check_feature_map, head_sizes
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("katharopoulos2020transformers", "qin2022devil")
class LinearAttention(AbstractSequenceLayer):
    r"""A softmax's exponential replaced by a product of features:

    $$S_t = S_{t-1} + \phi(k_t)\, v_t^\top, \qquad z_t = z_{t-1} + \phi(k_t), \qquad
    o_t = \frac{S_t^\top \phi(q_t)}{z_t^\top \phi(q_t) + \epsilon}.$$

    The normaliser $z$ is one more column of the state, written with a value of 1. Without it the outputs of each head
    are divided by their root mean square instead (TransNormer, whose other half, attention within blocks, is not here).

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: heads.
        expand_k: features of all queries, as a multiple of `hidden_size`.
        expand_v: features of all values, as a multiple of `hidden_size`.
        feature_map: $\phi$: "elu" ($1 + \mathrm{elu}$), "relu", "exp", "square", "silu" or "identity".
        use_normalizer: whether there is $z$; features must not be negative then. By default where they are not.
        use_short_conv: whether a short convolution precedes queries, keys and values.
        conv_size: its width.
        mode: of the recurrence.
        chunk_size: steps in a chunk.
        dtype: of the parameters.
        key: randomness of the weights.

    Raises:
        ValueError: if sizes do not fit, the features are unknown, or they can be negative where they are normalised.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        layer = ln.nn.LinearAttention(16, num_heads=2, key=jr.key(0))
        ys, state = layer(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = Identity.attend_modes
    epsilon: ClassVar[float] = 1e-6
    inputs: HeadInputs
    outputs: HeadOutputs
    hidden_size: int = eqx.field(static=True)
    feature_map: str = eqx.field(static=True)
    use_normalizer: bool = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        *,
        expand_k: float = 1.0,
        expand_v: float = 1.0,
        feature_map: str = "elu",
        use_normalizer: bool | None = None,
        use_short_conv: bool = False,
        conv_size: int = 4,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        _check_map(feature_map, use_normalizer)
        sizes = head_sizes("LinearAttention", hidden_size, num_heads, expand_k, expand_v)
        first, second = jr.split(key)
        conv = conv_size if use_short_conv else 0
        self.use_normalizer = feature_map in POSITIVE_MAPS if use_normalizer is None else use_normalizer
        self.inputs = HeadInputs(hidden_size, num_heads, *sizes, conv_size=conv, dtype=dtype, key=first)
        norm = "none" if self.use_normalizer else "rms"
        self.outputs = HeadOutputs(hidden_size, num_heads, sizes[1], norm=norm, gate=None, dtype=dtype, key=second)
        self.hidden_size, self.feature_map = hidden_size, feature_map
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> tuple[Array, Array | None]:
        """The sums, `"head key value"` with the normaliser as the last column, and the convolution's tail."""
        memory = self.inputs.init_memory()
        extra = [(0, 0), (0, 0), (0, int(self.use_normalizer))]
        return jnp.pad(memory, extra), self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, tail = state
        (query, key, value), tail = self.inputs(xs, tail, resets)
        query, key = FEATURE_MAPS[self.feature_map](query), FEATURE_MAPS[self.feature_map](key)
        if self.use_normalizer:
            value = jnp.concatenate([value, jnp.ones_like(value[..., :1])], axis=-1)
        read, memory = attend_heads(
            lambda _: Identity(),
            None,
            query,
            key,
            value,
            memory,
            resets=resets,
            mode=mode,
            chunk_size=self.chunk_size,
        )
        if self.use_normalizer:
            read = read[..., :-1] / (read[..., -1:] + self.epsilon)
        return self.outputs(read, xs), (memory, tail)


def _check_map(which: str, use_normalizer: bool | None) -> None:
    check_feature_map("LinearAttention", which)
    if use_normalizer and which not in POSITIVE_MAPS:
        raise ValueError(
            f"LinearAttention needs features that are not negative for its normaliser, got {which!r}; choose from "
            f"{', '.join(POSITIVE_MAPS)}, or use_normalizer=False."
        )

"""Layers of sequence models that are linear in their inputs, as linear networks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._products import linear_map
from ._network import AbstractRecurrent
from ._sequence_layer import AbstractSequenceLayer
from ._ssm_output import SSMOutput


@cite("gu2021combining")
class LinearLayer(AbstractRecurrent):
    r"""A time-invariant layer without a nonlinearity, as a linear network: its outputs are $\sum_k K_k x_{t-k}$, and it
    has its impulse response $K$.

    So it is trained on moments (`TemporalMoments`), exactly and at a cost that does not depend on the number of
    samples, and its `mode_strengths` are recorded.

    Args:
        layer: `LRU`, `S5`, `S4D`, `S4` or `LSSL`, made with `output="none"`.
        input_weights: what maps inputs to the layer's features; `None` for nothing.
        output_weights: what maps the layer's features to outputs; `None` for nothing.

    Raises:
        ValueError: if the layer is not linear in its inputs, or shapes do not fit.

    !!! example
        ```python
        import jax.random as jr
        import linnet as ln

        net = ln.nn.LinearLayer(ln.nn.LRU(4, 8, output="none", key=jr.key(0)))
        net.impulse_response(20)
        ```
    """

    layer: AbstractSequenceLayer
    input_weights: Float[Array, "hidden in"] | None = None
    output_weights: Float[Array, "out hidden"] | None = None

    def __check_init__(self) -> None:
        output, name = getattr(self.layer, "output", None), type(self.layer).__name__
        if not isinstance(output, SSMOutput) or output.kind != "none":
            got = f"{name} with output={output.kind!r}" if isinstance(output, SSMOutput) else name
            raise ValueError(
                f"LinearLayer needs a time-invariant layer (LRU, S5, S4D, S4, LSSL) with output='none', got {got}."
            )
        size, first, last = self.layer.hidden_size, self.input_weights, self.output_weights
        if (first is not None and first.shape[0] != size) or (last is not None and last.shape[-1] != size):
            shapes = [None if part is None else part.shape for part in (first, last)]
            raise ValueError(
                f"LinearLayer needs input_weights ({size}, in) and output_weights (out, {size}), got {shapes[0]} and "
                f"{shapes[1]}."
            )

    def init_state(self) -> Any:
        return self.layer.init_state()

    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " out"]]:
        state, y = self.layer.step(state, x if self.input_weights is None else self.input_weights @ x)
        return state, y if self.output_weights is None else self.output_weights @ y

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        ys, state = self.layer(xs if self.input_weights is None else linear_map(xs, self.input_weights), state)
        return ys if self.output_weights is None else linear_map(ys, self.output_weights), state

    @eqx.filter_jit
    def impulse_response(self, num_steps: int) -> Float[Array, "lag out in"]:
        """The outputs after an impulse of one input: at its own step, one later, and so on."""
        size = self.layer.hidden_size if self.input_weights is None else self.input_weights.shape[1]
        # Impulses are of the dtype of the parameters, whatever JAX's default is.
        dtype = jnp.result_type(*jax.tree_util.tree_leaves(eqx.filter(self.layer, eqx.is_inexact_array)))
        impulses = jnp.zeros((size, num_steps, size), dtype).at[:, 0].set(jnp.eye(size, dtype=dtype))
        return jnp.moveaxis(jax.vmap(lambda xs: self(xs)[0])(impulses), 0, 2)

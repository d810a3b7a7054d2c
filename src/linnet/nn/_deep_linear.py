"""The deep linear network."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from ._network import AbstractLinearNetwork


@cite("saxe2014exact")
class DeepLinear(AbstractLinearNetwork):
    r"""$f(x) = W_D \cdots W_2 W_1 x$: linear in its input, not in its weights.

    Args:
        weights: $(W_1, \dots, W_D)$, each `"out in"`, in the order in which they act.

    Raises:
        ValueError: if there is no weight, or the shapes do not chain.

    !!! example
        ```python
        import jax.random as jr
        import linnet as ln

        first, second = jr.normal(jr.key(0), (3, 4)), jr.normal(jr.key(1), (2, 3))
        net = ln.nn.DeepLinear(weights=(first, second))  # 4 inputs, 3 hidden units, 2 outputs
        ```
    """

    weights: tuple[Float[Array, "_ _"], ...] = eqx.field(converter=lambda ws: tuple(jnp.asarray(w) for w in ws))

    def __check_init__(self) -> None:
        shapes = [w.shape for w in self.weights]
        chained = all(len(s) == 2 for s in shapes) and all(
            a[0] == b[1] for a, b in zip(shapes, shapes[1:], strict=False)
        )
        if not shapes or not chained:
            raise ValueError(
                "DeepLinear needs at least one weight, each of shape (out, in), first layer first, with the out of a "
                f"layer the in of the next; got {shapes}."
            )

    @property
    def depth(self) -> int:
        """The number of weight matrices."""
        return len(self.weights)

    def end_to_end(self) -> Float[Array, "out in"]:
        return chain(self.weights)

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        for weight in self.weights:
            x = weight @ x
        return x


def chain(weights: Sequence[Float[Array, "_ _"]]) -> Float[Array, "out in"]:
    r"""The product $W_D \cdots W_1$, multiplied from the narrower end of the network."""
    if weights[-1].shape[0] <= weights[0].shape[1]:
        product = weights[-1]
        for weight in weights[-2::-1]:
            product = product @ weight
        return product
    product = weights[0]
    for weight in weights[1:]:
        product = weight @ product
    return product

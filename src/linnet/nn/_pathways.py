"""Deep linear networks side by side, which read one input and add their outputs."""

from collections.abc import Sequence

import equinox as eqx
from jaxtyping import Array, Float

from .._cite import cite
from ._deep_linear import DeepLinear
from ._network import AbstractLinearNetwork


@cite("shi2022learning", "kleinman2024critical")
class Pathways(AbstractLinearNetwork):
    r"""$f(x) = \sum_p W^{(p)}_{D_p} \cdots W^{(p)}_1 x$: pathways that compete to explain the same targets.

    Args:
        pathways: the networks, of any depths and widths, with inputs and outputs of one size.

    Raises:
        ValueError: if there is no pathway, or inputs or outputs differ in size.

    !!! example
        ```python
        make = ln.nn.aligned(task, 1e-3)
        net = ln.nn.Pathways([make(ln.nn.DeepLinear, (8, 20, 20, 15), key=key) for key in jr.split(jr.key(0))])
        ```
    """

    pathways: tuple[DeepLinear, ...] = eqx.field(converter=lambda given: _as_tuple(given))

    def __check_init__(self) -> None:
        shapes = [(pathway.weights[-1].shape[0], pathway.weights[0].shape[1]) for pathway in self.pathways]
        if not shapes or len(set(shapes)) > 1:
            raise ValueError(
                "Pathways needs at least one DeepLinear network, all with the same number of outputs and inputs; got "
                f"(out, in) = {shapes}."
            )

    def end_to_end(self) -> Float[Array, "out in"]:
        return sum((pathway.end_to_end() for pathway in self.pathways[1:]), start=self.pathways[0].end_to_end())

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        return sum((pathway(x) for pathway in self.pathways[1:]), start=self.pathways[0](x))


def _as_tuple(given: Sequence[DeepLinear]) -> tuple[DeepLinear, ...]:
    return tuple(given)

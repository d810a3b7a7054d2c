"""The observer of kernel movement."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("fort2020deep")
class KernelDistance(AbstractObserver):
    r"""How far the tangent kernel has moved since before training, $1 - \langle K_0, K_t \rangle / (\lVert K_0 \rVert
    \lVert K_t \rVert)$.

    Args:
        inputs: the examples on which the kernels are taken; a few dozen will do. For a linear network and white
            inputs the identity gives the kernel of all inputs.
        output: `output(network, x)`, the outputs of one example; by default all, of recurrent networks those of all
            steps. Use `linnet.nn.apply_last` where only the last step is trained.
        kernel: the kernel before training; kept when the observer is bound, so that it is computed once.
    """

    inputs: Float[Array, "num ..."] = eqx.field(converter=jnp.asarray)
    output: Callable = eqx.field(default=nn.apply, static=True)
    kernel: Array | None = None

    @property
    def name(self) -> str:
        return "kernel_distance"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "KernelDistance":
        return dataclasses.replace(self, kernel=self._kernel(network))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        before = self._kernel(initial) if self.kernel is None else self.kernel
        return analyse.kernel_distance(before, self._kernel(network))

    def _kernel(self, network: Any) -> Array:
        if isinstance(network, nn.DeepLinear):
            return analyse.linear_tangent_kernel(network, self.inputs)
        return analyse.tangent_kernel(network, self.inputs, output=self.output)

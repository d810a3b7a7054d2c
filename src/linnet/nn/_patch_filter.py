"""One convolutional filter: the same ReLU unit on every patch, averaged."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite


@cite("du2018when")
class PatchFilter(eqx.Module):
    r"""$f(x) = \frac{1}{k} \sum_{i=1}^{k} \max(0, w^\top z_i)$ over the $k$ patches $z_i$ of an input.

    Its input is the patches themselves; what they share is a matter of the data.

    Args:
        filter: $w$.

    !!! example
        ```python
        net = ln.nn.PatchFilter(jr.normal(key, (5,)))
        y = net(patches)  # "patch in" to one output
        ```
    """

    filter: Float[Array, " in"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        if self.filter.ndim != 1:
            raise ValueError(f"PatchFilter needs a filter (in,), got shape {self.filter.shape}.")

    def __call__(self, x: Float[Array, "patch in"]) -> Float[Array, "1"]:
        return jnp.mean(jax.nn.relu(x @ self.filter))[None]

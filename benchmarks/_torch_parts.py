"""What layers in PyTorch share: linnet's parameters as tensors, the short convolution, norms and heads."""

from typing import Any

import equinox as eqx
import jax.tree_util as jtu
import numpy as np

try:
    import torch  # pyright: ignore[reportMissingImports]
    import torch.nn.functional as F  # pyright: ignore[reportMissingImports]
except ImportError:  # the peers are skipped
    torch: Any = None
    F: Any = None

MISSING = "torch is not installed (`make bench` installs it)" if torch is None else ""


def with_tensors(layer: Any) -> tuple[Any, list[Any]]:
    """The same layer with its parameters as leaves of torch's autograd, to be read by name, and a list of them."""
    params, rest = eqx.partition(layer, eqx.is_inexact_array)
    params = jtu.tree_map(lambda leaf: torch.tensor(np.asarray(leaf), requires_grad=True), params)
    return eqx.combine(params, rest), jtu.tree_leaves(params)


def linear(xs: Any, weight: Any, bias: Any = None) -> Any:
    """`W x + b`."""
    return F.linear(xs, weight, bias)


def convolved(convolution: Any, xs: Any) -> Any:
    """The short convolution over time, "batch step feature"."""
    kernel = convolution.kernel
    size, width = kernel.shape
    padded = F.pad(xs.transpose(1, 2), (width - 1, 0))
    # torch correlates: the last number of its kernel meets the present.
    ys = F.conv1d(padded, kernel.flip(1)[:, None], convolution.bias, groups=size).transpose(1, 2)
    return F.silu(ys) if convolution.activation else ys


def rms_norm(xs: Any, weight: Any = None, epsilon: float = 1e-5) -> Any:
    """Divided by the root of the mean square of the last axis."""
    return F.rms_norm(xs, xs.shape[-1:], weight, epsilon)


def unit_norm(xs: Any, epsilon: float = 1e-6) -> Any:
    """Of length 1."""
    return xs * torch.rsqrt(xs.square().sum(-1, keepdim=True) + epsilon)


def split_heads(xs: Any, num_heads: int) -> Any:
    """Features as "head size"."""
    return xs.unflatten(-1, (num_heads, -1))


def projected(inputs: Any, xs: Any) -> list[Any]:
    """Queries, keys and values of a layer with `HeadInputs`."""
    joined = linear(xs, torch.cat([inputs.query, inputs.key, inputs.value]))
    joined = joined if inputs.convolution is None else convolved(inputs.convolution, joined)
    keys = inputs.query.shape[0]
    parts = joined[..., :keys], joined[..., keys : 2 * keys], joined[..., 2 * keys :]
    return [split_heads(part, inputs.num_heads) for part in parts]


_ACTIVATIONS = {"silu": lambda x: F.silu(x), "sigmoid": lambda x: x.sigmoid(), "identity": lambda x: x}


def read_out(outputs: Any, read: Any, xs: Any) -> Any:
    """Norm, gate and output matrix of `HeadOutputs`; `read` is "batch step head value"."""
    if outputs.norm == "group":
        read = F.layer_norm(read, read.shape[-1:], outputs.scale, None, outputs.epsilon)
    elif outputs.norm == "rms":
        read = rms_norm(read, outputs.scale, outputs.epsilon)
    merged = read.flatten(-2)
    if outputs.norm == "all":
        merged = rms_norm(merged, outputs.scale, outputs.epsilon)
    if outputs.gate is not None:
        low = xs if outputs.gate_down is None else linear(xs, outputs.gate_down)
        merged = merged * _ACTIVATIONS[outputs.activation](linear(low, outputs.gate))
    return linear(merged, outputs.output)

"""Products in the precision of their arrays, also where an accelerator would round them."""

import functools as ft
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


def is_accelerated() -> bool:
    """Whether JAX computes on something else than a CPU."""
    return jax.default_backend() != "cpu"


def unrounded(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """The function, with float32 products in float32 on accelerators too.

    JAX multiplies matrices of float32 there in a shorter format by default (TF32 on NVIDIA's: 10 bits of fraction),
    which leaves 1e-3 of a recurrence where two orders of its sums are to agree to 1e-5. Whoever has set
    `jax_default_matmul_precision`, to a faster format too, is followed.

    A rule of a derivative may be traced when the function has long returned: it needs its own.
    """

    @ft.wraps(function)
    def run(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        if not is_accelerated() or jax.config.jax_default_matmul_precision is not None:
            return function(*args, **kwargs)
        with jax.default_matmul_precision("float32"):
            return function(*args, **kwargs)

    return run

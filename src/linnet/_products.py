"""Products of matrices whose derivatives are products in forms that XLA is quick at."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

#: Which axes are summed over in each form: from the end, of the first and of the second matrix.
_SUMMED = {"x y": (-1, -2), "x y^T": (-1, -1), "x^T y": (-2, -2)}
#: Matrices of so few numbers are transposed before a product, and repeated where one is the same for many others.
_SMALL = 64 * 64


def linear_map(xs: Float[Array, "*rows in"], weights: Float[Array, "out in"]) -> Float[Array, "*rows out"]:
    r"""$W x$ for every row $x$: `xs @ weights.T`, but for how it is mapped.

    `jax.vmap` over `xs` alone makes more rows here instead of one more axis, so that the gradient of the weights is one
    product over all rows. From a contraction over two axes XLA first makes a transpose of the cotangents, fused with
    whatever they come from: on CPUs ten times the cost of the product.

    Args:
        xs: the rows.
        weights: $W$.
    """
    rows = xs.reshape(-1, xs.shape[-1])
    return _bind(rows, weights, "x y^T").reshape(*xs.shape[:-1], weights.shape[0])


def times(x: Float[Array, "row in"], y: Float[Array, "in column"]) -> Float[Array, "row column"]:
    """$x y$."""
    return _bind(x, y, "x y")


def times_transposed(x: Float[Array, "row in"], y: Float[Array, "column in"]) -> Float[Array, "row column"]:
    r"""$x y^\top$."""
    return _bind(x, y, "x y^T")


def transposed_times(x: Float[Array, "in row"], y: Float[Array, "in column"]) -> Float[Array, "row column"]:
    r"""$x^\top y$; on CPUs from a copy of $x^\top$ where there are many of them, two to five times as fast."""
    return _bind(x, y, "x^T y")


def outer(x: Float[Array, " row"], y: Float[Array, " column"]) -> Float[Array, "row column"]:
    r"""$x y^\top$ of two vectors, as a product of matrices with one row and one column.

    XLA makes a sum of it, joined with what comes after, as of `jnp.outer`; but its derivatives are products with
    vectors, where those of `jnp.outer` are sums along axes: on CPUs two to four times the cost in the body of a loop.
    """
    return jnp.matmul(x[:, None], y[None], precision="highest")


def _bind(x: Array, y: Array, form: str) -> Array:
    dtype = jnp.result_type(x, y)
    # Rules of derivatives and the lowering may run when the surrounding precision is no longer set.
    precision = jax.config.jax_default_matmul_precision
    x, y = x.astype(dtype), y.astype(dtype)
    varying = [_varying(part) for part in (x, y)]
    # Within `jax.shard_map`, what is the same on all devices is marked as what may differ.
    x, y = (
        lax.pcast(part, tuple(other - own), to="varying") if other - own else part
        for part, own, other in zip((x, y), varying, varying[::-1], strict=True)
    )
    return _product_p.bind(x, y, form=form, precision=precision)


def _varying(part: Array) -> frozenset:
    """The axes of devices over which an array may differ."""
    kind = jax.typeof(part)
    return getattr(getattr(kind, "mat", None), "varying", getattr(kind, "vma", frozenset()))


def _product(x: Array, y: Array, *, form: str, precision: Any) -> Array:
    many = range(x.ndim - 2)
    first, second = (axis % x.ndim for axis in _SUMMED[form])
    return lax.dot_general(x, y, (((first,), (second,)), (many, many)), precision=precision)


def _product_on_cpu(x: Array, y: Array, *, form: str, precision: Any) -> Array:
    """XLA would fold a transpose into the product, for which its library of small products has no form.

    Large matrices are left alone: their transpose, made together with whatever they come from, is slow by itself.
    """
    if form == "x^T y" and x.ndim > 2 and x.shape[-2] * x.shape[-1] <= _SMALL:
        x, form = lax.optimization_barrier(x.mT), "x y"
    return _product(x, y, form=form, precision=precision)


def _abstract(x: Any, y: Any, *, form: str, precision: Any) -> Any:
    first, second = (-3 - axis for axis in _SUMMED[form])  # the other one of the last two axes
    return x.update(shape=(*x.shape[:-2], x.shape[first], y.shape[second]))


def _to_first(out: Any, x: Any, y: Any, *, form: str, precision: Any) -> Array:
    first, second, form = {"x y": (out, y, "x y^T"), "x y^T": (out, y, "x y"), "x^T y": (y, out, "x y^T")}[form]
    return _product_p.bind(first, second, form=form, precision=precision)


def _to_second(out: Any, x: Any, y: Any, *, form: str, precision: Any) -> Array:
    first, second, form = {"x y": (x, out, "x^T y"), "x y^T": (out, x, "x^T y"), "x^T y": (x, out, "x y")}[form]
    return _product_p.bind(first, second, form=form, precision=precision)


def _batched(args: tuple[Any, Any], axes: tuple[Any, Any], *, form: str, precision: Any) -> tuple[Array, int]:
    (x, y), (first, second) = args, axes
    if first is not None and second is not None:
        x, y = jnp.moveaxis(x, first, 0), jnp.moveaxis(y, second, 0)
        return _product_p.bind(x, y, form=form, precision=precision), 0
    if second is None and y.ndim == 2 and form != "x^T y":
        x = jnp.moveaxis(x, first, 0)
        out = _product_p.bind(x.reshape(-1, x.shape[-1]), y, form=form, precision=precision)
        return out.reshape(*x.shape[:2], -1), 0
    shared, many = (x, jnp.moveaxis(y, second, 0)) if first is None else (y, jnp.moveaxis(x, first, 0))
    if shared.shape[-2] * shared.shape[-1] > _SMALL:
        return jax.vmap(lambda x, y: _product(x, y, form=form, precision=precision), axes)(x, y), 0
    shared = jnp.broadcast_to(shared, (many.shape[0], *shared.shape))
    x, y = (shared, many) if first is None else (many, shared)
    return _product_p.bind(x, y, form=form, precision=precision), 0


_product_p = Primitive("product")
_product_p.def_impl(jax.jit(_product, static_argnames=("form", "precision")))
_product_p.def_abstract_eval(_abstract)
ad.defbilinear(_product_p, _to_first, _to_second)
batching.primitive_batchers[_product_p] = _batched
mlir.register_lowering(_product_p, mlir.lower_fun(_product, multiple_results=False))
mlir.register_lowering(_product_p, mlir.lower_fun(_product_on_cpu, multiple_results=False), platform="cpu")

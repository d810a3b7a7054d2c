"""Products of matrices: values, derivatives and maps against `jnp.einsum`, and the form that gradients take."""

import itertools as it

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.test_util import check_grads

from linnet._products import linear_map, times, times_transposed, transposed_times

FORMS = {
    "x y": (times, "ik,kj->ij", (3, 4), (4, 5)),
    "x y^T": (times_transposed, "ik,jk->ij", (3, 4), (5, 4)),
    "x^T y": (transposed_times, "ki,kj->ij", (4, 3), (4, 5)),
}


def draw(*shapes):
    return [jr.normal(key, shape, jnp.float64) for key, shape in zip(jr.split(jr.key(0), len(shapes)), shapes)]


@pytest.mark.parametrize("name", FORMS)
def test_a_product_and_its_derivatives_to_the_second_are_those_of_einsum(name):
    run, formula, *shapes = FORMS[name]
    x, y = draw(*shapes)
    np.testing.assert_allclose(run(x, y), np.einsum(formula, x, y), atol=1e-14)
    check_grads(
        lambda x, y: jnp.sin(run(jnp.asarray(x), jnp.asarray(y))),
        (x, y),
        order=2,
        modes=("fwd", "rev"),
        atol=1e-6,
        rtol=1e-6,
    )


@pytest.mark.parametrize("axes", [axes for axes in it.product((None, 0, 1, 2), repeat=2) if axes != (None, None)])
@pytest.mark.parametrize("name", FORMS)
def test_mapped_over_either_matrix_or_both_it_is_einsum(name, axes):
    run, formula, *shapes = FORMS[name]
    shapes = [s if axis is None else (*s[:axis], 6, *s[axis:]) for s, axis in zip(shapes, axes)]
    x, y = draw(*shapes)

    def loss(run, x, y):
        return jnp.sum(jnp.sin(jax.vmap(run, axes)(x, y)))

    found = jax.grad(lambda x, y: loss(run, x, y), (0, 1))(x, y)
    expected = jax.grad(lambda x, y: loss(lambda x, y: jnp.einsum(formula, x, y), x, y), (0, 1))(x, y)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_gradients_of_each_example_and_of_an_ensemble_are_those_of_plain_products():
    xs, weights = draw((7, 9, 4), (2, 5, 4))

    def each(run):
        one = jax.grad(lambda w, x: jnp.sum(jnp.sin(run(x, w))))
        many = jax.grad(lambda w: jnp.sum(jnp.sin(jax.vmap(lambda x: run(x, w))(xs))))
        return jax.vmap(one, (None, 0))(weights[0], xs), jax.vmap(many)(weights)

    for one, other in zip(each(linear_map), each(lambda x, w: x @ w.T)):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_a_map_of_rows_may_have_any_axes_before_them():
    xs, weights = draw((2, 3, 7, 4), (5, 4))
    np.testing.assert_allclose(linear_map(xs, weights), xs @ weights.T, atol=1e-14)
    np.testing.assert_allclose(linear_map(xs[0, 0, 0], weights), weights @ xs[0, 0, 0], atol=1e-14)
    assert linear_map(xs.astype(jnp.float32), weights).dtype == jnp.float64


def test_the_gradient_of_shared_weights_is_one_product_of_two_matrices():
    xs, weights = draw((7, 9, 4), (5, 4))
    program = jax.make_jaxpr(jax.grad(lambda w: jnp.sum(jnp.sin(jax.vmap(lambda x: linear_map(x, w))(xs)))))(weights)
    products = [eqn for eqn in program.jaxpr.eqns if eqn.primitive.name in ("product", "dot_general")]
    assert [eqn.primitive.name for eqn in products] == ["product"] * 2
    assert products[-1].invars[0].aval.shape == (63, 5) and products[-1].invars[1].aval.shape == (63, 4)


def test_it_runs_within_a_map_over_devices():
    xs, weights = draw((7, 4), (5, 4))
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec
    run = jax.shard_map(
        jax.grad(lambda w, x: jax.lax.psum(jnp.sum(jnp.sin(linear_map(x, w))), "batch")),
        mesh=mesh,
        in_specs=(spec(), spec("batch")),
        out_specs=spec(),
    )
    expected = jax.grad(lambda w: jnp.sum(jnp.sin(xs @ w.T)))(weights)
    np.testing.assert_allclose(run(weights, xs), expected, atol=1e-12)

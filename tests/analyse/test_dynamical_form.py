"""Layers in the common form: they are the layers' states and outputs, and the formulas' maps from inputs to outputs."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

from linnet import analyse, nn
from tests.nn.layers import LAYERS, WIDTH
from tests.nn.test_layer_contract import inputs, made
from tests.tolerances import assert_close

STEPS = 7
#: What is not linear in its state: the state of its recurrence is a logarithm.
LOGARITHMS = ("mingru, logarithms",)


def check_form(name):
    """The form ends in the layer's own state, and where outputs are linear in it, they are the layer's outputs."""
    layer, xs = made(name), inputs(STEPS)
    form = analyse.dynamical_form(layer, xs)
    ys, final = layer.forward(xs, layer.init_state(), resets=None, mode=layer.modes[0])
    states = np.asarray(form.states())
    last = states[-1].ravel()
    last = np.concatenate([last.real, last.imag]) if np.iscomplexobj(last) else last
    leaves = np.concatenate([np.asarray(leaf, float).ravel() for leaf in jtu.tree_leaves(final)])
    assert max(np.min(np.abs(leaves - number)) for number in last) < 1e-10 * max(1, np.abs(last).max())
    if form.through is not None:
        assert_close(form.outputs().sum(1)[..., 0] + form.through, ys, "exact")
    # What comes of the inputs beside what comes of the start is all there is.
    alone = eqx.tree_at(lambda f: f.start, form, jnp.zeros_like(form.start))
    mixed = jnp.einsum("hiojr,jhrv->ihov", form.mixing(), form.inputs)
    outputs = alone.outputs()
    assert_close(mixed if jnp.iscomplexobj(outputs) else mixed.real, outputs, "exact")
    return form


@pytest.mark.parametrize("name", ["gla", "lru"])
def test_form_is_the_layer(name):
    check_form(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LAYERS if name not in LOGARITHMS])
def test_form_of_every_layer_is_the_layer(name):
    check_form(name)


# --- maps of inputs to outputs, from the papers' formulas in NumPy ----------------------------------------------------


def maps(num, weight):
    """`weight(i, j)` for $j \\le i$."""
    return np.array([[weight(i, j) if j <= i else 0.0 for j in range(num)] for i in range(num)])


@pytest.mark.slow
def test_linear_attention_is_its_ratio_of_normalisers():
    layer, xs = made("linear attention"), np.asarray(inputs(STEPS))
    form = analyse.normalised_form(analyse.dynamical_form(layer, jnp.asarray(xs)))
    heads, size = form.transition.shape[1:]
    q, k = (xs @ np.asarray(weights).T for weights in (layer.inputs.query, layer.inputs.key))
    q, k = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))).reshape(STEPS, heads, size) for x in (q, k))
    for head in range(heads):
        scores = np.tril(q[:, head] @ k[:, head].T)
        eta = scores.sum(1)
        assert_close(form.mixing()[head, :, 0, :, 0], scores / eta[:, None], "exact")
        ratio = np.concatenate([[1 / eta[0]], eta[:-1] / eta[1:]])
        assert_close(form.transition[:, head], np.repeat(ratio[:, None], size, 1), "exact")


@pytest.mark.slow
def test_softmax_attention_is_its_weights():
    layer, xs = made("softmax attention"), np.asarray(inputs(STEPS))
    form = analyse.dynamical_form(layer, jnp.asarray(xs))
    q, k = (np.asarray(xs @ np.asarray(w).T).reshape(STEPS, 2, 5) for w in (layer.query, layer.key))

    def turned(x, t):
        angles = t * 10_000.0 ** (-np.arange(2) / 2)
        pair = (x[:2] + 1j * x[2:4]) * np.exp(1j * angles)
        return np.concatenate([pair.real, pair.imag, x[4:]])

    for head in range(2):
        scores = maps(STEPS, lambda i, j: np.exp(turned(q[i, head], i) @ turned(k[j, head], j) / np.sqrt(5)))  # noqa: B023
        assert_close(form.mixing()[head, :, 0, :, 0], scores / scores.sum(1, keepdims=True), "exact")


@pytest.mark.slow
def test_min_gru_is_its_products_of_gates():
    layer, xs = made("mingru"), np.asarray(inputs(STEPS))
    form = analyse.dynamical_form(layer, jnp.asarray(xs))
    keep = 1 / (1 + np.exp(xs @ np.asarray(layer.gate_weights).T + np.asarray(layer.gate_bias)))
    read = np.asarray(layer.output_weights)
    for i in range(STEPS):
        for j in range(i + 1):
            expected = read * np.prod(keep[j + 1 : i + 1], axis=0)
            assert_close(form.mixing()[0, i, :, j], expected, "exact")


def test_lru_is_its_impulse_response():
    layer, xs = made("lru"), inputs(STEPS)
    form = analyse.dynamical_form(layer, xs)
    poles = np.exp(-np.exp(np.asarray(layer.nu_log)) + 1j * np.exp(np.asarray(layer.theta_log)))
    assert_close(form.transition[3, 0], poles, "exact")
    assert_close(form.eigenvalues()[2, 0], poles[np.argsort(-np.abs(poles))], "exact")
    powers = np.array([poles ** (step + 1) for step in range(STEPS)])
    order = np.argsort(-np.abs(powers), axis=1, kind="stable")
    assert_close(analyse.effective_eigenvalues(form)[:, 0], np.take_along_axis(powers, order, 1), "exact")


@pytest.mark.slow
def test_delta_net_has_its_householder_eigenvalues():
    layer = nn.DeltaNet(WIDTH, 1, allow_neg_eigval=True, use_beta=False, dtype=jnp.float64, key=jr.key(0))
    form = analyse.dynamical_form(layer, inputs(4))
    # beta = 2: each transition is a reflection (of keys whose length is 1 to the epsilon of their norm).
    found = np.sort(form.eigenvalues()[:, 0].real, axis=-1)
    np.testing.assert_allclose(found, np.tile([-1.0] + [1.0] * (WIDTH - 1), (4, 1)), atol=1e-3)
    products = analyse.effective_eigenvalues(form)
    np.testing.assert_allclose(np.abs(products), 1, atol=1e-2)


@pytest.mark.slow
def test_a_state_before_the_sequence_is_the_start():
    layer, xs = made("gla"), inputs(STEPS)
    whole = analyse.dynamical_form(layer, xs)
    _, state = layer(xs[:4])
    rest = analyse.dynamical_form(layer, xs[4:], state)
    assert_close(rest.states(), whole.states()[4:], "exact")
    assert_close(rest.outputs(), whole.outputs()[4:], "exact")


@pytest.mark.slow
def test_softmax_features_converge_to_a_softmax():
    rng = np.random.default_rng(0)
    q, k, v = (jnp.asarray(0.6 * rng.normal(size=(6, 2, size))) for size in (3, 3, 4))
    scores = np.exp(np.einsum("ihd,jhd->hij", q, k) / np.sqrt(3)) * np.tril(np.ones((6, 6)))
    expected = scores / scores.sum(-1, keepdims=True)
    errors = []
    for order in (0, 2, 4, 6):
        form = analyse.attention_form(q, k, v, analyse.softmax_features(order))
        assert form.transition.shape[-1] == sum(3**p for p in range(order + 1))
        errors.append(np.abs(form.mixing()[:, :, 0, :, 0] - expected).max())
        assert_close(form.mixing()[:, :, 0, :, 0].sum(-1), np.ones((2, 6)), "exact")
    assert all(later < earlier for earlier, later in zip(errors, errors[1:])) and errors[-1] < 3e-4, errors


@pytest.mark.slow
def test_forms_are_compared_whatever_their_coordinates():
    form = analyse.dynamical_form(made("delta net"), inputs(STEPS))
    basis = jnp.asarray(np.random.default_rng(0).normal(size=(form.transition.shape[-1],) * 2))
    inverse = jnp.linalg.inv(basis)
    other = analyse.DynamicalForm(
        basis @ form.matrices() @ inverse, basis @ form.write, form.inputs, form.read @ inverse, basis @ form.start
    )
    assert float(analyse.form_difference(other, form)) < 1e-10
    assert float(analyse.form_difference(eqx.tree_at(lambda f: f.write, form, 2 * form.write), form)) == pytest.approx(
        1
    )


def test_what_has_no_form_is_refused():
    xs = inputs(3)
    with pytest.raises(ValueError, match="needs a recurrence of sums, got the logarithms of MinGRU"):
        analyse.dynamical_form(made("mingru, logarithms"), xs)
    with pytest.raises(ValueError, match=r"needs xs of shape \(step, 6\), got \(3, 2\)"):
        analyse.dynamical_form(made("gla"), xs[:, :2])
    with pytest.raises(ValueError, match="order of at least 0, got -1"):
        analyse.softmax_features(-1)
    with pytest.raises(ValueError, match="a normaliser as its last column, got one with 1 columns"):
        analyse.normalised_form(analyse.dynamical_form(made("mingru"), xs))
    first, second = (analyse.dynamical_form(made("gla"), inputs(num)) for num in (3, 4))
    with pytest.raises(ValueError, match="needs two forms of the same heads"):
        analyse.form_difference(first, second)

"""Decoupled modes of whole networks against SciPy's integration of their weights."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import linnet as ln
from tests.theory import reference
from tests.tolerances import assert_close

T = ln.theory
TS = np.linspace(0.0, 12.0, 31)
MODES = T.DeepLinearModes()


def moments(xx, yx, yy):
    return ln.tasks.Moments(xx=jnp.asarray(xx), yx=jnp.asarray(yx), yy=jnp.asarray(yy))


def aligned(rng, yx, hidden, strengths):
    """Weights that are diagonal in the singular modes of NumPy, layer by layer; `strengths` is "layer mode"."""
    left, _, right_t = np.linalg.svd(yx, full_matrices=False)
    num = strengths.shape[1]
    bases = [right_t.T[:, :num], *(reference.orthonormal(rng, size, num) for size in hidden), left[:, :num]]
    return [(after * a) @ before.T for before, after, a in zip(bases[:-1], bases[1:], strengths)]


def check(weights, xx, yx, yy, theory=MODES, ts=TS, **kwargs):
    """Prediction against integration: loss and the strengths along NumPy's own singular vectors."""
    task = moments(xx, yx, yy)
    predicted = T.predict(ln.nn.DeepLinear(weights), task, jnp.asarray(ts), theory=theory, **kwargs)
    modes = task.singular_modes()
    maps = [reference.chained(w) for w in reference.integrate(weights, xx, yx, ts)]
    strengths = [np.diag(np.asarray(modes.left).T @ m @ np.asarray(modes.right)) for m in maps]
    assert_close(predicted["mode_strengths"], np.array(strengths), "closed_form")
    assert_close(predicted["loss"], [reference.loss(m, xx, yx, yy) for m in maps], "closed_form")
    return predicted


SHAPES = [(5, 3, (4,)), (3, 5, (6,)), (4, 4, (5, 7)), (6, 3, (3, 4, 5))]


@pytest.mark.parametrize(("num_in", "num_out", "hidden"), SHAPES)
def test_white_inputs(num_in, num_out, hidden):
    rng = np.random.default_rng(num_in)
    xx, yx, yy = reference.white_task(rng, num_in, num_out)
    strengths = rng.uniform(-0.7, 0.9, (len(hidden) + 1, min(num_in, num_out)))
    predicted = check(aligned(rng, yx, hidden, strengths), xx, yx, yy)
    assert predicted.theory == "DeepLinearModes" and all(bool(a.holds) for a in predicted.assumptions)


@pytest.mark.parametrize(("num_in", "num_out", "hidden"), SHAPES[:3])
def test_inputs_diagonal_in_the_modes(num_in, num_out, hidden):
    rng = np.random.default_rng(num_out)
    xx, yx, yy = reference.diagonal_task(rng, num_in, num_out)
    strengths = rng.uniform(0.05, 0.6, (len(hidden) + 1, min(num_in, num_out)))
    check(aligned(rng, yx, hidden, strengths), xx, yx, yy)


def test_narrow_hidden_layers_learn_the_modes_they_have():
    rng = np.random.default_rng(2)
    xx, yx, yy = reference.white_task(rng, 6, 5)
    predicted = check(aligned(rng, yx, (2,), np.full((2, 2), 0.1)), xx, yx, yy)
    strengths = np.linalg.svd(yx)[1]
    assert_close(predicted["mode_strengths"][-1, 2:], 0.0, "exact")
    far = T.predict(
        ln.nn.DeepLinear(aligned(rng, yx, (2,), np.full((2, 2), 0.1))), moments(xx, yx, yy), jnp.array([0.0, 1e3])
    )
    floor = 0.5 * np.trace(yy - yx @ yx.T)
    assert_close(far["loss"][-1], floor + 0.5 * np.sum(strengths[2:] ** 2), "closed_form")


def test_hidden_vectors_of_one_mode_need_not_be_parallel():
    """Two layers whose modes live in orthogonal subspaces, each with two different vectors in it."""
    rng = np.random.default_rng(3)
    xx, yx, yy = reference.white_task(rng, 3, 3)
    left, _, right_t = np.linalg.svd(yx)
    rotation = reference.orthonormal(rng, 8, 6)
    first = sum(np.outer(rotation[:, 2 * k : 2 * k + 2] @ rng.normal(size=2), right_t[k]) for k in range(3))
    last = sum(np.outer(left[:, k], rotation[:, 2 * k : 2 * k + 2] @ rng.normal(size=2)) for k in range(3))
    check([0.4 * first, 0.4 * last], xx, yx, yy)


@pytest.mark.slow
def test_degenerate_modes_and_modes_without_singular_value():
    rng = np.random.default_rng(4)
    basis = reference.orthonormal(rng, 4, 4)
    values = np.array([1.0, 1.0, 0.5, 0.0])
    xx, yx = np.eye(4), (reference.orthonormal(rng, 4, 4) * values) @ basis.T
    task = moments(xx, yx, yx @ yx.T)
    for sizes in ((4, 5, 4), (4, 5, 6, 4)):
        net = ln.nn.aligned(task, jnp.array([0.02, 0.3, 0.1, 0.4]))(ln.nn.DeepLinear, sizes, key=jr.key(0))
        check([np.asarray(w) for w in net.weights], xx, yx, yx @ yx.T)


@pytest.mark.parametrize("sizes", [(5, 4, 3), (5, 4, 4, 3)])
def test_unaligned_weights_are_refused_and_measured(sizes):
    rng = np.random.default_rng(5)
    xx, yx, yy = reference.white_task(rng, 5, 3)
    net = ln.nn.small(0.3)(ln.nn.DeepLinear, sizes, key=jr.key(0))
    with pytest.raises(ValueError, match="decoupled modes fails: .*at most 0.001.*SmallInitialization"):
        T.predict(net, moments(xx, yx, yy), TS, theory=MODES)
    predicted = T.predict(net, moments(xx, yx, yy), TS, theory=MODES, strict=False)
    (failed,) = [a for a in predicted.assumptions if not bool(a.holds)]
    assert failed.name == "decoupled modes" and float(failed.value) > 0.1
    assert np.all(np.isfinite(predicted["loss"]))


def test_the_measured_overlap_bounds_the_error():
    """At the threshold the prediction is good to a percent; ten times beyond it is not to a tenth of that."""
    rng = np.random.default_rng(6)
    xx, yx, yy = reference.white_task(rng, 4, 4)
    clean = aligned(rng, yx, (5,), np.full((2, 4), 0.3))
    noise = [rng.normal(size=w.shape) for w in clean]
    errors, values = [], []
    for size in (3e-5, 1e-1):
        weights = [w + size * n for w, n in zip(clean, noise)]
        predicted = T.predict(ln.nn.DeepLinear(weights), moments(xx, yx, yy), TS, theory=MODES, strict=False)
        maps = [reference.chained(w) for w in reference.integrate(weights, xx, yx, TS)]
        expected = np.array([reference.loss(m, xx, yx, yy) for m in maps])
        errors.append(np.max(np.abs(predicted["loss"] - expected)) / expected[0])
        values.append({a.name: float(a.value) for a in predicted.assumptions}["decoupled modes"])
    assert values[0] < 1e-3 < values[1] and errors[0] < 1e-2 < errors[1]


def test_correlated_inputs_are_refused():
    rng = np.random.default_rng(7)
    xx, yx, yy = reference.white_task(rng, 4, 4)
    mixed = xx + 0.1 * np.ones((4, 4))
    net = ln.nn.DeepLinear(aligned(rng, yx, (4,), np.full((2, 4), 0.3)))
    with pytest.raises(ValueError, match="inputs diagonal in the modes fails: .*whiten"):
        T.predict(net, moments(mixed, yx, yy), TS, theory=MODES)


def test_one_layer_takes_any_inputs():
    rng = np.random.default_rng(8)
    root = rng.normal(size=(4, 5))  # rank 4 of 5: one direction without variance
    xx = root.T @ root / 4
    yx = rng.normal(size=(3, 5)) @ xx
    yy = 3 * np.eye(3) + yx @ np.linalg.pinv(xx) @ yx.T
    predicted = check([rng.normal(size=(3, 5))], xx, yx, yy, theory=T.SingleLayer())
    assert predicted.assumptions == ()


def test_one_layer_is_chosen_and_others_say_why_not():
    rng = np.random.default_rng(9)
    task = moments(*reference.white_task(rng, 4, 3))
    net = ln.nn.DeepLinear([rng.normal(size=(3, 4))])
    assert T.predict(net, task, TS).theory == "SingleLayer"
    with pytest.raises(ValueError, match="two or more layers"):
        T.predict(net, task, TS, theory=MODES)
    with pytest.raises(ValueError, match="depth 1"):
        T.predict(ln.nn.DeepLinear([np.ones((3, 3)), np.ones((3, 3))]), task, TS, theory=T.SingleLayer())

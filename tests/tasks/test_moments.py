"""Moments against plain NumPy on samples."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import linnet as ln


def _samples(num: int = 50, steps: int | None = None, every: bool = False):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(num, 4) if steps is None else (num, steps, 4))
    y = rng.normal(size=(num, steps, 3) if every else (num, 3))
    return ln.tasks.Batch(jnp.asarray(x), jnp.asarray(y)), x, y


def test_loss_on_moments_is_the_mean_loss_over_samples():
    batch, x, y = _samples()
    first, second = np.random.default_rng(0).normal(size=(5, 4)), np.random.default_rng(1).normal(size=(3, 5))
    net = ln.nn.DeepLinear((first, second))
    expected = 0.5 * np.mean(np.sum((y - x @ (second @ first).T) ** 2, axis=1))
    np.testing.assert_allclose(batch.moments().loss(net), expected, rtol=1e-12)


@pytest.mark.parametrize("every", [False, True])
def test_loss_on_temporal_moments_is_the_mean_loss_over_sequences(every):
    batch, x, y = _samples(steps=6, every=every)
    rng = np.random.default_rng(2)
    wx, wh, wy = rng.normal(size=(5, 4)), 0.4 * rng.normal(size=(5, 5)), rng.normal(size=(3, 5))
    state, outputs = np.zeros((50, 5)), []
    for t in range(6):
        state = state @ wh.T + x[:, t] @ wx.T
        outputs.append(state @ wy.T)
    predicted = np.stack(outputs, 1) if every else outputs[-1]
    expected = 0.5 * np.sum((y - predicted) ** 2) / 50
    moments = batch.moments()
    assert isinstance(moments, ln.tasks.SequenceMoments if every else ln.tasks.TemporalMoments)
    np.testing.assert_allclose(moments.loss(ln.nn.LinearRNN(wx, wh, wy)), expected, rtol=1e-12)


def test_weights_of_examples_act_like_repetition():
    batch, x, y = _samples()
    weight = np.random.default_rng(5).integers(1, 4, 50)
    repeated = ln.tasks.Batch(np.repeat(x, weight, axis=0), np.repeat(y, weight, axis=0))
    weighted = ln.tasks.Batch(batch.x, batch.y, weight=jnp.asarray(weight, float))
    for a, b in zip(jax.tree.leaves(weighted.moments()), jax.tree.leaves(repeated.moments()), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_float32_loss_of_the_best_map_is_not_negative_where_the_expanded_form_is():
    rng = np.random.default_rng(0)
    losses, expanded = [], []
    for _ in range(20):
        x = rng.normal(size=(100, 10)).astype(np.float32) * 30
        y = x @ rng.normal(size=(10, 5)).astype(np.float32)
        moments = ln.tasks.Batch(x, y).moments()
        best = jnp.linalg.lstsq(jnp.asarray(x), jnp.asarray(y))[0].T
        assert moments.xx.dtype == jnp.float32
        losses.append(float(moments.loss(ln.nn.DeepLinear((best,)))))
        cross = best @ moments.xx @ best.T - 2 * best @ moments.yx.T
        expanded.append(float(0.5 * jnp.trace(moments.yy + cross)))
    assert min(losses) >= 0
    assert min(expanded) < 0  # the trap is real: without the residual form this test would fail


def test_rank_deficient_inputs_have_the_least_squares_floor():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 6))
    y = rng.normal(size=(40, 3))
    best, *_ = np.linalg.lstsq(x, y, rcond=None)
    form = ln.tasks.Batch(x, y).moments().residual_form()
    np.testing.assert_allclose(form.floor, 0.5 * np.sum((y - x @ best) ** 2) / 40, rtol=1e-10)
    np.testing.assert_allclose(form.target, best.T, atol=1e-10)


def test_singular_modes_rebuild_the_moments():
    batch, _, _ = _samples()
    moments = batch.moments()
    modes = moments.singular_modes()
    np.testing.assert_allclose((modes.left * modes.singular_values) @ modes.right.T, moments.yx, atol=1e-12)
    np.testing.assert_allclose(modes.project(moments.yx), modes.singular_values, atol=1e-12)


def test_degenerate_modes_do_not_depend_on_how_they_were_computed():
    """Any rotation inside a degenerate subspace of the construction gives the same canonical vectors."""
    left = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    right = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 5)))[0]
    values = np.array([3.0, 2.0, 2.0, 2.0, 0.5])
    found = []
    for seed in (None, 7, 8):
        rotation = np.eye(5)
        if seed is not None:
            rotation[1:4, 1:4] = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
        yx = (left @ rotation * values) @ (right @ rotation).T + 1e-15
        found.append(ln.tasks.Moments(np.eye(6), yx, 100 * np.eye(5)).singular_modes())
    for other in found[1:]:
        np.testing.assert_allclose(other.right, found[0].right, atol=1e-6)
        np.testing.assert_allclose(other.left, found[0].left, atol=1e-6)
    float32 = ln.tasks.Moments(*(a.astype(np.float32) for a in (np.eye(6), yx, 100 * np.eye(5)))).singular_modes()
    np.testing.assert_allclose(float32.right, found[0].right, atol=1e-3)


def test_temporal_modes_find_constant_singular_vectors():
    rng = np.random.default_rng(2)
    left, right = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (4, 5))
    values = np.stack([0.5 ** (6 - np.arange(1, 7)), -1.3 * np.ones(6), np.arange(6) / 10.0], axis=1)
    yx = np.einsum("om,tm,im->toi", left, values, right)
    modes = ln.tasks.TemporalMoments(None, yx, 100 * np.eye(4)).singular_modes()
    total = np.sort(np.linalg.norm(values, axis=0))[::-1]
    np.testing.assert_allclose(modes.singular_values[:3], total, atol=1e-10)
    assert float(modes.off_diagonal) < 1e-10
    np.testing.assert_allclose(modes.mode_strengths(jnp.asarray(yx))[:3], total, atol=1e-10)
    assert np.all(np.asarray(modes.step_singular_values[-1]) >= -1e-12)


def test_whitening_gives_unit_moments_and_reports_what_it_discards():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 5))
    y = rng.normal(size=(60, 2))
    whitening = ln.tasks.Batch(x, y).moments().whiten()
    z = x @ np.asarray(whitening.transform).T
    np.testing.assert_allclose(z.T @ z / 60, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(whitening.task.yx, y.T @ z / 60, atol=1e-9)
    assert whitening.discarded.shape == (5, 2)
    np.testing.assert_allclose(x @ np.asarray(whitening.discarded), 0, atol=1e-9)
    np.testing.assert_allclose(z @ np.asarray(whitening.inverse).T, x, atol=1e-9)


def test_split_moments_are_the_parts_moments():
    batch, _, _ = _samples()
    split = ln.tasks.Split(batch, None, batch)
    assert split.moments().validation is None
    np.testing.assert_allclose(split.moments().test.yx, batch.moments().yx)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"xx": jnp.eye(3), "yx": jnp.ones((2, 4)), "yy": jnp.eye(2)}, "shape"),
        ({"xx": jnp.eye(4), "yx": jnp.ones((2, 4), jnp.float32), "yy": jnp.eye(2)}, "one floating dtype"),
        ({"xx": jnp.eye(4), "yx": jnp.full((2, 4), jnp.nan), "yy": jnp.eye(2)}, "8 NaN"),
        ({"xx": jnp.eye(4, dtype=int), "yx": jnp.ones((2, 4)), "yy": jnp.eye(2)}, "one floating dtype"),
        ({"xx": jnp.eye(4), "yx": jnp.ones((2, 4)), "yy": -jnp.eye(2)}, "non-negative trace"),
    ],
)
def test_bad_moments_are_refused_with_a_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        ln.tasks.Moments(**arguments)


def test_moments_work_inside_a_traced_program():
    def strengths(scale):
        return ln.tasks.Moments(jnp.eye(3), scale * jnp.ones((2, 3)), 10 * jnp.eye(2)).singular_modes().singular_values

    scales = jnp.array([1.0, 2.0])
    np.testing.assert_allclose(jax.jit(jax.vmap(strengths))(scales)[:, 0], scales * np.sqrt(6), rtol=1e-12)


def test_as_moments_refuses_what_has_none():
    with pytest.raises(ValueError, match="got int"):
        ln.tasks.as_moments(3)


def test_a_task_draws_three_independent_parts():
    class White(ln.tasks.AbstractTask):
        def sample(self, num, *, key, length=None):
            return ln.tasks.Batch(jr.normal(key, (num, 2)), jr.normal(key, (num, 1)))

        def moments(self):
            return ln.tasks.Moments(jnp.eye(2), jnp.zeros((1, 2)), jnp.eye(1))

    split = White().draw(5, key=jr.key(0))
    assert not np.allclose(split.train.x, split.validation.x) and not np.allclose(split.validation.x, split.test.x)
    with pytest.raises(ValueError, match="at least 1"):
        White().draw(0, key=jr.key(0))

"""Best linear maps against NumPy's least squares, and alignment against what it means."""

import jax.numpy as jnp
import numpy as np
import pytest

from linnet import analyse, nn, tasks
from tests.tolerances import assert_close


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def least_squares(features, outputs, weight=None):
    """The slope of outputs on features through zero, by `numpy.linalg.lstsq`."""
    root = np.sqrt(np.ones(len(features)) if weight is None else weight)[:, None]
    return np.linalg.lstsq(root * features, root * outputs, rcond=None)[0].T


@pytest.mark.parametrize("weighted", [False, True])
def test_best_linear_map_of_an_mlp(key, weighted):
    net, xs = nn.MLP((4, 8, 3), key=key), 2 * draw(50, 4) + 1
    weight = np.random.default_rng(1).uniform(size=50) if weighted else None
    outputs = np.stack([np.asarray(net(jnp.asarray(x))) for x in xs])
    found = analyse.best_linear_map(net, jnp.asarray(xs), None if weight is None else jnp.asarray(weight))
    assert_close(found, least_squares(xs, outputs, weight), "closed_form")


def test_best_linear_map_over_a_sequence_is_by_step(key):
    net, xs = nn.VanillaRNN((2, 5, 3), key=key), draw(80, 4, 2)
    outputs = np.stack([np.asarray(net(jnp.asarray(x))[0][-1]) for x in xs])
    slope = least_squares(xs.reshape(80, 8), outputs)
    assert_close(
        analyse.best_linear_map(net, jnp.asarray(xs)), slope.reshape(3, 4, 2).transpose(1, 0, 2), "closed_form"
    )


def test_the_best_linear_map_of_a_linear_network_is_its_own(key):
    deep, xs = nn.fan_in()(nn.DeepLinear, (4, 5, 3), key=key), jnp.asarray(draw(20, 4))
    assert_close(analyse.best_linear_map(deep, xs), analyse.linear_response(deep), "closed_form")
    rnn, xs = nn.fan_in()(nn.LinearRNN, (2, 5, 3), key=key), jnp.asarray(draw(40, 4, 2))
    assert_close(analyse.best_linear_map(rnn, xs), analyse.linear_response(rnn, 4), "closed_form")


def test_directions_without_variance_get_nothing(key):
    """Inputs within a plane: the map is the least-norm one, not noise over rounding."""
    basis = np.linalg.qr(draw(5, 2))[0]
    net, xs = nn.fan_in()(nn.DeepLinear, (5, 3), key=key), draw(30, 2, seed=1) @ basis.T
    expected = np.asarray(net.end_to_end()) @ basis @ basis.T
    assert_close(analyse.best_linear_map(net, jnp.asarray(xs)), expected, "closed_form")


def test_linear_response_asks_for_the_right_network(key):
    with pytest.raises(ValueError, match="sequences"):
        analyse.linear_response(nn.fan_in()(nn.DeepLinear, (2, 3), key=key), 4)
    with pytest.raises(ValueError, match="best_linear_map"):
        analyse.linear_response(nn.MLP((2, 3), key=key))


def modes_of(yx):
    return tasks.Moments(np.eye(yx.shape[1]), yx, yx @ yx.T).singular_modes()


def test_alignment_is_one_for_the_task_s_own_modes(key):
    yx = draw(3, 5)
    left, values, right_t = np.linalg.svd(yx, full_matrices=False)
    modes = modes_of(yx)
    # Other strengths, one of them negative, and in another order: the singular vectors are still those of the task.
    other = left @ np.diag([0.1, -2.0, 0.7]) @ right_t
    assert_close(analyse.mode_alignment(jnp.asarray(other), modes), [1, -1, 1], "closed_form")
    net = nn.aligned(modes, 0.1)(nn.DeepLinear, (5, 4, 3), key=key)
    assert_close(analyse.mode_alignment(net, modes), [1, 1, 1], "closed_form")
    assert_close(analyse.mode_alignment(jnp.zeros((3, 5)), modes), [0, 0, 0], "exact")


def test_alignment_is_the_cosine_of_a_rotated_mode():
    """One mode rotated on the output side only: the alignment is the root of the cosine, and 0 at a right angle."""
    modes = modes_of(np.diag([3.0, 2.0, 1.0]))
    for angle in (0.3, 1.2, np.pi / 2):
        rotated = np.zeros((3, 3))
        rotated[:, 0] = [np.cos(angle), np.sin(angle), 0]
        found = analyse.mode_alignment(jnp.asarray(rotated), modes)
        # |M v| = 1 and |M^T u| = cos: the geometric mean punishes one side only once.
        np.testing.assert_allclose(found[0], np.sqrt(max(np.cos(angle), 0)), atol=1e-7)


def test_alignment_over_a_sequence(key):
    profile = np.array([[0.2, 0.9], [0.5, 0.8], [1.0, 0.7]])
    left, _, right_t = np.linalg.svd(draw(2, 3), full_matrices=False)
    yx = np.einsum("om,tm,mi->toi", left, profile, right_t)
    task = tasks.TemporalMoments(None, yx, np.eye(2) * 10)
    modes = task.singular_modes()
    net = nn.aligned(task, (0.3, 0.8, 0.5))(nn.LinearRNN, (3, 4, 2), key=key)
    assert_close(analyse.mode_alignment(net, modes), [1, 1], "closed_form")
    random = nn.fan_in()(nn.LinearRNN, (3, 4, 2), key=key)
    assert np.all(np.abs(analyse.mode_alignment(random, modes)) < 0.99)


def test_alignment_of_a_nonlinear_network_needs_inputs(key):
    yx, xs = draw(2, 3), jnp.asarray(draw(50, 3))
    net = nn.MLP((3, 4, 2), key=key)
    expected = analyse.mode_alignment(analyse.best_linear_map(net, xs), modes_of(yx))
    assert_close(analyse.mode_alignment(net, modes_of(yx), xs), expected, "exact")
    with pytest.raises(ValueError, match="pass inputs"):
        analyse.mode_alignment(net, modes_of(yx))

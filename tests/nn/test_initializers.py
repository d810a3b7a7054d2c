"""What initialisers promise, checked on the weights themselves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from linnet import nn, tasks
from tests.tolerances import assert_close


def some_task(num_in=6, num_out=4):
    """White inputs and a random map: modes with distinct singular values."""
    yx = np.random.default_rng(0).normal(size=(num_out, num_in))
    return tasks.Moments(np.eye(num_in), yx, yx @ yx.T + np.eye(num_out))


def make(init, kind, sizes, key):
    """A network by one compiled program, which is faster than many small ones."""
    return eqx.filter_jit(lambda key: init(kind, sizes, key=key))(key)


def balances(weights):
    return [np.asarray(b.T @ b - a @ a.T) for a, b in zip(weights[:-1], weights[1:])]


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        (nn.small(0.01), lambda out, num_in: 1e-4),
        (nn.glorot(1.5), lambda out, num_in: 2.25 * 2 / (out + num_in)),
        (nn.fan_in(0.5), lambda out, num_in: 0.25 / num_in),
    ],
    ids=["small", "glorot", "fan_in"],
)
def test_gaussian_initializers_have_their_variance(key, init, variance):
    net = make(init, nn.GRU, (120, 80, 150), key)
    for block in [*jnp.split(net.cell.weight_ih, 3), net.output_weights]:
        # Five standard deviations of the sample variance; the fourth moment tells a Gaussian from another law.
        ratio = float(jnp.mean(block**2)) / variance(*block.shape)
        assert abs(ratio - 1) < 5 * np.sqrt(2 / block.size)
        kurtosis = float(jnp.mean(block**4) / jnp.mean(block**2) ** 2)
        assert abs(kurtosis - 3) < 5 * np.sqrt(24 / block.size)
    assert not np.any(net.cell.bias) and not np.any(net.output_bias)


@pytest.mark.parametrize(
    ("kind", "sizes"), [(nn.DeepLinear, (4, 6, 3)), (nn.LinearRNN, (7, 3, 5)), (nn.LSTM, (4, 6, 3))]
)
def test_orthogonal_has_equal_singular_values(key, kind, sizes):
    net = make(nn.orthogonal(1.3), kind, sizes, key)
    for _, matrix, gates in nn.weight_matrices(net):
        for block in np.split(np.asarray(matrix), gates):
            assert_close(np.linalg.svd(block, compute_uv=False), np.full(min(block.shape), 1.3), "exact")


def test_a_chain_of_orthogonal_weights_is_an_isometry(key):
    net = make(nn.orthogonal(0.9), nn.DeepLinear, (8,) * 8, key)
    assert_close(np.linalg.svd(np.asarray(net.end_to_end()), compute_uv=False), np.full(8, 0.9**7), "exact")


def test_a_network_keeps_all_but_its_matrices(key):
    net = eqx.tree_at(lambda n: n.biases[0], nn.MLP((3, 5, 2), jnp.sin, key=key, dtype=jnp.float32), jnp.ones(5))
    new = nn.small((1.0, 0.0))(net, key=key)
    assert new.activation is jnp.sin and np.all(new.biases[0] == 1)
    assert new.weights[0].dtype == jnp.float32 and not np.allclose(new.weights[0], net.weights[0])
    assert not np.any(new.weights[1])


def test_numbers_of_an_initializer_are_traceable(key):
    task = some_task()
    kinds = [nn.small, nn.orthogonal, lambda s: nn.balanced(s, nn.aligned(task, s))]
    scales, member_keys = jnp.array([0.1, 0.2, 0.3]), jr.split(key, 3)
    for init in kinds:

        def weights(scale, key, init=init):
            return init(scale)(nn.DeepLinear, (6, 3, 4), key=key).weights

        alone = jax.jit(weights)(scales[1], member_keys[1])
        for together, weight in zip(jax.jit(jax.vmap(weights))(scales, member_keys), alone):
            assert_close(together[1], weight, "exact")


@pytest.mark.parametrize("sizes", [(6, 4), (6, 5, 4), (6, 7, 5, 4)], ids=["depth 1", "depth 2", "depth 3"])
def test_aligned_weights_have_the_asked_mode_strengths(key, sizes):
    task = some_task()
    left, _, right_t = np.linalg.svd(np.asarray(task.yx), full_matrices=False)
    strengths = jnp.array([0.5, 0.3, -0.2, 0.1])
    net = make(nn.aligned(task, strengths), nn.DeepLinear, sizes, key)
    assert_close(left.T @ np.asarray(net.end_to_end()) @ right_t.T, np.diag(strengths), "exact")
    depth = len(sizes) - 1
    for weight in net.weights:
        values = np.linalg.svd(np.asarray(weight), compute_uv=False)
        assert_close(values[:4], np.abs(strengths) ** (1 / depth), "exact")
    assert all(np.abs(balance).max() < 1e-13 for balance in balances(net.weights))


def test_aligned_leaves_out_the_weakest_modes_of_a_bottleneck(key):
    task = some_task()
    left, _, right_t = np.linalg.svd(np.asarray(task.yx), full_matrices=False)
    net = make(nn.aligned(task, 0.1), nn.DeepLinear, (6, 2, 4), key)
    assert_close(left.T @ np.asarray(net.end_to_end()) @ right_t.T, np.diag([0.1, 0.1, 0, 0]), "exact")


@pytest.mark.parametrize("kind", [nn.LinearRNN, nn.VanillaRNN])
def test_aligned_recurrent_weights_have_one_rotation(key, kind):
    task = some_task()
    left, _, right_t = np.linalg.svd(np.asarray(task.yx), full_matrices=False)
    a, b, c = jnp.array([0.1, 0.2, 0.3, 0.4]), jnp.array([0.9, -0.8, 0.7, 1.1]), 0.5
    net = make(nn.aligned(task, (a, b, c)), kind, (6, 9, 4), key)
    first, recurrent, last = (np.asarray(w) for w in nn.chained_weights(net))
    for lag in range(4):
        response = last @ np.linalg.matrix_power(recurrent, lag) @ first
        assert_close(left.T @ response @ right_t.T, np.diag(c * b**lag * a), "exact")


def test_aligned_modes_learn_for_themselves(key):
    """The flow of the full matrices (SciPy) is that of one scalar pair for each mode (SciPy)."""
    task = some_task(4, 3)
    yx = np.asarray(task.yx)
    left, s, right_t = np.linalg.svd(yx, full_matrices=False)
    start = (jnp.array([0.1, 0.2, 0.3]), jnp.array([0.4, 0.1, 0.2]))
    net = make(nn.aligned(task, start), nn.DeepLinear, (4, 5, 3), key)

    def matrices(_, flat):
        first, last = flat[:20].reshape(5, 4), flat[20:].reshape(3, 5)
        error = yx - last @ first
        return np.concatenate([(last.T @ error).ravel(), (error @ first.T).ravel()])

    def modes(_, flat):
        a, b = flat.reshape(2, 3)
        return np.concatenate([b * (s - a * b), a * (s - a * b)])

    options = {"rtol": 1e-10, "atol": 1e-12}
    flat = np.concatenate([np.asarray(w).ravel() for w in net.weights])
    end = solve_ivp(matrices, (0, 1.0), flat, **options).y[:, -1]
    a, b = solve_ivp(modes, (0, 1.0), np.concatenate(start), **options).y[:, -1].reshape(2, 3)
    learned = left.T @ end[20:].reshape(3, 5) @ end[:20].reshape(5, 4) @ right_t.T
    np.testing.assert_allclose(learned, np.diag(a * b), atol=1e-8)


@pytest.mark.parametrize(
    ("sizes", "balance"),
    [((5, 3, 4), 2.0), ((5, 3, 4), -2.0), ((2, 4, 6), 1.5), ((7, 6, 3), -0.3), ((3, 8, 2), 0.0)],
)
def test_balanced_weights_are_balanced_exactly(key, sizes, balance):
    of = nn.small(1e-3)
    net = make(nn.balanced(balance, of), nn.DeepLinear, sizes, key)
    (found,) = balances(net.weights)
    scale = abs(balance) + 1.0
    np.testing.assert_allclose(found, balance * np.eye(sizes[1]), atol=1e-14 * scale * sizes[1])
    plain = make(of, nn.DeepLinear, sizes, key).end_to_end()
    np.testing.assert_allclose(net.end_to_end(), plain, rtol=1e-10, atol=1e-14 * np.abs(plain).max())


def test_balanced_singular_values_are_those_of_the_closed_form(key):
    task, balance, strengths = some_task(), 0.7, np.array([0.5, 0.4, 0.2])
    net = make(nn.balanced(balance, nn.aligned(task, jnp.array([*strengths, 0.1]))), nn.DeepLinear, (6, 3, 4), key)
    root = np.sqrt(balance**2 + 4 * strengths**2)
    for weight, sign in zip(net.weights, (-1, 1)):
        values = np.sort(np.linalg.svd(np.asarray(weight), compute_uv=False) ** 2)[::-1]
        assert_close(values, (sign * balance + root) / 2, "exact")


@pytest.mark.parametrize("sizes", [(5, 4), (3, 9, 2), (4, 6, 2, 5, 3)])
def test_zero_balanced_weights_of_any_depth(key, sizes):
    net = make(nn.zero_balanced(nn.fan_in()), nn.DeepLinear, sizes, key)
    assert all(np.abs(balance).max() < 1e-14 for balance in balances(net.weights))
    assert_close(net.end_to_end(), make(nn.fan_in(), nn.DeepLinear, sizes, key).end_to_end(), "exact")


def test_balance_of_a_recurrent_network_keeps_its_recurrent_weights(key):
    task = some_task()
    base = nn.aligned(task, (0.3, 0.9, 0.1))
    net = make(nn.balanced(0.5, base), nn.LinearRNN, (6, 4, 4), key)
    plain = make(base, nn.LinearRNN, (6, 4, 4), key)
    first, last = np.asarray(net.input_weights), np.asarray(net.output_weights)
    np.testing.assert_allclose(last.T @ last - first @ first.T, 0.5 * np.eye(4), atol=1e-13)
    assert_close(net.recurrent_weights, plain.recurrent_weights, "exact")
    # The hidden units keep their orientation: the modes are still aligned, at every lag.
    assert_close(net.impulse_response(4), plain.impulse_response(4), "exact")


@pytest.mark.parametrize(("sizes", "balance"), [((5, 6, 4), 1.0), ((3, 4, 6), -1.0)])
def test_impossible_balances_are_refused_with_a_sentence(key, sizes, balance):
    with pytest.raises(ValueError, match="no more hidden units than"):
        make(nn.balanced(balance), nn.DeepLinear, sizes, key)
    with pytest.raises(RuntimeError, match="no more hidden units than"):
        jax.block_until_ready(
            eqx.filter_jit(lambda b: make(nn.balanced(b), nn.DeepLinear, sizes, key).weights)(jnp.asarray(balance))
        )


def test_what_does_not_fit_is_refused(key):
    task = some_task()
    with pytest.raises(ValueError, match="defined for two weights"):
        nn.balanced(1.0)(nn.DeepLinear, (3, 3, 3, 3), key=key)
    with pytest.raises(ValueError, match="one after the other"):
        nn.balanced(0.0)(nn.GRU, (3, 4, 2), key=key)
    with pytest.raises(ValueError, match="needs the sizes"):
        nn.small(0.1)(nn.DeepLinear, key=key)
    with pytest.raises(ValueError, match="belong to a class"):
        nn.small(0.1)(nn.MLP((3, 4, 2), key=key), (3, 4, 2), key=key)
    with pytest.raises(ValueError, match="of at least 0"):
        nn.small(-0.1)
    with pytest.raises(ValueError, match="one entry for each weight"):
        nn.small((0.1, 0.1, 0.1))(nn.DeepLinear, (3, 4, 2), key=key)
    with pytest.raises(ValueError, match="first and the last of the sizes"):
        nn.aligned(task, 0.1)(nn.DeepLinear, (5, 4), key=key)
    with pytest.raises(ValueError, match="splits it over its weights"):
        nn.aligned(task, 0.1)(nn.LinearRNN, (6, 4, 4), key=key)
    with pytest.raises(ValueError, match="one for each of the task's 4 modes"):
        nn.aligned(task, jnp.ones(3))(nn.DeepLinear, (6, 4), key=key)

"""Batches of tokens and classes: their checks, unit vectors, losses and accuracies, and a network that learns them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import CrossEntropy, SquaredError, learn, nn, tasks
from tests.tolerances import assert_close


class OneHot(nn.AbstractRecurrent):
    """A recurrent network behind unit vectors."""

    inner: nn.GRU
    vocab_size: int = eqx.field(static=True)

    def init_state(self):
        return self.inner.init_state()

    def step(self, state, x):
        return self.inner.step(state, jax.nn.one_hot(x, self.vocab_size))

    def __call__(self, xs, state=None):
        return self.inner(jax.nn.one_hot(xs, self.vocab_size), state)


@eqx.filter_jit
def sample(task, key, num, length=None, min_length=None):
    return task.sample(num, key=key, length=length, min_length=min_length)


X = jnp.array([[0, 1, 2], [2, 2, 0]])
MASK = jnp.array([[True, False, True], [False, True, False]])


def test_batches_take_tokens_and_classes_and_refuse_misfits():
    assert not tasks.Batch(X, jnp.array([1, 0])).every_step
    assert tasks.Batch(X, X, MASK).every_step
    assert tasks.Batch(X, jnp.zeros((2, 3, 4))).every_step
    assert tasks.Batch(jnp.zeros((2, 5)), jnp.array([1, 0])).has_classes
    for x, y in [
        (X, jnp.zeros((2, 4), jnp.int32)),
        (X, jnp.zeros(3, jnp.int32)),
        (jnp.zeros((2, 5)), jnp.zeros((2, 5), jnp.int32)),
        (jnp.zeros((2, 5)), jnp.zeros((2, 5, 1))),
    ]:
        with pytest.raises(ValueError, match="Batch needs x of shape"):
            tasks.Batch(x, y)


def test_unit_vectors_have_moments_and_tokens_say_so():
    batch = sample(tasks.Sum(4, modulus=3, every_step=True), jr.key(0), 50)
    with pytest.raises(ValueError, match=r"one_hot\(vocab_size, num_classes\)"):
        batch.moments()
    moments = batch.one_hot(4, 3).moments()
    x, y = np.eye(4)[np.asarray(batch.x)], np.eye(3)[np.asarray(batch.y)]
    assert_close(moments.yx, np.einsum("pto,psi->tsoi", y, x) / 50, "exact")
    single = sample(tasks.Sum(4, modulus=3), jr.key(0), 50).one_hot(4, 3)
    assert isinstance(single.moments(), tasks.TemporalMoments)
    assert single.one_hot(9, 9).x is single.x and batch.one_hot(4, 3, jnp.float32).x.dtype == jnp.float32


def test_cross_entropy_of_classes_is_that_of_unit_vectors():
    logits = jr.normal(jr.key(1), (2, 3, 4))
    plain = -np.log(np.exp(logits) / np.sum(np.exp(logits), -1, keepdims=True))
    assert_close(CrossEntropy()(logits, X), np.take_along_axis(plain, np.asarray(X)[..., None], -1)[..., 0], "exact")
    assert_close(CrossEntropy()(logits, X), CrossEntropy()(logits, jax.nn.one_hot(X, 4)), "exact")


@pytest.mark.parametrize("weight", [None, jnp.array([1.0, 3.0])])
def test_loss_and_accuracies_count_what_is_not_masked(weight):
    net = OneHot(nn.GRU((3, 4, 3), key=jr.key(2)), 3)
    outputs = np.asarray(jax.vmap(lambda x: net(x)[0])(X))
    logs = outputs - np.log(np.sum(np.exp(outputs), -1, keepdims=True))
    w = np.ones(2) if weight is None else np.asarray(weight)
    losses = [-logs[0, 0, 0] - logs[0, 2, 2], -logs[1, 1, 2]]
    batch = tasks.Batch(X, X, MASK, weight)
    assert_close(nn.sample_loss(net, batch, CrossEntropy()), np.sum(w * losses) / np.sum(w), "exact")
    last = tasks.Batch(X, X[:, -1], None, weight)
    losses = [-logs[0, -1, 2], -logs[1, -1, 0]]
    assert_close(nn.sample_loss(net, last, CrossEntropy()), np.sum(w * losses) / np.sum(w), "exact")
    with pytest.raises(ValueError, match="needs targets that are numbers"):
        nn.sample_loss(net, last, SquaredError())
    # One example has no axis to be mapped over.
    one = tasks.Batch(X[:1], X[:1], MASK[:1], None if weight is None else weight[:1])
    assert_close(nn.sample_loss(net, one, CrossEntropy()), -logs[0, 0, 0] - logs[0, 2, 2], "exact")
    one = tasks.Batch(X[1:], X[1:, -1], None, None)
    assert_close(nn.sample_loss(net, one, CrossEntropy()), losses[1], "exact")

    # Right are steps 0 and 1 of the first example, of which the second does not count, and all of the other.
    guess = jax.nn.one_hot(jnp.array([[0, 1, 1], [2, 2, 0]]), 3)
    assert_close(tasks.accuracy(guess, batch), (w[0] * 1 + w[1] * 1) / (2 * w[0] + w[1]), "exact")
    assert_close(tasks.sequence_accuracy(guess, batch), w[1] / np.sum(w), "exact")
    assert_close(tasks.accuracy(guess, last), w[1] / np.sum(w), "exact")
    assert_close(tasks.sequence_accuracy(guess[:, -1], last.one_hot(3, 3)), w[1] / np.sum(w), "exact")


def test_a_recurrent_network_learns_from_fresh_tokens_and_is_measured_on_longer_ones():
    task = tasks.CycleNavigation(4, cycle_length=2, every_step=True)
    net = OneHot(nn.GRU((task.vocab_size, 8, 2), key=jr.key(3)), task.vocab_size)
    longer = sample(task, jr.key(4), 40, 6)
    trajectory = learn.simulate(
        net,
        task,
        jnp.array([0.0, 10.0]),
        rule=learn.Descent(0.05, batch_size=16),
        loss=CrossEntropy(),
        observe=[learn.Accuracy("test", longer), learn.Accuracy("test", longer, sequences=True)],
        key=jr.key(5),
    )
    assert set(trajectory.names()) == {"loss", "test_accuracy", "test_sequence_accuracy"}
    assert abs(float(trajectory["loss"][0]) / (4 * np.log(2)) - 1) < 0.3
    assert trajectory["loss"][-1] < trajectory["loss"][0]
    final = jax.vmap(lambda x: trajectory.network(x)[0])(longer.x)
    assert_close(trajectory["test_accuracy"][-1], tasks.accuracy(final, longer), "exact")
    assert_close(trajectory["test_sequence_accuracy"][-1], tasks.sequence_accuracy(final, longer), "exact")
    with pytest.raises(ValueError, match="a `batch`"):
        learn.Accuracy().bind(net, task, CrossEntropy())


def test_linear_networks_learn_unit_vectors_and_tasks_without_moments():
    batch = sample(tasks.Sum(4, modulus=3), jr.key(0), 50).one_hot(4, 3)
    net = nn.fan_in(0.5)(nn.LinearRNN, (4, 5, 3), key=jr.key(1))
    assert_close(nn.sample_loss(net, batch, SquaredError()), batch.moments().loss(net), "closed_form")
    adding = learn.simulate(
        nn.fan_in(0.5)(nn.LinearRNN, (2, 5, 1), key=jr.key(1)),
        tasks.Adding(6),
        jnp.array([0.0, 0.5]),
        rule=learn.Descent(0.05, batch_size=8),
        key=jr.key(2),
    )
    assert adding.names() == ("loss",)


# --- tasks of numbers -------------------------------------------------------------------------------------------------


def test_adding_sums_the_two_marked_numbers():
    task = tasks.Adding(10)
    batch = sample(task, jr.key(0), 2000)
    numbers, marks = np.asarray(batch.x[..., 0]), np.asarray(batch.x[..., 1])
    assert np.all(np.sum(marks[:, :5], 1) == 1) and np.all(np.sum(marks[:, 5:], 1) == 1)
    assert set(np.unique(marks)) == {0, 1}
    assert_close(batch.y[:, 0], np.sum(numbers * marks, axis=1), "exact")
    # The error of the constant 1 is the variance of a sum of two uniform numbers.
    error = (np.asarray(batch.y) - 1) ** 2
    assert abs(np.mean(error) - task.chance) < 5 * np.std(error) / np.sqrt(2000)
    padded = sample(task, jr.key(1), 200, 13, 2)
    size = 1 + np.argmax(np.asarray(padded.mask), axis=1)
    assert np.all(np.sum(padded.mask, axis=1) == 1) and set(size) == set(range(2, 14))
    for x, y, n in zip(np.asarray(padded.x), np.asarray(padded.y), size):
        assert np.all(x[n:] == 0) and np.sum(x[: n // 2, 1]) == np.sum(x[n // 2 : n, 1]) == 1
        assert_close(y[n - 1, 0], np.sum(x[:, 0] * x[:, 1]), "exact")
    with pytest.raises(ValueError, match="2 <= min_length"):
        task.sample(2, key=jr.key(0), length=1)


def test_digits_are_read_pixel_by_pixel():
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = {tuple(image): int(label) for image, label in zip(loaded.data / 16, loaded.target)}  # pyright: ignore
    task = tasks.sequence_task("sequential_digits")
    split = eqx.filter_jit(lambda key: task.draw(200, key=key))(jr.key(0))
    parts = [{tuple(x[:, 0].tolist()) for x in np.asarray(part.x)} for part in (split.train, split.test)]
    for part in (split.train, split.validation, split.test):
        assert part.x.shape == (200, 64, 1)
        assert [images[tuple(x[:, 0].tolist())] for x in np.asarray(part.x)] == part.y.tolist()
    assert not parts[0] & parts[1]
    permuted = tasks.sequence_task("sequential_digits", permuted=True, seed=1)
    order = np.random.default_rng(1).permutation(64)
    assert_close(permuted.images, np.asarray(task.images)[:, order], "exact")
    with pytest.raises(ValueError, match="64 pixels"):
        task.sample(3, key=jr.key(0), length=32)

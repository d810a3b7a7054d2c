"""Tasks that hold their own loss, against SciPy and steps written out."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
import scipy.integrate

from linnet import analyse, learn, nn, tasks


class Valley(tasks.AbstractSetting):
    """A quartic valley in the product of a network, whose floor moves once."""

    target: float
    until: float

    def applies(self, network, loss):
        return None if isinstance(network, nn.DeepLinear) else "it needs a `DeepLinear` network."

    def loss(self, network):
        return jnp.sum((network.end_to_end() - self.target) ** 4)

    def jumps(self):
        return jnp.asarray([self.until])

    def loss_at(self, network, time):
        return jnp.sum((network.end_to_end() - jnp.where(time < self.until, -1.0, self.target)) ** 4)


NETWORK = nn.DeepLinear([jnp.array([[0.5]]), jnp.array([[0.8]])])
TS = np.linspace(0, 3, 31)


def slope(t, w):
    target = -1.0 if t < 1 else 2.0
    outer = 4 * (w[0] * w[1] - target) ** 3
    return -outer * np.array([w[1], w[0]])


def test_a_flow_follows_the_schedule():
    first = scipy.integrate.solve_ivp(slope, (0, 1 - 1e-12), [0.5, 0.8], rtol=1e-10, atol=1e-12)
    second = scipy.integrate.solve_ivp(slope, (1, 3), first.y[:, -1], t_eval=TS[TS >= 1], rtol=1e-10, atol=1e-12)
    found = learn.simulate(NETWORK, Valley(2.0, 1.0), TS)
    np.testing.assert_allclose(found["loss"][TS >= 1], (second.y[0] * second.y[1] - 2.0) ** 4, rtol=1e-5, atol=1e-8)
    assert found.names() == ("loss",)


def test_descent_follows_the_schedule_by_steps():
    w, rate, losses = np.array([0.5, 0.8]), 0.01, []
    for step in range(301):
        losses.append((w[0] * w[1] - 2.0) ** 4)
        w = w + rate * slope(step * rate + 1e-12, w)
    found = learn.simulate(NETWORK, Valley(2.0, 1.0), TS, rule=learn.Descent(rate))
    np.testing.assert_allclose(found["loss"], losses[::10], rtol=1e-9)


def test_members_of_an_ensemble_have_their_own_settings():
    def make(key, target):
        return NETWORK, Valley(target, 0.0), learn.GradientFlow()

    found = learn.ensemble(make, TS, {"target": np.array([1.0, 2.0])}, key=jr.key(0))
    alone = learn.simulate(NETWORK, Valley(2.0, 0.0), TS)
    np.testing.assert_allclose(found["loss"][1], alone["loss"], rtol=1e-6, atol=1e-9)


def test_sharpness_is_that_of_the_setting():
    w = np.array([0.5, 0.8])
    error = w[0] * w[1] - 2.0
    gradient = np.array([w[1], w[0]])
    hessian = 12 * error**2 * np.outer(gradient, gradient) + 4 * error**3 * np.array([[0, 1], [1, 0]])
    np.testing.assert_allclose(analyse.sharpness(NETWORK, Valley(2.0, 0.0)), np.linalg.eigvalsh(hessian)[-1], rtol=1e-8)


@pytest.mark.parametrize(
    ("network", "rule", "sentence"),
    [
        (nn.MLP((1, 1), key=jr.key(0)), None, "needs a"),
        (NETWORK, learn.Descent(0.1, batch_size=2), "no samples to draw"),
        (NETWORK, learn.Descent(optax.constant_schedule(0.1)), "constant"),
    ],
)
def test_what_does_not_fit_is_refused(network, rule, sentence):
    with pytest.raises(ValueError, match=sentence):
        learn.simulate(network, Valley(2.0, 1.0), TS, rule=rule, key=jr.key(0))

"""Every row of docs/conventions.md: the other convention, by hand in NumPy, against linnet at the converted time."""

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import linnet as ln
from tests.tolerances import assert_close

NUM, IN, HIDDEN, OUT = 30, 4, 3, 2


def problem(seed=0):
    """Samples as columns, and the weights of a two-layer linear network."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(IN, NUM))
    y = rng.normal(size=(OUT, IN)) @ x + 0.3 * rng.normal(size=(OUT, NUM))
    return x, y, 0.3 * rng.normal(size=(HIDDEN, IN)), 0.3 * rng.normal(size=(OUT, HIDDEN))


def whitened(x):
    """Inputs with sum x x^T = I."""
    return np.linalg.solve(np.linalg.cholesky(x @ x.T), x)


def moments(x, y):
    num = x.shape[1]
    return ln.tasks.Moments(xx=jnp.array(x @ x.T / num), yx=jnp.array(y @ x.T / num), yy=jnp.array(y @ y.T / num))


def deep(*weights):
    return ln.nn.DeepLinear(weights=tuple(jnp.array(weight) for weight in weights))


def rates(network, *factors):
    """A factor for each weight, in the network's own tree."""
    return eqx.tree_at(jtu.tree_leaves, network, factors)


def descend(scale, x, y, w1, w2, rate, steps):
    """Gradient descent on scale * 1/2 sum_p |y_p - w2 w1 x_p|^2: that loss at each step, and the final map."""
    losses = []
    for _ in range(steps + 1):
        residual = y - w2 @ w1 @ x
        losses.append(scale * 0.5 * np.sum(residual**2))
        end_to_end, correlation = w2 @ w1, scale * residual @ x.T
        w1, w2 = w1 + rate * w2.T @ correlation, w2 + rate * correlation @ w1.T
    return np.array(losses), end_to_end


@pytest.mark.parametrize(
    ("convention", "scale", "rate"),
    [
        # scale is read off the other library's formula, without linnet: (their loss) / (1/2 sum over everything)
        (ln.conventions.torch_mse(OUT), 2 / (NUM * OUT), 0.1),
        (ln.conventions.torch_mse_sum(NUM), 2.0, 0.002),
        (ln.conventions.sum_over_samples(NUM), 1.0, 0.004),
        (ln.conventions.saxe(NUM, tau=1 / 0.004), 1.0, 0.004),
        (ln.conventions.neural_tangents(OUT), 1 / (NUM * OUT), 0.2),
    ],
    ids=["torch_mse", "torch_mse_sum", "sum_over_samples", "saxe", "neural_tangents"],
)
def test_descent_in_another_convention_takes_the_same_steps(convention, scale, rate):
    x, y, w1, w2 = problem()
    losses, end_to_end = descend(scale, x, y, w1, w2, rate, steps=40)
    # Saxe's time is in epochs, the rate being in tau; elsewhere it is rate x steps.
    theirs = np.arange(41) * (1.0 if "tau" in convention.statement else rate)
    rule = ln.learn.Descent(jnp.asarray(convention.to_time(theirs[1])))
    run = ln.learn.simulate(deep(w1, w2), moments(x, y), jnp.array(convention.to_time(theirs)), rule=rule)
    assert_close(convention.from_loss(run["loss"]), losses, "closed_form")
    assert_close(run.network.end_to_end(), end_to_end, "closed_form")
    assert losses[-1] < 0.5 * losses[0], "nothing was learned, so nothing was compared"
    assert_close(convention.from_time(run.ts), theirs, "exact")


def test_to_and_from_are_inverse():
    for convention in (ln.conventions.torch_mse(7), ln.conventions.advani(9, tau=2.0), ln.conventions.bordelon(0.1)):
        value = np.array([0.3, 2.0])
        for name in ("loss", "time", "learning_rate"):
            there, back = getattr(convention, f"from_{name}"), getattr(convention, f"to_{name}")
            assert_close(back(there(value)), value, "exact")


def test_a_convention_refuses_what_is_not_positive():
    with pytest.raises(ValueError, match="positive num_outputs, got 0"):
        ln.conventions.torch_mse(0)


def test_saxe_half_time():
    """Sums whitened to the identity: a mode passes half its value at tau / (2 s) ln(s / u0 - 1), s of the sum."""
    x = whitened(problem()[0])
    left, right = np.linalg.qr(np.random.default_rng(1).normal(size=(OUT, OUT)))[0], np.eye(IN)[:, :OUT]
    strengths, initial, tau = np.array([3.0, 1.5]), 1e-3, 25.0
    y = left * strengths @ right.T @ x  # sum y x^T = U S V^T
    w1, w2 = np.sqrt(initial) * right.T, np.sqrt(initial) * left
    convention = ln.conventions.saxe(NUM, tau)
    half = tau / (2 * strengths) * np.log(strengths / initial - 1)
    run = ln.learn.simulate(deep(w1, w2), moments(x, y), convention.to_time(jnp.linspace(0.0, 2 * half.max(), 4001)))
    assert_close(convention.from_time(run.half_times(final=jnp.array(strengths))), half, "ode")


def test_advani_flow_and_errors():
    """tau dw/dt = y X^T - w X X^T, solved by its eigenvectors, with errors (1/P) |y - w X|^2."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(IN, NUM)) / np.sqrt(IN)
    y = rng.normal(size=(1, IN)) @ x + 0.5 * rng.normal(size=(1, NUM))
    start, tau, theirs = rng.normal(size=(1, IN)), 3.0, np.linspace(0.0, 2.0, 21)
    values, vectors = np.linalg.eigh(x @ x.T)
    best = y @ x.T @ vectors / values
    ws = [(best + (start @ vectors - best) * np.exp(-values * t / tau)) @ vectors.T for t in theirs]
    errors = [np.mean((y - w @ x) ** 2) for w in ws]
    convention = ln.conventions.advani(NUM, tau)
    run = ln.learn.simulate(deep(start), moments(x, y), convention.to_time(jnp.array(theirs)))
    assert_close(convention.from_loss(run["loss"]), errors, "ode")


@pytest.mark.slow
def test_smekal_frequency_sums():
    """Their closed form u(t) from sums over DFT frequencies, against linnet's sums over steps."""
    length, decay, tau = 64, 0.5, 4.0
    inputs = np.zeros(length)
    inputs[0] = 1.3  # an impulse that has decayed before the end: circular and causal convolution agree
    targets = 0.8 * 0.6 ** np.arange(length)
    h = 1 / (1 - decay * np.exp(-2j * np.pi * np.arange(length) / length))
    u_hat, y_hat = np.fft.fft(inputs), np.fft.fft(targets)
    sigma, eta = np.mean(np.real(np.conj(h * u_hat) * y_hat)), np.mean(np.abs(h * u_hat) ** 2)
    theirs, u0 = np.linspace(0.0, 12.0, 25), 0.01
    grown = np.exp(2 * sigma * theirs / tau)
    u = sigma * grown / (eta * (grown - 1) + sigma / u0)
    loss = np.array([0.5 * np.mean(np.abs(y_hat - h * u_hat * strength) ** 2) for strength in u])

    convention = ln.conventions.smekal(tau)
    weight = jnp.full((1, 1), np.sqrt(u0))
    network = ln.nn.LinearRNN(weight, jnp.full((1, 1), decay), weight)
    task = ln.tasks.Batch(x=jnp.array(inputs[None, :, None]), y=jnp.array(targets[None, :, None]))
    rule = ln.learn.GradientFlow(rates=rates(network, 1.0, 0.0, 1.0))
    run = ln.learn.simulate(network, task, convention.to_time(jnp.array(theirs)), rule=rule)
    assert_close(convention.from_loss(run["loss"]), loss, "ode")
    assert_close(run.network.recurrent_weights, [[decay]], "exact")


def test_mean_over_steps():
    """Descent on 1/2 of a mean over steps, by hand, for a network without recurrence."""
    rng = np.random.default_rng(3)
    steps, rate = 5, 0.1
    x, y = rng.normal(size=(NUM, steps, IN)), rng.normal(size=(NUM, steps, OUT))
    _, _, w1, w2 = problem()
    flat_x, flat_y = x.reshape(-1, IN).T, y.reshape(-1, OUT).T
    losses, end_to_end = descend(1 / (NUM * steps), flat_x, flat_y, w1, w2, rate, steps=30)
    convention = ln.conventions.mean_over_steps(steps)
    network = ln.nn.LinearRNN(jnp.array(w1), jnp.zeros((HIDDEN, HIDDEN)), jnp.array(w2))
    rule = ln.learn.Descent(convention.to_learning_rate(rate), rates=rates(network, 1.0, 0.0, 1.0))
    task = ln.tasks.Batch(x=jnp.array(x), y=jnp.array(y))
    run = ln.learn.simulate(network, task, jnp.array(convention.to_time(rate * np.arange(31))), rule=rule)
    assert_close(convention.from_loss(run["loss"]), losses, "closed_form")
    assert_close(run.network.output_weights @ run.network.input_weights, end_to_end, "closed_form")


def test_kunin_layerwise_rates():
    """Their ODEs with a rate for each layer, by SciPy, against linnet's flow with `rates`; delta is conserved."""
    x = whitened(problem()[0])
    rng = np.random.default_rng(4)
    target, w, a, eta_a, eta_w = rng.normal(size=IN), 0.4 * rng.normal(size=IN), 0.7, 0.5, 2.0

    def flow(_, state):
        a, w = state[0], state[1:]
        return np.concatenate([[eta_a * w @ (target - a * w)], eta_w * a * (target - a * w)])

    theirs = np.linspace(0.0, 3.0, 16)
    solved = scipy.integrate.solve_ivp(flow, (0, 3), np.concatenate([[a], w]), t_eval=theirs, rtol=1e-11, atol=1e-13).y
    loss = 0.5 * np.sum((target[:, None] - solved[0] * solved[1:]) ** 2, axis=0)
    convention = ln.conventions.kunin(NUM)
    network = deep(w[None], np.array([[a]]))
    rule = ln.learn.GradientFlow(rates=rates(network, eta_w, eta_a))
    run = ln.learn.simulate(network, moments(x, target[None] @ x), jnp.array(convention.to_time(theirs)), rule=rule)
    assert_close(convention.from_loss(run["loss"]), loss, "ode")
    last_w, last_a = (np.asarray(weight) for weight in run.network.weights)
    assert_close(eta_w * np.sum(last_a**2) - eta_a * np.sum(last_w**2), eta_w * a**2 - eta_a * w @ w, "ode")


@pytest.mark.slow
def test_bordelon_integral():
    """The scalar ODEs of the integral by SciPy; linnet's sampled loss approaches them in proportion to the step."""
    leak, start_v, start_w, end = 0.7, 0.5, 0.1, 3.0

    def flow(_, state):
        v, c = state[0], 1 - state[1]
        return [-(v / (2 * c) - 1 / (c + leak)), -(v**2) / (4 * c**2) + v / (c + leak) ** 2]

    v, w = scipy.integrate.solve_ivp(flow, (0, end), [start_v, start_w], rtol=1e-11, atol=1e-13).y[:, -1]
    c = 1 - w
    loss = 0.5 * (v**2 / (2 * c) - 2 * v / (c + leak) + 1 / (2 * leak))
    errors = []
    for step in (0.1, 0.05):
        num = round(25 / step)  # the responses have decayed
        response = np.exp(-leak * step * np.arange(num)[::-1])  # the last input has lag 0
        task = ln.tasks.TemporalMoments(
            xx=None, yx=jnp.array(response[:, None, None]), yy=jnp.array([[np.sum(response**2)]])
        )
        network = ln.nn.LinearRNN(
            jnp.ones((1, 1)), jnp.full((1, 1), 1 + step * (start_w - 1)), jnp.full((1, 1), start_v)
        )
        convention = ln.conventions.bordelon(step)
        rule = ln.learn.GradientFlow(rates=rates(network, 0.0, step**2, 1.0))
        run = ln.learn.simulate(network, task, jnp.array(convention.to_time(np.linspace(0, end, 3))), rule=rule)
        outlier = 1 + (float(run.network.recurrent_weights[0, 0]) - 1) / step
        found = [outlier, float(run.network.output_weights[0, 0]), float(convention.from_loss(run["loss"][0]))]
        start = 0.5 * (start_v**2 / (2 * (1 - start_w)) - 2 * start_v / (1 - start_w + leak) + 1 / (2 * leak))
        errors.append(np.abs(np.array(found) - [w, v, start]))
    assert loss < 0.1 * start and np.all(errors[1] < 0.06)
    np.testing.assert_allclose(errors[0] / errors[1], 2.0, atol=0.35)


def square_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def bures_wasserstein(target, w):
    root = square_root(target)
    return np.trace(target) + np.trace(w @ w.T) - 2 * np.trace(square_root(root @ w @ w.T @ root))


def test_bures_wasserstein_is_twice_the_loss_of_the_best_coupling():
    rng = np.random.default_rng(5)
    w, root = rng.normal(size=(IN, IN)), square_root(np.cov(rng.normal(size=(IN, 12))))
    left, _, right = np.linalg.svd(root @ w)
    coupling = left @ right  # maximises tr(Q^T root w)
    task = ln.tasks.Moments(xx=jnp.eye(IN), yx=jnp.array(root @ coupling), yy=jnp.array(root @ root))
    run = ln.learn.simulate(deep(w), task, jnp.array([0.0, 1e-6]))
    assert_close(ln.conventions.bures_wasserstein().from_loss(run["loss"][0]), bures_wasserstein(root @ root, w), "ode")


def test_bures_wasserstein_descent():
    """Descent along 2 (I - T) W, T the optimal transport map, from weights that share the target's eigenvectors."""
    rng = np.random.default_rng(6)
    target = np.cov(rng.normal(size=(IN, 20)))
    vectors = np.linalg.eigh(target)[1]
    start = (vectors * rng.uniform(0.1, 0.5, IN)) @ vectors.T
    root, rate, w, losses = square_root(target), 0.05, start, []
    for _ in range(31):
        losses.append(bures_wasserstein(target, w))
        transport = root @ np.linalg.inv(square_root(root @ w @ w.T @ root)) @ root
        last, w = w, w - rate * 2 * (np.eye(IN) - transport) @ w
    convention = ln.conventions.bures_wasserstein()
    task = ln.tasks.Moments(xx=jnp.eye(IN), yx=jnp.array(root), yy=jnp.array(target))
    rule = ln.learn.Descent(convention.to_learning_rate(rate))
    run = ln.learn.simulate(deep(start), task, jnp.array(convention.to_time(rate * np.arange(31))), rule=rule)
    assert_close(convention.from_loss(run["loss"]), losses, "closed_form")
    assert_close(run.network.end_to_end(), last, "closed_form")


def test_neural_tangents_predictor():
    """f0 - Theta_* Theta^-1 (I - e^{-Theta t / y.size}) (f0 - y) for a network that is linear in its parameters."""
    rng = np.random.default_rng(7)
    num = 3  # fewer samples than inputs: the kernel is invertible
    x, y, test, start = (rng.normal(size=shape) for shape in ((IN, num), (OUT, num), (IN, 2), (OUT, IN)))
    kernel, end = x.T @ x, 9.0  # of each output; the same for all
    decayed = np.eye(num) - scipy.linalg.expm(-kernel * end / y.size)
    predicted = start @ test - (start @ x - y) @ decayed.T @ np.linalg.solve(kernel, x.T @ test)
    convention = ln.conventions.neural_tangents(OUT)
    run = ln.learn.simulate(deep(start), moments(x, y), convention.to_time(jnp.array([0.0, end])))
    assert_close(run.network.end_to_end() @ test, predicted, "ode")

"""Generators against closed forms and against the sums of their definitions, written out in NumPy."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

from linnet import conventions, tasks
from tests.tolerances import assert_close

# --- the teacher ------------------------------------------------------------------------------------------------------


def test_teacher_has_the_signal_to_noise_ratio_and_unit_targets():
    snr = 4.0
    task = tasks.Teacher.random(20_000, snr=snr, key=jr.key(0))
    # A sum of N squares of a Gaussian has a relative standard deviation of sqrt(2 / N) = 1 %.
    assert abs(float(task.snr) / snr - 1) < 5 * np.sqrt(2 / 20_000)
    assert abs(float(jnp.sum(task.weights**2)) / 20_000 - 0.8) < 5 * 0.8 * np.sqrt(2 / 20_000)
    assert_close(task.noise_variance, 0.2, "exact")
    silent = tasks.Teacher.random(5, snr=jnp.inf, key=jr.key(0))
    assert float(silent.noise_variance) == 0 and np.all(np.isfinite(silent.weights))


def test_teacher_gives_advani_spectrum_and_error():
    """The sample's eigenvalues, summed over samples, fill Marchenko and Pastur's interval; loss is half the error."""
    task = tasks.Teacher.random(200, snr=5.0, key=jr.key(0))
    num = task.num_samples(2.0)
    assert num == 400
    batch = task.sample(num, key=jr.key(1))
    eigenvalues = num * np.linalg.eigvalsh(np.asarray(batch.moments().xx))
    low, high = (np.sqrt(2.0) - 1) ** 2, (np.sqrt(2.0) + 1) ** 2
    assert abs(eigenvalues[0] - low) < 0.06 and abs(eigenvalues[-1] - high) < 0.3
    assert abs(np.mean(eigenvalues) - 2.0) < 0.05
    zero = type("Zero", (), {"end_to_end": lambda self: jnp.zeros((1, 200))})()
    generalisation = float(jnp.sum(task.weights**2)) / 200 + float(task.noise_variance)
    theirs = conventions.advani(num).from_loss(float(task.moments().loss(zero)))
    assert_close(theirs, generalisation, "exact")


def test_a_task_can_be_whitened_and_sequences_say_why_not():
    task = tasks.Teacher(jnp.array([[1.0, 2.0, 3.0]]), 0.5, jnp.array([4.0, 1.0, 0.0]))
    white = task.whiten()
    assert_close(white.transform @ task.moments().xx @ white.transform.T, np.eye(2), "exact")
    assert white.discarded.shape == (3, 1)
    with pytest.raises(ValueError, match="without steps"):
        tasks.SensoryIntegration(3, 2).whiten()


def test_teacher_refuses_misfits():
    with pytest.raises(ValueError, match="one for each of its 3 inputs"):
        tasks.Teacher(jnp.ones((2, 3)), 0.1, jnp.ones(2))
    with pytest.raises(ValueError, match="shape"):
        tasks.Teacher(jnp.ones(3))


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_canonical_tree_is_the_data_set_of_the_literature():
    task = tasks.HierarchicalTree.canonical(scale=1.0)
    assert task.features.shape == (15, 8)
    expected = np.array([3.873, 2.6458, 1.7321, 1.7321, 1, 1, 1, 1])
    modes = task.singular_modes()
    # linnet takes means over the 8 items; the strengths of the learned map are the papers' singular values.
    np.testing.assert_allclose(8 * modes.singular_values, expected, atol=5e-5)
    np.testing.assert_allclose(modes.strengths, expected, atol=5e-5)
    white = tasks.HierarchicalTree.canonical()
    assert_close(white.moments().xx, np.eye(8), "exact")
    np.testing.assert_allclose(np.sqrt(8) * white.singular_modes().singular_values, expected, atol=5e-5)


def closed_tree_eigenvalues(levels, flip, branching):
    """Eigenvalues of the items' similarity, with the multiplicity of each level's contrasts."""
    keep = (1 - 2 * flip) ** 2
    sizes = [1] + [(branching - 1) * branching ** (d - 1) for d in range(1, levels + 1)]  # items at distance d
    values = [sum(n * keep**d for d, n in enumerate(sizes))]
    for level in range(1, levels + 1):
        depth = levels - level
        value = sum(sizes[d] * keep**d for d in range(depth + 1)) - branching**depth * keep ** (depth + 1)
        values += [value] * (branching - 1) * branching ** (level - 1)
    return np.array(values)


@pytest.mark.parametrize(("levels", "flip", "branching"), [(3, 0.1, 2), (2, 0.25, 3), (0, 0.1, 2)])
def test_expected_tree_has_the_closed_spectrum(levels, flip, branching):
    task = tasks.HierarchicalTree.expected(levels, flip, branching=branching, scale=1.0)
    strengths = task.singular_modes().strengths
    exact = np.sqrt(np.maximum(closed_tree_eigenvalues(levels, flip, branching), 0))
    np.testing.assert_allclose(np.sort(strengths), np.sort(exact), rtol=1e-9, atol=1e-6)


def test_diffusion_converges_to_the_expected_tree():
    num = 4000
    drawn = tasks.HierarchicalTree.diffusion(3, num, 0.1, key=jr.key(5), branching=2)
    assert set(np.unique(drawn.features)) == {-1.0, 1.0}
    expected = tasks.HierarchicalTree.expected(3, 0.1)
    similarity = drawn.features.T @ drawn.features / num
    exact = expected.features.T @ expected.features
    # Each entry is a mean of num signs: its standard error is at most 1 / sqrt(num).
    assert float(jnp.max(jnp.abs(similarity - exact))) < 5 / np.sqrt(num)
    children = np.asarray(drawn.features)
    assert abs(np.mean(children[:, 0] != children[:, 1]) - 2 * 0.1 * 0.9) < 5 * np.sqrt(0.18 * 0.82 / num)


def test_all_items_once_are_the_population():
    task = tasks.HierarchicalTree.diffusion(2, 7, 0.2, key=jr.key(0), scale=1.3)
    items, population = task.items().moments(), task.moments()
    assert_close(items.xx, population.xx, "exact")
    assert_close(items.yx, population.yx, "exact")
    assert_close(items.yy, population.yy, "exact")
    with pytest.raises(ValueError, match="levels >= 0"):
        tasks.HierarchicalTree.canonical(-1)


# --- task dynamics ----------------------------------------------------------------------------------------------------

DELTA, RATE, STEPS = np.array([1.5, 0.4]), np.array([0.7, 1.3]), 5


def diagonals(profile, num_steps=STEPS):
    return np.einsum("tmm->tm", np.asarray(profile.last(num_steps)))


def test_profiles_are_their_formulas():
    delta, rate = jnp.asarray(DELTA), jnp.asarray(RATE)
    t = np.arange(1, STEPS + 1)[:, None]
    assert_close(diagonals(tasks.Constant(delta)), np.broadcast_to(DELTA, (STEPS, 2)), "exact")
    assert_close(diagonals(tasks.Exponential(delta, rate)), DELTA * RATE**t, "exact")
    assert_close(diagonals(tasks.InverseExponential(delta, rate)), DELTA * RATE ** (STEPS - t), "exact")
    dirac = diagonals(tasks.Dirac(delta, rate))
    assert_close(dirac[[0, -1]], [DELTA, RATE], "exact")
    assert np.all(dirac[1:-1] == 0)
    final = diagonals(tasks.WithFinal(tasks.Constant(delta), rate))
    assert_close(final, np.concatenate([np.broadcast_to(DELTA, (STEPS - 1, 2)), RATE[None]]), "exact")
    assert_close(diagonals(tasks.Steps(jnp.asarray(DELTA * RATE**t))), DELTA * RATE**t, "exact")


def test_rotational_blocks_are_powers_of_a_complex_eigenvalue():
    radius, angle, delta = 0.9, np.pi / 6, 0.7
    blocks = tasks.Rotational(jnp.array([delta, 1.0]), jnp.array([radius, 1.0]), jnp.array([angle, 0.3])).last(STEPS)
    generator = scipy.linalg.block_diag(
        radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]),
        np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]),
    )
    size = np.diag([delta, delta, 1, 1])
    for step in range(1, STEPS + 1):
        assert_close(blocks[step - 1], size @ np.linalg.matrix_power(generator, STEPS - step), "exact")
    eigenvalues = np.linalg.eigvals(generator)
    assert np.min(np.abs(eigenvalues - radius * np.exp(1j * angle))) < 1e-12


def test_targets_are_the_sums_of_their_definition():
    profile = tasks.InverseExponential(jnp.asarray(DELTA), jnp.asarray(RATE))
    task = tasks.TaskDynamics.random(profile, STEPS, inputs=3, outputs=4, key=jr.key(0), every_step=True)
    batch = task.sample(5, key=jr.key(1))
    u, v, x = np.asarray(task.left), np.asarray(task.right), np.asarray(batch.x)
    expected = np.zeros((5, STEPS, 4))
    for t in range(STEPS):
        for i in range(t + 1):
            expected[:, t] += x[:, i] @ v @ np.diag(DELTA * RATE ** (t - i)) @ u.T
    assert_close(batch.y, expected, "exact")
    last = tasks.TaskDynamics(task.left, task.right, profile, STEPS).sample(5, key=jr.key(1))
    assert_close(last.x, batch.x, "exact")
    assert_close(last.y, expected[:, -1], "exact")
    assert_close(np.asarray(u).T @ u, np.eye(2), "exact")


def test_modes_of_the_task_are_those_given():
    values = jnp.array([[0.3, 2.0], [-1.0, 1.0], [0.5, 0.7]])
    task = tasks.TaskDynamics.random(values, inputs=4, outputs=3, key=jr.key(2))
    assert task.num_steps == 3
    modes = task.singular_modes()
    assert_close(modes.singular_values[:2], np.sqrt(np.sum(np.asarray(values) ** 2, 0))[[1, 0]], "closed_form")
    assert_close(modes.singular_values[2], 0.0, "closed_form")
    assert float(modes.off_diagonal) < 1e-10
    by_step = modes.step_singular_values
    assert by_step is not None
    assert_close(np.abs(by_step[:, :2]), np.abs(np.asarray(values)[:, [1, 0]]), "closed_form")


def test_a_linear_network_with_the_zero_loss_solution_has_no_loss():
    """Inverse-exponential: b* = lambda, (ac)* = delta; exponential: b* = 1 / lambda, (ac)* = delta lambda^T."""
    for profile, recurrent, product in (
        (tasks.InverseExponential, RATE, DELTA),
        (tasks.Exponential, 1 / RATE, DELTA * RATE**STEPS),
    ):
        for every_step in (False, True) if profile is tasks.InverseExponential else (False,):
            task = tasks.TaskDynamics.random(
                profile(jnp.asarray(DELTA), jnp.asarray(RATE)),
                STEPS,
                inputs=3,
                outputs=2,
                key=jr.key(3),
                every_step=every_step,
            )
            lags = [task.left @ jnp.diag(product * recurrent**k) @ task.right.T for k in range(STEPS)]
            network = type("Impulse", (), {"impulse_response": lambda self, num, lags=lags: jnp.stack(lags)})()
            assert float(task.moments().loss(network)) < 1e-12
            other = type("Impulse", (), {"impulse_response": lambda self, num, lags=lags: 1.1 * jnp.stack(lags)})()
            assert float(task.moments().loss(other)) > 1e-3


def test_exactly_white_inputs_are_white_in_the_sample():
    task = tasks.TaskDynamics.random(
        tasks.Constant(jnp.array([1.0])), 4, inputs=2, outputs=1, key=jr.key(0), exactly_white=True
    )
    sample, population = task.sample(20, key=jr.key(1)).moments(), task.moments()
    assert_close(sample.xx, np.einsum("ts,ij->tsij", np.eye(4), np.eye(2)), "closed_form")
    assert_close(sample.yx, population.yx, "closed_form")
    assert_close(sample.yy, population.yy, "closed_form")
    with pytest.raises(ValueError, match="at least 8 sequences, got 7"):
        task.sample(7, key=jr.key(1))


def test_task_dynamics_refuses_misfits():
    profile = tasks.Constant(jnp.ones(2))
    with pytest.raises(ValueError, match="num_steps"):
        tasks.TaskDynamics(jnp.eye(2), jnp.eye(2), profile)
    with pytest.raises(ValueError, match="at least as many rows"):
        tasks.TaskDynamics(jnp.eye(3), jnp.eye(2), profile, 4)
    with pytest.raises(ValueError, match="at least 2 inputs"):
        tasks.TaskDynamics.random(profile, 4, inputs=1, outputs=2, key=jr.key(0))
    with pytest.raises(ValueError, match="at least 1 step"):
        tasks.TaskDynamics(jnp.eye(2), jnp.eye(2), profile, 0)
    with pytest.raises(ValueError, match=r"\(step, mode\)"):
        tasks.Steps(jnp.ones(3))


# --- sensory integration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [False, True])
def test_integration_is_solved_by_an_integrator_and_only_the_sum_extrapolates(mean):
    covariance = jnp.array([[1.0, 0.5], [0.5, 2.0]])
    task = tasks.SensoryIntegration(4, mean=mean, stimulus_covariance=covariance, noise_variance=0.3)
    batch = task.sample(6, key=jr.key(0))
    total = np.sum(np.asarray(batch.x), 1)
    assert_close(batch.y, total / 4 if mean else total, "exact")
    gain = 1 / 4 if mean else 1.0

    def lags(self, num):
        return jnp.broadcast_to(gain * jnp.eye(2), (num, 2, 2))

    network = type("Integrator", (), {"impulse_response": lags})()
    assert float(task.moments().loss(network)) < 1e-12
    longer = task.at_length(10)
    # The mean network sums 10 steps with a weight of 1/4 where 1/10 is asked for.
    excess = 0.5 * (1 / 4 - 1 / 10) ** 2 * np.trace(100 * np.asarray(covariance) + 10 * 0.3 * np.eye(2))
    assert_close(longer.moments().loss(network), excess if mean else 0.0, "closed_form")


def test_integration_refuses_misfits():
    for arguments in ((4,), (4, 3)):
        with pytest.raises(ValueError, match="channels"):
            options = {} if len(arguments) == 1 else {"stimulus_covariance": jnp.eye(2)}
            tasks.SensoryIntegration(*arguments, **options)
    with pytest.raises(ValueError, match="num_steps"):
        tasks.SensoryIntegration(0, 2)


# --- white noise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [0.0, 1.7])
def test_white_noise_quantities_are_their_integrals(frequency):
    task = tasks.WhiteNoiseIntegration(0.4, frequency, num_steps=4000, dt=0.01)

    def f(s):
        return np.exp(-0.4 * s) * np.cos(frequency * s)

    def quad(g, start=0.0):
        return scipy.integrate.quad(g, start, 60, limit=400)[0]

    assert_close(task.power(), quad(lambda s: f(s) ** 2), "closed_form")
    assert_close(task.power(1.3), quad(lambda s: f(s) ** 2, 1.3), "closed_form")
    assert_close(task.filter(jnp.array([0.0, 2.0])), [1.0, f(2.0)], "exact")
    a, u, v = np.array([[-0.8, 0.5], [-0.9, -0.3]]), np.array([1.0, 0.4]), np.array([0.3, -1.0])
    expected = [[quad(lambda s, i=i, j=j: scipy.linalg.expm(a * s)[i, j] * f(s)) for j in (0, 1)] for i in (0, 1)]
    assert_close(task.response(jnp.asarray(a)), expected, "ode")
    loss = 0.5 * quad(lambda s: (v @ scipy.linalg.expm(a * s) @ u - f(s)) ** 2)
    assert_close(task.loss(*map(jnp.asarray, (a, u, v))), loss, "ode")
    # The discrete task's loss is a left Riemann sum: it converges to the continuous one with order 1 in dt.
    errors = []
    rates, basis = np.linalg.eig(a)
    for steps in (1000, 2000):
        fine = tasks.WhiteNoiseIntegration(0.4, frequency, num_steps=steps, dt=40 / steps)
        lag = np.arange(steps) * 40 / steps
        kernel = np.real(np.exp(np.outer(lag, rates)) @ (v @ basis * np.linalg.solve(basis, u))) * np.sqrt(40 / steps)
        network = type("Kernel", (), {"impulse_response": lambda self, num, k=kernel: jnp.asarray(k)[:, None, None]})()
        errors.append(abs(float(fine.moments().loss(network)) - loss))
    assert 0.9 < np.log2(errors[0] / errors[1]) < 1.1
    assert errors[1] < 0.03 * loss


def test_the_variance_of_white_noise_targets_is_that_of_the_filter():
    task = tasks.WhiteNoiseIntegration(0.3, num_steps=300, dt=0.1)
    kept = float(task.power() - task.power(30.0))
    # The left Riemann sum of a falling function is too large by about dt f(0)^2 / 2.
    assert_close(task.moments().yy[0, 0], kept + 0.05, "finite_difference", jnp.float32)
    with pytest.raises(ValueError, match="num_steps"):
        tasks.WhiteNoiseIntegration(0.3, num_steps=0)

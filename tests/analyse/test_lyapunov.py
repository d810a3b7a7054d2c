"""Lyapunov exponents against closed forms and published values; the Kaplan-Yorke dimension by hand."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import lambertw

from linnet import analyse, systems
from linnet.nn import AlmostLinearRNN, ShallowPLRNN, VanillaRNN
from linnet.systems._table import table
from tests.analyse.unknown_inputs import OfUnknownInputs
from tests.compilations import count_compilations
from tests.tolerances import assert_close

SIGMAS = 5


def assert_within(spectrum, expected, rounding=0.0, bias=0.0):
    """Within k standard errors, the rounding of the published numbers and the bias of a fixed step."""
    margin = SIGMAS * np.asarray(spectrum.standard_errors) + rounding + bias
    assert np.all(np.abs(np.asarray(spectrum.exponents) - expected) <= margin), (spectrum.exponents, expected, margin)


def test_exponents_of_a_linear_map_are_those_of_its_eigenvalues(keys):
    matrix = 0.4 * jr.normal(keys(), (8, 8))
    found = analyse.lyapunov_spectrum(
        lambda x: matrix @ x, initial=jnp.ones(8), time=4000, transient=400, trajectories=1
    )
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(np.asarray(matrix)))))[::-1]
    np.testing.assert_allclose(found.exponents, expected, atol=2e-3)


def test_exponents_of_a_linear_flow_are_its_eigenvalues():
    eigenvalues = np.array([-0.1, -0.7, -2.0])
    basis = np.array([[1.0, 0.3, 0.0], [0.2, 1.0, -0.4], [0.0, 0.5, 1.0]])
    matrix = jnp.asarray(basis @ np.diag(eigenvalues) @ np.linalg.inv(basis))
    flow = systems.Flow(name="Linear", function=_linear, parameters={"matrix": matrix}, initial=jnp.ones(3), period=1.0,
                        dt=0.01, shapes=(("matrix", (3, 3)),))  # fmt: skip
    found = analyse.lyapunov_spectrum(flow, time=100.0, transient=50.0, step=0.02, trajectories=2)
    np.testing.assert_allclose(found.exponents, eigenvalues, atol=1e-6)


def _linear(t, x, matrix):
    return matrix @ x


def _delayed(t, x, delayed, a):
    return a * delayed


def test_exponents_of_a_linear_delay_flow_are_roots_of_its_characteristic_equation():
    """s = a exp(-s tau): s = W_k(a tau) / tau over the branches of Lambert's function."""
    a, tau = -1.0, 1.0
    flow = systems.DelayFlow(
        name="Linear", function=_delayed, parameters={"a": jnp.asarray(a), "tau": jnp.asarray(tau)},
        initial=jnp.ones(1), period=1.0, dt=0.01, shapes=(("a", ()), ("tau", ())),
    )  # fmt: skip
    found = analyse.lyapunov_spectrum(flow, time=2000.0, transient=50.0, trajectories=1, num_exponents=4)
    roots = sorted((lambertw(a * tau, k).real / tau for k in range(-3, 3)), reverse=True)[:4]
    np.testing.assert_allclose(found.exponents, roots, atol=3e-3)


def test_recurrent_network_is_the_function_of_its_states(keys):
    network = VanillaRNN((2, 5, 1), key=keys())
    inputs = jnp.array([0.3, -0.2])
    options = {"time": 300, "transient": 20, "trajectories": 2, "initial": network.init_state(), "spread": 1e-6}
    found = analyse.lyapunov_spectrum(network, inputs=inputs, **options)
    one = analyse.lyapunov_spectrum(lambda x: network.step(x, inputs)[0], **options)
    assert_close(found.exponents, one.exponents, "closed_form")


def tent(slope):
    """A network with one rectified unit that is the tent map z -> 1 - slope |z|."""
    network = AlmostLinearRNN(1, 1, key=jr.key(0))
    where = lambda net: (net.diagonal, net.weights, net.bias)  # noqa: E731
    return eqx.tree_at(where, network, (jnp.array([slope]), jnp.array([[-2 * slope]]), jnp.array([1.0])))


@pytest.mark.parametrize("slope", [1.3, 1.9])
def test_piecewise_linear_network_is_a_tent_map(slope):
    """Its slope is the same everywhere; inputs are zero by default, for it has none."""
    found = analyse.lyapunov_spectrum(tent(slope), time=1000)
    assert_close(found.exponents, [np.log(slope)], "closed_form")


def test_skewed_tent_map_has_the_entropy_of_its_parts():
    """Slopes 1/p and -1/(1-p) on pieces of length p and 1-p, all equally likely: -p log p - (1-p) log (1-p)."""
    p = 0.3
    network = AlmostLinearRNN(1, 1, key=jr.key(0))
    where = lambda net: (net.diagonal, net.weights, net.bias)  # noqa: E731
    values = jnp.array([1 / p]), jnp.array([[-1 / (1 - p) - 1 / p]]), jnp.array([1 - p])
    found = analyse.lyapunov_spectrum(eqx.tree_at(where, network, values), time=4000)
    assert_within(found, [-p * np.log(p) - (1 - p) * np.log(1 - p)])
    assert float(found.standard_errors[0]) < 5e-3
    # The state starts at 0, of which a millionth is nothing; all the same, trajectories go their own ways.
    assert np.min(np.std(np.asarray(found.samples), axis=0)) > 1e-3


def test_shallow_network_is_a_lozi_map():
    """x' = 1 + y - 1.7 |x|, y' = 0.5 x, against products of its Jacobians by NumPy; the exponents sum to log 0.5."""
    network = ShallowPLRNN(2, 4, key=jr.key(0))
    where = lambda net: (net.diagonal, net.inner_weights, net.outer_weights, net.bias)  # noqa: E731
    inner = jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    outer = jnp.array([[-1.7, -1.7, 1.0, -1.0], [0.5, -0.5, 0.0, 0.0]])
    network = eqx.tree_at(where, network, (jnp.zeros(2), inner, outer, jnp.array([1.0, 0.0])))
    found = analyse.lyapunov_spectrum(network, time=3000)
    point, direction, growth = np.array([0.1, 0.1]), np.array([1.0, 0.0]), []
    for _ in range(40_000):
        direction = np.array([-1.7 * np.sign(point[0]) * direction[0] + direction[1], 0.5 * direction[0]])
        point = np.array([1 + point[1] - 1.7 * abs(point[0]), 0.5 * point[0]])
        growth.append(np.log(np.linalg.norm(direction)))
        direction /= np.linalg.norm(direction)
    error = np.std(np.reshape(growth, (16, -1)).mean(axis=1)) / 4
    assert abs(float(found.exponents[0]) - np.mean(growth)) < SIGMAS * np.hypot(error, float(found.standard_errors[0]))
    assert_close(found.exponents.sum(), np.log(0.5), "closed_form")


def test_henon():
    found = analyse.lyapunov_spectrum(systems.get("Henon"))
    assert_within(found, [0.41922, -1.62319], rounding=1e-5)
    # The area shrinks by b at every iteration.
    assert_close(found.exponents.sum(), np.log(0.3), "closed_form")
    assert found.exact and int(found.num_failed) == 0


def test_lorenz():
    lorenz = systems.get("Lorenz")
    found = analyse.lyapunov_spectrum(lorenz, time=300.0, step=0.01)
    assert_within(found, [0.9056, 0.0, -14.5723], rounding=1e-4, bias=1e-4)
    # The divergence is constant; what is missing is the error of the step.
    np.testing.assert_allclose(found.exponents.sum(), -(10 + 1 + 8 / 3), atol=2e-4)
    np.testing.assert_allclose(found.kaplan_yorke_dimension, 2.062, atol=3e-3)
    with count_compilations() as compiled:
        other = analyse.lyapunov_spectrum(lorenz.with_parameters(rho=29.0), time=200.0, step=0.008)
    assert not [event for event in compiled if "_run" in str(event)], compiled
    assert other.exponents[0] != found.exponents[0]


#: Published exponents at parameters that are not the table's: system, parameters, initial state, exponents, rounding.
#: Thomas: Sprott and Chlouverakis (2007), Int. J. Bifurcation and Chaos 17, 2097. Halvorsen: Sprott (2003), Chaos and
#: Time-Series Analysis. The last digit of each is uncertain.
PUBLISHED = [
    ("Thomas", {"a": 0.18, "b": 1.0}, None, [0.0349, 0.0, -0.5749], 1e-3),
    ("Halvorsen", {"a": 1.27}, None, [0.7899, 0.0, -4.5999], 3e-3),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameters", "initial", "exponents", "rounding"), PUBLISHED)
def test_published_spectra(name, parameters, initial, exponents, rounding):
    system = systems.get(name).with_parameters(**parameters)
    assert_within(analyse.lyapunov_spectrum(system, initial=initial, time=4000.0), exponents, rounding)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in table().items() if "literature" in entry])
def test_spectra_of_the_table_are_those_of_the_literature(name):
    found = analyse.lyapunov_spectrum(systems.get(name))
    assert_within(found, table()[name]["literature"], rounding=2e-4, bias=3e-4)


@pytest.mark.slow
def test_ring_of_forty_sites():
    """Lorenz-96 with 40 sites at F = 8: the largest exponent is 1.68 to 1.7, and the dimension about 27."""
    ring = systems.get("Lorenz96").with_parameters(f=8.0)
    start = 8.0 + jnp.sin(jnp.arange(40.0))
    found = analyse.lyapunov_spectrum(ring, initial=start, time=200.0, transient=50.0, step=0.02, trajectories=8)
    np.testing.assert_allclose(found.exponents[0], 1.68, atol=0.04)
    np.testing.assert_allclose(found.kaplan_yorke_dimension, 27.1, atol=0.4)
    np.testing.assert_allclose(found.exponents.sum(), -40.0, atol=1e-3)


def test_discontinuous_systems_say_so():
    found = analyse.lyapunov_spectrum(systems.get("SprottMore"), time=10.0, step=0.05, trajectories=1)
    assert not found.exact


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([0.9056, 0.0, -14.5723], 2 + 0.9056 / 14.5723),
        ([-1.0, -2.0], 0.0),
        ([0.0, -1.0], 1.0),
        ([1.0, -1.0], 2.0),
        ([-14.5, 0.5, 0.0], 2 + 0.5 / 14.5),
        ([0.2, 0.1, 0.0], 3.0),
        ([0.3, -0.1, -0.1, -0.5], 3 + 0.1 / 0.5),
    ],
)
def test_kaplan_yorke_dimension(exponents, dimension):
    assert_close(analyse.kaplan_yorke_dimension(jnp.array(exponents)), dimension, "exact")
    batch = jnp.stack([jnp.array(exponents)] * 2)
    assert_close(analyse.kaplan_yorke_dimension(batch), [dimension] * 2, "exact")


def test_a_small_number_counts_as_zero_where_told():
    values = jnp.array([-1e-9, -1.0])
    assert float(analyse.kaplan_yorke_dimension(values)) == 0.0
    assert float(analyse.kaplan_yorke_dimension(values, zero=1e-6)) == 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.lyapunov_spectrum(3), ["system", "int"]),
        (lambda: analyse.lyapunov_spectrum(lambda x: x), ["`initial`"]),
        (lambda: analyse.lyapunov_spectrum(systems.get("Henon"), num_exponents=3), ["2 exponents", "3"]),
        (lambda: analyse.lyapunov_spectrum(systems.get("Henon"), trajectories=0), ["at least one", "0"]),
        (lambda: analyse.lyapunov_spectrum(systems.get("Henon"), time=-1.0), ["`time`", "-1"]),
        (
            lambda: analyse.lyapunov_spectrum(systems.get("Henon"), initial=jnp.array([9.0, 9.0]), time=100),
            ["left every bound", "`initial`"],
        ),
        (lambda: analyse.lyapunov_spectrum(OfUnknownInputs()), ["`inputs`"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)

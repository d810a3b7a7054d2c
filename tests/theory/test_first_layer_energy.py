"""First-layer filters of linear convolutional networks against SciPy's integration of loops over places."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import linnet as ln
from linnet import analyse, theory as T
from tests.tolerances import assert_close

TS = np.linspace(0.0, 3.0, 5)


def cut(space, size, circular):
    """The matrices that cut the patches out of an image, by loops."""
    place = space if circular else tuple(p - s + 1 for p, s in zip(space, size))
    found = []
    for corner in np.ndindex(*place):
        matrix = np.zeros((int(np.prod(size)), int(np.prod(space))))
        for tap, offset in enumerate(np.ndindex(*size)):
            pixel = tuple((c + o) % s for c, o, s in zip(corner, offset, space))
            matrix[tap, np.ravel_multi_index(pixel, space)] = 1
        found.append(matrix)
    return np.stack(found), place


def integrate(filters, readout, cuts, xx, yx, ts, rate=1.0, readout_rate=0.0):
    """Filters (and output weights) by their own gradients, `filters` "channel tap", `readout` "out channel place"."""

    def field(t, flat):
        k, w = flat[: filters.size].reshape(filters.shape), flat[filters.size :].reshape(readout.shape)
        error = yx - np.einsum("ocj,ct,jti->oi", w, k, cuts) @ xx
        grown = rate * np.einsum("oi,ocj,jti->ct", error, w, cuts)
        return np.concatenate([grown.ravel(), readout_rate * np.einsum("oi,ct,jti->ocj", error, k, cuts).ravel()])

    start = np.concatenate([filters.ravel(), readout.ravel()])
    solved = scipy.integrate.solve_ivp(field, (0, ts[-1]), start, "DOP853", ts, rtol=1e-11, atol=1e-14)
    assert solved.success
    weights = [(c[: filters.size].reshape(filters.shape), c[filters.size :].reshape(readout.shape)) for c in solved.y.T]
    return [k for k, _ in weights], [np.einsum("ocj,ct,jti->oi", w, k, cuts) for k, w in weights]


def problem(rng, space, size, circular, channels, out=2, even=True, scale=0.1):
    cuts, place = cut(space, size, circular)
    num = int(np.prod(space))
    smooth = np.exp(-np.abs(np.subtract.outer(np.arange(num), np.arange(num))) / 2)
    x = rng.normal(size=(40, num)) @ np.linalg.cholesky(smooth).T
    y = x @ rng.normal(size=(num, out)) / 3 + 0.2 * rng.normal(size=(40, out))
    readout = rng.normal(size=(out * len(cuts), channels))
    if even:
        readout = 0.7 * np.linalg.qr(readout.T)[0].T
    readout = np.moveaxis(readout.reshape(out, *place, channels), -1, 1)
    network = ln.nn.LinearCNN(scale * rng.normal(size=(channels, *size)), readout, circular)
    return network, ln.tasks.Batch(x, y), cuts


def held(network, rate=1.0):
    """Output weights that do not move."""
    rates = eqx.tree_at(lambda net: (net.filters, net.output_weights), network, (rate, 0.0))
    return ln.learn.GradientFlow(rates=rates)


@pytest.mark.parametrize(
    ("space", "size", "circular", "channels", "rate"),
    [((4, 3), (2, 2), False, 13, 0.8), pytest.param((6,), (3,), True, 20, 1.0, marks=pytest.mark.slow)],
)
def test_it_is_the_flow_of_filters_under_even_output_weights(space, size, circular, channels, rate):
    rng = np.random.default_rng(0)
    network, batch, cuts = problem(rng, space, size, circular, channels)
    moments = batch.moments()
    flat = (
        np.asarray(network.filters).reshape(channels, -1),
        np.asarray(network.output_weights).reshape(2, channels, -1),
    )
    filters, maps = integrate(*flat, cuts, np.asarray(moments.xx), np.asarray(moments.yx), TS, rate)
    predicted = T.predict(network, batch, TS, rule=held(network, rate), theory=T.FirstLayerEnergy())
    assert_close(predicted["loss"], [0.5 * np.mean(np.sum((batch.x @ m.T - batch.y) ** 2, 1)) for m in maps], "ode")
    patches = np.mean(cuts @ np.asarray(moments.xx) @ np.swapaxes(cuts, 1, 2), axis=0)
    np.testing.assert_allclose(analyse.patch_moments(moments.xx, space, size, circular), patches, rtol=1e-10)
    variances, components = np.linalg.eigh(patches)
    energies = [np.sum(((k - filters[0]) @ components[:, ::-1]) ** 2, axis=0) for k in filters]
    np.testing.assert_allclose(predicted["energy_profile"], energies, rtol=1e-6, atol=1e-9)
    assert_close(analyse.patch_components(moments.xx, space, size, circular)[0], variances[::-1], "closed_form")
    if not circular:
        simulated = ln.learn.simulate(network, batch, TS, rule=held(network, rate), observe=[ln.learn.EnergyProfile()])
        np.testing.assert_allclose(simulated["energy_profile"], energies, rtol=1e-6, atol=1e-9)
        assert simulated.dims == predicted.dims


def test_random_labels_have_the_formula_as_their_mean():
    """The profile of the learned filters for many draws of labels, each in closed form by pseudo-inverses."""
    rng = np.random.default_rng(1)
    space, size, out = (4, 4), (2, 2), 1
    network, batch, cuts = problem(rng, space, size, False, 9, out, scale=0.0)
    x, num = np.asarray(batch.x), batch.num
    xx = x.T @ x / num
    readout = np.asarray(network.output_weights).reshape(9, -1)
    power = np.mean(np.sum(readout**2, axis=0))
    components = np.linalg.eigh(np.mean(cuts @ xx @ np.swapaxes(cuts, 1, 2), axis=0))[1][:, ::-1]
    # Features of the filters: the map is linear in them, so that their flow is one of least squares.
    features = np.einsum("cj,jdi,ni->ncd", readout, cuts, x).reshape(num, -1)
    values, vectors = np.linalg.eigh(features.T @ features / num)
    for t, tolerance in ((0.4, 0.06), (np.inf, 0.12)):
        with np.errstate(over="ignore"):
            risen = np.where(
                values > 1e-10, -np.expm1(-values * t) / np.maximum(values, 1e-10), 0 if t == np.inf else t
            )
        solve = (vectors * risen) @ vectors.T @ features.T / num
        labels = rng.normal(size=(num, 4000))
        learned = (solve @ labels).reshape(9, 4, -1)
        energies = np.sum(np.einsum("cdl,di->cil", learned, components) ** 2, axis=0).mean(-1)
        found = T.energy_from_images(jnp.asarray(xx), space, size, power * t) / (power * num)
        np.testing.assert_allclose(found, energies, rtol=tolerance)


def test_patches_that_do_not_overlap_need_no_images():
    """One place, or white images: the exact formula is that of the patches; and its limits."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, 6)) * np.linspace(0.3, 2, 6)
    xx = jnp.asarray(x.T @ x / 30)
    variances, _ = analyse.patch_components(xx, (2, 3), (2, 3))
    for clock in (1e-3, 0.7, np.inf):
        assert_close(
            T.energy_from_images(xx, (2, 3), (2, 3), clock), T.energy_from_patches(variances, clock), "closed_form"
        )
    late, early = (T.energy_from_patches(variances, clock) for clock in (np.inf, 1e-6))
    assert_close(late * variances, np.ones(6), "closed_form")
    np.testing.assert_allclose(early / variances, 1e-12, rtol=1e-5)
    white = T.energy_from_images(jnp.eye(25), (5, 5), (2, 2), 0.3, circular=True)
    np.testing.assert_allclose(white, white[0], rtol=1e-10)
    assert float(T.energy_from_patches(jnp.array([1.0, 0.0]), np.inf)[1]) == 0
    assert T.energy_from_patches(jnp.array([1.0], jnp.float32), 2.0).dtype == jnp.float32


def test_refusals_are_sentences():
    rng = np.random.default_rng(3)
    network, batch, _ = problem(rng, (4, 3), (2, 2), False, 13)
    uneven, *_ = problem(rng, (4, 3), (2, 2), False, 13, even=False)
    failed = {}
    for name, net, rule in (("moving", network, ln.learn.GradientFlow()), ("uneven", uneven, held(network))):
        theory = T.FirstLayerEnergy().within(jnp.asarray(3.0))
        assert theory.applies(net, batch, rule, ln.SquaredError()) is None
        found = theory.assumptions(net, batch, rule, ln.SquaredError())
        failed[name] = [str(a) for a in found if not bool(a.holds)]
    assert len(failed["moving"]) == 1 and "still output weights fails" in failed["moving"][0]
    assert len(failed["uneven"]) == 1 and "even output weights fails" in failed["uneven"][0]
    deep = ln.nn.DeepLinear((np.ones((2, 12)),))
    assert "about `LinearCNN`" in T.FirstLayerEnergy().applies(deep, batch, held(network), ln.SquaredError())
    other = ln.tasks.Batch(batch.x, batch.y[:, :1])
    reason = T.FirstLayerEnergy().applies(network, other, held(network), ln.SquaredError())
    assert "(2, 12)" in reason and "(1, 12)" in reason
    with pytest.raises(ValueError, match="size within the images"):
        analyse.patch_pixels((4, 4), (5, 2))
    with pytest.raises(ValueError, match="filters of a LinearCNN or a CNN"):
        ln.learn.simulate(deep, batch, TS, observe=[ln.learn.EnergyProfile()])

"""The race of frequencies against SciPy's integration of circulant matrices, in one and two dimensions."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import linnet as ln
from linnet import theory as T
from tests.tolerances import assert_close

TS = np.linspace(0.0, 2.0, 6)


def reading(filters):
    """The matrix with which one filter reads an image at all places: entry (j, i) is k[i - j], by plain loops."""
    space = filters.shape
    num = filters.size
    matrix = np.zeros((num, num))
    for place in np.ndindex(*space):
        for tap in np.ndindex(*space):
            pixel = tuple((p + t) % s for p, t, s in zip(place, tap, space))
            matrix[np.ravel_multi_index(place, space), np.ravel_multi_index(pixel, space)] = filters[tap]
    return matrix


def integrate(filters, readout, xx, yx, ts):
    """Maps, filters and output weights over time; gradients of the filters are sums over the diagonals they fill."""
    space, channels, out = filters.shape[1:], filters.shape[0], readout.shape[0]
    num = int(np.prod(space))
    basis = np.stack([reading(unit.reshape(space)) for unit in np.eye(num)])
    border = channels * num

    def unpack(flat):
        return flat[:border].reshape(channels, num), flat[border:].reshape(out, channels, num)

    def linear_map(flat):
        k, w = unpack(flat)
        return np.einsum("ocj,ct,tji->oi", w, k, basis)

    def field(t, flat):
        k, w = unpack(flat)
        error = yx - linear_map(flat) @ xx
        grown = np.einsum("oi,ocj,tji->ct", error, w, basis), np.einsum("oi,ct,tji->ocj", error, k, basis)
        return np.concatenate([g.ravel() for g in grown])

    start = np.concatenate([filters.ravel(), readout.ravel()])
    solved = scipy.integrate.solve_ivp(field, (0, ts[-1]), start, "DOP853", ts, rtol=1e-11, atol=1e-14)
    assert solved.success
    return np.stack([linear_map(flat) for flat in solved.y.T]), [unpack(flat) for flat in solved.y.T]


def problem(rng, space, out=2, channels=1, num=20, scale=0.3):
    size = int(np.prod(space))
    x = rng.normal(size=(num, size)) * np.linspace(0.5, 1.2, size)
    batch = ln.tasks.Batch(x, x @ rng.normal(size=(size, out)) / 3 + 0.1 * rng.normal(size=(num, out)))
    filters, readout = scale * rng.normal(size=(channels, *space)), scale * rng.normal(size=(out, channels, *space))
    return ln.nn.LinearCNN(filters, readout), batch


@pytest.mark.parametrize(
    ("space", "channels", "num"),
    [((3, 4), 2, 9), *(pytest.param(*case, marks=pytest.mark.slow) for case in (((7,), 1, 20), ((6,), 3, 3)))],
)
def test_it_is_the_flow_of_the_network(space, channels, num):
    rng = np.random.default_rng(channels)
    network, batch = problem(rng, space, channels=channels, num=num)
    moments = batch.moments()
    maps, _ = integrate(*map(np.asarray, (network.filters, network.output_weights, moments.xx, moments.yx)), TS)
    split = ln.tasks.Split(batch, test=problem(rng, space, num=5)[1])
    predicted = T.predict(network, split, TS)
    assert predicted.theory == "FourierRace"
    assert_close(predicted["loss"], [0.5 * np.mean(np.sum((batch.x @ m.T - batch.y) ** 2, 1)) for m in maps], "ode")
    held_out = [0.5 * np.mean(np.sum((split.test.x @ m.T - split.test.y) ** 2, 1)) for m in maps]
    assert_close(predicted["test_loss"], held_out, "ode")
    left, _, right_t = np.linalg.svd(np.asarray(moments.yx), full_matrices=False)
    projections = np.einsum("oa,toi,ai->ta", left, maps, right_t)
    assert_close(predicted["mode_strengths"], projections, "ode")
    # Sums over a frequency by explicit waves.
    pixels = np.stack(np.unravel_index(np.arange(len(right_t[0])), space))
    waves = np.exp(2j * np.pi * (pixels / np.array(space)[:, None]).T @ pixels) / np.sqrt(pixels.shape[1])
    parts = np.real((np.einsum("oa,toi->tai", left, maps) @ waves) * np.conj(right_t @ waves))
    np.testing.assert_allclose(predicted["frequency_strengths"], parts, rtol=1e-6, atol=1e-8)
    simulated = ln.learn.simulate(network, split, TS, observe=[ln.learn.FrequencyStrengths(space)])
    for name in predicted.names():
        np.testing.assert_allclose(simulated[name], predicted[name], rtol=1e-5, atol=1e-7)
    assert simulated.dims == predicted.dims


def test_what_each_frequency_conserves():
    """|k_f|^2 - |W_f|^2, over channels a matrix, of SciPy's weights; each of the two alone is far from constant."""
    rng = np.random.default_rng(3)
    network, batch = problem(rng, (3, 4), channels=2)
    moments = batch.moments()
    _, weights = integrate(*map(np.asarray, (network.filters, network.output_weights, moments.xx, moments.yx)), TS)
    found = []
    for k, w in weights:
        k, w = (np.fft.fftn(a.reshape(*a.shape[:-1], 3, 4), axes=(-2, -1)).reshape(a.shape) for a in (k, w))
        found.append((np.einsum("cf,df->fcd", k, k.conj()), np.einsum("ocf,odf->fcd", w.conj(), w)))
    (first, last), (first_end, last_end) = found[0], found[-1]
    np.testing.assert_allclose(first_end - last_end, first - last, atol=1e-8)
    assert np.max(np.abs(first_end - first)) > 1.0


def test_the_clock_is_exact_for_one_mode():
    """Inputs along one direction: SciPy's weights against the closed form in the clock, from any weights."""
    rng = np.random.default_rng(4)
    space, num, strength, variance = (3, 4), 12, 1.7, 0.6
    image = rng.normal(size=num)
    image /= np.linalg.norm(image)
    moments = ln.tasks.Moments(variance * np.outer(image, image), strength * image[None], np.array([[5.0]]))
    network = ln.nn.LinearCNN(0.2 * rng.normal(size=(2, *space)), 0.2 * rng.normal(size=(1, 2, *space)))
    race = T.frequency_race(network, moments)
    parts = np.array([0.3, 0.5, 0.95])
    asked = np.array([float(race.time_at(part)) for part in parts])
    ts = np.sort(np.concatenate([TS, asked]))
    maps, _ = integrate(*map(np.asarray, (network.filters, network.output_weights, moments.xx, moments.yx)), ts)
    found = race.strengths(race.clock(jnp.asarray(ts)))
    assert_close(jnp.sum(found, axis=-1), maps[:, 0] @ image, "ode")
    spectrum, pattern = (np.fft.fft2(a.reshape(-1, *space)).reshape(-1, num) for a in (maps[:, 0], image))
    np.testing.assert_allclose(found, np.real(spectrum * pattern.conj()) / num, rtol=1e-6, atol=1e-8)
    learned = variance * maps[np.searchsorted(ts, asked), 0] @ image / strength
    assert_close(learned, parts, "ode")
    assert_close(jnp.sum(race.strengths(race.final_clock())), strength / variance, "closed_form")
    # A mode that is stronger at first than it is learned: the clock runs backwards.
    race = T.frequency_race(jax.tree.map(lambda leaf: jnp.abs(leaf) * 10, network), moments)
    race = eqx.tree_at(lambda r: (r.growing, r.shrinking), race, (race.growing, 0.1 * race.shrinking))
    assert float(race.residual(0.0)) < 0 and float(race.final_clock()) < 0
    assert_close(jnp.sum(race.strengths(race.final_clock())), strength / variance, "closed_form")


def test_small_weights_leave_only_the_dominant_frequency():
    """The share of another frequency falls as a power of the weights, 2 (1 - g_f / g_max), here measured from FFTs."""
    rng = np.random.default_rng(5)
    num = 16
    grid = np.arange(num)
    image = np.sqrt(0.7) * np.cos(2 * np.pi * 3 * grid / num) + np.sqrt(0.3) * np.cos(2 * np.pi * 5 * grid / num + 1)
    image /= np.linalg.norm(image)
    moments = ln.tasks.Moments(np.outer(image, image), image[None], np.eye(1))
    filters, readout = rng.normal(size=(1, num)), rng.normal(size=(1, 1, num))
    scales = np.array([1e-3, 1e-4, 1e-5])
    shares = []
    for scale in scales:
        race = T.frequency_race(ln.nn.LinearCNN(scale * filters, scale * readout), moments)
        shares.append(race.strengths(race.final_clock())[5] * 2)
    slope = np.polyfit(np.log(scales), np.log(shares), 1)[0]
    assert abs(slope - 2 * (1 - np.sqrt(3 / 7))) < 0.02
    rates = T.frequency_rates(moments, (num,))
    np.testing.assert_allclose(
        rates[np.array([3, 13, 5, 4])], np.sqrt(num * np.array([0.35, 0.35, 0.15, 0])), atol=1e-7
    )


@pytest.mark.slow
def test_float32():
    network, batch = problem(np.random.default_rng(6), (5,))
    moments = batch.moments()
    maps, _ = integrate(*map(np.asarray, (network.filters, network.output_weights, moments.xx, moments.yx)), TS)
    low = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), (network, moments))
    predicted = T.predict(*low, jnp.asarray(TS, jnp.float32), theory=T.FourierRace())
    assert predicted["loss"].dtype == predicted["frequency_strengths"].dtype == jnp.float32
    losses = [0.5 * np.mean(np.sum((batch.x @ m.T - batch.y) ** 2, 1)) for m in maps]
    assert_close(predicted["loss"], losses, "ode", jnp.float32)


@pytest.mark.slow
def test_members():
    rng = np.random.default_rng(8)
    networks, batch = zip(*[problem(rng, (5,)) for _ in range(2)])
    task = batch[0].moments()
    solve = jax.jit(jax.vmap(lambda net: T.FourierRace().solve(net, task, jnp.asarray(TS))["loss"]))
    together = solve(jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks))
    assert_close(together[1], T.predict(networks[1], task, TS, theory=T.FourierRace())["loss"], "ode")


def test_refusals_are_sentences():
    rng = np.random.default_rng(7)
    network, batch = problem(rng, (6,))
    flow, square = ln.learn.GradientFlow(), ln.SquaredError()
    small = ln.nn.LinearCNN(network.filters[:, :3], network.output_weights)
    valid = ln.nn.LinearCNN(network.filters[:, :3], network.output_weights[..., :4], circular=False)
    deep = ln.nn.DeepLinear((np.ones((2, 6)),))
    other = ln.tasks.Batch(batch.x, batch.y[:, :1])
    for net, task, message in [
        (small, batch, r"as large as the image, got circular ones by filters of \(3,\) on images of \(6,\)"),
        (valid, batch, "got not circular ones"),
        (deep, batch, "about `LinearCNN` networks, got DeepLinear"),
        (network, other, r"\(out, in\) = \(2, 6\), the task needs \(1, 6\)"),
    ]:
        assert re.search(message, T.FourierRace().applies(net, task, flow, square) or ""), message
    rates = jax.tree.map(lambda leaf: 0.5, network)
    with pytest.raises(ValueError, match="equal rates fails"):
        T.predict(network, batch, TS, theory=T.FourierRace(), rule=ln.learn.GradientFlow(rates=rates))
    with pytest.raises(ValueError, match="as large as the image"):
        T.frequency_race(small, batch)
    with pytest.raises(ValueError, match=r"\(2, 6\), the task needs \(1, 6\)"):
        T.frequency_race(network, other)
    with pytest.raises(ValueError, match="have 9 pixels"):
        T.frequency_rates(batch, (3, 3))
    with pytest.raises(ValueError, match="9 pixels, got modes"):
        ln.learn.simulate(network, batch, TS, observe=[ln.learn.FrequencyStrengths((3, 3))])

"""Encoders that predict codes or views, mode by mode, against SciPy's integration of modes and of whole matrices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

import linnet as ln
from tests.theory import reference
from tests.tolerances import assert_close

T = ln.theory
TS = np.concatenate([[0.0], np.geomspace(0.1, 300, 11)])
OBSERVED = (ln.learn.EncoderStrengths(), ln.learn.DecoderStrengths())


def integrate_mode(covariance, variance, layers, decoder, ts, distilled=True):
    """Layers and decoder of one mode, by SciPy."""

    def field(_, state):
        layers, v = state[:-1], state[-1]
        w = np.prod(layers)
        drive = w * (covariance - variance * v) if distilled else covariance - variance * v * w
        return [*(np.prod(np.delete(layers, i)) * v * drive for i in range(len(layers))), w * drive]

    start = [*layers, decoder]
    solved = scipy.integrate.solve_ivp(field, (0, ts[-1]), start, t_eval=ts, rtol=1e-12, atol=1e-15, method="DOP853")
    assert solved.success
    return solved.y


def cases(depth):
    """Covariance, variance, layers and decoder of every kind."""
    rng = np.random.default_rng(depth)
    some, balanced = rng.uniform(0.4, 1.1, depth), np.full(depth, 0.5)
    return {
        "unbalanced": (0.8, 1.3, some, 0.3),
        "balanced": (0.8, 1.0, balanced, 0.5),
        "nearly balanced": (0.8, 1.0, balanced * (1 + 1e-9 * rng.normal(size=depth)), 0.5),
        "decoder turns": (0.8, 1.0, some, -0.2),
        "ends at the saddle": (0.8, 1.0, balanced, -0.5),
        "decoder begins at zero": (0.8, 1.2, some, 0.0),
        "no encoder": (0.8, 1.2, 0 * some, 0.3),
        "begins beyond the end": (0.4, 1.5, some, 0.9),
        "balanced beyond the end": (0.4, 1.5, 2 * balanced, 1.0),
        "collapses": (0.3, 1.0, 0.3 * some, 1.2),
        "weak encoder": (0.9, 0.9, np.array([0.05, *some[1:]]), 0.5),
        "weak encoder, decoder beyond": (0.9, 0.6, 0.5 * some, 1.55),
        "negative covariance": (-0.8, 1.0, some, 0.3),
        "no covariance": (0.0, 1.0, some, 0.3),
        "no covariance, balanced": (0.0, 1.0, balanced, 0.5),
        "decoder points away": (0.9, 0.6, 0.5 * some, -0.9),
        "negative layers": (0.8, 1.0, -some, 0.3),
        "no variance": (0.0, 0.0, some, 0.3),
    }


@pytest.mark.parametrize("depth", [1, 3])
def test_modes_follow_their_equations(depth):
    names = cases(depth)
    lam, variance, layers, decoder = (np.array(values) for values in zip(*names.values(), strict=True))
    found, v = T.distilled_layers(*(jnp.asarray(x) for x in (TS, lam, variance, layers.T, decoder)))
    for index, (name, case) in enumerate(names.items()):
        expected = integrate_mode(*case, TS)
        np.testing.assert_allclose(found[..., index], expected[:-1], rtol=1e-8, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(v[:, index], expected[-1], rtol=1e-8, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("depth", [1, 4])
def test_times_are_those_of_integration_in_logarithms(depth):
    lam, rho, start = np.array([0.7, 0.7, 2.0]), np.array([1.0, 0.7, 1.3]), np.array([1e-2, 1e-2, 3e-3])

    def passing(power, final):
        """The time at which each log w passes log(0.6 w*), by SciPy."""
        times = []
        for s, r, w, end in zip(lam, rho, start, final, strict=True):

            def speed(_, z, s=s, r=r):
                w = np.exp(z)
                return depth * (s * w ** (power - 1) - s / r * w**2)

            def there(_, z, end=end):
                return z[0] - np.log(0.6 * end)

            there.terminal = True
            solved = scipy.integrate.solve_ivp(
                speed, (0, 1e12), [np.log(w)], "LSODA", None, rtol=1e-11, atol=1e-12, events=there
            )
            times.append(solved.t_events[0][0])
        return times

    found = T.self_distillation_time(lam, rho, start, depth=depth, reached=0.6)
    np.testing.assert_allclose(found, passing(3 - 1 / depth, rho**depth), rtol=1e-7)
    found = T.reconstruction_time(lam, rho, start, depth=depth, reached=0.6)
    np.testing.assert_allclose(found, passing(2 - 1 / depth, rho ** (depth / (depth + 1))), rtol=1e-7)


@pytest.mark.parametrize("depth", [1, 3])
def test_critical_times_are_the_limit_of_small_weights(depth):
    """What is left over is O(log w) and O(1)."""
    starts = np.array([1e-2, 5e-3, 3e-3]) ** depth
    for rho in (0.5, 1.2):
        exact = T.self_distillation_time(0.8, rho, starts, depth=depth)
        rest = np.asarray(exact - T.critical_time_of_self_distillation(0.8, rho, starts, depth=depth))
        # The logarithm of the implicit solution, and a constant.
        slope = np.diff(rest) / np.diff(-np.log(starts))
        np.testing.assert_allclose(slope, rho ** (1 - 2 * depth) / depth / 0.8, rtol=2e-2)
        exact = T.reconstruction_time(0.8, rho, starts, depth=depth)
        rest = np.asarray(exact - T.critical_time_of_reconstruction(0.8, starts, depth=depth))
        np.testing.assert_allclose(rest[-2:], rest[-1], rtol=2e-2)


def test_times_of_modes_that_do_not_grow():
    assert np.isnan(T.self_distillation_time(-1.0, 0.5, 1e-2, depth=2))
    assert T.self_distillation_time(1.0, 0.5, 0.2, depth=2) == 0
    assert T.reconstruction_time(1.0, 0.5, 0.9, depth=2) == 0
    with pytest.raises(ValueError, match="whole number of weights of at least 1, got 0"):
        T.self_distillation_time(1.0, 0.5, 1e-2, depth=0)


def views(rng, size, commuting=True):
    """Two views of one basis with some of equal covariance, and of one that is not: xx, yx, yy."""
    basis = reference.orthonormal(rng, size, size)
    rho = rng.uniform(0.4, 0.95, size)
    lam = np.where(np.arange(size) < size // 2, 0.8, rng.uniform(0.3, 1.2, size))
    xx, yx = ((basis * d) @ basis.T for d in (lam / rho, lam))
    if not commuting:
        xx = xx + 0.1 * np.outer(basis[:, 0] + basis[:, -1], basis[:, 0] + basis[:, -1])
    return xx, yx, xx


def numpy_flow(network, xx, yx, ts, distilled):
    """All weights, by SciPy, with the target of self-distillation held still."""
    weights = [np.asarray(w) for w in (*network.encoder.weights, network.decoder)]
    shapes = [w.shape for w in weights]
    borders = np.cumsum([0, *(w.size for w in weights)])

    def unpack(flat):
        return [flat[a:b].reshape(s) for a, b, s in zip(borders[:-1], borders[1:], shapes)]

    def field(_, flat):
        weights = unpack(flat)
        target = reference.chained(weights[:-1]) @ yx if distilled else yx
        return np.concatenate([g.ravel() for g in reference.gradients(weights, xx, target)])

    start = np.concatenate([w.ravel() for w in weights])
    solved = scipy.integrate.solve_ivp(field, (0, ts[-1]), start, t_eval=ts, rtol=1e-10, atol=1e-13, method="DOP853")
    assert solved.success
    return [unpack(column) for column in solved.y.T]


def measured(weights, setting, basis):
    """Loss, encoder and decoder strengths, written out."""
    distilled = isinstance(setting, ln.tasks.SelfDistillation)
    xx, yx, yy = (np.asarray(m) for m in (setting.moments.xx, setting.moments.yx, setting.moments.yy))
    code, decoder = reference.chained(weights[:-1]), weights[-1]
    seen = code if distilled else np.eye(len(xx))
    loss = reference.loss(decoder @ code, xx, seen @ yx, seen @ yy @ seen.T)
    codes = code @ basis
    w = np.linalg.norm(codes, axis=0)
    unit = np.where(w > 1e-12, codes / np.where(w > 1e-12, w, 1), 0)
    return loss, w, np.sum((unit if distilled else basis) * (decoder @ unit), axis=0)


@pytest.mark.parametrize(
    ("kind", "depth", "hidden"), [(ln.tasks.SelfDistillation, 3, 4), (ln.tasks.Reconstruction, 2, 6)]
)
def test_both_roads_against_matrices(kind, depth, hidden):
    """Aligned weights that are not balanced, also of a network too narrow for all modes."""
    rng = np.random.default_rng(depth)
    size, ts = 5, np.array([0.0, 2.0, 10.0, 60.0])
    setting = kind(ln.tasks.Moments(*(jnp.asarray(m) for m in views(rng, size))))
    latent = hidden if kind is ln.tasks.SelfDistillation else size
    strengths = tuple(jnp.asarray(rng.uniform(0.3, 0.8, size)) for _ in range(depth + 1))
    init = ln.nn.aligned_encoder(setting, strengths)
    network = init(ln.nn.EncoderDecoder, (size, *[hidden] * depth, latent), key=jr.key(1))
    basis = np.asarray(setting.modes().basis)
    flown = numpy_flow(network, np.asarray(setting.moments.xx), np.asarray(setting.moments.yx), ts, latent == hidden)
    expected = [np.stack(values) for values in zip(*(measured(w, setting, basis) for w in flown), strict=True)]
    predicted = T.predict(network, setting, ts)
    assert predicted.theory == {5: "ReconstructionModes"}.get(latent, "SelfDistillationModes")
    simulated = ln.learn.simulate(network, setting, ts, observe=OBSERVED)
    for name, values in zip(("loss", "encoder_strengths", "decoder_strengths"), expected, strict=True):
        # The code of a mode that does not fit through is rounding, and what the decoder makes of it too.
        alive = expected[1] > 1e-6 if name == "decoder_strengths" else 1
        np.testing.assert_allclose(alive * predicted[name], alive * values, rtol=1e-6, atol=1e-8, err_msg=name)
        np.testing.assert_allclose(alive * simulated[name], alive * values, rtol=1e-5, atol=1e-7, err_msg=name)


def test_modes_of_views():
    """Diagonal in one basis also where covariances, or variances, are all equal; the strongest first."""
    rng = np.random.default_rng(3)
    basis = reference.orthonormal(rng, 5, 5)
    for lam, variance in (
        (np.array([0.5, 0.5, 0.5, 0.5, 0.5]), np.array([0.6, 0.8, 1.0, 2.0, 4.0])),
        (np.array([0.9, 0.5, 0.2, 0.0, -0.3]), np.ones(5)),
    ):
        xx, yx = ((basis * d) @ basis.T for d in (variance, lam))
        modes = ln.tasks.SelfDistillation(ln.tasks.Moments(xx, yx, xx)).modes()
        np.testing.assert_allclose(np.abs(np.asarray(modes.basis).T @ basis), np.eye(5), atol=1e-7)
        assert_close(modes.covariances, lam, "closed_form")
        assert_close(modes.variances, variance, "closed_form")
        assert_close(modes.coefficients, lam / variance, "closed_form")
        assert modes.mixing < 1e-10


def test_the_gradient_stops_at_the_target():
    """Finite differences of the loss with the target's weights held still, and not those of the loss itself."""
    rng = np.random.default_rng(4)
    setting = ln.tasks.SelfDistillation(ln.tasks.Moments(*views(rng, 3, commuting=False)))
    network = ln.nn.fan_in()(ln.nn.EncoderDecoder, (3, 4, 2, 2), key=jr.key(0))
    gradient = eqx.filter_grad(setting.loss)(network)
    xx, yx, yy = (np.asarray(m) for m in (setting.moments.xx, setting.moments.yx, setting.moments.yy))
    still = np.asarray(network.encoding())

    def loss(weights, target):
        return reference.loss(reference.chained(weights), xx, target @ yx, target @ yy @ target.T)

    weights = [np.array(w) for w in (*network.encoder.weights, network.decoder)]
    assert_close(setting.loss(network), loss(weights, still), "exact")
    for layer, found in enumerate((*gradient.encoder.weights, gradient.decoder)):
        slope = np.zeros(found.shape)
        for entry in np.ndindex(*found.shape):
            values = []
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[layer][entry] += sign * 1e-6
                values.append(loss(moved, still))
            slope[entry] = (values[0] - values[1]) / 2e-6
        assert_close(found, slope, "finite_difference")


def test_refusals_say_what_failed():
    rng = np.random.default_rng(5)
    moments, mixed = (ln.tasks.Moments(*views(rng, 4, commuting=c)) for c in (True, False))
    setting = ln.tasks.SelfDistillation(moments)
    good = ln.nn.aligned_encoder(setting, 0.1)(ln.nn.EncoderDecoder, (4, 4, 4), key=jr.key(0))
    random = ln.nn.fan_in()(ln.nn.EncoderDecoder, (4, 4, 4), key=jr.key(0))

    def refused(match, network, setting, **settings):
        settings = {"theory": T.SelfDistillationModes(), **settings}
        with pytest.raises(ValueError, match=match):
            T.predict(network, setting, TS, **settings)

    refused("decoupled modes fails", random, setting)
    refused("views diagonal in one basis fails", good, ln.tasks.SelfDistillation(mixed))
    refused("about a `Reconstruction`.* got SelfDistillation", good, setting, theory=T.ReconstructionModes())
    deep = ln.nn.small(0.1)(ln.nn.DeepLinear, (4, 4, 4), key=jr.key(0))
    refused("about `EncoderDecoder` networks, got DeepLinear", deep, setting)
    wide = ln.nn.small(0.1)(ln.nn.EncoderDecoder, (4, 3, 4), key=jr.key(0))
    refused(r"\(3, 3\), got \(4, 3\)", wide, setting)
    refused(
        "reads 3 inputs and the views have 4", ln.nn.small(0.1)(ln.nn.EncoderDecoder, (3, 2, 2), key=jr.key(0)), setting
    )
    narrow, rebuilt = ln.nn.EncoderDecoder(wide.encoder, jnp.ones((3, 3))), ln.tasks.Reconstruction(moments)
    refused("views of 4 entries, got 3", narrow, rebuilt, theory=T.ReconstructionModes())
    refused("small steps at the end fails", good, setting, rule=ln.learn.Descent(0.5))
    with pytest.raises(ValueError, match="needs an encoder and a decoder.*got DeepLinear"):
        ln.learn.simulate(deep, setting, TS)
    with pytest.raises(ValueError, match=r"one size are needed.* got \(2, 4\)"):
        ln.tasks.SelfDistillation(ln.tasks.Moments(np.eye(4), np.ones((2, 4)), np.eye(2)))
    with pytest.raises(ValueError, match=r"needs a decoder of shape \(out, 4\).* got \(4, 3\)"):
        ln.nn.EncoderDecoder(good.encoder, jnp.ones((4, 3)))
    with pytest.raises(ValueError, match="Change the first and the last"):
        ln.nn.aligned_encoder(setting, 0.1)(ln.nn.EncoderDecoder, (5, 4, 4), key=jr.key(0))
    with pytest.raises(ValueError, match="initialises an EncoderDecoder, got a DeepLinear"):
        ln.nn.aligned_encoder(setting, 0.1)(deep, key=jr.key(0))


def test_modes_in_an_unstable_order_are_refused():
    """A learned mode takes up one of larger coefficient: SciPy from weights that are off by rounding."""
    xx, yx = np.diag([4.0, 0.5]), np.diag([2.0, 0.5])
    setting = ln.tasks.SelfDistillation(ln.tasks.Moments(xx, yx, xx))
    network = ln.nn.EncoderDecoder(ln.nn.DeepLinear([np.diag([0.5, 1e-3])] * 2), np.diag([0.5, 1e-3]))
    later = np.array([0.0, 1000.0])
    with pytest.raises(ValueError, match="stable modes fails"):
        T.predict(network, setting, later, theory=T.SelfDistillationModes())
    found = T.predict(network, setting, later / 10, theory=T.SelfDistillationModes())
    grown = next(float(a.value) for a in found.assumptions if a.name == "stable modes")
    first = np.diag([0.5, 1e-3])
    first[0, 1] = 1e-9
    off = ln.nn.EncoderDecoder(ln.nn.DeepLinear([first, np.diag([0.5, 1e-3])]), np.diag([0.5, 1e-3]))
    weights = numpy_flow(off, xx, yx, later / 10, True)[-1]
    np.testing.assert_allclose(weights[0][0, 1] / 1e-9, grown / np.finfo(float).eps, rtol=1e-2)


@pytest.mark.slow
def test_float32_and_vmap():
    rng = np.random.default_rng(6)
    setting = ln.tasks.SelfDistillation(ln.tasks.Moments(*views(rng, 4)))
    networks = [
        ln.nn.aligned_encoder(setting, s)(ln.nn.EncoderDecoder, (4, 4, 4, 4), key=jr.key(0)) for s in (0.1, 0.3)
    ]
    ts = jnp.array([0.0, 3.0, 30.0])
    two = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    both = jax.jit(jax.vmap(lambda n: T.SelfDistillationModes().solve(n, setting, ts)["encoder_strengths"]))(two)
    low = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (networks[1], setting, ts))
    alone = eqx.filter_jit(T.SelfDistillationModes().solve)(*low)["encoder_strengths"]
    assert alone.dtype == jnp.float32
    assert_close(alone, both[1], "closed_form", jnp.float32)

"""Phase portraits whose fixed points and eigenvalues are known in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest

from linnet import analyse


def test_competing_species():
    """Lotka and Volterra's competition, x (3 - x - 2 y), y (2 - x - y): four fixed points."""

    def field(z):
        return jnp.array([z[0] * (3 - z[0] - 2 * z[1]), z[1] * (2 - z[0] - z[1])])

    portrait = analyse.phase_portrait(field, np.linspace(-0.5, 3.5, 17), np.linspace(-0.5, 2.5, 13))
    np.testing.assert_allclose(portrait.fixed_points, [[0, 0], [0, 2], [1, 1], [3, 0]], atol=1e-8)
    assert portrait.kinds == ("unstable node", "stable node", "saddle", "stable node")
    np.testing.assert_allclose(np.sort(portrait.eigenvalues[2].real), [-1 - np.sqrt(2), -1 + np.sqrt(2)], rtol=1e-8)
    np.testing.assert_allclose(portrait.field[:, 0, 0], field(jnp.array([-0.5, -0.5])), rtol=1e-12)
    labelled = portrait.to_xarray()
    assert labelled.field.dims == ("component", "y", "x") and list(labelled.kind.values)[2] == "saddle"


@pytest.mark.parametrize(("damping", "kind"), [(0.2, "stable focus"), (-0.2, "unstable focus"), (0.0, "marginal")])
def test_an_oscillator(damping, kind):
    portrait = analyse.phase_portrait(
        lambda z: jnp.array([z[1], -z[0] - 2 * damping * z[1]]), np.linspace(-1, 1, 4), np.linspace(-1, 1, 5)
    )
    np.testing.assert_allclose(portrait.fixed_points, [[0, 0]], atol=1e-12)
    assert portrait.kinds == (kind,)
    np.testing.assert_allclose(np.sort(portrait.eigenvalues[0].imag), np.sqrt(1 - damping**2) * np.array([-1, 1]))


def test_a_line_of_fixed_points_is_marginal():
    """Two pathways for one mode: every split of the mode is a fixed point."""
    portrait = analyse.phase_portrait(lambda z: z * (1 - z[0] - z[1]), np.linspace(0.05, 1, 9), np.linspace(0.05, 1, 9))
    on_the_line = np.abs(portrait.fixed_points.sum(1) - 1) < 1e-6
    assert on_the_line.sum() > 4 and {k for k, line in zip(portrait.kinds, on_the_line) if line} == {"marginal"}


def test_grids_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="rising"):
        analyse.phase_portrait(lambda z: z, np.array([0.0, 0.0]), np.linspace(0, 1, 3))

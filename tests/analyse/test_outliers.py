"""Outliers of random matrices with a spike, against where the theory of spiked matrices puts them."""

import jax
import numpy as np
import pytest

from linnet import analyse

SIZE = 400


def unit(rng, size=SIZE):
    vector = rng.normal(size=size)
    return vector / np.linalg.norm(vector)


@pytest.mark.slow
def test_a_spike_in_the_circular_law_stands_where_it_is():
    rng = np.random.default_rng(0)
    noise, direction = rng.normal(size=(SIZE, SIZE)) / np.sqrt(SIZE), unit(rng)
    found = analyse.spectral_outliers(noise + 2.0 * np.outer(direction, direction), "circle")
    assert int(found.num) == 1 and abs(complex(found.values[0]) - 2) < 0.15
    np.testing.assert_allclose(found.edge, 1, rtol=0.03)
    # Weaker than the bulk it is not seen.
    assert int(analyse.spectral_outliers(noise + 0.5 * np.outer(direction, direction), "circle").num) == 0


@pytest.mark.parametrize("strength", [1.5, 3.0])
def test_a_spike_in_the_semicircle_is_pushed_outwards(strength):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(SIZE, SIZE))
    noise = (noise + noise.T) / np.sqrt(2 * SIZE)
    direction = unit(rng)
    found = analyse.spectral_outliers(noise - strength * np.outer(direction, direction), "semicircle", margin=0.05)
    assert int(found.num) == 1
    np.testing.assert_allclose(found.values[0], -(strength + 1 / strength), rtol=0.03)
    np.testing.assert_allclose(found.edge, 2, rtol=0.03)


def test_a_spike_in_singular_values():
    rng = np.random.default_rng(2)
    rows, columns, strength = 200, 400, 3.0
    noise = rng.normal(size=(rows, columns)) / np.sqrt(columns)
    spiked = noise + strength * np.outer(unit(rng, rows), unit(rng, columns))
    found = analyse.spectral_outliers(spiked, "singular", std=1 / np.sqrt(columns))
    ratio = rows / columns
    expected = np.sqrt((1 + strength**2) * (ratio + strength**2)) / strength
    assert int(found.num) == 1
    np.testing.assert_allclose(found.values[0], expected, rtol=0.03)
    np.testing.assert_allclose(found.edge, 1 + np.sqrt(ratio), rtol=1e-12)


def test_it_maps_over_members_and_refuses_shapes():
    batch = np.random.default_rng(3).normal(size=(3, 20, 20))
    mapped = jax.vmap(lambda matrix: analyse.spectral_outliers(matrix, "circle"))(batch)
    assert mapped.values.shape == (3, 20) and mapped.num.shape == (3,)
    with pytest.raises(ValueError, match="square"):
        analyse.spectral_outliers(batch[0, :5], "circle")
    with pytest.raises(ValueError, match="'circle', 'semicircle'"):
        analyse.spectral_outliers(batch[0], "disc")

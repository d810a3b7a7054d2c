"""An ensemble runs under the JAX settings of the thread that called it, although its parts run on other threads."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

import linnet as ln
from linnet.learn import _parts


@pytest.fixture
def single_precision():
    """Float32 for all threads, as JAX comes."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", before)


def test_precision_of_the_caller(monkeypatch, single_precision):
    monkeypatch.setattr(_parts, "num_cores", lambda: 2)
    with jax.enable_x64(True):
        task = ln.tasks.Moments(jnp.eye(2), jnp.eye(2), jnp.eye(2))

        def make(key):
            return ln.nn.DeepLinear((jr.normal(key, (2, 2)),)), task, ln.learn.Descent(0.1)

        trajectory = ln.learn.ensemble(make, jnp.arange(3) * 0.1, {"seed": 2}, key=jr.key(0))
        assert trajectory["loss"].dtype == trajectory.network.weights[0].dtype == jnp.float64
        # one step on L = |W - 1|^2 / 2 takes a tenth of the way
        assert jnp.allclose(trajectory["loss"][:, 1], 0.81 * trajectory["loss"][:, 0], rtol=1e-12)

"""Parts of an ensemble side by side, and one after the other where they would wait for each other."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from linnet.learn import _parts


@eqx.filter_jit
def decompose(batch):
    return jnp.linalg.eigh(batch)[0]


@eqx.filter_jit
def double(batch):
    return 2 * batch


def calls(num):
    rng = np.random.default_rng(0)
    batches = rng.normal(size=(num, 3, 4, 4))
    return [(jnp.asarray(batch + batch.swapaxes(-1, -2)),) for batch in batches]


@pytest.mark.parametrize("threads", ["", "1000"])
def test_decompositions_are_those_of_numpy(threads, monkeypatch):
    monkeypatch.setenv("PJRT_NPROC", threads)
    found = _parts.run_side_by_side(decompose, calls(3))
    for (batch,), values in zip(calls(3), found, strict=True):
        np.testing.assert_allclose(values, np.linalg.eigvalsh(batch), rtol=1e-10, atol=1e-12)


def test_decompositions_wait_for_each_other_where_threads_are_few(monkeypatch):
    """Side by side they would hold all of XLA's threads and wait for ever."""

    def forbidden(*args):
        raise AssertionError("side by side")

    monkeypatch.setattr(_parts, "ThreadPoolExecutor", forbidden)
    monkeypatch.delenv("PJRT_NPROC", raising=False)
    _parts.run_side_by_side(decompose, calls(2))
    with pytest.raises(AssertionError, match="side by side"):
        _parts.run_side_by_side(double, calls(2))
    monkeypatch.setenv("PJRT_NPROC", str(4 * _parts.num_cores()))
    with pytest.raises(AssertionError, match="side by side"):
        _parts.run_side_by_side(decompose, calls(2))

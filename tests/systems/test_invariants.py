"""The stored invariants are possible, agree with what is known, and are those that linnet computes today."""

import jax.numpy as jnp
import numpy as np
import pytest

from linnet import analyse, systems
from linnet.systems._table import invariant_table, table

STORED = invariant_table()


def test_every_system_has_an_entry_or_none_is_claimed():
    assert set(STORED) <= set(table())
    for name in table():
        found = systems.invariants(name)
        assert (found is None) == (name not in STORED)
        assert found is None or found.verdict in systems.VERDICTS


@pytest.mark.parametrize("name", STORED)
def test_stored_invariants_are_possible(name):
    found, system = systems.invariants(name), systems.get(name)
    assert found is not None
    if found.verdict == "failed":
        assert found.reason
        return
    exponents, errors = np.array(found.exponents), np.array(found.errors)
    assert np.all(np.diff(exponents) <= 0) and np.all(errors >= 0) and len(errors) == len(exponents)
    assert 0 <= found.kaplan_yorke_dimension <= len(exponents)
    if found.verdict in ("chaotic", "regular") and isinstance(system, systems.Flow):
        # A bounded orbit of a flow that is not a fixed point has a vanishing exponent, that of its own direction.
        assert np.abs(exponents).min() <= 5 * errors[np.abs(exponents).argmin()] + 0.02 / system.period, exponents
    if "hamiltonian" in system.flags and found.verdict == "chaotic" and not isinstance(system, systems.DelayFlow):
        assert abs(exponents.sum()) <= 5 * np.linalg.norm(errors) + 0.02 / system.period, exponents
    assert ("discontinuous" in system.flags) == (found.verdict == "discontinuous")
    assert not ("quasiperiodic" in system.flags and found.verdict == "chaotic")
    if not isinstance(system, systems.IteratedMap):
        assert found.period is not None and found.period > 0


@pytest.mark.parametrize("name", [name for name, entry in table().items() if "literature" in entry and name in STORED])
def test_stored_exponents_are_those_of_the_literature(name):
    found = systems.invariants(name)
    assert found is not None
    assert found.exponents, found.reason
    margin = 5 * np.array(found.errors) + 2e-4
    assert np.all(np.abs(np.array(found.exponents) - table()[name]["literature"]) <= margin)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Thomas", "SprottE", "Chen", "Lozi"])
def test_stored_exponents_are_those_of_today(name):
    """A longer run with another step, from another start."""
    found, system = systems.invariants(name), systems.get(name)
    if found is None:
        pytest.skip("not computed yet")
    start = np.asarray(system.orbit(2, dt=1.0 if isinstance(system, systems.IteratedMap) else system.period).states[-1])
    again = analyse.lyapunov_spectrum(system, initial=jnp.asarray(start), trajectories=16)
    margin = 6 * np.hypot(found.errors, np.asarray(again.standard_errors)) + 2e-3 * np.abs(found.exponents).max()
    assert np.all(np.abs(np.asarray(again.exponents) - found.exponents) <= margin)


def test_unknown_name_is_refused_with_the_closest():
    with pytest.raises(ValueError, match="Rossler"):
        systems.invariants("Roessler")

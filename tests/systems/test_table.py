"""The table is what it must be, and names are found or refused with a sentence."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from linnet import systems
from linnet.systems._equations import DELAYS, FLOWS, MAPS
from linnet.systems._table import KINDS, table

FIELDS = {"kind", "parameters", "initial", "period", "dt", "citation"}
OPTIONAL = {"flags", "unbounded", "literature", "literature_source"}


@pytest.mark.parametrize("name", table())
def test_entries_are_complete(name):
    entry = table()[name]
    assert FIELDS <= set(entry) <= FIELDS | OPTIONAL
    assert entry["kind"] in KINDS and name.isidentifier()
    for value in [*entry["parameters"].values(), entry["initial"]]:
        assert np.asarray(value).dtype == np.float64 and np.all(np.isfinite(value)), "numbers are written with a point"
    assert 0 < entry["dt"] <= entry["period"] < np.inf
    assert len(entry["citation"]) > 15 and entry["citation"].endswith(".")
    assert set(entry.get("flags", ())) <= set(systems.FLAGS)
    assert all(0 <= index < len(entry["initial"]) for index in entry.get("unbounded", ()))
    assert ("literature" in entry) == ("literature_source" in entry)
    if entry["kind"] == "map":
        assert entry["dt"] == entry["period"] == 1
    if entry["kind"] == "delay":
        assert entry["parameters"]["tau"] > 0 and len(entry["initial"]) == 1


def test_table_and_equations_have_the_same_names():
    for kind, registry in (("flow", FLOWS), ("delay", DELAYS), ("map", MAPS)):
        assert set(systems.names(kind=kind)) == set(registry)


def test_there_are_enough_systems():
    assert len(systems.names(without=("quasiperiodic",))) - len(systems.names(kind="map")) >= 130
    assert len(systems.names(kind="map")) >= 20


def test_names_are_filtered():
    assert systems.names(kind="delay", dimension=1) == systems.names(kind="delay")
    assert set(systems.names(dimension=3, flags=("nonautonomous",))) >= {"Duffing", "ForcedVanDerPol"}
    assert not set(systems.names(without=("hamiltonian",))) & set(systems.names(flags=("hamiltonian",)))


def test_phases_of_drives_run_evenly():
    """A driven flow carries its phase as its last coordinate: constant derivative, and it grows without bound."""
    for name in systems.names(flags=("nonautonomous",)):
        system = systems.get(name)
        rates = [float(system.rhs(0.0, system.initial * scale)[-1]) for scale in (1.0, 1.1)]
        assert rates[0] == rates[1] > 0, name
        assert system.dimension - 1 in system.unbounded or "unbounded" not in table()[name], name


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: systems.get("Lorentz"), ["no system 'Lorentz'", "Lorenz"]),
        (lambda: systems.get("henon"), ["no system 'henon'", "Henon"]),
        (lambda: systems.get("Lorenz", dtype=jnp.int32), ["floating-point", "int32"]),
        (lambda: systems.names(kind="ode"), ["flow, delay, map", "'ode'"]),
        (lambda: systems.names(flags=("driven",)), ["no flag 'driven'", "hamiltonian"]),
        (lambda: systems.get("Lorenz").with_parameters(rhoo=1.0), ["no parameter 'rhoo'", "rho", "sigma"]),
        (lambda: systems.get("Hopfield").with_parameters(k=jnp.eye(3)), ["(6, 6)", "(3, 3)"]),
        (lambda: systems.get("Lorenz").orbit(0), ["at least one point"]),
        (lambda: systems.get("Lorenz").orbit(9, dt=0.1, points_per_period=9), ["once", "leave one"]),
        (lambda: systems.get("Lorenz").orbit(9, dt=-0.1), ["`dt`", "positive", "-0.1"]),
        (lambda: systems.get("Lorenz").orbit(9, initial=jnp.zeros(4)), ["3 coordinates", "(4,)"]),
        (lambda: systems.get("Lorenz96").orbit(9, initial=jnp.zeros(3)), ["at least 4", "(3,)"]),
        (lambda: systems.get("Lorenz").orbit(9, noise=0.1), ["needs a key"]),
        (lambda: systems.get("Lorenz").orbit(9, noise=-0.1), ["`noise`", "-0.1"]),
        (lambda: systems.get("Lorenz").orbit(9, transient=-1.0), ["`transient`", "-1.0"]),
        (lambda: systems.get("Henon").orbit(9, dt=0.5), ["is a map", "0.5"]),
        (lambda: systems.get("MackeyGlass").with_parameters(tau=0.0).orbit(9), ["tau", "positive"]),
        (
            lambda: systems.get("Lorenz").with_parameters(rho=jnp.ones(3)).orbit(9, initial=jnp.ones((2, 3))),
            ["must broadcast", "rho (3,)"],
        ),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_the_page_has_every_system():
    """`python tools/systems_page.py` fills the table of docs/systems.md."""
    page = (Path(__file__).parents[2] / "docs" / "systems.md").read_text(encoding="utf-8")
    missing = [name for name in systems.names() if f"| `{name}` |" not in page]
    assert not missing, f"Run tools/systems_page.py: {missing} are not on the page."

"""The table of systems, read once from `systems.toml`, and the words its entries may use."""

import functools as ft
import tomllib
from importlib import resources
from typing import Any

#: What an entry may say of its system.
FLAGS = {
    "nonautonomous": "driven from outside; the phase of the drive is a coordinate whose derivative is constant",
    "hamiltonian": "conserves an energy or a volume, so that its exponents come in pairs or sum to zero",
    "discontinuous": "its right-hand side jumps; an autodiff Jacobian misses what happens at the jump",
    "nonsmooth": "its right-hand side has a corner, where methods of high order lose their order",
    "quasiperiodic": "not chaotic: a control whose largest exponent is zero",
    "stiff": "needs an implicit solver, Kvaerno5",
    "any_size": "takes states of any length, the initial one only sets the default",
}
KINDS = ("flow", "delay", "map")


@ft.lru_cache(maxsize=1)
def table() -> dict[str, dict[str, Any]]:
    """All entries of `systems.toml` by name: kind, parameters, initial, period, dt, flags, unbounded, citation."""
    return _read("systems.toml")


@ft.lru_cache(maxsize=1)
def invariant_table() -> dict[str, dict[str, Any]]:
    """All entries of `invariants.toml` by name, as `tools/recompute_invariants.py` has written them."""
    return _read("invariants.toml")


def _read(file: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("linnet.systems").joinpath(file).read_text(encoding="utf-8"))

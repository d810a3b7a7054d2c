"""What every test shares: float64, run-time shape checks over linnet, keys, and deterministic hypothesis."""

import gc
import importlib
import itertools
import os
import sys
import types
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Tests run thousands of small programs once each: their time is compilation, and this halves it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# As on the command line: batches of matrices are decomposed by threads that wait for others of the same pool.
os.environ.setdefault("PJRT_NPROC", str(4 * max(os.cpu_count() or 1, 2)))

import jax
import jax.random as jr
import matplotlib
import pytest
from beartype import BeartypeConf, beartype
from hypothesis import settings
from jaxtyping import install_import_hook

# Before anything of linnet is imported: its annotations are checked at run time in tests, and only there. An int passes
# for a float, as PEP 484 says. The hook asks for the checker by the name of a module, so it gets one.
_checker = types.ModuleType("linnet_typechecker")
setattr(_checker, "check", beartype(conf=BeartypeConf(is_pep484_tower=True)))  # noqa: B010
sys.modules[_checker.__name__] = _checker
install_import_hook("linnet", f"{_checker.__name__}.check")

# Halves it once more; before JAX is first used.
importlib.import_module("linnet").prefer_quick_loops()

jax.config.update("jax_enable_x64", True)
matplotlib.use("Agg")

settings.register_profile("linnet", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("linnet")


class Keys:
    """An endless supply of keys from one seed: `keys()` is the next one, `keys(3)` an array of the next three."""

    def __init__(self, seed):
        self._key = jr.key(seed)

    def __call__(self, num=None):
        self._key, new = jr.split(self._key)
        return new if num is None else jr.split(new, num)


#: A process may have 65,530 mappings of memory on Linux, and a compiled program keeps dozens. Where they run out,
#: the compiler crashes.
MOST_MAPPINGS = 30_000
_MAPPINGS = Path("/proc/self/maps")
_finished = itertools.count(1)


@pytest.fixture(autouse=True)
def few_mappings():
    """Forgets compiled programs before there are too many of them."""
    yield
    if next(_finished) % 20 == 0 and _MAPPINGS.exists() and _MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def keys():
    """A fresh supply of keys, the same in every run of a test."""
    return Keys(0)


@pytest.fixture
def key():
    """One key, the same in every run of a test."""
    return jr.key(0)

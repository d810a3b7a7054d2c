"""One table of tolerances for the whole suite, by dtype and by what is compared.

A test that needs more than its kind allows has found something; it does not get a number of its own.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

TOLERANCES = {
    # The same algebra in another order: rounding only.
    ("float64", "exact"): {"rtol": 1e-11, "atol": 1e-13},
    ("float32", "exact"): {"rtol": 2e-5, "atol": 1e-6},
    # An adaptive solver at linnet's default tolerances against a closed form or another solver.
    ("float64", "ode"): {"rtol": 1e-6, "atol": 1e-9},
    ("float32", "ode"): {"rtol": 2e-3, "atol": 1e-5},
    # Closed forms with exponentials and cancellations, quadrature, eigendecompositions.
    ("float64", "closed_form"): {"rtol": 1e-8, "atol": 1e-11},
    ("float32", "closed_form"): {"rtol": 1e-3, "atol": 1e-5},
    # Central differences with the best step.
    ("float64", "finite_difference"): {"rtol": 1e-6, "atol": 1e-8},
    ("float32", "finite_difference"): {"rtol": 2e-2, "atol": 1e-3},
}


def tolerance(dtype, kind) -> dict[str, Any]:
    """The `rtol` and `atol` for `np.testing.assert_allclose`.

    Args:
        dtype: the dtype the compared numbers were computed in, or an array of it.
        kind: "exact", "ode", "closed_form" or "finite_difference".
    """
    return TOLERANCES[jnp.dtype(getattr(dtype, "dtype", dtype)).name, kind]


def assert_close(actual, desired, kind, dtype=jnp.float64):
    """Fails unless two arrays agree within the tolerance of their kind."""
    np.testing.assert_allclose(np.asarray(actual), np.asarray(desired), **tolerance(dtype, kind))

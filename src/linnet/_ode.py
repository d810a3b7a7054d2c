"""One way to solve an ODE at asked-for times, for flows (`learn`) and reduced equations (`theory`) alike."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax.numpy as jnp
import jax.tree_util as jtu
import optimistix
from jaxtyping import Array, Float, Int


def default_tolerances(dtype: Any) -> tuple[float, float]:
    """Relative and absolute tolerance by precision; the absolute one lies well below any useful initial weight."""
    return (1e-8, 1e-12) if jnp.finfo(dtype).eps < 1e-10 else (1e-5, 1e-8)


def solve_ode(
    field: Callable[[Float[Array, ""], Any, Any], Any],
    initial: Any,
    ts: Float[Array, " time"],
    args: Any = None,
    *,
    start: Float[Array, ""] | float = 0.0,
    save: Callable[[Float[Array, ""], Any, Any], Any] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: float | None = None,
    atol: Float[Array, ""] | float | None = None,
    max_steps: int = 200_000,
    jumps: Float[Array, " jump"] | None = None,
) -> tuple[Any, Any, Int[Array, ""]]:
    r"""Solves $\dot y = f(t, y, \text{args})$ from `start` adaptively and saves at `ts`.

    Args:
        field: $f$.
        initial: $y$ at `start`, any tree of real arrays.
        ts: ascending times, none before `start`.
        args: passed to `field` and `save`.
        save: what to save at each time, `save(t, y, args)`; by default `y`.
        solver: a diffrax solver, by default `Tsit5`.
        rtol: relative tolerance; by default that of the precision of `initial`.
        atol: absolute tolerance.
        max_steps: the most steps.
        jumps: times at which the field jumps, where the solver stops and begins anew.

    Returns:
        What was saved, with a leading axis over times; the final $y$; a result code of `linnet.RESULTS` (0 successful,
        1 not finite, 2 out of steps). Nothing is raised, so that members of an ensemble can fail alone.
    """
    dtype = jnp.result_type(*jtu.tree_leaves(initial))
    default_rtol, default_atol = default_tolerances(dtype)
    ts = jnp.asarray(ts, jnp.finfo(dtype).dtype)
    end = ts[-1]
    # What is saved last is the end: one thing less to compile where the solution itself is saved.
    saveat = diffrax.SaveAt(ts=ts)
    if save is not None:
        saveat = diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=ts, fn=save), diffrax.SubSaveAt(t1=True)])
    controller: diffrax.AbstractStepSizeController = diffrax.PIDController(
        rtol=default_rtol if rtol is None else rtol, atol=default_atol if atol is None else atol, norm=_error_norm
    )
    if jumps is not None:
        controller = diffrax.ClipStepSizeController(controller, jump_ts=jnp.asarray(jumps, ts.dtype))
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),  # pyright: ignore[reportArgumentType]
        diffrax.Tsit5() if solver is None else solver,
        t0=jnp.asarray(start, ts.dtype),
        t1=end,
        dt0=None,
        y0=initial,
        args=args,
        saveat=saveat,
        stepsize_controller=controller,
        max_steps=max_steps,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    saved, final = (solution.ys, solution.ys) if save is None else solution.ys  # pyright: ignore[reportGeneralTypeIssues]
    final = jtu.tree_map(lambda leaf: leaf[-1], final)
    out_of_steps = jnp.where(solution.result == diffrax.RESULTS.successful, 0, 2)
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jtu.tree_leaves(final)]))
    # Beyond the last accepted step diffrax leaves infinities: not finite there means "stopped", told apart by the
    # result.
    return saved, final, jnp.where(finite, out_of_steps, jnp.maximum(out_of_steps, 1)).astype(jnp.int32)


def _error_norm(errors: Any) -> Array:
    """Root mean square, infinite where a step overshot so far that its error is NaN: diffrax would never recover."""
    norm = optimistix.rms_norm(errors)
    return jnp.where(jnp.isnan(norm), jnp.inf, norm)


def tree_all_finite(tree: Any) -> Array:
    """Whether every inexact array of a tree is finite."""
    leaves = [leaf for leaf in jtu.tree_leaves(tree) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])) if leaves else jnp.asarray(True)

"""Orbits against dysts' own integrator, and how fast and how right largest Lyapunov exponents are."""

import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from linnet import analyse, systems

from ._clock import Cost, race, timed
from ._row import Row

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dysts.flows import Lorenz as DystsLorenz
    MISSING = ""
except ImportError:
    DystsLorenz: Any = None
    MISSING = "dysts is not installed"

NAME = "systems"
FASTER = 100.0
TOLERANCE = 1e-8
#: The largest exponent of Lorenz's system at 10, 28, 8/3; how near to it, and how fast.
EXPONENT, NEAR, SECONDS = 0.9056, 0.002, 1.0
#: For the exponents of all systems: seconds on the clock, periods, and the most steps of each trajectory.
MINUTES, PERIODS, MOST_STEPS = 5, 100, 20_000
#: The methods that dysts hands to SciPy; the first is its own choice, the last its fastest here.
METHODS = ("Radau", "DOP853", "LSODA")


def linnet_orbits(batch: int, num: int) -> Callable[[], Any]:
    """A call that solves Lorenz's system from many starts, with dysts' parameter and spacing."""
    lorenz = systems.get("Lorenz").with_parameters(beta=2.667)
    starts = lorenz.initial + jr.normal(jr.key(0), (batch, 3)).at[0].set(0.0)
    # dysts' last point is at `num` spacings, although there are but `num - 1` between its points.
    spacing = lorenz.period / 100 * num / (num - 1)
    options: dict[str, Any] = {"dt": spacing, "rtol": TOLERANCE, "atol": TOLERANCE}
    return lambda: lorenz.orbit(num, initial=starts, **options).states


def dysts_orbit(num: int, method: str) -> Callable[[], np.ndarray]:
    """A call that solves one of them by dysts, which takes starts one after the other."""
    flow, start = DystsLorenz(), np.asarray(systems.get("Lorenz").initial)
    period = systems.get("Lorenz").period

    def run() -> np.ndarray:
        flow.ic, flow.period = start, period
        with warnings.catch_warnings():
            # That there is no numba (which changes nothing here), and that some methods need no Jacobian.
            warnings.simplefilter("ignore")
            return flow.make_trajectory(num, pts_per_period=100, method=method, rtol=TOLERANCE, atol=TOLERANCE)

    return run


def agree(first: np.ndarray, second: np.ndarray, points: int = 300) -> float:
    """How far two orbits from one start are apart over a few periods, before chaos has them apart.

    Raises:
        RuntimeError: if they are not the same orbit.
    """
    off = float(np.abs(first[:points] - second[:points]).max())
    if not off < 1e-3:
        raise RuntimeError(f"dysts' orbit is another one than linnet's: they differ by {off:.1e} in {points} points.")
    return off


def orbits(batch: int, num: int, rounds: int) -> list[Row]:
    """The rows of orbits."""
    own = linnet_orbits(batch, num)
    what = f"{batch} orbits of Lorenz of {num} points at {TOLERANCE:g}, each: dysts / linnet"
    if MISSING:
        return [Row(NAME, what, None, target=FASTER, seconds={"linnet": timed(own)[0].as_dict()}, note=MISSING)]
    ran = race({"linnet": own, **{method: dysts_orbit(num, method) for method in METHODS}}, rounds)
    mine, rows = np.asarray(ran.values["linnet"])[0], []
    offs = {method: agree(mine, ran.values[method]) for method in METHODS}
    each = ran.best("linnet").times(1 / batch)
    seconds = {"linnet, each": each.as_dict(), "linnet, first call": ran.first["linnet"].as_dict()}
    for method in METHODS:
        cost = ran.best(method)
        rows.append(
            Row(
                NAME,
                f"{what}, {method}" + (" (its default)" if method == METHODS[0] else ""),
                cost.cpu / each.cpu,
                target=FASTER if method == METHODS[0] else None,
                seconds={**seconds, f"dysts, {method}": cost.as_dict()},
                note=f"CPU seconds; linnet {1e3 * each.cpu:.3g} ms, dysts {1e3 * cost.cpu:.4g} ms, timed on one"
                f" start; they differ by {offs[method]:.1e} over 3 periods",
            )
        )
    return rows


def lorenz_exponent(trajectories: int, duration: float) -> list[Row]:
    """The rows of Lorenz's largest exponent."""

    def run() -> Any:
        lorenz, options = systems.get("Lorenz"), {"trajectories": trajectories, "time": duration, "transient": 50.0}
        return analyse.lyapunov_spectrum(lorenz, num_exponents=1, **options)

    first, _ = timed(run)
    again, found = timed(run)
    value, error = float(found.exponents[0]), float(found.standard_errors[0])
    seconds = {"first call": first.as_dict(), "second call": again.as_dict()}
    note = f"{value:.4f} +- {error:.4f} from {trajectories} orbits of {duration:g}"
    return [
        Row(NAME, "largest exponent of Lorenz, off 0.9056", abs(value - EXPONENT), "", "<=", NEAR, seconds, note),
        Row(NAME, "largest exponent of Lorenz, once compiled", again.wall, "s", "<", SECONDS, seconds, note),
    ]


def largest_exponent(name: str) -> tuple[float, float]:
    """The largest exponent of a system of the table and its standard error, with few steps; NaN where it escapes."""
    system = systems.get(name)
    options: dict[str, Any] = {"num_exponents": 1}
    try:
        if isinstance(system, systems.Flow):
            # A call of one period compiles and tells the step; stiff flows get a shorter time.
            options["step"] = float(analyse.lyapunov_spectrum(system, time=system.period, **options).step)
            options["time"] = min(PERIODS * system.period, MOST_STEPS * options["step"])
        elif isinstance(system, systems.DelayFlow):
            options["time"] = 2 * PERIODS * float(system.delay)
        else:
            options["time"] = 20.0 * PERIODS
        found = analyse.lyapunov_spectrum(system, **options)
    except ValueError:
        return float("nan"), float("nan")
    return float(found.exponents[0]), float(found.standard_errors[0])


def all_systems(names: Iterable[str]) -> list[Row]:
    """The row of all systems' largest exponents."""
    names, begin, cpu = list(names), time.perf_counter(), time.process_time()
    found = {name: largest_exponent(name) for name in names}
    cost = Cost(time.process_time() - cpu, time.perf_counter() - begin)
    near, known = 0, 0
    for name, (value, error) in found.items():
        entry = systems.invariants(name)
        if entry is not None and np.isfinite(value) and len(entry.exponents):
            known += 1
            # The table has five digits.
            near += abs(value - entry.exponents[0]) <= 4 * np.hypot(error, entry.errors[0]) + 1e-5 * abs(value)
    escaped = sum(not np.isfinite(value) for value, _ in found.values())
    note = f"{near} of {known} within four standard errors of the stored table; {escaped} escaped"
    what = f"largest exponents of {len(names)} systems, compiled and run"
    return [Row(NAME, what, cost.wall, "s", "<=", 60.0 * MINUTES, {"linnet": cost.as_dict()}, note)]


def measure(
    batch: int = 256,
    num: int = 10_000,
    rounds: int = 2,
    trajectories: int = 256,
    duration: float = 1500.0,
    names: Iterable[str] | None = None,
) -> list[Row]:
    """Races orbits, and times largest exponents.

    Args:
        batch: how many orbits linnet solves together.
        num: the points of each.
        rounds: how often each contestant runs after its first call.
        trajectories: those of Lorenz's largest exponent.
        duration: the time of each of them.
        names: the systems whose exponents are computed; by default all.
    """
    jnp.zeros(()).block_until_ready()
    chosen = systems.names() if names is None else names
    return [*orbits(batch, num, rounds), *lorenz_exponent(trajectories, duration), *all_systems(chosen)]

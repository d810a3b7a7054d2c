"""Recomputes the invariants of every system of linnet.systems and writes src/linnet/systems/invariants.toml.

    python tools/recompute_invariants.py                 all systems, in two processes
    python tools/recompute_invariants.py Lorenz Thomas   only these; the others' entries stay as they are
    python tools/recompute_invariants.py --missing       those that have no entry yet
    python tools/recompute_invariants.py --time 5        five times as long a time (standard errors fall by its root)

Each spectrum is computed at least twice: with the step that the Jacobian asks for and with half of it, and with
halves of that, four times at most, while exponents move by more than three standard errors and a hundredth of the
largest (delay flows: 64 and 128 steps a delay; maps: half the time and all of it). The error of an exponent is its
standard error and the difference between the last two, in quadrature. A spectrum counts as converged where the
largest exponent's error is less than a tenth of it, or where the exponent is zero within three errors and those are
small against the rate of the oscillation.
"""

import argparse
import concurrent.futures
import functools as ft
import json
import multiprocessing
import time
import tomllib
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "linnet" / "systems" / "invariants.toml"
#: The most steps of a trajectory at the coarsest step: stiff flows get a shorter time, and a larger error.
MOST_STEPS = 60_000
HEAD = """# Lyapunov spectra, Kaplan-Yorke dimensions and periods, computed by linnet: do not edit.
# python tools/recompute_invariants.py (with --time 5 for those whose `time` is longer)
# `exponents` are per unit of time (maps: per iteration), the errors are standard errors and differences between two
# steps in quadrature. `verdict`: chaotic, regular (the largest exponent is zero or negative), unconverged,
# discontinuous (the derivative misses the jumps of the right-hand side), failed (with a reason).
"""


def invariants(name, factor):
    """The entry of one system."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import linnet as ln

    system = ln.systems.get(name)
    begin = time.process_time()
    try:
        entry = spectrum(ln, system, factor)
        entry |= period(ln, system, entry["step"])
    except ValueError as error:
        entry = {"verdict": "failed", "reason": str(error)}
    return name, entry, time.process_time() - begin


def spectrum(ln, system, factor):
    """Exponents, their errors, the dimension and the verdict."""
    import numpy as np

    flow, delay = isinstance(system, ln.systems.Flow), isinstance(system, ln.systems.DelayFlow)
    scale = 2000 * float(system.delay) if delay else 500 * system.period if flow else 20_000.0
    run = ft.partial(ln.analyse.lyapunov_spectrum, system, time=factor * scale)
    if flow:
        # The step of a flow is its own argument: all runs are one program. Steps are halved while the exponents move.
        first = run(time=system.period)
        run = ft.partial(run, time=factor * min(scale, MOST_STEPS * first.step))
        fine = run(step=first.step)
        for _ in range(4):
            coarse, fine = fine, run(step=fine.step / 2)
            moved = np.abs(np.asarray(fine.exponents - coarse.exponents))
            noise = np.hypot(np.asarray(fine.standard_errors), np.asarray(coarse.standard_errors))
            if np.all(moved <= 3 * noise + 0.01 * np.abs(fine.exponents[0]) + 1e-3 / system.period):
                break
    elif delay:
        coarse, fine = run(steps_per_delay=64), run(steps_per_delay=128)
    else:
        coarse, fine = run(time=factor * scale / 2), run()
    exponents = np.asarray(fine.exponents)
    errors = np.hypot(np.asarray(fine.standard_errors), exponents - np.asarray(coarse.exponents))
    largest, error = exponents[0], errors[0]
    if not fine.exact:
        verdict = "discontinuous"
    elif largest > 3 * error and error < 0.1 * largest and largest * system.period > 1e-3:
        verdict = "chaotic"
    elif largest < max(3 * error, 1e-3 / system.period) and error * system.period < 1e-2:
        verdict = "regular"
    else:
        verdict = "unconverged"
    dimension = float(ln.analyse.kaplan_yorke_dimension(exponents, zero=2 * errors))
    ends = [float(ln.analyse.kaplan_yorke_dimension(exponents + s * errors)) for s in (-1, 1)]
    return {
        "verdict": verdict,
        "exponents": exponents.tolist(),
        "errors": errors.tolist(),
        "kaplan_yorke_dimension": dimension,
        "kaplan_yorke_error": abs(ends[1] - ends[0]) / 2 if len(exponents) > 1 else 0.0,
        "step": float(fine.step),
        "time": float(fine.time),
        "escaped": int(fine.num_failed),
    }


def period(ln, system, step):
    """The period of the strongest oscillation, summed over standardised coordinates.

    It is the peak of the power in each octave, frequency times power density, for many attractors switch between their
    lobes at random, and the spectrum of that is highest at frequency zero.
    """
    import numpy as np
    from scipy.signal import welch

    if isinstance(system, ln.systems.IteratedMap):
        return {}
    num, points = 2**14, 32
    if isinstance(system, ln.systems.Flow):
        states = ln.analyse.fixed_step_states(system, num, dt=system.period / points, step=2 * step)
    else:
        states = system.orbit(num, points_per_period=points, steps_per_delay=64, transient=20 * system.period).states
    states = np.array(states)
    for index in system.unbounded:
        states[1:, index] = np.diff(states[:, index])
        states[0, index] = states[1, index]
    spread = states.std(axis=0)
    states = ((states - states.mean(axis=0)) / np.where(spread > 1e-9 * np.abs(states).max(), spread, np.inf)).T
    frequencies, power = welch(states, fs=points / system.period, nperseg=num // 8, axis=-1)
    total = frequencies * power.sum(axis=0)
    # The mean frequency around the peak; its error is the width of a bin.
    peak = int(np.argmax(total[1:])) + 1
    around = slice(max(peak - 1, 1), peak + 2)
    frequency = float(np.sum(frequencies[around] * total[around]) / np.sum(total[around]))
    return {"period": 1 / frequency, "period_error": float(frequencies[1]) / frequency**2 / 2}


def only_period(name, entry):
    """The entry of one system with its period computed again."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import linnet as ln

    begin = time.process_time()
    if "step" in entry:
        entry = entry | period(ln, ln.systems.get(name), entry["step"])
    return name, entry, time.process_time() - begin


def write(entries):
    """Writes all entries, in the order of the table."""
    import linnet as ln

    lines = [HEAD]
    for name in ln.systems.names():
        if name in entries:
            lines.append(f"[{name}]")
            for key, value in entries[name].items():
                rounded = json.loads(json.dumps(value), parse_float=lambda text: float(f"{float(text):.5g}"))
                lines.append(f"{key} = {json.dumps(rounded)}")
            lines.append("")
    TARGET.write_text("\n".join(lines), encoding="utf-8")


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--missing", action="store_true", help="only systems that have no entry yet")
    parser.add_argument("--periods", action="store_true", help="only the periods, of systems that have an entry")
    parser.add_argument("--time", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    import linnet as ln

    known = tomllib.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    chosen = arguments.names or [n for n in ln.systems.names() if not (arguments.missing and n in known)]
    begin = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs, mp_context=context) as pool:
        if arguments.periods:
            jobs = [pool.submit(only_period, name, known[name]) for name in chosen if name in known]
        else:
            jobs = [pool.submit(invariants, name, arguments.time) for name in chosen]
        for job in concurrent.futures.as_completed(jobs):
            name, entry, seconds = job.result()
            known[name] = entry
            largest = entry.get("exponents", [float("nan")])[0]
            print(f"{name:28s} {entry['verdict']:14s} {largest:12.5g} {seconds:6.1f} s of work", flush=True)
            write(known)
    print(f"{len(chosen)} systems in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()

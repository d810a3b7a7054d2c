"""The numbers of a `linnet reconstruct` run, as plain values and as a sentence."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from .. import systems
from ..reconstruct import VERDICTS
from ._reconstruct_data import SeriesData
from ._reconstruct_judge import order
from ._reconstruct_measure import METRICS
from ._reconstruct_models import Plan


def summarise(plan: Plan, data: SeriesData, tree: xr.DataTree) -> dict[str, Any]:
    """The summary of a run, without where it lies.

    Args:
        plan: what was trained.
        data: the series.
        tree: all stages.
    """
    found, measured = tree["training"].to_dataset(), tree["metrics"].to_dataset()
    best = int(order(found)[0])
    lyapunov, free = tree["exponents"].to_dataset(), tree["free_run"].to_dataset()
    calibrated = tree["scales"].to_dataset()
    scales = {
        str(name): {metric: float(calibrated[metric].values[place]) for metric in METRICS}
        for place, name in enumerate(calibrated["scale"].values)
    }
    rates = lyapunov["exponent"].values / data.dt
    errors = lyapunov["error"].values / data.dt
    seeds = [_seed(found, measured, seed) for seed in range(plan.seeds)]
    verdicts = found["verdict"].values
    summary = {
        "title": data.title,
        "model": plan.model,
        "about": plan.about,
        "forcing": plan.forcing_about,
        **{metric: float(measured[metric].values[best]) for metric in METRICS},
        "scales": scales,
        "prediction_steps": plan.ahead,
        "lyapunov_exponents": rates.tolist(),
        "lyapunov_errors": errors.tolist(),
        "lyapunov_unit": f"per {_one(data.unit)}",
        "lyapunov_note": lyapunov.attrs["reason"] or None,
        "known_exponents": known_exponents(data),
        "kaplan_yorke_dimension": lyapunov.attrs["dimension"] if lyapunov.attrs["dimension"] >= 0 else None,
        "failure_rate": float(np.mean(verdicts != 0)),
        "diverged": bool(measured["diverged"].values[best]),
        "best_seed": best,
        "seeds": seeds,
        "judged_by": found.attrs["decides"],
        "threshold": found.attrs["threshold"],
        "fixed_points": _points(tree["fixed_points"].to_dataset(), data),
        "num_fixed_points": int(tree["fixed_points"].attrs["num"]),
        "symbols": _symbols(tree["symbols"].to_dataset()) if "symbols" in tree.children else None,
        "forecast": _forecast(tree["forecast"].to_dataset(), growth(lyapunov), data),
        "data": {
            "columns": list(data.names),
            "train_points": len(data.train),
            "test_points": len(data.test),
            "dt": data.dt,
            "unit": data.unit,
            "embedding": list(data.embedding) if data.embedding else None,
        },
        "settings": {**dataclasses.asdict(plan), "steps": int(found.attrs["steps"])},
        "parameters": int(found.attrs["parameters"]),
        "measure": {key: calibrated.attrs[key] for key in ("method", "bins", "variance")},
        "notes": list(data.notes),
    }
    summary["warnings"] = _warnings(summary, int(free.attrs["valid"]), len(data.test))
    return {**summary, "answer": answer(summary)}


def known_exponents(data: SeriesData) -> list[float] | None:
    """The exponents of the system that made the data, of linnet's table."""
    if data.system is None or len(data.names) < systems.get(data.system).dimension:
        return None
    found = systems.invariants(data.system)
    return list(found.exponents) if found is not None and found.verdict in ("chaotic", "regular") else None


def answer(summary: dict[str, Any]) -> str:
    """What was found, in a sentence or two."""
    who = f"{_article(summary['about'])} {summary['about']}, {summary['forcing']} on {summary['title']}"
    failed = sum(seed["verdict"] != 0 for seed in summary["seeds"])
    num = len(summary["seeds"])
    last = f"{failed} of {num} seeds failed" if num > 1 else "its one seed failed" if failed else ""
    if summary["diverged"]:
        return f"{who}: its free run left every bound, so that it is no reconstruction" + (
            f"; {last}." if last else "."
        )
    value, scales = summary["state_space_divergence"], summary["scales"]
    floor, gaussian = (scales[name]["state_space_divergence"] for name in ("floor", "gaussian"))
    parts = [
        f"{who}, runs at a divergence of {value:.2g} from the unseen part in state space, where the data themselves are"
        f" at {floor:.2g} and Gaussian noise at {gaussian:.2g}"
    ]
    if summary["lyapunov_exponents"]:
        largest, error = summary["lyapunov_exponents"][0], summary["lyapunov_errors"][0]
        known = summary["known_exponents"]
        truth = f" (of the system itself {known[0]:.3g})" if known else ""
        parts.append(f"its largest Lyapunov exponent is {largest:.3g} ± {error:.1g} {summary['lyapunov_unit']}{truth}")
    ahead = summary["forecast"]
    times = ahead["lyapunov_times"]
    if ahead["good_steps"] < 1:
        parts.append("most of its forecasts are not good for a single step")
    else:
        lyapunov = f", {times:.2g} Lyapunov times" if times is not None else ""
        parts.append(f"its forecasts are good for {ahead['good_steps']:.3g} steps{lyapunov}")
    return "; ".join([*parts, *([last] if last else [])]) + "."


def growth(lyapunov: xr.Dataset) -> float | None:
    """The largest exponent per step, where it is positive beyond its error."""
    if not lyapunov.sizes["index"]:
        return None
    value, error = float(lyapunov["exponent"].values[0]), float(lyapunov["error"].values[0])
    return value if value > max(2 * error, 1e-6) else None


def _seed(found: xr.Dataset, measured: xr.Dataset, seed: int) -> dict[str, Any]:
    code = int(found["verdict"].values[seed])
    return {
        "seed": seed,
        "verdict": code,
        "message": VERDICTS[code],
        "training_divergence": float(found["divergence"].values[seed]),
        "training_distance": float(found["distance"].values[seed]),
        "diverged": bool(measured["diverged"].values[seed]),
        **{metric: float(measured[metric].values[seed]) for metric in METRICS},
    }


def _points(found: xr.Dataset, data: SeriesData) -> list[dict[str, Any]]:
    return [
        {
            "point": dict(zip(data.names, map(float, found["value"].values[place]), strict=True)),
            "distance": float(found["distance"].values[place]),
            "unstable_dimension": int(found["unstable_dimension"].values[place]),
            "stable": bool(found["stable"].values[place]),
            "oscillates": bool(found["oscillates"].values[place]),
            "largest_modulus": float(found["largest_modulus"].values[place]),
        }
        for place in range(found.sizes["point"])
    ]


def _symbols(found: xr.Dataset) -> dict[str, Any]:
    entropy = found.attrs["topological_entropy"]
    visits = found["visits"].values / found.attrs["steps"]
    return {
        "num": int(found.attrs["num"]),
        "regions": float(found.attrs["regions"]),
        "topological_entropy": entropy if entropy >= 0 else None,
        "entropy_rate": float(found.attrs["entropy_rate"]),
        "codes": [str(code) for code in found["code"].values],
        "visits": visits.tolist(),
        "transitions": found["transitions"].values.tolist(),
    }


def _forecast(found: xr.Dataset, rate: float | None, data: SeriesData) -> dict[str, Any]:
    steps = float(np.median(found["good_steps"].values))
    return {
        "good_steps": steps,
        "good_time": steps * data.dt,
        "lyapunov_times": None if rate is None else steps * rate,
        "quartiles": [float(q) for q in np.quantile(found["good_steps"].values, [0.25, 0.75])],
        "persistence_steps": float(np.median(found["persistence_steps"].values)),
        "longest": int(found.sizes["step"]),
        "num_forecasts": int(found.sizes["start"]),
        "strength": float(found.attrs["strength"]),
    }


def _warnings(summary: dict[str, Any], valid: int, num: int) -> list[str]:
    found = []
    if summary["diverged"]:
        found.append(
            f"The free run diverged: after {valid} points it was 10,000 standard deviations of the data away. Its"
            " metrics are left out. Train longer, force more, or take another model."
        )
    elif summary["seeds"][summary["best_seed"]]["verdict"] != 0:
        message = summary["seeds"][summary["best_seed"]]["message"]
        found.append(f"Every seed failed; what follows is of the best of them. {message}")
    floor, gaussian = (summary["scales"][name]["state_space_divergence"] for name in ("floor", "gaussian"))
    if floor > 0.7 * gaussian:
        found.append(
            f"On {num} test points the divergence cannot tell much: the data themselves are at {floor:.2g}, Gaussian"
            f" noise at {gaussian:.2g}."
        )
    if summary["judged_by"] == "spectrum":
        found.append(
            "In the training part too, the divergence cannot tell the data from noise: seeds are judged by the distance"
            " of their power spectra."
        )
    if summary["lyapunov_note"]:
        found.append(f"No Lyapunov exponents were computed: {summary['lyapunov_note']}")
    return found


def _one(unit: str) -> str:
    known = {"steps": "step", "time units": "time unit"}
    return known.get(unit, unit[:-1] if unit.endswith("s") and len(unit) > 3 else f"unit of {unit}")


def _article(word: str) -> str:
    return "An" if word[0] in "aeiou" or word.startswith(("lstm", "nvar")) else "A"

"""The tables of the report of `linnet reconstruct`."""

from collections.abc import Mapping
from typing import Any

from ._table import Column, Table, number

METRICS = {
    "state_space_divergence": "state-space divergence",
    "power_spectrum_distance": "power-spectrum distance",
    "prediction_error": "prediction error",
}

#: What each scale is, in a few words.
SCALES = {
    "floor": "the data against themselves",
    "gaussian": "Gaussian noise",
    "correlated": "correlated Gaussian noise",
    "shifted": "the data, shifted",
    "persistence": "persistence",
    "linear": "a linear map",
    "system": "the system without noise",
}


def facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The few most important numbers."""
    ahead = summary["forecast"]
    rates = summary["lyapunov_exponents"]
    found = [
        ("state-space divergence (floor, noise)", _on_scale(summary, "state_space_divergence")),
        ("power-spectrum distance (floor, noise)", _on_scale(summary, "power_spectrum_distance")),
        (f"largest exponent {summary['lyapunov_unit']}", _number(rates[0]) if rates else "–"),
        ("failed seeds", f"{sum(seed['verdict'] != 0 for seed in summary['seeds'])} of {len(summary['seeds'])}"),
    ]
    if ahead["lyapunov_times"] is not None:
        found.append(("forecasts are good for", f"{_number(ahead['lyapunov_times'])} Lyapunov times"))
    else:
        found.append(("forecasts are good for", f"{_number(ahead['good_steps'])} steps"))
    return found


def metrics_table(summary: Mapping[str, Any]) -> Table:
    """The metrics of the best seed beside their scales."""
    rows = [["the model", *(summary[name] for name in METRICS)]]
    rows += [[SCALES.get(name, name), *(row[metric] for metric in METRICS)] for name, row in summary["scales"].items()]
    steps = Column(METRICS["prediction_error"], f"{summary['prediction_steps']} steps, variances")
    measure = summary["measure"]
    way = f"{measure['bins']:.0f} bins an axis" if measure["method"] == "bins" else "Gaussian mixtures"
    return Table(
        f"The best seed on the {summary['data']['test_points']} points that were kept back, and what the same"
        f" numbers are for the data themselves and for models that know little (divergence by {way}). Less is better.",
        ["", *list(METRICS.values())[:2], steps],
        rows,
    )


def seeds_table(summary: Mapping[str, Any]) -> Table:
    """All seeds with their verdicts."""
    rows = [
        [
            seed["seed"],
            seed["training_distance"],
            *(seed[name] for name in METRICS),
            f"{'✓' if seed['verdict'] == 0 else '✗'} {seed['message']}",
        ]
        for seed in summary["seeds"]
    ]
    columns = [
        "seed",
        Column("divergence" if summary["judged_by"] == "divergence" else "spectrum", "from the training part"),
        *(Column(title, "test part") for title in METRICS.values()),
        "verdict",
    ]
    return Table(
        "Every seed. The best one was chosen by what it was trained on; errors of a few steps ahead do not tell good"
        " from failed seeds.",
        columns,
        rows,
    )


def points_table(summary: Mapping[str, Any], most: int = 12) -> Table:
    """Fixed points, those nearest to the attractor first."""
    names = summary["data"]["columns"]
    shown = names[:4]
    rows = [
        [
            place + 1,
            *(point["point"][name] for name in shown),
            point["distance"],
            "stable" if point["stable"] else f"{point['unstable_dimension']} unstable",
            point["largest_modulus"],
            "yes" if point["oscillates"] else "no",
        ]
        for place, point in enumerate(summary["fixed_points"][:most])
    ]
    more = f"; {most} of {summary['num_fixed_points']}" if summary["num_fixed_points"] > most else ""
    return Table(
        f"Fixed points of the model, those nearest to its orbit first{more}.",
        [
            "",
            *shown,
            Column("distance", "standard deviations"),
            "directions",
            Column("eigenvalue", "modulus"),
            "spirals",
        ],
        rows,
    )


def _on_scale(summary: Mapping[str, Any], name: str) -> str:
    scales = summary["scales"]
    return f"{_number(summary[name])} ({_number(scales['floor'][name])}, {_number(scales['gaussian'][name])})"


def _number(value: float | None) -> str:
    return "–" if value is None else number(float(value))

"""A run's results for people: the answer, then tables."""

import shlex
from typing import Any

from ._answer import cell, table


def show_summary(console: Any, summary: dict[str, Any]) -> None:
    """Writes what a run found, of whichever kind it is."""
    if "claims" in summary:
        show_study(console, summary)
    elif "scalar" in summary:
        show_phase(console, summary)
    elif "state_space_divergence" in summary:
        show_reconstruct(console, summary)
    elif "bits_per_byte" in summary:
        show_text(console, summary)
    elif "scores" in summary:
        show_scoreboard(console, summary)
    elif "accuracy_by_length" in summary:
        show_sequence(console, summary)
    else:
        show_learn(console, summary)


def show_learn(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet learn`."""
    console.print(summary.get("answer", ""))
    console.print()
    for note in summary.get("notes", []):
        console.print(f"Note: {note}")
    names = summary.get("time_columns", {})
    columns = ["mode", "strength", "above noise", *names.values(), "measured", "error", "inputs", "outputs"]
    rows = []
    for number, mode in enumerate(summary.get("modes", []), 1):
        times = [mode["predicted_times"].get(name) for name in names]
        error = mode.get("relative_error")
        rows.append(
            [
                number,
                mode["singular_value"],
                mode["above_noise_edge"],
                *times,
                mode["measured_time"],
                None if error is None else "< 0.1 %" if abs(error) < 1e-3 else f"{100 * error:+.1f} %",
                _parts(mode["inputs"], "column"),
                _parts(mode["outputs"], "target"),
            ]
        )
    table(console, columns, rows)
    stopping = summary.get("stopping") or {}
    console.print()
    console.print(f"order agreement (Spearman): {cell(summary.get('order_agreement'))}")
    console.print(f"stop at: predicted {cell(stopping.get('predicted'))}, measured {cell(stopping.get('measured'))}")
    for departure in (summary.get("departure") or {}).values():
        sentence = departure.get("sentence", "")
        console.print(f"{sentence[:1].upper()}{sentence[1:]}.")
    console.print(f"report: {summary.get('report')}", soft_wrap=True)


def show_study(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet study`."""
    console.print(f"{summary.get('study')}: {summary.get('answer', '')}")
    rows = [
        ["holds" if claim["holds"] else "FAILS", claim["statement"], *(claim[key] for key in _NUMBERS)]
        for claim in summary.get("claims", [])
    ]
    table(console, ["", "claim", *_NUMBERS], rows)
    if summary.get("report"):
        console.print(f"report: {summary['report']}")


def show_studies(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet study all`: a line for each study, and every claim that fails."""
    rows = []
    for entry in summary["studies"]:
        if "error" in entry:
            rows.append(["FAILED", entry["study"], None, None])
            continue
        held = sum(claim["holds"] for claim in entry["claims"])
        verdict = "holds" if entry["holds"] else "FAILS"
        rows.append([verdict, entry["study"], f"{held} of {len(entry['claims'])}", entry.get("seconds")])
    table(console, ["", "study", "claims", "seconds"], rows)
    for entry in summary["studies"]:
        if "error" in entry:
            console.print(f"{entry['study']}: {entry['error']}")
        for claim in entry.get("claims", []):
            if not claim["holds"]:
                console.print(f"{entry['study']} FAILS: {claim['statement']} (" + ", ".join(
                    f"{key} {cell(claim[key])}" for key in _NUMBERS) + ")")  # fmt: skip
    console.print(summary["answer"])
    console.print(f"all of them: {summary['gallery']}", soft_wrap=True)


def show_phase(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet phase`."""
    console.print(f"{summary['study']}: {summary['answer']}")
    x, y = summary["x"], summary["y"]
    points = f"{len(x['values'])} x {len(y['values'])} points over {x['name']} and {y['name']}"
    console.print(f"{points}, seeds at each: {summary['seeds']}, {summary['seconds']:.0f} s")
    console.print(f"figure: {summary['figure']}", soft_wrap=True)
    console.print(f"report: {summary['report']}", soft_wrap=True)


def show_sequence(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet sequence TASK`."""
    console.print(f"{summary['task']}: {summary['answer']}")
    entries = [summary, *([summary["control"]] if summary["control"] else [])]
    rows = [
        [int(length), *(entry["accuracy_by_length"][length] for entry in entries)]
        for length in summary["accuracy_by_length"]
    ]
    table(console, ["length", *(entry["about"] for entry in entries)], rows)
    console.print(f"chance: {cell(summary['chance'])}")
    console.print(f"report: {summary['report']}", soft_wrap=True)


def show_scoreboard(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet sequence scoreboard`."""
    console.print(summary["answer"])
    rows = [[layer, *(summary["scores"][task][layer] for task in summary["tasks"])] for layer in summary["layers"]]
    table(
        console, ["layer", *summary["tasks"]], rows, "Accuracy at the longest tested length, 0 at chance and 1 at best:"
    )
    console.print(f"report: {summary['report']}", soft_wrap=True)


def show_text(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet sequence text`."""
    console.print(summary["answer"])
    carried = {"the model, state carried on": summary["bits_per_byte_carried"]}
    numbers = {"the model": summary["bits_per_byte"]} | carried | summary["references"]
    rows = [[name, value] for name, value in numbers.items() if value is not None]
    table(console, ["", "bits per byte"], rows)
    console.print(f"continue a text: linnet generate {shlex.quote(summary['run'])} --prompt ...", soft_wrap=True)
    console.print(f"report: {summary['report']}", soft_wrap=True)


def show_generated(console: Any, found: dict[str, Any]) -> None:
    """The results of `linnet generate`: the prompt and what follows it."""
    console.print(found["prompt"] + found["text"], soft_wrap=True)


def show_reconstruct(console: Any, summary: dict[str, Any]) -> None:
    """The results of `linnet reconstruct`."""
    console.print(summary["answer"])
    for sentence in (*summary["warnings"], *summary["notes"]):
        console.print(f"Note: {sentence}")
    scales = summary["scales"]
    names = ("state_space_divergence", "power_spectrum_distance", "prediction_error")
    rows = [[name.replace("_", " "), summary[name], *(scales[scale][name] for scale in scales)] for name in names]
    table(console, ["", "model", *scales], rows)
    pairs = zip(summary["lyapunov_exponents"], summary["lyapunov_errors"], strict=True)
    listed = ", ".join(f"{value:.3g} ± {error:.1g}" for value, error in pairs)
    console.print(f"Lyapunov exponents {summary['lyapunov_unit']}: {listed or '-'}")
    rows = [[seed["seed"], seed["training_distance"], seed["message"]] for seed in summary["seeds"]]
    table(console, ["seed", summary["judged_by"], ""], rows)
    console.print(f"go on with the series: linnet forecast {shlex.quote(summary['run'])} --steps ...", soft_wrap=True)
    console.print(f"report: {summary['report']}", soft_wrap=True)


def show_forecast(console: Any, found: dict[str, Any]) -> None:
    """The results of `linnet forecast`."""
    if found["file"]:
        console.print(f"{len(found['forecast'])} points in {found['file']}", soft_wrap=True)
    else:
        # Steps may be small beside the time: with the digits of a table they would all look the same.
        stamps = found["dates"] or [f"{time:.10g}" for time in found["times"]]
        rows = [[stamp, *row] for stamp, row in zip(stamps, found["forecast"], strict=True)]
        table(console, [f"time ({found['unit']})" if not found["dates"] else "time", *found["columns"]], rows)
    if found["message"]:
        console.print(found["message"])
    elif found["horizon_steps"] is not None:
        console.print(
            f"On the part of the series that was kept back, forecasts were good for {found['horizon_steps']:.3g} steps"
            " (median)."
        )


_NUMBERS = ("predicted", "measured", "tolerance")


def _parts(parts: list[dict[str, Any]], key: str, most: int = 3) -> str:
    return " ".join(f"{part['weight']:+.2f} {part[key]}" for part in parts[:most])

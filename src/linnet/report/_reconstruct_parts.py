"""Figures of what a reconstruction is worth and what it is made of: scales, seeds, exponents, symbols."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from ._figure import COLOURS, GUIDE, INK, Figure, draw
from ._reconstruct_runs import MODEL, projection, quiet_log
from ._reconstruct_tables import METRICS, SCALES
from ._symbol_graph import draw_symbol_graph, symbol_colour

_NODES = 12

#: The scales from what is as good as can be to what knows nothing.
_ORDER = ("floor", "system", "shifted", "linear", "correlated", "gaussian", "persistence")


def scales_figure(summary: Mapping[str, Any]) -> Figure:
    """Each metric of the model on the scale of what the data and simple models have."""
    scales = summary["scales"]
    names = [name for name in _ORDER if name in scales]

    def plot(canvas: Canvas) -> None:
        panels = canvas.subplots(1, len(METRICS), sharey=True)
        for axes, (metric, title) in zip(panels, METRICS.items(), strict=True):
            values = [scales[name][metric] for name in names]
            least = min((value for value in values if value is not None and value > 1e-9), default=1e-3) / 2
            rows = [row for row, value in enumerate(values) if value is not None]
            axes.plot([max(values[row], least) for row in rows], rows, "o", color=INK, markersize=5)
            for seed in summary["seeds"]:
                value, best = seed[metric], seed["seed"] == summary["best_seed"]
                if value is not None:
                    style = "-" if seed["verdict"] == 0 else ":"
                    axes.axvline(max(value, least), color=MODEL, linestyle=style, linewidth=2.2 if best else 0.9)
            # Three titles side by side: those of two words are cut before the second.
            steps = f"\n{summary['prediction_steps']} steps" if metric == "prediction_error" else ""
            axes.set_title(title.replace(" ", "\n", 1) if not steps else f"{title},{steps}", fontsize=8.5)
            axes.set(xscale="log", ylim=(len(names) - 0.5, -0.5))
            quiet_log(axes)
            axes.grid(axis="y", color=GUIDE, alpha=0.25, linewidth=0.6)
        panels[0].set_yticks(range(len(names)), [SCALES.get(name, name) for name in names])

    caption = (
        "What the numbers mean: the seeds (orange lines; the thick one is the best, chosen by the training part; dotted"
        " ones have failed) among the same numbers of the data themselves and of models that know little (dots)."
        " Left is better."
    )
    return draw("scales", caption, plot, height=3.0)


def seeds_figure(found: Any, summary: Mapping[str, Any]) -> Figure:
    """How every seed was trained, and where it ended."""
    seeds = summary["seeds"]
    trained = "loss" in found
    finite = [seed["training_distance"] for seed in seeds if seed["training_distance"] is not None]
    what = {"divergence": "divergence from", "spectrum": "distance of spectra from"}[summary["judged_by"]]
    top = 1.25 * max([found.attrs["gaussian"], *finite])

    def plot(canvas: Canvas) -> None:
        if trained:
            left, right = canvas.subplots(1, 2)
            for seed in seeds:
                style = "-" if seed["verdict"] == 0 else ":"
                losses = found["loss"].values[seed["seed"]]
                colour = COLOURS[seed["seed"] % len(COLOURS)]
                left.plot(
                    found["record"].values, np.where(np.isfinite(losses), losses, np.nan), style, color=colour, lw=1
                )
            left.set(xlabel="gradient step", ylabel="loss, one step ahead", yscale="log")
        else:
            right = canvas.subplots()
        for seed in seeds:
            value = seed["training_distance"]
            good = seed["verdict"] == 0
            colour = COLOURS[seed["seed"] % len(COLOURS)]
            right.bar(
                seed["seed"],
                top if value is None else value,
                color=colour if good else "none",
                edgecolor=colour,
                hatch=None if good else "////",
            )
        for name, value, style in (
            ("Gaussian noise", "gaussian", ":"), ("failed above this", "threshold", "--"),
            ("the data themselves", "floor", "-"),
        ):  # fmt: skip
            right.axhline(found.attrs[value], color=INK, linestyle=style, linewidth=1, label=name)
        canvas.legend(loc="outside lower right", ncols=3)
        right.set(xlabel="seed", ylabel=f"{what} the training part", ylim=(0, top))
        right.set_xticks([seed["seed"] for seed in seeds])

    failed = sum(seed["verdict"] != 0 for seed in seeds)
    caption = (
        f"{failed} of {len(seeds)} seeds failed ({'dotted and ' if trained else ''}hatched). "
        + ("Losses of good and failed seeds may look alike: " if trained else "")
        + "what counts is where a free run goes."
    )
    return draw("seeds", caption, plot, height=3.3)


def exponents_figure(summary: Mapping[str, Any]) -> Figure | None:
    """The Lyapunov spectrum, with that of the system where it is known."""
    rates, errors, known = summary["lyapunov_exponents"], summary["lyapunov_errors"], summary["known_exponents"]
    if not rates:
        return None

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        places = np.arange(1, len(rates) + 1)
        axes.axhline(0, color=GUIDE, linewidth=1)
        axes.errorbar(places, rates, yerr=errors, fmt="D", color=MODEL, markersize=6, capsize=3, label="model")
        if known:
            shown = known[: len(rates)]
            axes.plot(places[: len(shown)], shown, "_", color=INK, markersize=22, label="the system itself")
            axes.legend(loc="lower left")
        # Small exponents decide what kind of motion it is, and large negative ones would hide them.
        axes.set_yscale("symlog", linthresh=max(2 * max(abs(rates[0]), 1e-3), 1e-3))
        axes.set(xlabel="index", ylabel=f"exponent, {summary['lyapunov_unit']}", xticks=places)

    dimension = summary["kaplan_yorke_dimension"]
    size = f" The Kaplan-Yorke dimension is {dimension:.3g}." if dimension is not None else ""
    caption = (
        "Lyapunov exponents of the model (linear near zero, logarithmic beyond), with standard errors. A positive one"
        f" means chaos; one near zero, the motion along the orbit.{size}"
    )
    return draw("lyapunov-spectrum", caption, plot, height=3.2)


def symbols_figure(symbols: Any, data: Any, summary: Mapping[str, Any]) -> Figure:
    """The graph of the linear regions that the orbit passes through, and where they lie."""
    num = min(symbols.sizes["symbol"], _NODES)
    project, labels = projection(data, summary)

    whole = summary["symbols"]["num"] <= _NODES

    def plot(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, width_ratios=[1, 1.15])
        if whole:
            shares = symbols["visits"].values / symbols.attrs["steps"]
            draw_symbol_graph(left, symbols["transitions"].values, shares)
        else:
            _matrix(left, symbols)
        seen, sequence = symbols["seen"].values, symbols["sequence"].values
        points = project(seen)
        sequence = sequence[: len(points)]
        rest = sequence > num
        right.plot(*points[rest].T, ".", color=GUIDE, markersize=1.5)
        for place in range(num):
            mine = sequence == place + 1
            right.plot(*points[mine].T, ".", color=symbol_colour(place), markersize=2)
        right.set(xlabel=labels[0], ylabel=labels[1])

    found = summary["symbols"]
    entropy = found["topological_entropy"]
    said = f" The topological entropy of the whole graph is {entropy:.3g} per step." if entropy is not None else ""
    left = (
        "Left: which follows which (arrows: the share of ways out; circles: the share of the time)."
        if whole
        else f"Left: how often each of the {symbols.sizes['symbol']} most visited (row) is followed by each (column)."
    )
    regions = found["regions"]
    of = f", of {regions:,.0f} that there are," if regions < 1e6 else ","
    caption = (
        f"Symbolic dynamics: the model's orbit passes through {found['num']} linear regions{of} numbered by visits."
        f" {left} Right: where {'they' if whole else f'the first {_NODES}'} lie"
        f"{'' if whole else ', all others in grey'}.{said}"
    )
    return draw("symbolic-graph", caption, plot, height=3.6)


def _matrix(axes: Any, symbols: Any) -> None:
    """Transitions between symbols as shades."""
    moves = symbols["transitions"].values.astype(float)
    places = np.arange(len(moves) + 1) + 0.5
    axes.pcolormesh(places, places, np.ma.masked_equal(np.log1p(moves), 0), cmap="cividis_r")
    axes.set(xlabel="next region", ylabel="region", ylim=(len(moves) + 0.5, 0.5), aspect="equal")

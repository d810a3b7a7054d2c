"""A run of `linnet learn` made of logistic curves: what the report room is tested on, without training anything."""

import numpy as np
import xarray as xr

SEEDS, TIMES = 5, 80


def logistic(ts, strengths, start, shift=0.0):
    """Saxe's closed form of two layers, u(t) = s / (1 + (s / u0 - 1) e^{-2 s t}), delayed."""
    return strengths / (1 + (strengths / start - 1) * np.exp(-2 * strengths * (ts[:, None] - shift)))


def run(strengths=(0.9, 0.6, 0.59, 0.2), names=None, *, held_out=True, noise=0.02, edge=0.3, learned=True):
    """A tree and a summary as `linnet learn` makes them."""
    random = np.random.default_rng(0)
    strengths = np.asarray(strengths, float)
    num, start = len(strengths), 1e-4
    names = list(names or [f"column {index}" for index in range(6)])
    ts = np.linspace(0, 40, TIMES)
    half = np.log(strengths / start - 1) / (2 * strengths)
    shifts = noise * half.max() * random.standard_normal(SEEDS)
    theory = np.stack([logistic(ts, strengths, start, shift) for shift in shifts])
    measured = theory * (1 + 1e-3 * random.standard_normal((SEEDS, 1, num)))
    halves = np.broadcast_to(half, (SEEDS, num)) + shifts[:, None]
    seen = halves * 1.01 if learned else np.full_like(halves, np.nan)
    loss = 0.5 * np.sum((strengths - measured) ** 2, axis=-1) + 0.1
    coords = {"time": ts, "mode": np.arange(1, num + 1)}

    def dataset(values, times, scale, **attrs):
        data = {
            "mode_strengths": (("seed", "time", "mode"), values),
            "half_times": (("seed", "mode"), times),
            "loss": (("seed", "time"), loss * scale),
        }
        if held_out:
            data |= {f"{part}_loss": (("seed", "time"), loss * scale + 0.05) for part in ("validation", "test")}
        return xr.Dataset(data, coords, attrs)

    left, _ = np.linalg.qr(random.standard_normal((max(num, 4), num)))
    outputs = [f"class={index}" for index in range(len(left))]
    weights = random.uniform(-1, 1, (len(names), num))
    task = xr.Dataset(
        {
            "singular_values": ("mode", strengths),
            "strengths": ("mode", strengths),
            "input_variances": ("mode", np.ones(num)),
            "above_noise_edge": ("mode", strengths > edge),
            "left": (("output", "mode"), left),
            "in_columns": (("column", "mode"), weights),
            "permuted": ("permutation", edge * np.linspace(0.8, 1.05, 50)),
            "noise_edge": ((), edge),
        },
        {"mode": coords["mode"], "output": outputs, "column": names},
    )
    groups = {"/task": task}
    for name, factor in (("linear_1", 0.1), ("linear_2", 1.0)):
        kind = "SingleLayer" if name == "linear_1" else "SmallInitialization"
        times = halves * factor
        groups[f"/networks/{name}/simulation"] = dataset(measured, seen * factor, 1.0)
        groups[f"/networks/{name}/theory/{kind}"] = dataset(theory, times, 1.0, theory=kind)
    groups["/networks/tanh/simulation"] = dataset(measured * 0.98, seen * 1.1, 0.95)
    modes = []
    for index in range(num):
        time, other = float(np.median(halves[:, index])), float(np.median(seen[:, index]))
        order, placed = np.argsort(-np.abs(weights[:, index])), np.argsort(-np.abs(left[:, index]))
        modes.append(
            {
                "singular_value": float(strengths[index]),
                "strength": float(strengths[index]),
                "predicted_time": time,
                "measured_time": other if learned else None,
                "relative_error": other / time - 1 if learned else None,
                "above_noise_edge": bool(strengths[index] > edge),
                "tie": [0, 1, 1, 2][index] if num == 4 else index,
                "predicted_times": {"linear_1": 0.1 * time, "linear_2": time},
                "measured_times": {"linear_1": 0.1 * other, "linear_2": other},
                "inputs": [{"column": names[i], "weight": float(weights[i, index])} for i in order],
                "outputs": [{"target": outputs[i], "weight": float(left[i, index])} for i in placed],
            }
        )
    network = {"seeds": SEEDS, "diverged": 0, "stopped": 0, "end_time": 40.0}
    assumption = {"name": "small weights", "value": 1e-4, "threshold": 0.05, "holds": True, "statement": "how large"}
    summary = {
        "answer": "The linear network of depth 2 learns 4 modes; predicted within 1 %.",
        "modes": modes,
        "order_agreement": 1.0 if num > 1 and learned else None,
        "stopping": {"predicted": 20.0 if held_out else None, "measured": None, "network": "linear_2"},
        "noise_edge": edge,
        "main": "linear_2",
        "time_columns": {"linear_1": "depth 1", "linear_2": "depth 2"},
        "theories": {
            "linear_1": {"theory": "SingleLayer", "assumptions": []},
            "linear_2": {"theory": "SmallInitialization", "assumptions": [assumption]},
        },
        "departure": {
            "tanh": {
                "half_time_ratio": 1.1,
                "modes_not_learned": 0,
                "best_validation_loss": 0.14,
                "linear_best_validation_loss": 0.15,
                "sentence": "the tanh network takes 1.10 times as long",
            }
        },
        "networks": [
            {"name": "linear_1", "title": "depth 1", "rate": None, "steps": None, **network},
            {"name": "linear_2", "title": "depth 2", "rate": None, "steps": None, **network},
            {"name": "tanh", "title": "tanh network", "rate": 0.1, "steps": 20_000, **network},
        ],
        "data": {"path": "data/iris <b>.csv", "sentences": ["150 rows were read from data/iris <b>.csv."]},
        "notes": [],
        "run": "runs/2026-11-20_learn-iris_00000000",
        "command": "linnet learn 'data/iris <b>.csv' --target species",
    }
    return xr.DataTree.from_dict(groups), summary

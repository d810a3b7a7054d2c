"""Where long memory is: in each neuron or in the connections, by the curriculum under which it was learned."""

import dataclasses
from collections.abc import Callable

import jax.random as jr
import numpy as np
import xarray as xr

from .._cite import cite
from .._types import PRNGKey
from ..config import Khajehabdollahi2024Timescales
from ._khajehabdollahi2024_figures import timescale_figures
from ._study import Claim, Findings, silent
from ._timescale_curricula import CURRICULA, TASKS, Trained, train
from ._timescale_probes import accuracy, activity_timescale, echo, readable, without_own_memory

#: The largest N from which on single-head networks have begun to lengthen the timescales of their units.
LONG = 15


@cite("khajehabdollahi2024emergent")
def khajehabdollahi2024_timescales(
    config: Khajehabdollahi2024Timescales, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    r"""Leaky networks with trainable $\tau$ learn parity and matching of the last $N$ bits, for $N$ that grows.

    Single-head networks have one readout for the newest N; multi-head ones keep one for each. Departures: with each
    sequence all lengths count of which the paper draws one, which has the same mean and needs fewer updates; bits are
    fair; each readout is one logit; networks and batches are smaller except under `paper`. Beside the paper's timescale
    of activity, from fits to autocorrelations, memory is measured by the echo of a bit: the sum over lags of the
    distance between two runs that differ in it, over the largest; a unit alone, $(1 - 1 / \tau)^t$, has $\tau$.
    """
    train_key, probe_key = jr.split(key)
    trained = train(config, key=train_key, progress=progress)
    progress("measuring what was learned")
    curves, probes, read = _measure(config, trained, probe_key)
    figures = timescale_figures(config, trained, curves, probes, read)
    claims = tuple(
        claim for task in range(len(TASKS)) for claim in _claims(config, trained, task, curves, probes, read)
    )
    return Findings(claims, figures, {"curves": curves, "probes": probes, "readouts": read})


def _measure(config: Khajehabdollahi2024Timescales, trained: Trained, key: PRNGKey) -> tuple[xr.Dataset, ...]:
    """Curves over N of all members; probes of some of their networks; what can be read from the last of them."""
    windows = np.arange(2, config.largest + 1)
    names = {
        "task": ("member", np.array(TASKS)[trained.places[:, 0]]),
        "curriculum": ("member", np.array(CURRICULA)[trained.places[:, 1]]),
        "seed": ("member", trained.places[:, 2]),
    }
    updates = config.interval * np.arange(1, config.intervals + 1)
    after = np.broadcast_to(updates[:, None], trained.solved.shape)
    columns = {"updates": after, "timescale": trained.timescale, "slowest": trained.slowest}
    curves = xr.Dataset(
        {name: (("member", "window"), trained.when_solved(values, config.largest)) for name, values in columns.items()}
        | {"solved": (("after", "member"), trained.solved), "accuracy": (("after", "member"), trained.accuracy)},
        {"window": windows, "after": updates} | names,
    )
    rows, read = [], np.full((len(trained.places), len(windows)), np.nan)
    for member, (task, curriculum, _) in enumerate(trained.places.tolist()):
        last = trained.solved[-1, member]
        if curriculum == 2 or last < 2:
            continue
        for window in np.unique(np.linspace(2, last, config.probes).round().astype(int)).tolist():
            rows.append(_probe(config, trained, member, window, jr.fold_in(jr.fold_in(key, member), window)))
        read[member] = readable(trained.networks[member, int(last)], task, config.largest, key=jr.fold_in(key, member))
    table = {name: ("probe", np.array([row[name] for row in rows])) for name in rows[0]}
    return (
        curves,
        xr.Dataset(table),
        xr.Dataset({"accuracy": (("member", "window"), read)}, {"window": windows} | names),
    )


def _probe(config: Khajehabdollahi2024Timescales, trained: Trained, member: int, window: int, key: PRNGKey) -> dict:
    network = trained.networks[member, window]
    task, curriculum, _ = trained.places[member].tolist()
    echo_key, accuracy_key, *keys = jr.split(key, 4)
    own = {
        name: np.nan
        if config.largest < LONG
        else activity_timescale(
            network, drawn=name == "drawn", streams=16, steps=config.probe_steps, max_lag=config.max_lag, key=part
        )
        for name, part in zip(("drawn", "fair"), keys, strict=True)
    }
    head = window - 2 if curriculum == 0 else 0
    bare = without_own_memory(network)
    return {
        "member": member,
        "window": window,
        **own,
        "echo": float(np.sum(echo(network, lags=4 * config.largest, key=echo_key))),
        "bare": accuracy(bare, task, window, head, key=accuracy_key),
    }


@dataclasses.dataclass(frozen=True)
class _Group:
    """The numbers of a task and curriculum, the axis of members first."""

    updates: np.ndarray
    timescale: np.ndarray
    slowest: np.ndarray
    solved: np.ndarray
    probes: xr.Dataset
    read: np.ndarray

    def at_ends(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A probe at the first N and at the last of each member."""
        ends = []
        for member in np.unique(self.probes["member"].values):
            values = self.probes[name].values[self.probes["member"].values == member]
            ends.append((values[0], values[-1]))
        first, last = np.array(ends).T
        return first, last


def _group(trained: Trained, task: int, curriculum: int, curves, probes, read) -> _Group:
    chosen = trained.members(task, curriculum)
    part = curves.isel(member=chosen)
    return _Group(
        *(part[name].values for name in ("updates", "timescale", "slowest")),
        trained.solved[-1, chosen],
        probes.isel(probe=np.flatnonzero(np.isin(probes["member"].values, chosen))),
        read["accuracy"].values[chosen],
    )


def _claims(config: Khajehabdollahi2024Timescales, trained: Trained, task: int, curves, probes, read) -> list[Claim]:
    multi, single = (_group(trained, task, curriculum, curves, probes, read) for curriculum in (0, 1))
    long = config.largest >= LONG
    name = {"parity": "N-parity", "match": "N-delayed match"}[TASKS[task]]
    shared = int(min(multi.solved.min(), single.solved.min()))
    if shared < 2:
        return [Claim(f"{name}: every network solves N = 2", 2, shared, 0.0, "at least")]
    claims = []
    # A short delay is learned within a few tests, and without a curriculum too: nothing to compare.
    hard = long or TASKS[task] == "parity"
    if TASKS[task] == "parity":
        lead = multi.solved.min() - single.solved.max()
        claims = [Claim(f"{name}: in the same updates every multi-head network solves a larger N than any single-head "
                        "one (difference, at least 1)", 1, float(lead), 0.0, "at least")]  # fmt: skip
    elif hard:
        quotient = single.updates[:, shared - 2].mean() / multi.updates[:, shared - 2].mean()
        claims = [Claim(f"{name}: all of the readouts are learned about as fast as the newest alone (quotient of "
                        f"updates until all solve N = {shared}, single-head over multi-head, at least 0.8)", 0.8,
                        float(quotient), 0.0, "at least")]  # fmt: skip
    if hard:
        at_last = trained.accuracy[-max(1, config.intervals // 10) :, trained.members(task, 2)]
        best = float(at_last.mean(axis=0).max())
        claims.append(Claim(f"... without a curriculum N = {config.largest} stays at chance (accuracy at last, of the "
                            "best network)", 0.6, best, 0.0, "at most", control=True))  # fmt: skip
    (first_echo, last_echo), (_, bare), (_, single_bare) = (
        multi.at_ends("echo"), multi.at_ends("bare"), single.at_ends("bare")
    )  # fmt: skip
    (drawn_first, drawn), (fair_first, fair), (single_first, single_drawn) = (
        multi.at_ends("drawn"), multi.at_ends("fair"), single.at_ends("drawn")
    )  # fmt: skip
    claims += [
        Claim(f"{name}: multi-head networks let the timescales of their units go towards 1 (mean at the last N, from "
              "1.5 at first)", 1.25 if long else 1.4, float(_last(multi.timescale).mean()), 0.0, "at most"),
        Claim("Memory of multi-head networks is in the connections: at the last N an echo of a bit outlasts the "
              "slowest tenth of units three times (quotient)", 3.0,
              float((last_echo / _last(multi.slowest)).mean()), 0.0, "at least"),
        Claim("... and has grown with N (quotient to N = 2)", 1.5, float((last_echo / first_echo).mean()), 0.0,
              "at least"),
        Claim("Without the leak of units, all else as trained, multi-head networks still do the last N (accuracy)", 0.8,
              float(bare.mean()), 0.0, "at least"),
        Claim("Smaller N can still be read from the states of multi-head networks (least accuracy of readouts fitted "
              "anew)", 0.95, float(np.nanmin(_forgotten(multi))), 0.0, "at least"),
    ]  # fmt: skip
    if long or TASKS[task] == "match":  # of small parities the two are too close
        longer = float((single.timescale - multi.timescale)[:, shared - 2].mean())
        claims.append(Claim(f"Single-head networks keep timescales longer at N = {shared}, the last that all solve "
                            "(difference of means)", 0.1 if long else 0.0, longer, 0.0, "at least"))  # fmt: skip
    if long:
        claims += [
            Claim("Without the leak of units single-head networks are near chance: they need it (accuracy)", 0.65,
                  float(single_bare.mean()), 0.0, "at most", control=True),
            Claim("From single-head networks smaller N cannot be read: to learn N + 1 forgets N (mean accuracy)", 0.8,
                  float(np.nanmean(_forgotten(single))), 0.0, "at most", control=True),
            Claim("Single-head networks lengthen timescales with N: the slowest tenth of units, from N = 2 to the last "
                  "(difference)", 0.3, float((_last(single.slowest) - single.slowest[:, 0]).mean()), 0.0, "at least"),
            Claim("... and the mean of all units, after it has fallen at small N (difference to its least)", 0.05,
                  float((_last(single.timescale) - np.nanmin(single.timescale, axis=1)).mean()), 0.0, "at least"),
            Claim("... multi-head networks do not (slowest tenth, difference)", 0.0,
                  float((_last(multi.slowest) - multi.slowest[:, 0]).mean()), 0.0, "at most", control=True),
            Claim("The timescale of activity, under bits whose share of ones is drawn as in the paper, grows with N in "
                  "single-head networks (difference)", 0.3,
                  float((single_drawn - single_first).mean()), 0.0, "at least"),
            Claim("An observation: under fair bits it does not grow in multi-head networks, whose memory is of white "
                  "noise and is white (difference, at most 0.1)", 0.1,
                  float((fair - fair_first).mean()), 0.0, "at most"),
        ]  # fmt: skip
        grown = float((drawn - drawn_first).mean())
        if TASKS[task] == "parity":
            claims.append(Claim("... under drawn shares it does, as in the paper (difference)", 0.3, grown, 0.0,
                                "at least"))  # fmt: skip
        else:
            claims.append(Claim("... under drawn shares neither, other than in the paper (difference, at most 0.3)",
                                0.3, grown, 0.0, "at most"))  # fmt: skip
    return claims


def _last(curves: np.ndarray) -> np.ndarray:
    """The value at the last N that each member solved."""
    places = np.sum(~np.isnan(curves), axis=1) - 1
    return np.take_along_axis(curves, places[:, None], axis=1)[:, 0]


def _forgotten(group: _Group) -> np.ndarray:
    """What can be read at N smaller than each member's last, NaN elsewhere."""
    windows = np.arange(2, group.read.shape[1] + 2)
    smaller = windows < group.solved[:, None]
    return np.where(smaller, group.read, np.nan)

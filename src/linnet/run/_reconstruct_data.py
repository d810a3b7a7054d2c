"""The series that `linnet reconstruct` learns from: a file, real data of other packages, or a system of the table."""

import dataclasses
import difflib
import importlib.resources
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import analyse, store, systems, tasks
from .._errors import InputError
from ..config import ReconstructConfig, parse_embed

#: The system that is taken without a file.
DEFAULT_SYSTEM = "Lorenz"

#: Points of a built-in system to its period, and what is left out before them.
_PER_PERIOD, _TRANSIENT_PERIODS = 50, 30


@dataclasses.dataclass(frozen=True)
class SeriesData:
    """A series cut into a training part and a test part.

    Args:
        title: what it is, in words.
        slug: for the name of the run folder.
        train: what is trained on, (time, column), in the units of the data.
        test: what follows, in which nothing is trained.
        names: of the columns.
        dt: the time of a step, in the unit.
        unit: of time.
        start: the time of the first point.
        origin: the date of the first point, or "".
        digest: identifies the content.
        embedding: dimension and lag, where the columns are delays of one channel.
        system: the name of the system that made the data, if it is known.
        notes: what was decided on the way, in sentences.
        citation: the key of the system's reference.
    """

    title: str
    slug: str
    train: np.ndarray
    test: np.ndarray
    names: tuple[str, ...]
    dt: float = 1.0
    unit: str = "steps"
    start: float = 0.0
    origin: str = ""
    digest: str = ""
    embedding: tuple[int, int] | None = None
    system: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def end(self) -> float:
        """The time of the last point."""
        delay = 0 if self.embedding is None else 2 * (self.embedding[0] - 1) * self.embedding[1]
        return self.start + (len(self.train) + len(self.test) + delay - 1) * self.dt


def read_data(config: ReconstructConfig, name: str) -> SeriesData:
    """The series of a file, of a name of `REAL`, or of a system; "" is Lorenz's.

    Raises:
        ValueError: in a sentence, for a name or file that cannot be used.
    """
    word = name or DEFAULT_SYSTEM
    plain = word.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
    if Path(word).expanduser().exists() or Path(word).suffix.lower() in _ENDINGS or "/" in word or "\\" in word:
        given, title, digest = _from_file(config, word), Path(word).name, store.file_digest(Path(word).expanduser())
        estimated = False
    elif plain in _REAL_NAMES:
        _only_of_files(config, word)
        real = REAL[_REAL_NAMES[plain]]
        given, title, digest = real.table(), real.title, f"{real.package}: {_REAL_NAMES[plain]}"
        given = _chosen(given, config.columns, word)
        estimated = True
    else:
        return _from_system(config, _system_name(word))
    return _cut(config, given, title, digest, estimated, _slug(Path(word).stem))


@dataclasses.dataclass(frozen=True)
class RealData:
    """A series that another package brings.

    Args:
        title: what it is.
        package: as pip knows it.
        load: makes it.
    """

    title: str
    package: str
    load: Callable[[], tasks.SeriesTable]

    def table(self) -> tasks.SeriesTable:
        """The series.

        Raises:
            InputError: where the package is missing.
        """
        try:
            return self.load()
        except ImportError as error:
            raise InputError(
                f"The data ({self.title.rstrip(',')}) come with the package {self.package}, which is not installed:"
                " pip install 'linnet[data]'."
            ) from error


def _sunspots() -> tasks.SeriesTable:
    import statsmodels.api as sm

    data = sm.datasets.sunspots.load_pandas().data
    years = data["YEAR"].to_numpy(float)
    return tasks.SeriesTable(data[["SUNACTIVITY"]].to_numpy(float), ("sunspots",), 1.0, "years", float(years[0]))


def _elnino() -> tasks.SeriesTable:
    import statsmodels.api as sm

    data = sm.datasets.elnino.load_pandas().data
    values = data.drop(columns="YEAR").to_numpy(float).reshape(-1, 1)
    note = (
        "This is statsmodels' series elnino, monthly from 1950 to 2010: it is of the region Niño 1+2 (0-10° S,"
        " 90-80° W), not of Niño 3.4, of which no package brings a series."
    )
    return tasks.SeriesTable(values, ("temperature",), 1 / 12, "years", float(data["YEAR"].iloc[0]), "", (note,))


def _nino3() -> tasks.SeriesTable:
    import pywt.data

    times, values = pywt.data.nino()
    return tasks.SeriesTable(np.asarray(values, float)[:, None], ("anomaly",), 0.25, "years", float(times[0]))


def _ecg() -> tasks.SeriesTable:
    import pywt.data

    return tasks.SeriesTable(np.asarray(pywt.data.ecg(), float)[:, None], ("ecg",))


def _fmri() -> tasks.SeriesTable:
    import pandas as pd

    with importlib.resources.as_file(importlib.resources.files("nitime") / "data" / "fmri_timeseries.csv") as path:
        data = pd.read_csv(path)
    # White matter, ventricles and the mean of the brain are no regions.
    regions = data.drop(columns=["WM", "Vent", "Brain"])
    note = "Of the 31 columns, white matter (WM), ventricles (Vent) and the mean of the brain (Brain) are left out."
    return tasks.SeriesTable(regions.to_numpy(float), tuple(regions.columns), 1.89, "seconds", notes=(note,))


#: Real data by name.
REAL = {
    "sunspots": RealData("yearly sunspot numbers, 1700 to 2008,", "statsmodels", _sunspots),
    "elnino": RealData("monthly sea-surface temperatures of the eastern Pacific", "statsmodels", _elnino),
    "nino3": RealData("quarterly anomalies of the sea-surface temperature, Niño 3,", "PyWavelets", _nino3),
    "ecg": RealData("an electrocardiogram of 1024 samples", "PyWavelets", _ecg),
    "fmri": RealData("the fMRI series of 28 regions of a brain at rest", "nitime", _fmri),
}
_REAL_NAMES = {name: name for name in REAL} | {
    "nino3.4": "elnino",
    "nino34": "elnino",
    "nino1+2": "elnino",
    "nino": "elnino",
}
_ENDINGS = {".csv", ".tsv", ".txt", ".parquet", ".pq", ".npz", ".gz"}


def _from_file(config: ReconstructConfig, word: str) -> tasks.SeriesTable:
    columns = config.columns or None
    return tasks.series_table(word, columns, time=config.time, interpolate=config.interpolate)


def _only_of_files(config: ReconstructConfig, word: str) -> None:
    for option in ("time", "interpolate"):
        if getattr(config, option):
            raise InputError(f"--{option} is of files; {word!r} has even steps in time and no gaps.")


def _chosen(given: tasks.SeriesTable, columns: Sequence[str], word: str) -> tasks.SeriesTable:
    """Some columns of a table."""
    for column in columns:
        if column not in given.names:
            close = difflib.get_close_matches(column, given.names, n=3, cutoff=0.4) or given.names[:6]
            raise InputError(f"{word!r} has no column {column!r}; the closest are {', '.join(close)}.")
    places = [given.names.index(column) for column in columns] or list(range(len(given.names)))
    return dataclasses.replace(
        given, values=given.values[:, places], names=tuple(given.names[place] for place in places)
    )


def _system_name(word: str) -> str:
    """A system of the table by its name, in any case.

    Raises:
        InputError: with the closest names of all that there is.
    """
    known = {name.lower(): name for name in systems.names()}
    wanted = word.strip().lower().replace("-", "").replace("_", "").replace("63", "") or word.lower()
    found = known.get(word.strip().lower()) or known.get(wanted)
    if found is not None:
        return found
    names = {**{name: name for name in REAL}, **known}
    close = [names[key] for key in difflib.get_close_matches(word.lower(), names, n=4, cutoff=0.4)]
    rest = f"the closest names are {', '.join(close)}" if close else f"names of data are {', '.join(REAL)}"
    raise InputError(
        f"There is no file, no data set and no system {word!r}; {rest}. Systems are those of linnet.systems.names()."
    )


def _from_system(config: ReconstructConfig, name: str) -> SeriesData:
    import jax
    import jax.random as jr

    _only_of_files(config, name)
    system = systems.get(name)
    is_map = isinstance(system, systems.IteratedMap)
    if is_map and config.dt is not None:
        raise InputError(f"{name} is a map, whose steps have no --dt.")
    dt = 1.0 if is_map else config.dt or float(f"{system.period / _PER_PERIOD:.2g}")
    dt = 0.02 if name == "Lorenz" and config.dt is None else dt
    key = jr.fold_in(jr.key(config.seed), 0x64617461)
    spacing: dict[str, Any] = {} if is_map else {"dt": dt}
    transient = 1000.0 if is_map else _TRANSIENT_PERIODS * float(system.period)
    orbit = system.orbit(config.points, **spacing, transient=transient, noise=config.noise, key=key)
    values = np.asarray(jax.device_get(orbit.states), float)
    if int(orbit.result):
        raise InputError(f"No series of {name} can be made: {orbit.message}")
    names = _coordinates(values.shape[1])
    about = f"{name} with {100 * config.noise:.3g} % observation noise" if config.noise else name
    table = _chosen(tasks.SeriesTable(values, names, dt, "steps" if is_map else "time units"), config.columns, name)
    digest = f"linnet.systems: {name}"
    return dataclasses.replace(_cut(config, table, about, digest, False, _slug(name)), system=name)


def noiseless(data: SeriesData) -> np.ndarray | None:
    """Another orbit of the system that made the data, without observation noise; `None` where there is none."""
    if data.system is None or data.embedding is not None:
        return None
    system = systems.get(data.system)
    is_map = isinstance(system, systems.IteratedMap)
    spacing: dict[str, Any] = {} if is_map else {"dt": data.dt}
    transient = 5000.0 if is_map else 2.7 * _TRANSIENT_PERIODS * float(system.period)
    values = np.asarray(system.orbit(len(data.test), **spacing, transient=transient).states, float)
    names = _coordinates(values.shape[1])
    return values[:, [names.index(name) for name in data.names]]


def _coordinates(num: int) -> tuple[str, ...]:
    return tuple("xyzw"[:num]) if num <= 4 else tuple(f"x{place + 1}" for place in range(num))


def _cut(
    config: ReconstructConfig, given: tasks.SeriesTable, title: str, digest: str, estimated: bool, slug: str
) -> SeriesData:
    """Cuts off the test part and embeds both parts where that is asked for."""
    values, names, notes = given.values, given.names, list(given.notes)
    first = len(values) - int(round(config.held_out * len(values)))
    if min(first, len(values) - first) < 8:
        raise InputError(
            f"{title}: {len(values)} points are too few for a part to train on and one to test (--held-out"
            f" {config.held_out:g}); give a longer series."
        )
    tasks.check_constant(title, names, values[:first], " in the part that is trained on")
    tasks.check_constant(title, names, values[first:], " in the part that is tested on")
    embed, embedding = parse_embed(config), None
    if values.shape[1] > 1 and isinstance(embed, tuple):
        raise InputError(f"--embed is of one channel, but {title} has {values.shape[1]}: choose one with --columns.")
    if values.shape[1] == 1 and embed != "none":
        if isinstance(embed, tuple):
            embedding = embed
        else:
            embedding, why = estimate_embedding(values[:first, 0])
            if embed == "" and not estimated:
                dimension, lag = embedding
                raise InputError(
                    f"{title} has one channel, {names[0]!r}, and one number is seldom the state of a system: embed"
                    f" it in its past with --embed {dimension},{lag} (the dimension and the lag that the data say:"
                    f" {why}), or go on with the one number by --embed none."
                )
            notes.append(
                f"Delay embedding of {names[0]!r} in {embedding[0]} dimensions with a lag of {embedding[1]}: {why}."
            )
        train, test = _embedded(title, values[:first], embedding), _embedded(title, values[first:], embedding)
        names = tuple(
            names[0] if not place else f"{names[0]} {place * embedding[1]} steps before"
            for place in range(embedding[0])
        )
    else:
        train, test = values[:first], values[first:]
    return SeriesData(
        title.rstrip(","),
        slug,
        train,
        test,
        names,
        given.dt,
        given.unit,
        given.start,
        given.origin,
        digest,
        embedding,
        None,
        tuple(notes),
    )


def estimate_embedding(series: np.ndarray) -> tuple[tuple[int, int], str]:
    """Dimension and lag of a delay embedding that a series asks for, and by what."""
    longest = max(1, min(100, len(series) // 10))
    try:
        lag, by = analyse.embedding_lag(series, max_lag=longest), "the first minimum of the mutual information"
        if 40 * lag > len(series):  # a spike train has its minimum where an embedding would eat the series up
            lag = analyse.embedding_lag(series, method="autocorrelation", max_lag=longest)
            by = "where the autocorrelation falls to 1/e"
        # Each dimension asks for about twice as many points.
        most = max(2, min(10, len(series) // (12 * lag), int(np.log2(max(len(series) / 25, 1)))))
        found = analyse.embedding_dimension(series, lag, max_dimension=most)
    except ValueError as error:
        raise InputError(f"No delay embedding can be estimated: {error}") from error
    dimension = max(2, int(found))
    near = "" if bool(found.saturated) else f", which has not yet settled at {dimension}"
    return (dimension, lag), f"{by}, and Cao's measure of enough dimensions{near}"


def _embedded(title: str, values: np.ndarray, embedding: tuple[int, int]) -> np.ndarray:
    dimension, lag = embedding
    if len(values) <= (dimension - 1) * lag + 8:
        raise InputError(
            f"{title}: an embedding in {dimension} dimensions with a lag of {lag} takes {(dimension - 1) * lag}"
            f" points off each part of the series, and a part has {len(values)}; use a smaller --embed."
        )
    return np.asarray(analyse.delay_embedding(values[:, 0], dimension, lag), float)


def _slug(name: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name.lower())
    return kept.strip("-.")[:40] or "data"

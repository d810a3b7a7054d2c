"""The commands and their options, as dataclasses for tyro. Nothing here loads JAX."""

import csv
import dataclasses
from typing import Annotated, Any

import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg

from ..config import LearnConfig, PhaseConfig, ReconstructConfig, SequenceConfig


@dataclasses.dataclass(frozen=True)
class Output:
    """How a command answers.

    Args:
        json: print one JSON object and nothing else.
        debug: show the trace of an error.
    """

    json: bool = False
    debug: bool = False


def _unchecked(name: str, config: Any, *left_out: str) -> Any:
    # Without their checks: tyro would wrap a failed check in its own words, and the config's sentence is better.
    fields = [field for field in dataclasses.fields(config) if field.name not in left_out]
    return dataclasses.make_dataclass(
        name,
        [(field.name, field.type, dataclasses.field(default=field.default)) for field in fields],
        namespace={"__doc__": config.__doc__},
        frozen=True,
    )


Settings: Any = _unchecked("Settings", LearnConfig)
PhaseSettings: Any = _unchecked("PhaseSettings", PhaseConfig, "study", "preset")


def _undecided(name: str, config: Any) -> Any:
    """Settings of which none is given: the preset decides, which depends on the rest of the command."""

    def decided(default: Any) -> bool:
        # An empty list, a flag that is not set and an empty text say by themselves that nothing was given.
        return isinstance(default, tuple) or default is False or default == ""

    fields = [
        (f.name, f.type, type(f.default)()) if decided(f.default) else (f.name, f.type | None, None)
        for f in dataclasses.fields(config)
    ]
    return dataclasses.make_dataclass(
        name,
        [(field, kind, dataclasses.field(default=default)) for field, kind, default in fields],
        namespace={"__doc__": config.__doc__},
        frozen=True,
    )


SequenceSettings: Any = _undecided("SequenceSettings", SequenceConfig)
ReconstructSettings: Any = _undecided("ReconstructSettings", ReconstructConfig)


@dataclasses.dataclass(frozen=True)
class Learn:
    """Predict what networks learn from a table or a time series, in which order and when, and check it by training.

    Args:
        file: CSV, Parquet or NPZ; without it scikit-learn's digits.
        settings: what is learned, and how.
        preset: quick, default or paper: where the settings below come from unless they are given.
        out: folder of runs.
        resume: continue the interrupted run of this very command (a plain repetition does so too).
        force: repeat a run that was already run.
    """

    file: Annotated[Positional[str], arg(metavar="[FILE]", help_behavior_hint="")] = ""
    settings: OmitArgPrefixes[Settings] = dataclasses.field(default_factory=Settings)  # pyright: ignore[reportInvalidTypeForm]
    preset: str = "default"
    out: str = "runs"
    resume: bool = False
    force: bool = False
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Study:
    """Test a paper's claims: a study's name, "all", or "list". Exits with 0 if all hold and with 1 if some do not.

    Args:
        name: the study.
        preset: quick (about 10 s), default (minutes) or paper (full scale).
        seed: the seed of everything random.
        jobs: studies that run at the same time where there are several; by default one for each core.
        out: folder of runs.
        resume: continue the interrupted run of this very command (a plain repetition does so too).
        force: repeat a run that was already run.
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help_behavior_hint="")]
    preset: str = "default"
    seed: int = 0
    jobs: int | None = None
    out: str = "runs"
    resume: bool = False
    force: bool = False
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Phase:
    """Draw one number of a study over two of its parameters: theory's contours over the colours of simulation.

    Args:
        study: the study, or "list" for all parameters and numbers.
        settings: what is drawn.
        preset: quick, default or paper: where the study's other settings come from.
        out: folder of runs.
        resume: continue the interrupted run of this very command (a plain repetition does so too).
        force: repeat a run that was already run.
    """

    study: Annotated[Positional[str], arg(metavar="STUDY", help_behavior_hint="")]
    settings: OmitArgPrefixes[PhaseSettings] = dataclasses.field(default_factory=PhaseSettings)  # pyright: ignore[reportInvalidTypeForm]
    preset: str = "default"
    out: str = "runs"
    resume: bool = False
    force: bool = False
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Train a sequence layer on a task and test it far beyond the training length, beside chance and a control.

    `linnet sequence scoreboard` does so for a grid of layers and tasks; `linnet sequence text FILE` trains a language
    model of bytes. Settings that are not given ("auto") come from the preset.

    Args:
        task: a task such as parity, s3 or mqar; or "scoreboard"; or "text".
        file: the text, after "text".
        settings: what is trained, and how.
        preset: quick, default or paper.
        out: folder of runs.
        resume: continue the interrupted run of this very command (a plain repetition does so too).
        force: repeat a run that was already run.
    """

    task: Annotated[Positional[str], arg(metavar="TASK", help_behavior_hint="")]
    file: Annotated[Positional[str], arg(metavar="[FILE]", help_behavior_hint="")] = ""
    settings: OmitArgPrefixes[SequenceSettings] = dataclasses.field(default_factory=SequenceSettings)  # pyright: ignore[reportInvalidTypeForm]
    preset: str = "default"
    out: str = "runs"
    resume: bool = False
    force: bool = False
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Generate:
    """Continue a prompt with the model of a `linnet sequence text` run, byte by byte.

    Args:
        run: a path, the name of a run folder, or the unique beginning of its name or hash.
        prompt: the text that is continued.
        length: bytes to add.
        temperature: of the draws; 0 takes the likeliest byte each time.
        top_k: draw from this many likeliest bytes only; by default all.
        seed: the seed of the draws.
        out: folder of runs.
    """

    run: Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
    prompt: str = "\n"
    length: int = 200
    temperature: float = 0.8
    top_k: int | None = None
    seed: int = 0
    out: str = "runs"
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Reconstruct:
    """Turn a time series into a recurrent network with the same long-term behaviour, measure it and take it apart.

    Settings that are not given ("auto") come from the preset and the data.

    Args:
        file: CSV, Parquet or NPZ; or real data: sunspots, elnino, nino3, ecg, fmri; or a system such as Rossler;
            without it Lorenz with 5 % noise.
        settings: what is trained, and how.
        preset: quick (about half a minute), default (minutes) or paper (hours).
        out: folder of runs.
        resume: continue the interrupted run of this very command (a plain repetition does so too).
        force: repeat a run that was already run.
    """

    file: Annotated[Positional[str], arg(metavar="[FILE]", help_behavior_hint="")] = ""
    settings: OmitArgPrefixes[ReconstructSettings] = dataclasses.field(default_factory=ReconstructSettings)  # pyright: ignore[reportInvalidTypeForm]
    preset: str = "default"
    out: str = "runs"
    resume: bool = False
    force: bool = False
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Forecast:
    """Continue the series of a `linnet reconstruct` run beyond its end.

    Args:
        run: a path, the name of a run folder, or the unique beginning of its name or hash.
        steps: how many points.
        out: a CSV file to write.
        runs: folder of runs.
    """

    run: Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
    steps: int = 100
    out: str = ""
    runs: str = "runs"
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class List:
    """List the runs.

    Args:
        out: folder of runs.
    """

    out: str = "runs"
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Show:
    """Show a run again: its answer, its table and where its report is.

    Args:
        run: a path, the name of a run folder, or the unique beginning of its name or hash.
        out: folder of runs.
    """

    run: Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
    out: str = "runs"
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Compare:
    """Compare two runs: their settings, and every quantity that both have.

    Args:
        first: a run (path, name, or unique beginning of its name or hash).
        second: another.
        out: folder of runs.
    """

    first: Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
    second: Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
    out: str = "runs"
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Cite:
    """Print the BibTeX entries of what a run used.

    Args:
        run: a path, the name of a run folder, or the unique beginning of its name or hash.
        out: folder of runs.
    """

    run: Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
    out: str = "runs"
    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


@dataclasses.dataclass(frozen=True)
class Info:
    """Print versions and devices, for bug reports."""

    output: OmitArgPrefixes[Output] = dataclasses.field(default_factory=Output)


def registry() -> tyro.constructors.ConstructorRegistry:
    """How lists ("a,b") and settings that may be left to linnet ("auto") are read."""
    rules = tyro.constructors.ConstructorRegistry()

    @rules.primitive_rule
    def rule(info: tyro.constructors.PrimitiveTypeInfo) -> Any:
        if info.type in _LISTS:
            return _commas(_LISTS[info.type])
        if info.type in _OPTIONAL:
            return _auto(_OPTIONAL[info.type])
        return None

    return rules


_LISTS = {tuple[str, ...]: str, tuple[int, ...]: int, tuple[float, ...]: float}
_OPTIONAL = {int | None: int, float | None: float, str | None: str}
_WORDS = {int: ("INT", "a whole number"), float: ("FLOAT", "a number"), str: ("NAME", "a name")}


def _commas(kind: type) -> Any:
    # One argument, so that `--target species data.csv` cannot swallow the file; quotes protect a name with a comma.
    def read(words: list[str]) -> tuple:
        items = [item.strip() for item in next(csv.reader([words[0]], skipinitialspace=True), [])]
        return tuple(_number(kind, item) for item in items if item)

    def show(values: tuple) -> list[str]:
        return [",".join(map(str, values))]

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{_WORDS[kind][0]},{_WORDS[kind][0]},...",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=show,
    )


def _auto(kind: type) -> Any:
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=_WORDS[kind][0],
        instance_from_str=lambda words: None if words[0] == "auto" else _number(kind, words[0]),
        is_instance=lambda value: value is None or isinstance(value, kind | int),
        str_from_instance=lambda value: ["auto" if value is None else str(value)],
    )


def _number(kind: type, word: str) -> Any:
    try:
        return kind(word)
    except ValueError as error:
        raise ValueError(f"{_WORDS[kind][1]} is needed, got {word!r}.") from error

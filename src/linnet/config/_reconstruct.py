"""The settings of `linnet reconstruct`."""

import dataclasses
import difflib

from ._check import at_least, option, positive

#: The models by name.
MODELS = (
    "shallow-plrnn",
    "al-rnn",
    "plrnn",
    "dendritic-plrnn",
    "mean-centred-plrnn",
    "vanilla-rnn",
    "gru",
    "lstm",
    "echo-state",
    "nvar",
)

#: The forcings by name.
FORCINGS = ("generalized", "adaptive", "sparse", "identity")

_OTHER_NAMES = {
    "almost-linear-rnn": "al-rnn",
    "alrnn": "al-rnn",
    "mcplrnn": "mean-centred-plrnn",
    "dendplrnn": "dendritic-plrnn",
    "shplrnn": "shallow-plrnn",
    "rnn": "vanilla-rnn",
    "esn": "echo-state",
    "next-generation-reservoir": "nvar",
    "generalised": "generalized",
    "gtf": "generalized",
    "agtf": "adaptive",
    "stf": "sparse",
}


@dataclasses.dataclass(frozen=True)
class ReconstructConfig:
    """All that decides what `linnet reconstruct` finds, besides the data.

    Args:
        columns: columns of the file that are the system's coordinates; by default all that hold numbers.
        time: the column with the time of each row, or "none" to count rows; by default it is found by its name or kind.
        interpolate: fill missing values and gaps in time by straight lines instead of refusing them.
        embed: delay embedding of a single channel: "DIMENSION,LAG" such as 3,8; "estimated"; or "none" to go on with
            the one channel.
        noise: of a built-in system: observation noise, in standard deviations of each coordinate.
        points: of a built-in system: how many points.
        dt: of a built-in system: the time between two points; by default a fiftieth of its period (for Lorenz 0.02).
        held_out: the part of the series, at its end, that is not trained on.
        model: shallow-plrnn, al-rnn, plrnn, dendritic-plrnn, mean-centred-plrnn, vanilla-rnn, gru, lstm, echo-state or
            nvar.
        latent: units of the model's state (of nvar: delays); by default by model and data.
        relus: rectified units (of al-rnn), hidden units (of shallow-plrnn) or bases (of dendritic-plrnn).
        forcing: generalized, adaptive, sparse or identity; by default by model.
        interval: steps between two replacements of the state, for sparse and identity forcing; by default two fifths
            of the predictability time of the data.
        strength: of generalized forcing; by default from the predictability time too.
        window: steps of a training window; by default a hundred, or less where the series is short.
        batch: windows of a gradient step.
        steps: gradient steps.
        budget: minutes of training; a step is measured, and the number of steps follows.
        rate: the first learning rate.
        last_rate: the last one; between them it falls exponentially.
        seeds: models that are trained side by side.
        seed: the seed of everything random.
        ahead: steps of the prediction error; by default 20, or twice the predictability time where that is less.
    """

    columns: tuple[str, ...] = ()
    time: str | None = None
    interpolate: bool = False
    embed: str = ""
    noise: float = 0.05
    points: int = 10_000
    dt: float | None = None
    held_out: float = 0.25
    model: str = "shallow-plrnn"
    latent: int | None = None
    relus: int | None = None
    forcing: str | None = None
    interval: int | None = None
    strength: float | None = None
    window: int | None = None
    batch: int = 16
    steps: int = 20_000
    budget: float | None = None
    rate: float = 5e-3
    last_rate: float = 1e-5
    seeds: int = 4
    seed: int = 0
    ahead: int | None = None

    def __post_init__(self) -> None:
        at_least(self, noise=0, points=100, latent=1, relus=0, interval=1, window=1, batch=1, steps=1, seeds=1, seed=0)
        at_least(self, ahead=1)
        positive(self, "dt", "budget", "rate", "last_rate")
        object.__setattr__(self, "model", _known("model", self.model, MODELS))
        if self.forcing is not None:
            object.__setattr__(self, "forcing", _known("forcing", self.forcing, FORCINGS))
        if not 0 < self.held_out < 1:
            raise ValueError(f"--held-out must be between 0 and 1, got {self.held_out}.")
        if self.strength is not None and not 0 <= self.strength <= 1:
            raise ValueError(f"--strength must be between 0 and 1, got {self.strength}.")
        if self.seed >= 2**32:
            raise ValueError(f"--seed must be below {2**32}, got {self.seed}.")
        for name, kinds in (("strength", ("generalized",)), ("interval", ("sparse", "identity"))):
            if getattr(self, name) is not None and self.forcing is not None and self.forcing not in kinds:
                raise ValueError(f"{option(name)} is of {' and '.join(kinds)} forcing, got --forcing {self.forcing}.")
        if self.strength is not None and self.interval is not None:
            raise ValueError("--strength is of generalized forcing and --interval of sparse forcing: give one of them.")
        parse_embed(self)


def parse_embed(config: ReconstructConfig) -> tuple[int, int] | str:
    """Dimension and lag of a delay embedding, or "estimated", "none" or "".

    Raises:
        ValueError: for anything else.
    """
    word = config.embed.strip().lower()
    word = {"auto": "estimated", "estimate": "estimated"}.get(word, word)
    if word in ("", "estimated", "none"):
        return word
    parts = word.replace("x", ",").split(",")
    try:
        dimension, lag = (int(part) for part in parts)
    except ValueError:
        dimension = lag = 0
    if dimension < 1 or lag < 1:
        raise ValueError(
            f'--embed needs a dimension and a lag such as 3,8, or "estimated", or "none", got {config.embed!r}.'
        )
    return dimension, lag


def _known(what: str, word: str, names: tuple[str, ...]) -> str:
    plain = word.strip().lower().replace("_", "-").replace(" ", "-")
    plain = _OTHER_NAMES.get(plain, plain)
    if plain in names:
        return plain
    close = difflib.get_close_matches(plain, names, n=3, cutoff=0.4)
    rest = f"the closest are {', '.join(close)}" if close else f"choose from {', '.join(names)}"
    raise ValueError(f"There is no {what} {word!r}; {rest}.")

"""What `linnet reconstruct` trains: models, observations and forcings by name, with what the data say about the
rest."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from .. import analyse, nn, reconstruct
from .._errors import InputError
from .._types import PRNGKey
from ..config import ReconstructConfig
from ._reconstruct_data import SeriesData

#: Models that are fitted at once by regression.
RESERVOIRS = ("echo-state", "nvar")

#: Models whose states are not in the units of the data, so that an observation matrix is learned.
_SQUASHED = ("vanilla-rnn", "gru", "lstm")

#: Models with more units than columns, of which the data replace those that are seen.
_LARGE = ("al-rnn", "plrnn", "dendritic-plrnn", "mean-centred-plrnn")

#: Generalized forcing is never weaker or stronger than this by itself.
_WEAKEST, _STRONGEST = 0.1, 0.3

_RIDGE = 1e-4
_WASHOUT = 100


@dataclasses.dataclass(frozen=True)
class Plan:
    """All numbers of a training, those that were left to linnet included.

    Args:
        model: its name.
        columns: how many there are.
        latent: units of the state (of nvar: delays).
        relus: rectified or hidden units or bases; 0 where the model has none.
        forcing: its name; "" for reservoirs.
        strength: of generalized forcing.
        interval: of sparse forcing.
        window: steps of a training window.
        seeds: models side by side.
        predictability: steps in which the data can be predicted.
        reason: how that was found.
        ahead: steps of the prediction error.
    """

    model: str
    columns: int
    latent: int
    relus: int
    forcing: str
    strength: float | None
    interval: int | None
    window: int
    seeds: int
    predictability: int
    reason: str
    ahead: int

    @property
    def about(self) -> str:
        """The model, in words."""
        extra = {"shallow-plrnn": "hidden units", "al-rnn": "rectified units", "dendritic-plrnn": "bases"}
        if self.model == "nvar":
            return f"nvar of {self.latent} delays"
        units = f"{self.model} of {self.latent} units"
        return f"{units} and {self.relus} {extra[self.model]}" if self.model in extra else units

    @property
    def forcing_about(self) -> str:
        """The forcing, in words."""
        if not self.forcing:
            return "fitted by ridge regression"
        number = f" of strength {self.strength:.2g}" if self.strength is not None else ""
        number = f" after every {self.interval} steps" if self.interval is not None else number
        return f"trained under {self.forcing} teacher forcing{number}"


class Autonomous(nn.AbstractRecurrent):
    """A recurrent network with inputs, left without: its inputs are zero.

    Args:
        network: the network.
        width: how many inputs it reads.
    """

    network: nn.AbstractRecurrent
    width: int = eqx.field(static=True)

    @property
    def in_size(self) -> int:
        """There are no external inputs."""
        return 0

    def init_state(self) -> Any:
        return self.network.init_state()

    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " out"]]:
        dtype = jtu.tree_leaves(state)[0].dtype
        return self.network.step(state, jnp.zeros(self.width, dtype))

    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        return nn.run_steps(self, xs, state)


def make_plan(config: ReconstructConfig, data: SeriesData) -> Plan:
    """The numbers of a training: as asked for, or as model and data say.

    Raises:
        ValueError: for numbers that fit neither each other nor the data.
    """
    num, columns = data.train.shape
    model = config.model
    latent = config.latent or _latent(model, columns)
    relus = _relus(config, latent, columns)
    if model not in RESERVOIRS and latent < columns:
        raise InputError(
            f"The data have {columns} columns, which --latent {latent} units cannot show: give at least {columns}."
        )
    window = config.window or int(min(100, max(10, num // 4)))
    least = window + 1 if model not in RESERVOIRS else _WASHOUT // 2
    if num < least:
        what = f"A forcing window of {window} steps" if model not in RESERVOIRS else f"A fit of a {model}"
        raise InputError(
            f"{what} needs {least} points, but the part to train on has {num}; give a smaller --window or more data."
        )
    if model in RESERVOIRS and (config.forcing or config.strength is not None or config.interval is not None):
        raise InputError(f"A model fitted by regression, such as {model}, has no --forcing, --strength or --interval.")
    steps, reason = predictability(data.train)
    forcing = "" if model in RESERVOIRS else _forcing(config)
    strength, interval = config.strength, config.interval
    if forcing == "generalized" and strength is None:
        # All of 1 - 2^(-1/steps) would undo by itself what the system does to an error: half leaves that to learn.
        strength = float(np.clip((1 - 2 ** (-1 / steps)) / 2, _WEAKEST, _STRONGEST))
    if forcing in ("sparse", "identity") and interval is None:
        # After the whole time errors have doubled: published intervals on Lorenz, 16 to 25 steps of 0.01, are two
        # fifths of it. With all of it, four of four almost-linear networks failed there, with two fifths none.
        interval = int(min(max(1, round(0.4 * steps)), window))
    seeds = 1 if model == "nvar" else config.seeds
    # As `linnet.analyse.metric_scales` needs it.
    most = (min(num, len(data.test)) - 2 * columns - 4) // 2
    ahead = min(20, 2 * steps, most) if config.ahead is None else config.ahead
    if ahead > most or most < 1:
        raise InputError(
            f"Forecasts of {max(ahead, 1)} steps of {columns} columns are tested on at least"
            f" {2 * max(ahead, 1) + 2 * columns + 4} points, but the part to test on has {len(data.test)} and that"
            f" to train on {num}; give more data, fewer --columns, another --held-out or a smaller --ahead."
        )
    return Plan(model, columns, latent, relus, forcing, strength, interval, window, seeds, steps, reason, ahead)


def predictability(train: np.ndarray) -> tuple[int, str]:
    """In how many steps errors double, and by what that was found."""
    standard = (train - train.mean(axis=0)) / train.std(axis=0)
    longest = int(min(100, max(2, len(train) // 4)))
    correlated = reconstruct.autocorrelation_interval(standard, max_lag=min(longest, (len(train) - 1) // 2 - 1))
    try:
        found = analyse.maximum_lyapunov_from_series(standard[:20_000], theiler=3 * correlated)
    except ValueError:
        found = None
    if found is not None and found.exponent > 2 * found.standard_error > 0:
        steps = reconstruct.predictability_time(found.exponent)
        if steps <= 4 * correlated + 4:
            return steps, f"the largest Lyapunov exponent of the data, about {found.exponent:.2g} per step"
    return correlated, "the autocorrelation, which falls to 1/e"


def make_network(plan: Plan, *, key: PRNGKey) -> nn.AbstractRecurrent:
    """A network of random weights; of float32 where it is trained step by step."""
    latent, relus, dtype = plan.latent, plan.relus, jnp.float32
    if plan.model == "shallow-plrnn":
        return nn.ShallowPLRNN(latent, relus, dtype=dtype, key=key)
    if plan.model == "al-rnn":
        return nn.AlmostLinearRNN(latent, relus, dtype=dtype, key=key)
    if plan.model == "plrnn":
        return nn.PLRNN(latent, dtype=dtype, key=key)
    if plan.model == "mean-centred-plrnn":
        return nn.MeanCentredPLRNN(latent, dtype=dtype, key=key)
    if plan.model == "dendritic-plrnn":
        return nn.DendriticPLRNN(latent, relus, dtype=dtype, key=key)
    if plan.model == "echo-state":
        return nn.EchoState(plan.columns, latent, key=key)
    if plan.model == "nvar":
        return nn.NextGenerationReservoir(plan.columns, latent)
    kind = {"vanilla-rnn": nn.VanillaRNN, "gru": nn.GRU, "lstm": nn.LSTM}[plan.model]
    return Autonomous(kind((1, latent, 1), dtype=dtype, key=key), 1)


def make_observation(plan: Plan, *, key: PRNGKey) -> nn.AbstractObservation:
    """What is observed of the state: the first units, or a matrix where states are not in the units of the data."""
    if plan.model not in _SQUASHED:
        return nn.IdentityObservation(plan.columns, plan.latent, dtype=jnp.float32, key=key)
    seen = nn.AffineObservation(plan.columns, plan.latent, use_bias=True, dtype=jnp.float32, key=key)
    return nn.ObservedPart(seen, make_network(plan, key=key), 0) if plan.model == "lstm" else seen


def make_forcing(plan: Plan) -> reconstruct.AbstractForcing:
    """The forcing of a plan."""
    if plan.forcing == "generalized":
        return reconstruct.GeneralizedTeacherForcing(plan.strength)
    if plan.forcing == "adaptive":
        return reconstruct.AdaptiveTeacherForcing()
    kind = {"sparse": reconstruct.SparseTeacherForcing, "identity": reconstruct.IdentityTeacherForcing}
    return kind[plan.forcing](plan.interval)


def fit_reservoir(plan: Plan, train: np.ndarray, *, key: PRNGKey) -> reconstruct.Reconstruction:
    """A reservoir with its readout."""
    washout = int(min(_WASHOUT, len(train) // 4))
    network = make_network(plan, key=key)
    return reconstruct.fit_readout(network, train, _RIDGE, washout=washout)  # pyright: ignore[reportArgumentType]


def empty(plan: Plan, *, key: PRNGKey) -> tuple[nn.AbstractRecurrent, nn.AbstractObservation]:
    """A network and its observation of the right shapes, to be filled with what was stored."""
    network = make_network(plan, key=key)
    if not isinstance(network, nn.AbstractReservoir):
        # In the order of `linnet.reconstruct.fit`.
        return network, make_observation(plan, key=jr.fold_in(key, 1))
    weights = jnp.zeros((plan.columns, network.num_features), jtu.tree_leaves(network.init_state())[0].dtype)
    fitted: Any = network.with_readout(weights)
    if plan.model == "nvar":
        size = fitted.window * plan.columns
        return fitted, nn.IdentityObservation(plan.columns, size, dtype=weights.dtype)
    matrix, bias = fitted.output_weights, fitted.output_bias
    return fitted, nn.AffineObservation(*matrix.shape, weights=matrix, bias=bias)


def _latent(model: str, columns: int) -> int:
    if model in ("shallow-plrnn",):
        return columns
    if model in _LARGE:
        return max(20, 2 * columns)
    return {"echo-state": 300, "nvar": 2}.get(model, max(30, 4 * columns))


def _relus(config: ReconstructConfig, latent: int, columns: int) -> int:
    usual = {"shallow-plrnn": max(50, 4 * columns), "al-rnn": min(2, latent), "dendritic-plrnn": 20}
    if config.model not in usual:
        if config.relus is not None:
            raise InputError(f"--relus is of {', '.join(usual)}, and {config.model} has no such number.")
        return 0
    relus = usual[config.model] if config.relus is None else config.relus
    if config.model == "al-rnn" and relus > latent:
        raise InputError(f"al-rnn rectifies at most all of its {latent} units (--latent), got --relus {relus}.")
    if config.model != "al-rnn" and relus < 1:
        raise InputError(f"--relus of {config.model} must be at least 1, got {relus}.")
    return relus


def _forcing(config: ReconstructConfig) -> str:
    forcing = config.forcing
    if forcing is None:
        given = "generalized" if config.strength is not None else None
        given = "identity" if config.interval is not None and config.model not in _SQUASHED else given
        given = "sparse" if config.interval is not None and config.model in _SQUASHED else given
        forcing = given or ("identity" if config.model in _LARGE else "generalized")
    if forcing == "identity" and config.model in _SQUASHED:
        raise InputError(
            f"Identity forcing is of states that are seen as they are, those of {config.model} are not: use --forcing"
            " sparse or generalized."
        )
    return forcing

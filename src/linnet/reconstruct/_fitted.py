"""What a fit leaves: all seeds, how they were trained, how they run, and which of them failed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Int

from ._judge import VERDICTS, gaussian_distance, judge, looks_periodic
from ._reconstruction import FreeRun, Reconstruction, run_freely
from ._series import Windows
from ._train import Model

#: Free runs are so many times as long as the data they are compared with; the first fifth is left out.
_LONGER, _TRANSIENT = 1.25, 0.2
#: At most so many points of the data are compared with.
_MOST_POINTS = 20_000
_STARTS = 64


class Fit(eqx.Module):
    """All seeds of a fit.

    A seed has failed where its training stopped, its free run left every bound, ended in a fixed point (or in a cycle,
    where the data never repeat), or is further from the data in state space than the threshold. How well a seed
    predicts a few steps ahead says nothing about that.

    Args:
        models: network and observation model of all seeds, every array with the seeds first; see `reconstruction`.
        mean: what was subtracted from each column of the data.
        scale: what each column was divided by.
        starts: some points of the data, standardised.
        losses: the mean squared error of one-step predictions under forcing, means over the steps of a record.
        gradient_norms: the largest norm of the gradient in the steps of a record.
        strengths: the mean strength of forcing at the last step of a record.
        steps: the gradient steps done at each record.
        stopped: after how many steps a seed's gradient was no longer finite; the number of all steps where it always
            was.
        runs: the free run of each seed, in the units of the data, without its transient.
        divergences: the divergence of each run from the data in state space; infinite where a run left every bound.
        periods: the period of the cycle in which a run ends; 0 for none, 1 for a fixed point.
        verdicts: a code of `linnet.reconstruct.VERDICTS` for each seed.
        threshold: the largest divergence of a seed that has not failed.
        gaussian: the divergence of independent Gaussian points with the covariance of the data, as a scale.
        aperiodic: whether the data were taken never to repeat.
    """

    models: Model
    mean: Float[Array, " out"]
    scale: Float[Array, " out"]
    starts: Float[Array, "start out"]
    losses: Float[Array, "seed record"]
    gradient_norms: Float[Array, "seed record"]
    strengths: Float[Array, "seed record"]
    steps: Int[Array, " record"]
    stopped: Int[Array, " seed"]
    runs: FreeRun
    divergences: Float[Array, " seed"]
    periods: Int[Array, " seed"]
    verdicts: Int[Array, " seed"]
    threshold: float = eqx.field(static=True)
    gaussian: float = eqx.field(static=True)
    aperiodic: bool = eqx.field(static=True)

    @property
    def num_seeds(self) -> int:
        """How many seeds there are."""
        return self.verdicts.shape[0]

    @property
    def failure_rate(self) -> float:
        """The fraction of seeds that failed."""
        return float(np.mean(np.asarray(self.verdicts) != 0))

    @property
    def order(self) -> list[int]:
        """The seeds from the best to the worst: those that did not fail first, then by their divergence."""
        failed, far = np.asarray(self.verdicts) != 0, np.asarray(self.divergences)
        return [int(seed) for seed in np.lexsort((far, failed))]

    @property
    def best(self) -> Reconstruction:
        """The seed with the least divergence among those that did not fail, or of all if all failed."""
        return self.reconstruction(self.order[0])

    def reconstruction(self, seed: int) -> Reconstruction:
        """One seed.

        Raises:
            ValueError: if there is no such seed.
        """
        if not 0 <= seed < self.num_seeds:
            raise ValueError(f"This fit has the seeds 0 to {self.num_seeds - 1}, got {seed}.")
        own = jtu.tree_map(lambda leaf: leaf[seed] if eqx.is_array(leaf) else leaf, self.models)
        return Reconstruction(own.network, own.observation, self.mean, self.scale, self.starts)

    def message(self, seed: int) -> str:
        """How a seed fared, as a sentence."""
        return VERDICTS[int(self.verdicts[seed])]


def evaluate(
    models: Model,
    data: Windows,
    *,
    curves: dict[str, Array],
    ends: np.ndarray,
    stopped: Array,
    steps: int,
    threshold: float | None,
    aperiodic: bool | None,
) -> Fit:
    """Runs all seeds freely and judges them."""
    parts = data.parts()
    truth = jnp.concatenate(parts)[:_MOST_POINTS]
    num = int(_LONGER * truth.shape[0])
    # Runs are longer than the data: their inputs begin anew.
    states, seen, valid = _free_runs(models, truth[0], data.inputs[jnp.arange(num) % data.inputs.shape[0]])
    first = int(_TRANSIENT * num)
    after, diverged = seen[:, first:], valid < num
    gaussian = gaussian_distance(truth)
    limit = 0.5 * gaussian if threshold is None else float(threshold)
    longest = max(parts, key=len)
    never = not looks_periodic(np.asarray(longest)) if aperiodic is None else aperiodic
    verdicts, far, periods = judge(truth, after, diverged, stopped < steps, limit, never)
    picked = np.unique(np.linspace(0, data.values.shape[0] - 1, _STARTS).astype(int))

    runs = FreeRun(after * data.scale + data.mean, states[:, first:], jnp.maximum(valid - first, 0), diverged)
    return Fit(
        models=models,
        mean=data.mean,
        scale=data.scale,
        starts=data.values[picked],
        losses=curves["loss"],
        gradient_norms=curves["gradient_norm"],
        strengths=curves["strength"],
        steps=jnp.asarray(ends, jnp.int32),
        stopped=stopped,
        runs=runs,
        divergences=far,
        periods=periods,
        verdicts=verdicts,
        threshold=limit,
        gaussian=gaussian,
        aperiodic=bool(never),
    )


@eqx.filter_jit
def _free_runs(models: Model, start: Array, inputs: Array) -> tuple[Array, Array, Array]:
    """States, what is seen of them, and how many are within bounds, for all seeds."""

    def one(model: Model) -> tuple[Array, Array, Array]:
        states, valid = run_freely(model.network, model.observation, model.observation.start(start), inputs)
        return states, jax.vmap(model.observation.observe)(states), valid

    return eqx.filter_vmap(one)(models)

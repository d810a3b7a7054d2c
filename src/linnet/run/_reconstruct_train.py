"""Trains the models of `linnet reconstruct`, judges every seed, and keeps them without pickle."""

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr

from .. import reconstruct, store
from ..config import ReconstructConfig
from ._reconstruct_data import SeriesData
from ._reconstruct_judge import judge
from ._reconstruct_models import (
    RESERVOIRS,
    Plan,
    empty,
    fit_reservoir,
    make_forcing,
    make_network,
    make_observation,
)

Progress = Callable[[int, int], None]

#: Chunk borders of a training, at each of which it can be interrupted.
CHUNKS = 40

_FIT, _PROBE = 0x666974, 0x70726F
_PROBED = 200


class Trained(eqx.Module):
    """All seeds, as they were trained.

    Args:
        models: network and observation, every array with the seeds first.
        mean: what was subtracted from each column.
        scale: what each column was divided by.
        starts: some points of the data, standardised.
    """

    models: Any
    mean: Any
    scale: Any
    starts: Any

    def reconstruction(self, seed: int) -> reconstruct.Reconstruction:
        """One seed, in JAX's default precision."""

        def own(leaf: Any) -> Any:
            if not eqx.is_array(leaf):
                return leaf
            one = leaf[seed]
            return one.astype(jnp.result_type(float)) if jnp.issubdtype(one.dtype, jnp.floating) else one

        network, observation = jtu.tree_map(own, self.models)
        mean, scale, starts = (
            jnp.asarray(leaf, jnp.result_type(float)) for leaf in (self.mean, self.scale, self.starts)
        )
        return reconstruct.Reconstruction(network, observation, mean, scale, starts)


def train(
    run: store.RunFolder, plan: Plan, data: SeriesData, config: ReconstructConfig, progress: Progress
) -> tuple[xr.Dataset, Trained]:
    """Trains all seeds, or reads them back.

    Args:
        run: the run, in which the stage "train" and the models are kept.
        plan: what is trained.
        data: on what.
        config: the settings.
        progress: is told how far it is.

    Returns:
        Curves, divergences and verdicts over "seed"; and the models.
    """
    kept = store.FolderCheckpointer(run, "model")
    chunks = store.FolderCheckpointer(run, "chunks")
    compute = _reservoirs if plan.model in RESERVOIRS else _gradient

    def stage() -> xr.Dataset:
        steps = 0 if plan.model in RESERVOIRS else num_steps(run, plan, data, config)
        found, trained = compute(plan, data, config, steps, chunks, progress)
        kept.save(eqx.filter(trained, eqx.is_array), 0)
        run.log(stage="train", failure_rate=float(np.mean(found["verdict"].values != 0)))
        return found

    found = store.stage(run, "train", stage)
    trained = load(run, plan, data)
    if trained is None:  # the models were lost, though not the stage: training again gives the same
        stage()
        trained = load(run, plan, data)
    chunks.remove()
    if trained is None:
        raise store.StoreError(f"The models of {run.path} cannot be read back; repeat the run with --force.")
    return found, trained


def load(run: store.RunFolder, plan: Plan, data: SeriesData | None = None) -> Trained | None:
    """The stored models; `None` if there are none."""
    keys = jr.split(jr.key(0), plan.seeds)
    models = eqx.filter_eval_shape(eqx.filter_vmap(lambda key: empty(plan, key=key)), keys)
    dtype = jnp.float32 if plan.model not in RESERVOIRS else jnp.result_type(float)
    column = jax.ShapeDtypeStruct((plan.columns,), dtype)
    starts = jax.ShapeDtypeStruct((1, plan.columns), dtype)
    shapes, rest = eqx.partition(
        Trained(models, column, column, starts), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    )
    template = jtu.tree_map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    loaded = store.FolderCheckpointer(run, "model").load(template)
    return None if loaded is None else eqx.combine(jtu.tree_map(jnp.asarray, loaded[0]), rest)


def num_steps(run: store.RunFolder, plan: Plan, data: SeriesData, config: ReconstructConfig) -> int:
    """Gradient steps: those asked for, or as many as fit into the budget by the time that one takes here."""
    if config.budget is None:
        return config.steps

    def probe() -> xr.Dataset:
        times: list[float] = []
        _fit(
            plan,
            data.train,
            config,
            _PROBED,
            _PROBED // 4,
            None,
            lambda *_: times.append(time.perf_counter()),
        )
        # The first chunk has the compilation in it.
        own = (times[-1] - times[0]) / (_PROBED * (len(times) - 1) / len(times))
        return xr.Dataset({"seconds": ((), own)})

    own = float(store.stage(run, "budget", probe)["seconds"])
    return max(_PROBED, int(60 * (config.budget or 0) / own) // 100 * 100)


def _fit(
    plan: Plan,
    series: np.ndarray,
    config: ReconstructConfig,
    steps: int,
    chunk: int,
    checkpointer: Any,
    progress: Progress,
) -> reconstruct.Fit:
    return reconstruct.fit(
        lambda key: make_network(plan, key=key),
        series,
        make_forcing(plan),
        observation=lambda key: make_observation(plan, key=key),
        seeds=plan.seeds,
        steps=steps,
        batch_size=config.batch,
        window=plan.window,
        learning_rate=(config.rate, config.last_rate),
        observation_weight=1e-4,
        # Judged anew below, with bins that follow the number of points.
        threshold=float("inf"),
        steps_per_chunk=max(1, chunk),
        checkpointer=checkpointer,
        progress=progress,
        key=jr.fold_in(jr.key(config.seed), _FIT),
    )


def _gradient(
    plan: Plan, data: SeriesData, config: ReconstructConfig, steps: int, chunks: Any, progress: Progress
) -> tuple[xr.Dataset, Trained]:
    fit = _fit(plan, data.train, config, steps, -(-steps // CHUNKS), chunks, progress)
    runs = np.asarray(fit.runs.values, float)
    found = judge(data.train, runs, np.asarray(fit.verdicts), config)
    found = found.assign(
        {
            "loss": (("seed", "record"), np.asarray(fit.losses, float)),
            "gradient_norm": (("seed", "record"), np.asarray(fit.gradient_norms, float)),
            "strength": (("seed", "record"), np.asarray(fit.strengths, float)),
            "period": ("seed", np.asarray(fit.periods)),
        }
    ).assign_coords(record=np.asarray(fit.steps))
    found.attrs |= {"steps": int(steps), "aperiodic": int(fit.aperiodic), "parameters": _size(fit.models)}
    models = (fit.models.network, fit.models.observation)
    return found, Trained(models, fit.mean, fit.scale, fit.starts[:1])


def _reservoirs(
    plan: Plan, data: SeriesData, config: ReconstructConfig, steps: int, chunks: Any, progress: Progress
) -> tuple[xr.Dataset, Trained]:
    fitted = []
    for seed, key in enumerate(jr.split(jr.fold_in(jr.key(config.seed), _FIT), plan.seeds)):
        fitted.append(fit_reservoir(plan, data.train, key=key))
        progress(seed + 1, plan.seeds)
    num, verdicts, runs = len(data.train), [], []
    for one in fitted:
        free = one.free_run(num + num // 4, start=data.train[: num // 4])
        runs.append(np.asarray(free.values, float)[num // 4 :])
        verdicts.append(2 if bool(free.diverged) else 3 if np.ptp(runs[-1][-num // 4 :], axis=0).max() == 0 else 0)
    found = judge(data.train, np.stack(runs), np.asarray(verdicts), config)
    models = jtu.tree_map(
        lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0],
        *((one.model, one.observation) for one in fitted),
    )
    found.attrs |= {"steps": 0, "aperiodic": 1, "parameters": int(fitted[0].observation.out_size) * int(
        getattr(fitted[0].model, "num_features", 0))}  # fmt: skip
    return found, Trained(models, fitted[0].mean, fitted[0].scale, fitted[0].starts[:1])


def _size(models: Any) -> int:
    return int(sum(leaf[0].size for leaf in jtu.tree_leaves(eqx.filter(models, eqx.is_inexact_array))))

"""Trains sequence models and measures them by length."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float, Int

from .. import learn, nn, store, tasks
from .._loss import CrossEntropy
from .._types import PRNGKey
from ..config import SequenceConfig
from ._sequence_plan import Contestant, training_task

Progress = Callable[[int, int], None]

#: Times at which a training run is recorded, and recordings between two checkpoints.
RECORDS, CHUNK = 40, 4

#: Held-out sequences on which accuracy is recorded during training.
WATCHED = 256

#: Training goes back to its best time where its end is worse than that by this share.
WORSE = 0.02

#: Test sequences that are held in memory at once.
GROUP = 64

_TEST = 0x74657374


class Sizes(NamedTuple):
    """How many tokens a model reads (`None`: one number a step) and how many classes it knows."""

    vocab_size: int | None
    num_classes: int


def sizes_of(task: Any) -> Sizes:
    """The sizes of a task's inputs and targets."""
    return Sizes(task.vocab_size if isinstance(task, tasks.AbstractTokenTask) else None, task.num_classes)


def make_model(contestant: Contestant, sizes: Sizes, config: SequenceConfig, *, key: PRNGKey) -> nn.SequenceModel:
    """A model in float32."""
    return nn.sequence_model(
        contestant.layer,
        vocab_size=sizes.vocab_size,
        in_size=1 if sizes.vocab_size is None else None,
        num_classes=sizes.num_classes,
        hidden_size=config.hidden,
        num_layers=config.num_layers,
        mlp=config.mlp or None,
        short_conv=config.short_conv or None,
        dtype=jnp.float32,
        key=key,
        **contestant.settings,
    )


def check_model(contestant: Contestant, sizes: Sizes, config: SequenceConfig) -> None:
    """Refuses settings that make no model, before anything is written or trained.

    Raises:
        ValueError: as the layer says it.
    """
    eqx.filter_eval_shape(lambda key: make_model(contestant, sizes, config, key=key), jr.key(0))


def make_rule(config: SequenceConfig) -> learn.Descent:
    """Adam under clipped gradients; its rate rises over a tenth of training and falls as a cosine."""
    rise = max(1, config.steps // 10)
    schedule = optax.warmup_cosine_decay_schedule(
        config.rate / 100, config.rate, rise, max(config.steps, rise + 1), config.rate / 100
    )
    transform = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    return learn.Descent(schedule, transform, weight_decay=config.weight_decay, batch_size=config.batch)


def recorded_steps(config: SequenceConfig) -> np.ndarray:
    """The steps at which training is recorded."""
    return np.unique(np.linspace(0, config.steps, min(RECORDS, config.steps) + 1).round().astype(int))


def train(
    run: store.RunFolder,
    name: str,
    contestant: Contestant,
    task: Any,
    config: SequenceConfig,
    progress: Progress,
    go_back: bool = False,
) -> tuple[xr.Dataset, nn.SequenceModel]:
    """Trains models of all seeds side by side, or reads the stage and the models back.

    Args:
        run: the run, in which the stage "train-NAME" and the models "model-NAME" are kept.
        name: of the stage.
        contestant: the layer.
        task: the task.
        config: the settings.
        progress: is told how far it is.
        go_back: train again, to the recorded step at which the loss on the held-out part of `task` was least (the
            median over seeds), where it is larger at the end.

    Returns:
        "loss" and "accuracy" over "seed" and "step", with `go_back` "validation_loss" too, and the models, seeds first.
        The attribute `kept_step` says after how many steps they are what they are.
    """
    kept = store.FolderCheckpointer(run, f"model-{name}")
    loops = [store.FolderCheckpointer(run, f"chunks-{name}{end}") for end in ("", "-back")]
    key, rule = jr.key(config.seed), make_rule(config)
    trained_on = training_task(task, config)
    held_out = getattr(task, "held_out", task)
    watched = held_out.sample(min(WATCHED, 4 * config.samples), key=jr.fold_in(key, _TEST))

    def make(key: PRNGKey) -> tuple[Any, Any, Any]:
        return make_model(contestant, sizes_of(task), config, key=key), trained_on, rule

    def compute() -> xr.Dataset:
        steps = recorded_steps(config)
        rates = np.asarray(jax.vmap(rule.rate)(jnp.arange(config.steps)), float)
        times = np.concatenate([[0.0], np.cumsum(rates)])[steps]

        observed = [learn.Accuracy(batch=watched), *([learn.Loss("validation", batch=watched)] if go_back else [])]

        def trained(last: int, chunks: store.FolderCheckpointer) -> Any:
            return learn.ensemble(
                make,
                jnp.asarray(times[: last + 1]),
                {"seed": config.seeds},
                key=key,
                observe=observed,
                loss=CrossEntropy(),
                records_per_chunk=CHUNK,
                checkpointer=chunks,
                progress=progress,
            )

        whole = found = trained(last := len(steps) - 1, loops[0])
        if go_back:
            losses = np.median(np.asarray(whole["validation_loss"]), axis=0)
            best = int(np.argmin(losses))
            if 0 < best < last and losses[best] < (1 - WORSE) * losses[-1]:
                found = trained(last := best, loops[1])
        params = eqx.filter(found.network, eqx.is_inexact_array)
        kept.save(params, 0)
        size = sum(leaf[0].size for leaf in jtu.tree_leaves(params))
        names = ("loss", *(observer.name for observer in observed))
        data = {name: (("seed", "step"), np.asarray(whole[name])) for name in names}
        data["result"] = ("seed", np.asarray(whole.result))
        run.log(stage=f"train-{name}", loss=float(np.median(data["loss"][1][:, -1])))
        attributes = {"parameters": int(size), "kept_step": int(steps[last])}
        return xr.Dataset(data, {"step": steps, "seed": np.arange(config.seeds)}, attributes)

    found = store.stage(run, f"train-{name}", compute)
    models = load_models(run, name, contestant, sizes_of(task), config)
    if models is None:  # the models were lost, though not the stage: training again gives the same
        compute()
        models = load_models(run, name, contestant, sizes_of(task), config)
    for loop in loops:
        loop.remove()
    if models is None:
        raise store.StoreError(f"The models of {run.path} cannot be read back; repeat the run with --force.")
    return found, models


def load_models(
    run: store.RunFolder, name: str, contestant: Contestant, sizes: Sizes, config: SequenceConfig
) -> nn.SequenceModel | None:
    """The stored models of a stage, seeds first; `None` if there are none."""
    keys = jr.split(jr.key(0), config.seeds)
    template = eqx.filter_eval_shape(eqx.filter_vmap(lambda key: make_model(contestant, sizes, config, key=key)), keys)
    shapes, rest = eqx.partition(template, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    loaded = store.FolderCheckpointer(run, f"model-{name}").load(
        jtu.tree_map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    )
    return None if loaded is None else eqx.combine(jtu.tree_map(jnp.asarray, loaded[0]), rest)


def measure(models: nn.SequenceModel, task: Any, lengths: list[int], config: SequenceConfig) -> xr.Dataset:
    """The accuracy at each length on fresh sequences, "seed" by "length".

    All lengths are padded to the longest and are one compiled program.
    """
    key, held_out = jr.fold_in(jr.key(config.seed), _TEST + 1), getattr(task, "held_out", task)
    groups = math.ceil(config.samples / GROUP)
    found = _measure(models, held_out, jnp.asarray(lengths, jnp.int32), key, max(lengths), groups, config.samples)
    share = np.asarray(found)
    return xr.Dataset({"accuracy": (("seed", "length"), share)}, {"length": lengths, "seed": np.arange(config.seeds)})


@eqx.filter_jit
def _measure(
    models: Any, task: Any, sizes: Int[Array, " length"], key: PRNGKey, longest: int, groups: int, samples: int
) -> Float[Array, "seed length"]:
    num = min(samples, GROUP)

    def accuracy(model: Any, size: Array, key: PRNGKey) -> Array:
        if isinstance(task, tasks.AbstractTokenTask):
            batch = tasks.Batch(*jax.vmap(lambda k: task.example(k, longest, size))(jr.split(key, num)))
        else:
            batch = task.sample(num, key=key)
        return tasks.accuracy(jax.vmap(lambda x: nn.apply(model, x))(batch.x), batch)

    def of_model(model: Any) -> Array:
        def of_length(size: Array) -> Array:
            # The same sequences for all models: what differs between them is not luck.
            return jnp.mean(jax.lax.map(lambda k: accuracy(model, size, k), jr.split(jr.fold_in(key, size), groups)))

        return jax.lax.map(of_length, sizes)

    arrays, rest = eqx.partition(models, eqx.is_array)
    return jax.lax.map(lambda leaves: of_model(eqx.combine(leaves, rest)), arrays)

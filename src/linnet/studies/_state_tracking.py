"""Models that follow a state through a sequence: trained on short ones, tested at every length."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float

from .. import learn, nn, tasks
from .._loss import AbstractLoss, CrossEntropy
from .._types import PRNGKey


class AccuracyByLength(learn.AbstractObserver):
    """The share of examples whose class is right after each number of tokens, of targets at every step.

    Args:
        batch: the examples.
    """

    batch: tasks.Batch

    @property
    def name(self) -> str:
        return "accuracy_by_length"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("length",)

    def coords(self) -> dict[str, Any]:
        return {"length": np.arange(1, self.batch.x.shape[1] + 1)}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "AccuracyByLength":
        return self

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Float[Array, " length"]:
        outputs = jax.vmap(lambda x: nn.apply(network, x))(self.batch.x)
        right = jnp.argmax(outputs, axis=-1) == self.batch.y
        if self.batch.mask is None:
            return jnp.mean(right.astype(outputs.dtype), axis=0)
        # Where no example has a target, as after the operators of an expression, there is no accuracy.
        counted = jnp.sum(self.batch.mask, axis=0)
        return jnp.sum(right & self.batch.mask, axis=0) / jnp.where(counted == 0, jnp.nan, counted)


@dataclasses.dataclass(frozen=True)
class Trained:
    """Networks of one kind after training.

    Args:
        accuracy: "seed time length", at even distances of the steps.
        network: a network whose arrays have an axis of seeds in front.
        chance: the accuracy of a guess.
    """

    accuracy: np.ndarray
    network: Any
    chance: float

    def scaled(self, first: int) -> np.ndarray:
        """The mean accuracy from a length on, from 0 for a guess to 1, of each seed."""
        # A quarter of many lengths may have no target; all of them never.
        mean = np.nanmean(self.accuracy[:, -1, first - 1 :], axis=-1)
        return (mean - self.chance) / (1 - self.chance)

    def member(self, seed: int) -> Any:
        """One of the networks."""
        return jax.tree_util.tree_map(lambda leaf: leaf[seed] if eqx.is_array(leaf) else leaf, self.network)

    def best(self, first: int) -> int:
        """The seed that is best from a length on."""
        return int(np.argmax(self.scaled(first)))


def train(
    layer: str,
    task: tasks.AbstractTokenTask,
    *,
    test_length: int,
    test_size: int,
    steps: int,
    learning_rate: float,
    batch_size: int,
    seeds: int,
    times: int,
    key: PRNGKey,
    **model: Any,
) -> Trained:
    """Trains with Adam, its rate falling along a cosine to a hundredth, on fresh sequences at every step.

    Args:
        layer: the name of the layer.
        task: what is learned, with targets at every step.
        test_length: of the sequences on which accuracy is measured.
        test_size: how many there are.
        steps: of training.
        learning_rate: of Adam at the beginning.
        batch_size: sequences in a step.
        seeds: networks.
        times: how often accuracy is measured.
        key: of everything random.
        **model: of `nn.sequence_model`.
    """
    test_key, train_key = jr.split(key)
    test = task.sample(test_size, key=test_key, length=task.fit(test_length))
    schedule = optax.cosine_decay_schedule(learning_rate, steps, 0.01)
    rule = learn.Descent(schedule, optax.scale_by_adam(), batch_size=batch_size)

    def make(key: PRNGKey) -> tuple:
        network = nn.sequence_model(
            layer, vocab_size=task.vocab_size, num_classes=task.num_classes, dtype=jnp.float32, key=key, **model
        )
        return network, task, rule

    spent = np.concatenate([[0.0], np.cumsum([float(schedule(step)) for step in range(steps)])])
    ts = spent[np.linspace(0, steps, times).round().astype(int)]
    trained = learn.ensemble(
        make, ts, {"seed": seeds}, key=train_key, loss=CrossEntropy(), observe=[AccuracyByLength(test)]
    )
    return Trained(np.asarray(trained["accuracy_by_length"]), trained.network, task.chance)


def transitions(model: Any) -> np.ndarray:
    r"""The matrices $\prod_j (I - \beta_j k_j k_j^\top)$ of each token and head, "token head key key".

    Args:
        model: a `SequenceModel` whose first layer is a `DeltaNet` or `DeltaProduct` without convolution and decay: then
            transitions depend on the token alone.
    """
    block = model.blocks[0]
    layer, tokens = block.layer, model.embedding.weight
    tokens = np.asarray(jax.vmap(block.norm)(tokens), np.float64)
    inputs = layer.inputs
    heads, rank, size = inputs.num_heads, inputs.rank, inputs.key_size
    rows = np.asarray(inputs.weight, np.float64)[heads * size : heads * size * (1 + rank)]
    keys = tokens @ rows.T
    keys = (keys / (1 + np.exp(-keys))).reshape(-1, rank, heads, size)
    keys = keys / np.sqrt(np.sum(keys**2, axis=-1, keepdims=True) + 1e-6)
    betas = 1 / (1 + np.exp(-tokens @ np.asarray(layer.b_proj, np.float64).T)).reshape(-1, rank, heads)
    betas = 2 * betas if layer.allow_neg_eigval else betas
    found = np.broadcast_to(np.eye(size), (len(tokens), heads, size, size))
    for j in range(rank):
        outer = np.einsum("thi,thj->thij", keys[:, j], keys[:, j])
        found = (np.eye(size) - betas[:, j, :, None, None] * outer) @ found
    return found

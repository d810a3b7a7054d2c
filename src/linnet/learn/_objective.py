"""What is descended: the loss of a network as a function of its parameters, on moments or on samples."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
from jaxtyping import Array, Float, Int

from .. import nn, tasks
from .._loss import AbstractLoss, SquaredError
from .._rule import AbstractRule, Descent
from .._types import EndToEnd, ImpulseResponse, PRNGKey
from ._matmul import chain, matmul


class AbstractObjective(eqx.Module):
    """The loss that a learning rule descends."""

    @abc.abstractmethod
    def __call__(self, network: Any) -> Float[Array, ""]:
        """The loss of a network."""

    def first_order(self, batch_size: int | None) -> Int[Array, " num"] | None:
        """The order of samples before the first step; `None` where there are no mini-batches of samples."""
        return None

    def at(
        self, batch_size: int | None, order: Int[Array, " num"] | None, step: Int[Array, ""], key: PRNGKey | None
    ) -> tuple["AbstractObjective", Int[Array, " num"] | None]:
        """The objective of one step (itself, or that of a mini-batch) and the order of samples after it."""
        return self, order

    def when(self, time: Float[Array, ""]) -> "AbstractObjective":
        """The objective at a learning time, where a schedule changes it."""
        return self

    def jumps(self) -> Float[Array, " jump"] | None:
        """The learning times at which the objective jumps."""
        return None


class MomentObjective(AbstractObjective):
    """Squared error on moments in residual form: exact, and as cheap for a million samples as for ten."""

    moments: tasks.AbstractMoments
    residual: tasks.ResidualForm

    def __call__(self, network: Any) -> Float[Array, ""]:
        if isinstance(network, nn.DeepLinear):
            return self.residual(chain(network.weights))
        return self.residual(self.moments.linear_map(network))


class SampleObjective(AbstractObjective):
    """Any loss on samples, the mean over examples of the sum over outputs and steps."""

    batch: tasks.Batch
    loss: AbstractLoss

    def __call__(self, network: Any) -> Float[Array, ""]:
        batch = self.batch
        plain = batch.weight is None and not batch.has_classes
        if isinstance(network, nn.DeepLinear) and isinstance(self.loss, SquaredError) and plain:
            # The network is multiplied out first: there are more examples than rows in any matrix.
            residual = matmul(chain(network.weights), batch.x.T) - batch.y.T
            return 0.5 * jnp.sum(residual**2) / batch.num
        return nn.sample_loss(network, batch, self.loss)

    def first_order(self, batch_size: int | None) -> Int[Array, " num"] | None:
        return None if batch_size is None else jnp.arange(self.batch.num, dtype=jnp.int32)

    def at(
        self, batch_size: int | None, order: Int[Array, " num"] | None, step: Int[Array, ""], key: PRNGKey | None
    ) -> tuple["AbstractObjective", Int[Array, " num"] | None]:
        """Shuffled epochs without replacement; what does not fill a last mini-batch waits for the next epoch."""
        if batch_size is None or order is None or key is None:
            return self, order
        epoch, place = jnp.divmod(step, self.batch.num // batch_size)
        # The order is kept from step to step, because shuffling costs more than a step of a small network.
        order = jax.lax.cond(
            place == 0,
            lambda old: jr.permutation(jr.fold_in(jr.fold_in(key, 0), epoch), self.batch.num).astype(old.dtype),
            lambda old: old,
            order,
        )
        index = jax.lax.dynamic_slice(order, (place * batch_size,), (batch_size,))
        return SampleObjective(jtu.tree_map(lambda leaf: leaf[index], self.batch), self.loss), order


class FreshObjective(AbstractObjective):
    """Fresh examples of a task in every step; its own value is on fixed data (population moments, or a large sample).

    Args:
        task: what the examples are drawn from.
        loss: the loss on them.
        fixed: the objective that is recorded.
    """

    task: tasks.AbstractTask
    loss: AbstractLoss
    fixed: AbstractObjective

    def __call__(self, network: Any) -> Float[Array, ""]:
        return self.fixed(network)

    def at(
        self, batch_size: int | None, order: Int[Array, " num"] | None, step: Int[Array, ""], key: PRNGKey | None
    ) -> tuple["AbstractObjective", Int[Array, " num"] | None]:
        if batch_size is None or key is None:
            return self, order
        batch = self.task.sample_at(batch_size, key=jr.fold_in(jr.fold_in(key, 1), step), step=step)
        return SampleObjective(batch, self.loss), order


class SettingObjective(AbstractObjective):
    """The loss that a setting holds.

    Args:
        setting: the setting.
        time: the learning time, for what is descended then; `None` for what is recorded.
    """

    setting: tasks.AbstractSetting
    time: Float[Array, ""] | None = None

    def __call__(self, network: Any) -> Float[Array, ""]:
        return self.setting.loss(network) if self.time is None else self.setting.loss_at(network, self.time)

    def when(self, time: Float[Array, ""]) -> AbstractObjective:
        return SettingObjective(self.setting, time)

    def jumps(self) -> Float[Array, " jump"] | None:
        return self.setting.jumps()


#: Fresh examples on which the loss of a task without usable moments is recorded.
_NUM_FIXED = 1024


def make_objective(
    network: Any, data: Any, loss: AbstractLoss, rule: AbstractRule | None = None, key: PRNGKey | None = None
) -> AbstractObjective:
    """The objective of training a network on moments, a batch, a split (its training part) or a task.

    A task is its population moments for a linear network under squared error; with a rule in mini-batches it is fresh
    samples.

    Raises:
        ValueError: if the network or the loss sees more than moments, or the shapes do not fit.
    """
    if isinstance(data, tasks.Split):
        data = data.train
    batch_size = rule.batch_size if isinstance(rule, Descent) else None
    if isinstance(data, tasks.AbstractSetting):
        return _setting_objective(network, data, loss, rule)
    if isinstance(data, tasks.Batch):
        if batch_size is not None and batch_size > data.num:
            raise ValueError(
                f"Descent has a batch_size of {batch_size}, but there are only {data.num} samples. Use at most "
                f"{data.num}, or None for all."
            )
        return SampleObjective(data, loss)
    if isinstance(data, tasks.AbstractTask):
        if nn.is_linear(network) and isinstance(loss, SquaredError) and data.has_moments:
            fixed = _moment_objective(network, data, loss)
            return fixed if batch_size is None else FreshObjective(data, loss, fixed)
        if key is not None:
            fixed = SampleObjective(data.sample(_NUM_FIXED, key=jr.fold_in(key, 3)), loss)
            if rule is None:
                return fixed
            if batch_size is not None:
                return FreshObjective(data, loss, fixed)
        raise ValueError(
            f"A {type(network).__name__} under {type(loss).__name__} learns a {type(data).__name__} from fresh "
            "samples, which needs `rule=Descent(learning_rate, batch_size=...)` and a `key`. Or pass a fixed sample, "
            "for example `task.draw(num, key=key)`."
        )
    if batch_size is not None:
        raise ValueError(
            f"Descent has a batch_size of {batch_size}, but moments have no samples to draw. Pass a Batch, a Split or "
            "a task, or use batch_size=None."
        )
    return _moment_objective(network, data, loss)


def _setting_objective(
    network: Any, setting: tasks.AbstractSetting, loss: AbstractLoss, rule: AbstractRule | None
) -> SettingObjective:
    reason = setting.applies(network, loss)
    if reason is not None:
        raise ValueError(f"A {type(network).__name__} does not learn a {type(setting).__name__}: {reason}")
    if isinstance(rule, Descent) and rule.batch_size is not None:
        raise ValueError(
            f"Descent has a batch_size of {rule.batch_size}, but a {type(setting).__name__} has no samples to draw. "
            "Use batch_size=None."
        )
    scheduled = type(setting).loss_at is not tasks.AbstractSetting.loss_at
    if scheduled and isinstance(rule, Descent) and callable(rule.learning_rate):
        raise ValueError(
            f"A {type(setting).__name__} changes with learning time, which a step times its rate is only at a constant "
            "learning rate. Pass Descent a number."
        )
    return SettingObjective(setting)


def _moment_objective(network: Any, data: Any, loss: AbstractLoss) -> MomentObjective:
    moments = tasks.as_moments(data)
    if not nn.is_linear(network) or not isinstance(loss, SquaredError):
        raise ValueError(
            "Moments are all that a linear network under squared error can see, but this is a "
            f"{type(network).__name__} under {type(loss).__name__}. Pass samples instead, for example "
            "`task.draw(num, key=key)`."
        )
    needed = EndToEnd if moments.num_steps is None else ImpulseResponse
    if not isinstance(network, needed):
        kind, other = (
            ("plain", "a LinearRNN needs TemporalMoments")
            if needed is EndToEnd
            else ("temporal", "a DeepLinear needs Moments")
        )
        raise ValueError(f"A {type(network).__name__} cannot be trained on {kind} moments; {other}.")
    form = moments.residual_form()
    shape = jax.eval_shape(moments.linear_map, network).shape
    if shape != form.target.shape:
        raise ValueError(
            f"The network maps inputs to outputs by a matrix of shape (out, in) = {shape}, the task's moments need "
            f"{form.target.shape}. Change the sizes of the network's first and last weights."
        )
    return MomentObjective(moments, form)

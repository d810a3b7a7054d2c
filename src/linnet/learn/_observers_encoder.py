"""Observers of an encoder and a decoder on the modes of two views."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


def _view_modes(what: str, task: Any) -> tasks.ViewModes:
    if not isinstance(task, (tasks.SelfDistillation, tasks.Reconstruction)):
        raise ValueError(f"{what} needs a SelfDistillation or a Reconstruction, got a {type(task).__name__}.")
    return task.modes()


@cite("littwin2024jepa")
class EncoderStrengths(AbstractObserver):
    r"""How strongly an encoder writes each mode of two views, $w_i = \lVert \bar W q_i \rVert$."""

    modes: tasks.ViewModes | None = None

    @property
    def name(self) -> str:
        return "encoder_strengths"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("mode",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "EncoderStrengths":
        return EncoderStrengths(_view_modes("EncoderStrengths", task))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.modes is None:
            raise ValueError("EncoderStrengths has to be bound to a task first; `simulate` does it.")
        return jnp.linalg.norm(network.encoding() @ self.modes.basis, axis=0)


@cite("littwin2024jepa")
class DecoderStrengths(AbstractObserver):
    r"""What a decoder makes of the code of each mode, $v_i = r_i^\top V u_i$ with $u_i = \bar W q_i / w_i$.

    $r_i$ is what it should write: the same code $u_i$ under self-distillation, the view $q_i$ under reconstruction.
    """

    modes: tasks.ViewModes | None = None
    latent: bool = False

    @property
    def name(self) -> str:
        return "decoder_strengths"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("mode",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "DecoderStrengths":
        return DecoderStrengths(_view_modes("DecoderStrengths", task), isinstance(task, tasks.SelfDistillation))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.modes is None:
            raise ValueError("DecoderStrengths has to be bound to a task first; `simulate` does it.")
        codes = network.encoding() @ self.modes.basis
        norms = jnp.linalg.norm(codes, axis=0)
        # Rounding is no direction.
        alive = norms > 10 * jnp.finfo(norms.dtype).eps * jnp.max(norms)
        codes = jnp.where(alive, codes / jnp.where(alive, norms, 1), 0)
        return jnp.sum((codes if self.latent else self.modes.basis) * (network.decoder @ codes), axis=0)

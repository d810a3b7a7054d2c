"""What the layers of sequence models share: parallel and step by step, in any mode that their recurrence admits."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Bool, Float

from .._precision import unrounded
from ._network import AbstractRecurrent


class AbstractSequenceLayer(AbstractRecurrent):
    """A layer that maps a sequence of `hidden_size` features to one of the same size by a linear recurrence.

    The call is the parallel form, for training and for reading a prompt (prefill); `step` is one token with constant
    cost. Both are `forward`, and agree to rounding. A batch is mapped outside, by `jax.vmap`.

    On accelerators, products of float32 are in float32 where `jax_default_matmul_precision` is not set: JAX's own
    default rounds to about three digits, and the two forms would agree to no more.

    A state holds all that a step needs: of the recurrence, of the short convolution, of normalisers. Its arrays are
    real, floating or integer; complex numbers are pairs, the first axis over real and imaginary parts.
    """

    #: The modes that the layer's recurrence admits.
    modes: ClassVar[tuple[str, ...]]

    hidden_size: eqx.AbstractVar[int]
    mode: eqx.AbstractVar[str]
    chunk_size: eqx.AbstractVar[int | None]

    def __check_init__(self) -> None:
        if self.mode != "auto" and self.mode not in self.modes:
            raise ValueError(
                f"{type(self).__name__} does not admit the mode {self.mode!r}: its recurrence admits auto, "
                f"{', '.join(self.modes)}."
            )
        if self.chunk_size is not None and self.chunk_size < 1:
            raise ValueError(f"{type(self).__name__} needs a chunk_size of at least 1 step, got {self.chunk_size}.")

    @abc.abstractmethod
    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        """The outputs at all steps and the final state.

        Args:
            xs: the inputs, at least one step.
            state: the state before the first step.
            resets: where everything is forgotten before the step, so that it begins a sequence of its own.
            mode: the mode of the recurrence.
        """

    @unrounded
    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " out"]]:
        ys, state = self.forward(x[None], state, resets=None, mode="step")
        return state, ys[0]

    @eqx.filter_jit
    @unrounded
    def __call__(
        self, xs: Float[Array, "step in"], state: Any = None, *, resets: Bool[Array, " step"] | None = None
    ) -> tuple[Float[Array, "step out"], Any]:
        check_inputs(self, xs, resets)
        return self.forward(xs, self.init_state() if state is None else state, resets=resets, mode=self.mode)


def check_inputs(layer: Any, xs: Array, resets: Array | None) -> None:
    """Refuses inputs that are no sequence of the layer's features.

    Raises:
        ValueError: with what was needed and what was got.
    """
    name = type(layer).__name__
    if xs.ndim != 2 or xs.shape[1] != layer.hidden_size:
        raise ValueError(
            f"{name} needs xs of shape (step, {layer.hidden_size}), got {xs.shape}; a batch is mapped by `jax.vmap`."
        )
    if xs.shape[0] == 0:
        raise ValueError(f"{name} needs a sequence of at least 1 step, got 0.")
    if resets is not None and resets.shape != xs.shape[:1]:
        raise ValueError(f"{name} needs one reset for each of {xs.shape[0]} steps, got shape {resets.shape}.")


def check_heads(name: str, hidden_size: int, num_heads: int, **sizes: int) -> None:
    """Refuses sizes that are not positive, and heads that do not share the features evenly.

    Raises:
        ValueError: with the argument, what was needed and what was got.
    """
    for argument, size in {"hidden_size": hidden_size, "num_heads": num_heads, **sizes}.items():
        if size < 1:
            raise ValueError(f"{name} needs a {argument} of at least 1, got {size}.")
    if hidden_size % num_heads:
        raise ValueError(
            f"{name} needs a hidden_size that num_heads divides, got {hidden_size} and {num_heads}; give head_dim "
            "too, or another number of heads."
        )

"""The vocabulary of shapes and the small protocols that rooms share without importing each other."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Key, Real

PRNGKey: TypeAlias = Key[Array, ""]
PyTree: TypeAlias = Any
Matrix: TypeAlias = Float[Array, "out in"]
#: Learning times as a user may give them.
Times: TypeAlias = Real[Array, " time"] | Real[np.ndarray, " time"] | Sequence[float]


@runtime_checkable
class EndToEnd(Protocol):
    """A network whose output is a fixed linear map of its input."""

    def end_to_end(self) -> Float[Array, "out in"]: ...


@runtime_checkable
class ImpulseResponse(Protocol):
    """A linear network over time: its output is a sum of lagged linear maps of its inputs."""

    def impulse_response(self, num_steps: int) -> Float[Array, "lag out in"]: ...


@runtime_checkable
class Encodes(Protocol):
    """A network with a linear encoder and a linear decoder."""

    decoder: Float[Array, "out latent"]

    def encoding(self) -> Float[Array, "latent in"]: ...

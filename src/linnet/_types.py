"""The vocabulary of shapes and the small protocols that rooms share without importing each other."""

from typing import Any, Protocol, TypeAlias, runtime_checkable

from jaxtyping import Array, Float, Key

PRNGKey: TypeAlias = Key[Array, ""]
PyTree: TypeAlias = Any
Matrix: TypeAlias = Float[Array, "out in"]


@runtime_checkable
class EndToEnd(Protocol):
    """A network whose output is a fixed linear map of its input."""

    def end_to_end(self) -> Float[Array, "out in"]: ...


@runtime_checkable
class ImpulseResponse(Protocol):
    """A linear network over time: its output is a sum of lagged linear maps of its inputs."""

    def impulse_response(self, num_steps: int) -> Float[Array, "lag out in"]: ...

"""All theories, for `predict` to choose from."""

from ._moment_flow import MomentFlow
from ._theory import AbstractTheory

THEORIES: tuple[AbstractTheory, ...] = (MomentFlow(),)

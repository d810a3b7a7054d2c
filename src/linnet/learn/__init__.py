"""The simulated road: flows, descents, the chunked loop, ensembles and observers."""

from .._rule import AbstractRule as AbstractRule, Descent as Descent, GradientFlow as GradientFlow
from ._observer import AbstractObserver as AbstractObserver, Loss as Loss, ModeStrengths as ModeStrengths
from ._simulate import Checkpointer as Checkpointer, simulate as simulate

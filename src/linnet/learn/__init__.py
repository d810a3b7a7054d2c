"""The simulated road: flows, descents, the chunked loop, ensembles and observers."""

from .._rule import AbstractRule as AbstractRule, Descent as Descent, GradientFlow as GradientFlow
from ._checkpoint import Checkpointer as Checkpointer
from ._ensemble import ensemble as ensemble
from ._observer import AbstractObserver as AbstractObserver, Loss as Loss, ModeStrengths as ModeStrengths
from ._simulate import simulate as simulate

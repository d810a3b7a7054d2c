"""The predicted road: one result per file, with its assumptions as code."""

from ._moment_flow import MomentFlow as MomentFlow
from ._predict import predict as predict
from ._registry import THEORIES as THEORIES
from ._theory import AbstractTheory as AbstractTheory, Assumption as Assumption

"""Dynamical systems to observe: right-hand sides, and a table of parameters, time scales and known invariants."""

from ._delay_flow import DelayFlow as DelayFlow, advance_history as advance_history
from ._flow import Flow as Flow
from ._get import get as get, names as names
from ._invariants import VERDICTS as VERDICTS, Invariants as Invariants, invariants as invariants
from ._map import IteratedMap as IteratedMap
from ._orbit import RESULTS as RESULTS, Orbit as Orbit
from ._system import AbstractSystem as AbstractSystem
from ._table import FLAGS as FLAGS

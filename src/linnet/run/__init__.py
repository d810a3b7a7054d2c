"""Executes a config: the stages of a run, their checkpoints, and what they add up to."""

from ._compare_runs import compare_runs as compare_runs
from ._learn import learn as learn
from ._study import run_study as run_study

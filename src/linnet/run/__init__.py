"""Executes a config: the stages of a run, their checkpoints, and what they add up to."""

from ._compare_runs import compare_runs as compare_runs

"""Executes a config: the stages of a run, their checkpoints, and what they add up to."""

from ._compare_runs import compare_runs as compare_runs
from ._learn import learn as learn
from ._phase import phase as phase
from ._phase_plan import whole_axes as whole_axes
from ._reconstruct import forecast as forecast, reconstruct as reconstruct
from ._sequence import sequence as sequence
from ._sequence_scoreboard import scoreboard as scoreboard
from ._sequence_text import continue_prompt as continue_prompt, sequence_text as sequence_text
from ._study import run_study as run_study
from ._study_all import run_studies as run_studies

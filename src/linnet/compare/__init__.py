"""Hold two trajectories side by side."""

from ._difference import Difference as Difference, difference as difference, same_task as same_task

"""All phase models, by the names of their studies."""

from collections.abc import Callable, Mapping
from typing import Any

from ._phase import PhaseModel
from ._phase_domine2025 import domine2025_phase
from ._phase_kleinman2024 import kleinman2024_phase
from ._phase_kunin2024 import kunin2024_phase
from ._phase_proca2025_kernel import proca2025_kernel_phase
from ._phase_saxe2014_modes import saxe2014_modes_phase

#: From the config of a study and the ranges of its axes to its model. A study without one is run whole at every point.
PHASES: dict[str, Callable[[Any, Mapping[str, tuple[float, float]]], PhaseModel]] = {
    "domine2025-balanced": domine2025_phase,
    "kleinman2024-critical": kleinman2024_phase,
    "kunin2024-rich": kunin2024_phase,
    "proca2025-kernel": proca2025_kernel_phase,
    "saxe2014-modes": saxe2014_modes_phase,
}

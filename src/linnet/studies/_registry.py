"""All studies, by the names of the command line."""

from ._domine2025_balanced import domine2025_balanced
from ._proca2025_transition import proca2025_transition
from ._saxe2014_chaos import saxe2014_chaos
from ._saxe2014_modes import saxe2014_modes
from ._study import Study

STUDIES: dict[str, Study] = {
    "domine2025-balanced": domine2025_balanced,
    "proca2025-transition": proca2025_transition,
    "saxe2014-modes": saxe2014_modes,
    "saxe2014-chaos": saxe2014_chaos,
}

"""One paper's claims per file, each decided by a comparison with a tolerance."""

from ._registry import STUDIES as STUDIES
from ._saxe2014_chaos import saxe2014_chaos as saxe2014_chaos
from ._study import Claim as Claim, Findings as Findings

"""All studies, by the names of the command line."""

from ._saxe2014_chaos import saxe2014_chaos
from ._study import Study

STUDIES: dict[str, Study] = {
    "saxe2014-chaos": saxe2014_chaos,
}

"""What is learned: data with known statistics, from generators or from your files."""

from ._batch import Batch as Batch, Split as Split
from ._modes import SingularModes as SingularModes
from ._moments import (
    AbstractMoments as AbstractMoments,
    Moments as Moments,
    ResidualForm as ResidualForm,
    SequenceMoments as SequenceMoments,
    TemporalMoments as TemporalMoments,
)
from ._task import AbstractTask as AbstractTask, as_moments as as_moments
from ._whiten import Whitening as Whitening

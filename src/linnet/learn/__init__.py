"""The simulated road: flows, descents, the chunked loop, ensembles and observers."""

from .._rule import AbstractRule as AbstractRule, Descent as Descent, GradientFlow as GradientFlow
from ._checkpoint import Checkpointer as Checkpointer
from ._ensemble import ensemble as ensemble
from ._minimum_norm import minimum_norm as minimum_norm
from ._observer import AbstractObserver as AbstractObserver, Loss as Loss, ModeStrengths as ModeStrengths
from ._observers_accuracy import Accuracy as Accuracy
from ._observers_collapse import NeuralCollapse as NeuralCollapse
from ._observers_covariance import GeneratedVariances as GeneratedVariances
from ._observers_encoder import DecoderStrengths as DecoderStrengths, EncoderStrengths as EncoderStrengths
from ._observers_filter import TeacherFilter as TeacherFilter
from ._observers_filters import EnergyProfile as EnergyProfile
from ._observers_frequency import FrequencyStrengths as FrequencyStrengths
from ._observers_kernel import KernelDistance as KernelDistance
from ._observers_map import ModeAlignment as ModeAlignment, SingularValues as SingularValues
from ._observers_outliers import OutlierEigenvalues as OutlierEigenvalues, Overlaps as Overlaps
from ._observers_pathways import PathwayStrengths as PathwayStrengths
from ._observers_polynomial import LabelAlignment as LabelAlignment, PolynomialTestLoss as PolynomialTestLoss
from ._observers_representation import (
    EffectiveRank as EffectiveRank,
    RepresentationAlignment as RepresentationAlignment,
    RepresentationSimilarity as RepresentationSimilarity,
    Sharpness as Sharpness,
)
from ._observers_states import Poles as Poles, StateStrengths as StateStrengths
from ._observers_tasks import TaskLosses as TaskLosses
from ._observers_weights import (
    Balancedness as Balancedness,
    RecurrentEigenvalues as RecurrentEigenvalues,
    WeightNorms as WeightNorms,
)
from ._simulate import simulate as simulate

"""All theories, for `predict` to choose from."""

from ._balanced_riccati import BalancedRiccati
from ._completion_transfer import TransferFlow
from ._covariance_flow import CovarianceFlow
from ._deep_linear_modes import DeepLinearModes
from ._end_to_end_flow import EndToEndFlow
from ._filter_recovery import FilterRecovery
from ._fourier_race import FourierRace
from ._frequency_modes import FrequencyModes, PoleFlow
from ._integrator_modes import IntegratorModes
from ._linear_rnn_modes import LinearRNNModes
from ._linearized_flow import LinearizedFlow
from ._moment_flow import MomentFlow
from ._pathway_race import PathwayRace
from ._polynomial_grokking import PolynomialGrokking
from ._single_layer import SingleLayer
from ._single_neuron import SingleNeuronFlow
from ._small_initialization import SmallInitialization
from ._theory import AbstractTheory
from ._view_modes import ReconstructionModes, SelfDistillationModes

#: Among theories of one strength the first whose assumptions hold is taken: the exact one before the leading order.
THEORIES: tuple[AbstractTheory, ...] = (
    SingleLayer(),
    DeepLinearModes(),
    SingleNeuronFlow(),
    SelfDistillationModes(),
    ReconstructionModes(),
    FilterRecovery(),
    SmallInitialization(),
    LinearRNNModes(),
    LinearRNNModes(rotating=True),
    IntegratorModes(),
    FrequencyModes(),
    PoleFlow(),
    BalancedRiccati(),
    PathwayRace(),
    TransferFlow(),
    EndToEndFlow(),
    CovarianceFlow(),
    FourierRace(),
    PolynomialGrokking(),
    LinearizedFlow(linear_networks=False),
    MomentFlow(),
)

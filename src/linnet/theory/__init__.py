"""The predicted road: one result per file, with its assumptions as code."""

from ._balanced_riccati import BalancedRiccati as BalancedRiccati
from ._balanced_solution import Representations as Representations, balanced_representations as balanced_representations
from ._collapse import CollapseSolution as CollapseSolution, collapse_solution as collapse_solution
from ._collapse_strength import (
    collapse_spinodal as collapse_spinodal,
    collapse_strength as collapse_strength,
    collapse_threshold as collapse_threshold,
    smallest_class as smallest_class,
)
from ._completion_transfer import TransferFlow as TransferFlow
from ._covariance_critical import (
    covariance_convergence_rate as covariance_convergence_rate,
    critical_covariance_losses as critical_covariance_losses,
)
from ._covariance_flow import CovarianceFlow as CovarianceFlow
from ._deep_linear_modes import DeepLinearModes as DeepLinearModes
from ._early_geometry import (
    RepresentationalGeometry as RepresentationalGeometry,
    representational_geometry as representational_geometry,
)
from ._end_to_end_flow import EndToEndFlow as EndToEndFlow
from ._filter_rates import (
    RecoveryBound as RecoveryBound,
    filter_rates as filter_rates,
    recovery_bound as recovery_bound,
)
from ._filter_recovery import FilterRecovery as FilterRecovery, filter_overlap as filter_overlap
from ._first_layer_energy import (
    FirstLayerEnergy as FirstLayerEnergy,
    energy_from_images as energy_from_images,
    energy_from_patches as energy_from_patches,
)
from ._forgetting import (
    ForgettingFormula as ForgettingFormula,
    expected_forgetting as expected_forgetting,
    forgetting_weights as forgetting_weights,
)
from ._fourier_race import FourierRace as FourierRace, frequency_rates as frequency_rates
from ._frequency_modes import FrequencyModes as FrequencyModes, PoleFlow as PoleFlow
from ._frequency_race import FrequencyRace as FrequencyRace, frequency_race as frequency_race
from ._generalization import (
    GeneralizationDynamics as GeneralizationDynamics,
    generalization_curves as generalization_curves,
    mode_stopping_time as mode_stopping_time,
    noise_edge as noise_edge,
    optimal_stopping_time as optimal_stopping_time,
)
from ._implicit_preconditioner import implicit_preconditioner as implicit_preconditioner
from ._integrator_flow import (
    Modes as Modes,
    Outlier as Outlier,
    outlier_pair_slopes as outlier_pair_slopes,
    plateau_length as plateau_length,
    single_outlier_slopes as single_outlier_slopes,
)
from ._integrator_modes import IntegratorModes as IntegratorModes
from ._linear_rnn_alignment import RecurrentModes as RecurrentModes, recurrent_modes as recurrent_modes
from ._linear_rnn_frozen import (
    frozen_input_output as frozen_input_output,
    frozen_input_output_taylor as frozen_input_output_taylor,
    frozen_recurrence as frozen_recurrence,
)
from ._linear_rnn_kernel import (
    LinearRNNTangentKernel as LinearRNNTangentKernel,
    linear_rnn_tangent_kernel as linear_rnn_tangent_kernel,
)
from ._linear_rnn_modes import LinearRNNModes as LinearRNNModes
from ._linear_rnn_small import SmallRecurrentInitialization as SmallRecurrentInitialization
from ._linear_rnn_transition import (
    dynamical_transition as dynamical_transition,
    energetic_transition as energetic_transition,
    recurrent_window as recurrent_window,
    spinodal_transition as spinodal_transition,
)
from ._linearized_flow import LinearizedFlow as LinearizedFlow
from ._marchenko_pastur import Spectrum as Spectrum, marchenko_pastur as marchenko_pastur
from ._mode_curves import (
    chain_strength as chain_strength,
    half_time as half_time,
    learning_time as learning_time,
    maximal_stable_rate as maximal_stable_rate,
    mode_strength as mode_strength,
)
from ._mode_energy import (
    effective_regularizer as effective_regularizer,
    minimized_energy as minimized_energy,
    mode_energy as mode_energy,
    zero_loss_modes as zero_loss_modes,
)
from ._moment_flow import MomentFlow as MomentFlow
from ._pathway_race import PathwayRace as PathwayRace
from ._polynomial_grokking import (
    PolynomialGrokking as PolynomialGrokking,
    label_alignment as label_alignment,
    polynomial_kernel as polynomial_kernel,
)
from ._predict import predict as predict
from ._race import race as race, race_outcome as race_outcome
from ._random_weights import expected_half_times as expected_half_times, expected_strengths as expected_strengths
from ._registry import THEORIES as THEORIES
from ._riccati import RiccatiFlow as RiccatiFlow, riccati_flow as riccati_flow
from ._self_distillation_solution import (
    critical_time_of_reconstruction as critical_time_of_reconstruction,
    critical_time_of_self_distillation as critical_time_of_self_distillation,
    distilled_layers as distilled_layers,
    reconstruction_time as reconstruction_time,
    self_distillation_time as self_distillation_time,
)
from ._single_layer import SingleLayer as SingleLayer
from ._single_neuron import SingleNeuronFlow as SingleNeuronFlow
from ._single_neuron_solution import (
    SingleNeuron as SingleNeuron,
    implicit_bias as implicit_bias,
    single_neuron as single_neuron,
)
from ._small_initialization import SmallInitialization as SmallInitialization, growing_strengths as growing_strengths
from ._theory import AbstractTheory as AbstractTheory, Assumption as Assumption
from ._view_modes import ReconstructionModes as ReconstructionModes, SelfDistillationModes as SelfDistillationModes

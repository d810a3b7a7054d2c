"""What a trained thing is: spectra, kernels, balance, alignment. Pure functions of networks and moments."""

from ._alignment import mode_alignment as mode_alignment
from ._attention_form import attention_form as attention_form, softmax_features as softmax_features
from ._autocorrelation import autocorrelation as autocorrelation
from ._balance import balance_matrices as balance_matrices, balancedness as balancedness
from ._compare_symbols import SymbolComparison as SymbolComparison, compare_symbols as compare_symbols
from ._condition_geometry import (
    cross_condition_generalization as cross_condition_generalization,
    parallelism_score as parallelism_score,
)
from ._correlation_dimension import (
    CorrelationDimension as CorrelationDimension,
    correlation_dimension as correlation_dimension,
)
from ._cycles import Cycles as Cycles, cycles as cycles
from ._delay_embedding import (
    EmbeddingDimension as EmbeddingDimension,
    delay_embedding as delay_embedding,
    embedding_dimension as embedding_dimension,
)
from ._dynamical_form import (
    DynamicalForm as DynamicalForm,
    effective_eigenvalues as effective_eigenvalues,
    form_difference as form_difference,
    normalised_form as normalised_form,
)
from ._fit_autocorrelation import (
    AutocorrelationFit as AutocorrelationFit,
    fit_autocorrelation as fit_autocorrelation,
)
from ._fixed_points import FixedPoints as FixedPoints, fixed_points as fixed_points
from ._forecast_scores import mase as mase, smape as smape, valid_time as valid_time
from ._forecasts import forecast as forecast, prediction_error as prediction_error
from ._forgetting import forgetting as forgetting
from ._form_of_layer import dynamical_form as dynamical_form
from ._jacobian_spectrum import JacobianSpectrum as JacobianSpectrum, jacobian_spectrum as jacobian_spectrum
from ._kaplan_yorke import kaplan_yorke_dimension as kaplan_yorke_dimension
from ._linear_map import (
    BestLinearMap as BestLinearMap,
    best_linear_map as best_linear_map,
    linear_response as linear_response,
)
from ._lyapunov import LyapunovSpectrum as LyapunovSpectrum, lyapunov_spectrum as lyapunov_spectrum
from ._lyapunov_step import fixed_step_states as fixed_step_states
from ._metric_scales import SCALES as SCALES, MetricScales as MetricScales, metric_scales as metric_scales
from ._mutual_information import embedding_lag as embedding_lag, mutual_information as mutual_information
from ._neural_collapse import (
    NeuralCollapse as NeuralCollapse,
    class_means as class_means,
    frame_distance as frame_distance,
    nearest_mean_agreement as nearest_mean_agreement,
    neural_collapse as neural_collapse,
    orthogonal_frame as orthogonal_frame,
    simplex_frame as simplex_frame,
    within_class_variability as within_class_variability,
)
from ._noise_sustained import (
    NoiseSustainedOrbits as NoiseSustainedOrbits,
    noise_sustained_orbits as noise_sustained_orbits,
)
from ._outliers import Outliers as Outliers, spectral_outliers as spectral_outliers
from ._overlaps import OVERLAPS as OVERLAPS, overlaps as overlaps, overlaps_of as overlaps_of
from ._patches import (
    energy_profile as energy_profile,
    first_filters as first_filters,
    patch_components as patch_components,
    patch_moments as patch_moments,
    patch_pixels as patch_pixels,
)
from ._phase_portrait import PhasePortrait as PhasePortrait, phase_portrait as phase_portrait
from ._power_spectrum import power_spectrum_distance as power_spectrum_distance
from ._representations import (
    centred_kernel_alignment as centred_kernel_alignment,
    dissimilarity as dissimilarity,
    effective_rank as effective_rank,
    representational_similarity as representational_similarity,
)
from ._series_exponent import (
    SeriesExponent as SeriesExponent,
    maximum_lyapunov_from_series as maximum_lyapunov_from_series,
)
from ._sharpness import (
    largest_eigenvalue as largest_eigenvalue,
    largest_stable_rate as largest_stable_rate,
    largest_stable_rate_at_minimum as largest_stable_rate_at_minimum,
    sharpness as sharpness,
)
from ._spectra import (
    recurrent_eigenvalues as recurrent_eigenvalues,
    singular_values as singular_values,
    weight_names as weight_names,
    weight_norms as weight_norms,
    weight_singular_values as weight_singular_values,
)
from ._state_space_divergence import (
    StateSpaceDivergence as StateSpaceDivergence,
    state_space_divergence as state_space_divergence,
)
from ._symbolic_dynamics import SymbolicDynamics as SymbolicDynamics, symbolic_dynamics as symbolic_dynamics
from ._tangent_kernel import (
    kernel_distance as kernel_distance,
    linear_tangent_kernel as linear_tangent_kernel,
    tangent_kernel as tangent_kernel,
)
from ._timescales import (
    Timescales as Timescales,
    activity_timescales as activity_timescales,
    continuous_eigenvalues as continuous_eigenvalues,
    mode_timescales as mode_timescales,
    timescales as timescales,
)

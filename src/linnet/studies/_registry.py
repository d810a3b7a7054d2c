"""All studies, by the names of the command line."""

from ._advani2020_overtraining import advani2020_overtraining
from ._arora2018_acceleration import arora2018_acceleration
from ._arora2023_recall import arora2023_recall
from ._bordelon2025_integrate import bordelon2025_integrate
from ._brechet2023_generative import brechet2023_generative
from ._brenner2024_almost_linear import brenner2024_almost_linear
from ._dang2023_collapse import dang2023_collapse
from ._domine2025_balanced import domine2025_balanced
from ._easy_filter import easy_filter
from ._fan2024_regular import fan2024_regular
from ._feng2024_aaren import feng2024_aaren
from ._first_layer_energy import first_layer_energy
from ._gilpin2021_chaos import gilpin2021_chaos
from ._grazzi2024_eigenvalues import grazzi2024_eigenvalues
from ._gu2021_lssl import gu2021_lssl
from ._gu2023_hippo import gu2023_hippo
from ._hess2023_forcing import hess2023_forcing
from ._khajehabdollahi2024_timescales import khajehabdollahi2024_timescales
from ._kleinman2024_critical import kleinman2024_critical
from ._kumar2024_grokking import kumar2024_grokking
from ._kunin2024_rich import kunin2024_rich
from ._lin2023_forgetting import lin2023_forgetting
from ._littwin2024_jepa import littwin2024_jepa
from ._orvieto2023_lru import orvieto2023_lru
from ._pinson2023_frequency import pinson2023_frequency
from ._proca2025_integration import proca2025_integration
from ._proca2025_kernel import proca2025_kernel
from ._proca2025_recency import proca2025_recency
from ._proca2025_stability import proca2025_stability
from ._proca2025_transition import proca2025_transition
from ._saxe2014_chaos import saxe2014_chaos
from ._saxe2014_depth import saxe2014_depth
from ._saxe2014_modes import saxe2014_modes
from ._sieber2024_dynamical import sieber2024_dynamical
from ._siems2025_deltaproduct import siems2025_deltaproduct
from ._smekal2024_ssm import smekal2024_ssm
from ._study import Study
from ._task_structure_geometry import task_structure_geometry

STUDIES: dict[str, Study] = {
    "advani2020-overtraining": advani2020_overtraining,
    "arora2018-acceleration": arora2018_acceleration,
    "arora2023-recall": arora2023_recall,
    "brechet2023-generative": brechet2023_generative,
    "bordelon2025-integrate": bordelon2025_integrate,
    "domine2025-balanced": domine2025_balanced,
    "hess2023-forcing": hess2023_forcing,
    "brenner2024-almost-linear": brenner2024_almost_linear,
    "khajehabdollahi2024-timescales": khajehabdollahi2024_timescales,
    "gilpin2021-chaos": gilpin2021_chaos,
    "kleinman2024-critical": kleinman2024_critical,
    "first-layer-energy": first_layer_energy,
    "kumar2024-grokking": kumar2024_grokking,
    "kunin2024-rich": kunin2024_rich,
    "littwin2024-jepa": littwin2024_jepa,
    "pinson2023-frequency": pinson2023_frequency,
    "lin2023-forgetting": lin2023_forgetting,
    "dang2023-collapse": dang2023_collapse,
    "easy-filter": easy_filter,
    "proca2025-recency": proca2025_recency,
    "proca2025-stability": proca2025_stability,
    "proca2025-transition": proca2025_transition,
    "proca2025-kernel": proca2025_kernel,
    "proca2025-integration": proca2025_integration,
    "task-structure-geometry": task_structure_geometry,
    "saxe2014-depth": saxe2014_depth,
    "saxe2014-modes": saxe2014_modes,
    "saxe2014-chaos": saxe2014_chaos,
    "smekal2024-ssm": smekal2024_ssm,
    "orvieto2023-lru": orvieto2023_lru,
    "fan2024-regular": fan2024_regular,
    "gu2021-lssl": gu2021_lssl,
    "sieber2024-dynamical": sieber2024_dynamical,
    "gu2023-hippo": gu2023_hippo,
    "grazzi2024-eigenvalues": grazzi2024_eigenvalues,
    "siems2025-deltaproduct": siems2025_deltaproduct,
    "feng2024-aaren": feng2024_aaren,
}

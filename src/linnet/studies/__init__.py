"""One paper's claims per file, each decided by a comparison with a tolerance."""

from ._advani2020_overtraining import advani2020_overtraining as advani2020_overtraining
from ._arora2018_acceleration import arora2018_acceleration as arora2018_acceleration
from ._arora2023_recall import arora2023_recall as arora2023_recall
from ._bordelon2025_integrate import bordelon2025_integrate as bordelon2025_integrate
from ._brechet2023_generative import brechet2023_generative as brechet2023_generative
from ._brenner2024_almost_linear import brenner2024_almost_linear as brenner2024_almost_linear
from ._dang2023_collapse import dang2023_collapse as dang2023_collapse
from ._domine2025_balanced import domine2025_balanced as domine2025_balanced
from ._easy_filter import easy_filter as easy_filter
from ._fan2024_regular import fan2024_regular as fan2024_regular
from ._feng2024_aaren import feng2024_aaren as feng2024_aaren
from ._first_layer_energy import first_layer_energy as first_layer_energy
from ._gilpin2021_chaos import gilpin2021_chaos as gilpin2021_chaos
from ._grazzi2024_eigenvalues import grazzi2024_eigenvalues as grazzi2024_eigenvalues
from ._gu2021_lssl import gu2021_lssl as gu2021_lssl
from ._gu2023_hippo import gu2023_hippo as gu2023_hippo
from ._hess2023_forcing import hess2023_forcing as hess2023_forcing
from ._khajehabdollahi2024_timescales import khajehabdollahi2024_timescales as khajehabdollahi2024_timescales
from ._kleinman2024_critical import kleinman2024_critical as kleinman2024_critical
from ._kumar2024_grokking import kumar2024_grokking as kumar2024_grokking
from ._kunin2024_rich import kunin2024_rich as kunin2024_rich
from ._lin2023_forgetting import lin2023_forgetting as lin2023_forgetting
from ._littwin2024_jepa import littwin2024_jepa as littwin2024_jepa
from ._orvieto2023_lru import orvieto2023_lru as orvieto2023_lru
from ._phase import Axis as Axis, PhaseModel as PhaseModel, Quantity as Quantity, evaluate as evaluate
from ._phases import PHASES as PHASES
from ._pinson2023_frequency import pinson2023_frequency as pinson2023_frequency
from ._proca2025_integration import proca2025_integration as proca2025_integration
from ._proca2025_kernel import proca2025_kernel as proca2025_kernel
from ._proca2025_recency import proca2025_recency as proca2025_recency
from ._proca2025_stability import proca2025_stability as proca2025_stability
from ._proca2025_transition import proca2025_transition as proca2025_transition
from ._registry import STUDIES as STUDIES
from ._saxe2014_chaos import saxe2014_chaos as saxe2014_chaos
from ._saxe2014_depth import saxe2014_depth as saxe2014_depth
from ._saxe2014_modes import saxe2014_modes as saxe2014_modes
from ._sieber2024_dynamical import sieber2024_dynamical as sieber2024_dynamical
from ._siems2025_deltaproduct import siems2025_deltaproduct as siems2025_deltaproduct
from ._smekal2024_ssm import smekal2024_ssm as smekal2024_ssm
from ._study import Claim as Claim, Findings as Findings
from ._task_structure_geometry import task_structure_geometry as task_structure_geometry

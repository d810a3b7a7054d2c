"""Settings of all that the command line runs: frozen dataclasses and TOML presets. Nothing here imports JAX."""

from ._advani2020_overtraining import Advani2020Overtraining as Advani2020Overtraining
from ._arora2018_acceleration import Arora2018Acceleration as Arora2018Acceleration
from ._arora2023_recall import Arora2023Recall as Arora2023Recall
from ._bordelon2025_integrate import Bordelon2025Integrate as Bordelon2025Integrate
from ._brechet2023_generative import Brechet2023Generative as Brechet2023Generative
from ._brenner2024_almost_linear import Brenner2024AlmostLinear as Brenner2024AlmostLinear
from ._dang2023_collapse import Dang2023Collapse as Dang2023Collapse
from ._domine2025_balanced import Domine2025Balanced as Domine2025Balanced
from ._easy_filter import EasyFilter as EasyFilter
from ._fan2024_regular import Fan2024Regular as Fan2024Regular
from ._feng2024_aaren import Feng2024Aaren as Feng2024Aaren
from ._first_layer_energy import FirstLayerEnergy as FirstLayerEnergy
from ._gilpin2021_chaos import Gilpin2021Chaos as Gilpin2021Chaos
from ._grazzi2024_eigenvalues import Grazzi2024Eigenvalues as Grazzi2024Eigenvalues
from ._gu2021_lssl import Gu2021LSSL as Gu2021LSSL
from ._gu2023_hippo import Gu2023Hippo as Gu2023Hippo
from ._hess2023_forcing import Hess2023Forcing as Hess2023Forcing
from ._khajehabdollahi2024_timescales import Khajehabdollahi2024Timescales as Khajehabdollahi2024Timescales
from ._kleinman2024_critical import Kleinman2024Critical as Kleinman2024Critical
from ._kumar2024_grokking import Kumar2024Grokking as Kumar2024Grokking
from ._kunin2024_rich import Kunin2024Rich as Kunin2024Rich
from ._learn import LearnConfig as LearnConfig
from ._lin2023_forgetting import Lin2023Forgetting as Lin2023Forgetting
from ._littwin2024_jepa import Littwin2024Jepa as Littwin2024Jepa
from ._orvieto2023_lru import Orvieto2023LRU as Orvieto2023LRU
from ._phase import PhaseConfig as PhaseConfig
from ._pinson2023_frequency import Pinson2023Frequency as Pinson2023Frequency
from ._plain import from_plain as from_plain, to_plain as to_plain
from ._presets import PRESETS as PRESETS, STUDIES as STUDIES, load as load, title as title
from ._proca2025_integration import Proca2025Integration as Proca2025Integration
from ._proca2025_kernel import Proca2025Kernel as Proca2025Kernel
from ._proca2025_recency import Proca2025Recency as Proca2025Recency
from ._proca2025_stability import Proca2025Stability as Proca2025Stability
from ._proca2025_transition import Proca2025Transition as Proca2025Transition
from ._reconstruct import ReconstructConfig as ReconstructConfig, parse_embed as parse_embed
from ._saxe2014_chaos import Saxe2014Chaos as Saxe2014Chaos
from ._saxe2014_depth import Saxe2014Depth as Saxe2014Depth
from ._saxe2014_modes import Saxe2014Modes as Saxe2014Modes
from ._sequence import SequenceConfig as SequenceConfig, parse_settings as parse_settings
from ._sieber2024_dynamical import Sieber2024Dynamical as Sieber2024Dynamical
from ._siems2025_deltaproduct import Siems2025DeltaProduct as Siems2025DeltaProduct
from ._smekal2024_ssm import Smekal2024SSM as Smekal2024SSM
from ._task_structure_geometry import TaskStructureGeometry as TaskStructureGeometry
from ._toml import dumps as dumps

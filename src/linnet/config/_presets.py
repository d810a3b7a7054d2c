"""The registry of configs and their presets."""

import difflib
import tomllib
from importlib import resources
from typing import Any

from ._advani2020_overtraining import Advani2020Overtraining
from ._arora2018_acceleration import Arora2018Acceleration
from ._arora2023_recall import Arora2023Recall
from ._bordelon2025_integrate import Bordelon2025Integrate
from ._brechet2023_generative import Brechet2023Generative
from ._brenner2024_almost_linear import Brenner2024AlmostLinear
from ._dang2023_collapse import Dang2023Collapse
from ._domine2025_balanced import Domine2025Balanced
from ._easy_filter import EasyFilter
from ._fan2024_regular import Fan2024Regular
from ._feng2024_aaren import Feng2024Aaren
from ._first_layer_energy import FirstLayerEnergy
from ._gilpin2021_chaos import Gilpin2021Chaos
from ._grazzi2024_eigenvalues import Grazzi2024Eigenvalues
from ._gu2021_lssl import Gu2021LSSL
from ._gu2023_hippo import Gu2023Hippo
from ._hess2023_forcing import Hess2023Forcing
from ._khajehabdollahi2024_timescales import Khajehabdollahi2024Timescales
from ._kleinman2024_critical import Kleinman2024Critical
from ._kumar2024_grokking import Kumar2024Grokking
from ._kunin2024_rich import Kunin2024Rich
from ._learn import LearnConfig
from ._lin2023_forgetting import Lin2023Forgetting
from ._littwin2024_jepa import Littwin2024Jepa
from ._orvieto2023_lru import Orvieto2023LRU
from ._pinson2023_frequency import Pinson2023Frequency
from ._plain import from_plain
from ._proca2025_integration import Proca2025Integration
from ._proca2025_kernel import Proca2025Kernel
from ._proca2025_recency import Proca2025Recency
from ._proca2025_stability import Proca2025Stability
from ._proca2025_transition import Proca2025Transition
from ._reconstruct import ReconstructConfig
from ._saxe2014_chaos import Saxe2014Chaos
from ._saxe2014_depth import Saxe2014Depth
from ._saxe2014_modes import Saxe2014Modes
from ._sequence import SequenceConfig
from ._sieber2024_dynamical import Sieber2024Dynamical
from ._siems2025_deltaproduct import Siems2025DeltaProduct
from ._smekal2024_ssm import Smekal2024SSM
from ._task_structure_geometry import TaskStructureGeometry

PRESETS = ("quick", "default", "paper")

#: The config of every study, in the order of `linnet study list`. A new study adds its class and `presets/NAME.toml`.
STUDIES: dict[str, type] = {
    config.study: config
    for config in (
        Saxe2014Modes,
        Saxe2014Depth,
        Saxe2014Chaos,
        Domine2025Balanced,
        Kumar2024Grokking,
        Kunin2024Rich,
        Lin2023Forgetting,
        Littwin2024Jepa,
        Kleinman2024Critical,
        Dang2023Collapse,
        EasyFilter,
        Proca2025Recency,
        Proca2025Stability,
        Proca2025Transition,
        Proca2025Kernel,
        Proca2025Integration,
        Bordelon2025Integrate,
        Sieber2024Dynamical,
        Smekal2024SSM,
        Orvieto2023LRU,
        Fan2024Regular,
        Gu2021LSSL,
        Gu2023Hippo,
        Grazzi2024Eigenvalues,
        Siems2025DeltaProduct,
        Feng2024Aaren,
        Hess2023Forcing,
        Brenner2024AlmostLinear,
        Khajehabdollahi2024Timescales,
        Gilpin2021Chaos,
        Advani2020Overtraining,
        TaskStructureGeometry,
        Arora2018Acceleration,
        Arora2023Recall,
        Brechet2023Generative,
        Pinson2023Frequency,
        FirstLayerEnergy,
    )
}


#: The configs of commands that are no studies.
COMMANDS: dict[str, type] = {
    "learn": LearnConfig,
    "reconstruct": ReconstructConfig,
    "sequence": SequenceConfig,
    "sequence-text": SequenceConfig,
    "sequence-scoreboard": SequenceConfig,
}


def load(name: str, preset: str = "default", **settings: Any) -> Any:
    """The config of a command or study.

    Args:
        name: one of `COMMANDS` or the name of a study.
        preset: "quick", "default" or "paper".
        **settings: settings that replace those of the preset; those that are `None` do not.

    Returns:
        A frozen dataclass.

    Raises:
        ValueError: for an unknown name, preset or setting, with the closest names.
    """
    cls = _class(name)
    if preset not in PRESETS:
        raise ValueError(f"There is no preset {preset!r}: choose from {', '.join(PRESETS)}.")
    text = resources.files("linnet.config").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    given = {key: value for key, value in settings.items() if value is not None}
    return from_plain(cls, tomllib.loads(text)[preset] | given, f"{name} ({preset})")


def title(name: str) -> str:
    """What a study claims, in one sentence."""
    return (_class(name).__doc__ or "").partition("\n")[0]


def _class(name: str) -> type:
    known = COMMANDS | STUDIES
    if name not in known:
        close = difflib.get_close_matches(name, STUDIES, n=3, cutoff=0.3) or list(STUDIES)
        raise ValueError(
            f"There is no study {name!r}; the closest are {', '.join(close)} (`linnet study list` shows all)."
        )
    return known[name]

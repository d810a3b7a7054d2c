from . import (
    _conventions as conventions,
    analyse as analyse,
    cli as cli,
    compare as compare,
    config as config,
    learn as learn,
    nn as nn,
    reconstruct as reconstruct,
    report as report,
    run as run,
    scan as scan,
    store as store,
    studies as studies,
    systems as systems,
    tasks as tasks,
    theory as theory,
)
from ._cite import bibliography as bibliography, citations as citations, cite as cite
from ._compiler import prefer_quick_loops as prefer_quick_loops
from ._loss import (
    AbstractLoss as AbstractLoss,
    CrossEntropy as CrossEntropy,
    LpLoss as LpLoss,
    SquaredError as SquaredError,
)
from ._memory import keep_freed_memory as keep_freed_memory
from ._trajectory import Trajectory as Trajectory, half_times as half_times
from ._version import __version__ as __version__

"""Dynamical systems from time series: teacher forcings, fits, and what was reconstructed.

```python
forcing = ln.reconstruct.GeneralizedTeacherForcing(0.1)
found = ln.reconstruct.fit(lambda key: ln.nn.ShallowPLRNN(3, 50, key=key), series, forcing, seeds=4, key=key)
found.failure_rate, found.best.forecast(series, 500).values
```
"""

from ._adaptive import (
    AdaptiveTeacherForcing as AdaptiveTeacherForcing,
    arithmetic_mean as arithmetic_mean,
    batch_maximum as batch_maximum,
    exp_log as exp_log,
    parameter_bound as parameter_bound,
    product_bound as product_bound,
)
from ._fit import fit as fit
from ._fitted import Fit as Fit
from ._forcing import (
    AbstractForcing as AbstractForcing,
    GeneralizedTeacherForcing as GeneralizedTeacherForcing,
    IdentityTeacherForcing as IdentityTeacherForcing,
    SparseTeacherForcing as SparseTeacherForcing,
)
from ._judge import VERDICTS as VERDICTS
from ._predictability import (
    autocorrelation_interval as autocorrelation_interval,
    mutual_information_interval as mutual_information_interval,
    predictability_time as predictability_time,
)
from ._readout import fit_readout as fit_readout
from ._reconstruction import FreeRun as FreeRun, Reconstruction as Reconstruction
from ._regularise import (
    AbstractRegulariser as AbstractRegulariser,
    LatentRegulariser as LatentRegulariser,
    ManifoldAttractorRegulariser as ManifoldAttractorRegulariser,
)
from ._unroll import forced_orbits as forced_orbits

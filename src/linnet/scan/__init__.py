"""How a recurrence is computed: one transition structure per file, one set of modes for all of them.

Everything is of one form, $h_t = A_t h_{t-1} + b_t$, on one sequence with the time axis first (`jax.vmap` outside).
What may be done with it is decided by the structure of $A_t$:

| transition | $A_t$ | `recur` | `attend` |
|---|---|---|---|
| `Identity` | $I$ | step, scan, associative, chunk, fft | step, scan, associative, chunk, fft |
| `Scalar` | $a_t I$ | step, scan, associative, chunk (fft where $a$ is constant) | the same |
| `Diagonal` | $\\mathrm{diag}(a_t)$, real with sign or complex | the same | the same (real) |
| `Block` | blocks of $b \\times b$ | step, scan, associative, chunk | |
| `Dense` | any matrix | step, scan, associative, chunk | |
| `LowRank` | $\\mathrm{diag}(a_t)$ and rank $r$ | step, scan, associative | step, scan, associative, chunk |
| `MaxPlus`, `LogSumExp` | another sum in place of $+$ | step, scan, associative, chunk | |

`recur` gives all states; `attend` has a matrix for a state, $S_t = A_t S_{t-1} + k_t v_t^\\top$, and reads
$o_t = S_t^\\top q_t$ without keeping the states; `convolve` is a causal convolution; `sharded_recur` and
`sharded_attend` are the same over devices along time.
"""

from ._attend import attend as attend
from ._block import Block as Block
from ._convolve import convolve as convolve
from ._dense import Dense as Dense
from ._diagonal import Diagonal as Diagonal
from ._generic import checkpointed_scan as checkpointed_scan
from ._identity import Identity as Identity
from ._low_rank import LowRank as LowRank
from ._max_plus import AbstractLogSpace as AbstractLogSpace, LogSumExp as LogSumExp, MaxPlus as MaxPlus
from ._policy import MODES as MODES
from ._recur import recur as recur
from ._scalar import Scalar as Scalar
from ._sharded import sharded_attend as sharded_attend, sharded_recur as sharded_recur
from ._transition import AbstractDecay as AbstractDecay, AbstractTransition as AbstractTransition
from ._watch import Call as Call, watching as watching

"""What learns: one cell or layer per file, on one example; `jax.vmap` outside.

Networks are made from arrays (`DeepLinear(weights)`, `LinearRNN(input_weights, recurrent_weights, output_weights)`),
from sizes (`MLP((64, 32, 10), key=key)`, `GRU((3, 16, 2), key=key)`), or by an initialiser, which takes a class of
networks and its sizes `(in, hidden, ..., out)`, or a network whose weights it replaces:

```python
net = ln.nn.small(1e-3)(ln.nn.DeepLinear, (64, 32, 10), key=key)
net = ln.nn.orthogonal(1.1)(ln.nn.MLP, (64, 32, 10), key=key, activation=jax.nn.relu, dtype=jnp.float32)
net = ln.nn.aligned(task, 1e-3)(net, key=key)  # or (input, recurrent, output) singular values of a LinearRNN
net = ln.nn.balanced(2.0, ln.nn.small(1e-3))(ln.nn.DeepLinear, (64, 8, 10), key=key)
```
"""

from ._aaren import Aaren as Aaren
from ._activation import has_kinks as has_kinks
from ._block_diagonal_lrnn import BlockDiagonalLRNN as BlockDiagonalLRNN
from ._cnn import CNN as CNN
from ._deep_linear import DeepLinear as DeepLinear, chain as chain
from ._diagonal_ssm import DiagonalSSM as DiagonalSSM
from ._encoder_decoder import EncoderDecoder as EncoderDecoder
from ._gated import GRU as GRU, LSTM as LSTM, Adapted as Adapted, adapt as adapt
from ._hgrn import HGRN as HGRN
from ._init import (
    AbstractInitializer as AbstractInitializer,
    fan_in as fan_in,
    glorot as glorot,
    orthogonal as orthogonal,
    small as small,
)
from ._init_aligned import aligned as aligned
from ._init_aligned_encoder import aligned_encoder as aligned_encoder
from ._init_balanced import balanced as balanced, rebalance as rebalance, zero_balanced as zero_balanced
from ._layer_registry import LAYERS as LAYERS, layer as layer
from ._leaky_linear_rnn import LeakyLinearRNN as LeakyLinearRNN
from ._linear_cnn import LinearCNN as LinearCNN
from ._linear_head import (
    LinearHead as LinearHead,
    UnconstrainedFeatures as UnconstrainedFeatures,
    classifier as classifier,
    last_features as last_features,
)
from ._linear_rnn import LinearRNN as LinearRNN
from ._mamba import Mamba as Mamba
from ._min_gru import MinGRU as MinGRU
from ._mlp import MLP as MLP
from ._network import (
    AbstractLinearNetwork as AbstractLinearNetwork,
    AbstractRecurrent as AbstractRecurrent,
    apply as apply,
    apply_last as apply_last,
    is_linear as is_linear,
    run_steps as run_steps,
)
from ._patch_filter import PatchFilter as PatchFilter
from ._pathways import Pathways as Pathways
from ._quadratic_network import QuadraticNetwork as QuadraticNetwork
from ._rglru import RGLRU as RGLRU
from ._sample_loss import sample_loss as sample_loss
from ._sequence_layer import AbstractSequenceLayer as AbstractSequenceLayer
from ._short_convolution import ShortConvolution as ShortConvolution
from ._vanilla_rnn import VanillaRNN as VanillaRNN
from ._weights import chained_weights as chained_weights, weight_matrices as weight_matrices

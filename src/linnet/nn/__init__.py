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
from ._almost_linear_rnn import AlmostLinearRNN as AlmostLinearRNN
from ._block import Block as Block, FeedForward as FeedForward
from ._block_diagonal_lrnn import BlockDiagonalLRNN as BlockDiagonalLRNN
from ._cnn import CNN as CNN
from ._deep_linear import DeepLinear as DeepLinear, chain as chain
from ._delta_net import DeltaNet as DeltaNet
from ._delta_product import DeltaProduct as DeltaProduct
from ._dendritic_plrnn import DendriticPLRNN as DendriticPLRNN
from ._diagonal_ssm import DiagonalSSM as DiagonalSSM
from ._discretise import discretise_dense as discretise_dense, discretise_diagonal as discretise_diagonal
from ._echo_state import EchoState as EchoState
from ._embedding import Embedding as Embedding, LinearEmbedding as LinearEmbedding
from ._encoder_decoder import EncoderDecoder as EncoderDecoder
from ._gated import GRU as GRU, LSTM as LSTM, Adapted as Adapted, adapt as adapt
from ._gated_delta_net import GatedDeltaNet as GatedDeltaNet
from ._generate import generate as generate, prefill as prefill
from ._gla import GLA as GLA
from ._hgrn import HGRN as HGRN
from ._hgrn2 import HGRN2 as HGRN2
from ._hippo import (
    AbstractHippo as AbstractHippo,
    FouT as FouT,
    LegS as LegS,
    LegT as LegT,
    NormalPlusLowRank as NormalPlusLowRank,
    hippo as hippo,
    nplr as nplr,
)
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
from ._kimi_delta import KimiDelta as KimiDelta
from ._layer_registry import LAYERS as LAYERS, layer as layer, layer_name as layer_name
from ._leaky_linear_rnn import LeakyLinearRNN as LeakyLinearRNN
from ._leaky_rnn import LeakyRNN as LeakyRNN
from ._lightnet import LightNet as LightNet
from ._linear_attention import LinearAttention as LinearAttention
from ._linear_cnn import LinearCNN as LinearCNN
from ._linear_head import (
    LinearHead as LinearHead,
    UnconstrainedFeatures as UnconstrainedFeatures,
    classifier as classifier,
    last_features as last_features,
)
from ._linear_layer import LinearLayer as LinearLayer
from ._linear_rnn import LinearRNN as LinearRNN
from ._lru import LRU as LRU
from ._lssl import LSSL as LSSL
from ._mamba import Mamba as Mamba
from ._mamba2 import Mamba2 as Mamba2
from ._mean_centred_plrnn import MeanCentredPLRNN as MeanCentredPLRNN
from ._min_gru import MinGRU as MinGRU
from ._mlp import MLP as MLP
from ._mlstm import MLSTM as MLSTM
from ._network import (
    AbstractLinearNetwork as AbstractLinearNetwork,
    AbstractRecurrent as AbstractRecurrent,
    apply as apply,
    apply_last as apply_last,
    is_linear as is_linear,
    run_steps as run_steps,
)
from ._next_generation_reservoir import NextGenerationReservoir as NextGenerationReservoir
from ._observation import (
    AbstractObservation as AbstractObservation,
    AffineObservation as AffineObservation,
    IdentityObservation as IdentityObservation,
)
from ._observed_part import ObservedPart as ObservedPart
from ._patch_filter import PatchFilter as PatchFilter
from ._pathways import Pathways as Pathways
from ._piecewise_linear import AbstractPiecewiseLinear as AbstractPiecewiseLinear
from ._plrnn import PLRNN as PLRNN
from ._quadratic_network import QuadraticNetwork as QuadraticNetwork
from ._reservoir import AbstractReservoir as AbstractReservoir
from ._retnet import RetNet as RetNet
from ._rglru import RGLRU as RGLRU
from ._rwkv7 import RWKV7 as RWKV7
from ._s4 import S4 as S4
from ._s4d import S4D as S4D
from ._s5 import S5 as S5
from ._sample_loss import sample_loss as sample_loss
from ._sequence_layer import AbstractSequenceLayer as AbstractSequenceLayer
from ._sequence_model import Head as Head, SequenceModel as SequenceModel, sequence_model as sequence_model
from ._shallow_plrnn import ShallowPLRNN as ShallowPLRNN
from ._short_convolution import ShortConvolution as ShortConvolution
from ._softmax_attention import SoftmaxAttention as SoftmaxAttention
from ._timescale import resample as resample, timescale_range as timescale_range
from ._tnl import TNL as TNL
from ._vanilla_rnn import VanillaRNN as VanillaRNN
from ._weights import chained_weights as chained_weights, weight_matrices as weight_matrices

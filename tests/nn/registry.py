"""Every network of linnet, small: what the contract tests run through. A new network is one more line here."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from linnet import nn

#: The sizes of all of them.
NUM_IN, HIDDEN, NUM_OUT = 3, 5, 2
SIZES = (NUM_IN, HIDDEN, NUM_OUT)

_init = nn.fan_in(0.7)


def with_readout(network):
    """A reservoir with some readout, for it begins at 0."""
    shape = network.out_size, network.num_features
    weights = 0.1 * jnp.sin(jnp.arange(shape[0] * shape[1], dtype=network.init_state().dtype))
    return network.with_readout(weights.reshape(shape))


#: name -> a function `(key, dtype)` that makes the network.
NETWORKS = {
    "deep linear": lambda key, dtype: _init(nn.DeepLinear, (NUM_IN, HIDDEN, 4, NUM_OUT), key=key, dtype=dtype),
    "pathways": lambda key, dtype: nn.Pathways(
        [_init(nn.DeepLinear, sizes, key=key, dtype=dtype) for sizes in ((NUM_IN, HIDDEN, NUM_OUT), (NUM_IN, NUM_OUT))]
    ),
    "linear head": lambda key, dtype: nn.LinearHead(
        nn.MLP((NUM_IN, HIDDEN), key=key, dtype=dtype), _init(nn.DeepLinear, (HIDDEN, 4, NUM_OUT), key=key, dtype=dtype)
    ),
    "unconstrained features": lambda key, dtype: nn.UnconstrainedFeatures(
        jr.normal(key, (NUM_IN, HIDDEN), dtype), _init(nn.DeepLinear, (HIDDEN, NUM_OUT), key=key, dtype=dtype)
    ),
    "linear rnn": lambda key, dtype: _init(nn.LinearRNN, SIZES, key=key, dtype=dtype),
    "diagonal ssm": lambda key, dtype: nn.DiagonalSSM(
        jnp.linspace(-0.5, 0.8, HIDDEN, dtype=dtype),
        jr.normal(key, (HIDDEN, NUM_IN), dtype),
        jnp.linspace(-1, 1, NUM_OUT * HIDDEN, dtype=dtype).reshape(NUM_OUT, HIDDEN),
    ),
    "linear layer": lambda key, dtype: nn.LinearLayer(
        nn.LRU(4, HIDDEN, output="none", dtype=dtype, key=key),
        jr.normal(key, (4, NUM_IN), dtype),
        jnp.linspace(-1, 1, NUM_OUT * 4, dtype=dtype).reshape(NUM_OUT, 4),
    ),
    "leaky linear rnn": lambda key, dtype: _init(nn.LeakyLinearRNN, SIZES, key=key, dtype=dtype),
    "encoder decoder": lambda key, dtype: _init(nn.EncoderDecoder, (NUM_IN, HIDDEN, 4, NUM_OUT), key=key, dtype=dtype),
    "mlp": lambda key, dtype: nn.MLP(SIZES, key=key, dtype=dtype),
    "mlp without bias": lambda key, dtype: nn.MLP(SIZES, jnp.sin, use_bias=False, key=key, dtype=dtype),
    "vanilla rnn": lambda key, dtype: nn.VanillaRNN(SIZES, key=key, dtype=dtype),
    "leaky rnn": lambda key, dtype: nn.LeakyRNN(SIZES, longest=4.0, key=key, dtype=dtype),
    "gru": lambda key, dtype: nn.GRU(SIZES, key=key, dtype=dtype),
    "lstm": lambda key, dtype: nn.LSTM(SIZES, use_bias=False, key=key, dtype=dtype),
    "adapted": lambda key, dtype: nn.adapt(eqx.nn.GRUCell(NUM_IN, HIDDEN, dtype=dtype, key=key), NUM_OUT, key=key),
    "linear cnn": lambda key, dtype: nn.LinearCNN(
        jr.normal(key, (2, NUM_IN), dtype), jr.normal(jr.fold_in(key, 1), (NUM_OUT, 2, NUM_IN), dtype)
    ),
    "cnn": lambda key, dtype: nn.CNN((NUM_IN,), (4, 3), (2,), NUM_OUT, circular=True, key=key, dtype=dtype),
    "block": lambda key, dtype: nn.Block(
        nn.GRU((NUM_IN, HIDDEN, NUM_IN), key=key, dtype=dtype),
        jnp.tanh,
        nn.ShortConvolution(NUM_IN, 2, key=key, dtype=dtype),
        lambda x: x[:NUM_OUT] ** 2,
        residual=False,
    ),
    "plrnn": lambda key, dtype: nn.PLRNN(NUM_OUT, NUM_IN, key=key, dtype=dtype),
    "mean-centred plrnn": lambda key, dtype: nn.MeanCentredPLRNN(NUM_OUT, NUM_IN, key=key, dtype=dtype),
    "dendritic plrnn": lambda key, dtype: nn.DendriticPLRNN(NUM_OUT, 3, NUM_IN, clipped=True, key=key, dtype=dtype),
    "shallow plrnn": lambda key, dtype: nn.ShallowPLRNN(NUM_OUT, HIDDEN, NUM_IN, clipped=True, key=key, dtype=dtype),
    "almost linear rnn": lambda key, dtype: nn.AlmostLinearRNN(NUM_OUT, 1, NUM_IN, key=key, dtype=dtype),
    "echo state": lambda key, dtype: with_readout(nn.EchoState(NUM_OUT, HIDDEN, NUM_IN, key=key, dtype=dtype)),
    "next generation reservoir": lambda key, dtype: with_readout(
        nn.NextGenerationReservoir(NUM_OUT, 2, 2, NUM_IN, dtype=dtype)
    ),
    "sequence model": lambda key, dtype: nn.sequence_model(
        "softmax-attention",
        in_size=NUM_IN,
        num_classes=NUM_OUT,
        hidden_size=4,
        num_layers=1,
        short_conv=3,
        max_length=8,
        dtype=dtype,
        key=key,
    ),
}

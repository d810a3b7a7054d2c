"""What learns: one cell or layer per file, on one example; `jax.vmap` outside."""

from ._deep_linear import DeepLinear as DeepLinear, chain as chain
from ._linear_rnn import LinearRNN as LinearRNN
from ._network import (
    AbstractLinearNetwork as AbstractLinearNetwork,
    AbstractRecurrent as AbstractRecurrent,
    apply as apply,
    has_kinks as has_kinks,
    run_steps as run_steps,
)

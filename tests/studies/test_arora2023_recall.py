"""The parts of the study of recall by themselves, and the study itself at a tiny size."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies, tasks
from linnet.studies._recall_memory import Rewritten, narrowed, random_codes


def test_keys_written_twice_are_answered_by_the_last_value():
    task = Rewritten(tasks.AssociativeRecall(length=24, num_pairs=4, num_tokens=16))
    batch = task.sample(20, key=jr.key(0))
    for x, y, mask in zip(np.asarray(batch.x), np.asarray(batch.y), np.asarray(batch.mask)):
        memory = {}
        for key, value in zip(x[0:8:2], x[1:8:2]):
            memory[key] = value
        assert len(memory) == 2 and mask.sum() == 4 and not mask[:8].any()
        assert [memory[key] for key in x[mask]] == list(y[mask])


KINDS = {
    "linear-attention": {"num_heads": 1, "feature_map": "identity", "use_short_conv": True},
    "delta-net": {"num_heads": 1},
    "gla": {"num_heads": 1, "expand_k": 1.0, "use_short_conv": True},
    "mamba2": {"head_dim": 6, "expand": 1.0, "state_size": 6},
    "gated-delta-net": {"num_heads": 1, "head_dim": 6, "expand_v": 1.0},
}
slow = [pytest.param(name, marks=pytest.mark.slow) for name in ("gla", "mamba2", "gated-delta-net")]


@pytest.mark.parametrize("name", ["linear-attention", "delta-net", *slow])
def test_a_narrowed_layer_stays_narrow_in_training(name):
    layer = narrowed(nn.layer(name, 6, key=jr.key(0), **KINDS[name]), jnp.asarray(2))
    xs = jr.normal(jr.key(1), (9, 6))
    gradient = eqx.filter_jit(eqx.filter_grad(lambda layer: jnp.sum(jnp.sin(layer(xs)[0]))))(layer)
    for tree in (layer, gradient):
        if name == "mamba2":
            rows = jnp.split(tree.inputs, 3)[1:]
        elif name in ("delta-net", "gated-delta-net"):
            rows = jnp.split(tree.inputs.weight, 3)[:2]
        else:
            rows = (tree.inputs.query, tree.inputs.key)
        assert all(np.all(np.asarray(part)[2:] == 0) and np.all(np.asarray(part)[:2] != 0) for part in rows)
    _, state = layer(xs)
    memory = np.asarray(state.memory if "delta" in name else state[0])[0]
    assert np.all(memory[2:] == 0) and np.all(memory[:2] != 0)


def test_memories_of_random_codes_recall_what_fits():
    rng = np.random.default_rng(0)
    # One pair is always right; orthogonal codes are as many as there are keys, and random ones are nearly so.
    assert random_codes(1, 16, 3, 16, delta=False, num=20, rng=rng) == 1
    assert random_codes(4, 16, 256, 256, delta=True, num=20, rng=rng) == 1
    # In one dimension all codes are the same but for the sign, and a sum is a sum: about one in eight is right.
    assert random_codes(8, 16, 1, 16, delta=False, num=200, rng=rng) < 0.3


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="--layers needs softmax-attention, linear-attention"):
        config.Arora2023Recall(layers=("gla",))
    with pytest.raises(ValueError, match="--length needs at least four steps"):
        config.Arora2023Recall(length=16)
    with pytest.raises(ValueError, match="--tokens must be even"):
        config.Arora2023Recall(tokens=16)
    with pytest.raises(ValueError, match="--sizes needs two or more rising"):
        config.Arora2023Recall(sizes=(4,))
    with pytest.raises(ValueError, match="--rewriting compares"):
        config.Arora2023Recall(layers=("softmax-attention", "linear-attention"))


@pytest.mark.slow
def test_the_quick_study_holds():
    found = studies.STUDIES["arora2023-recall"](config.load("arora2023-recall", "quick", seed=3), key=jr.key(3))
    assert found.hold, [claim for claim in found.claims if not claim.holds]

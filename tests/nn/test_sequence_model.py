"""Sequence models: their two forms, resets, generation, and training on batches of tokens."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
import pytest

import linnet as ln
from linnet import learn, nn, tasks
from tests.compilations import count_compilations
from tests.tolerances import assert_close

VOCAB, STEPS = 7, 12


def small(key, **settings):
    options = {"vocab_size": VOCAB, "num_classes": VOCAB, "hidden_size": 8, "num_layers": 1, "max_length": 32}
    return nn.sequence_model("softmax-attention", key=key, **options | settings)


def tokens(seed=0, num=STEPS):
    return jnp.asarray(np.random.default_rng(seed).integers(0, VOCAB, num))


VARIANTS = {
    "plain": {},
    "all options": {"norm": "layer", "gated_mlp": False, "short_conv": 3, "tied": True, "num_heads": 2},
    "bare": {"norm": "none", "mlp": None, "residual": False, "final_norm": False},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_steps_are_the_call_of_tokens(key, name):
    model, xs = small(key, **VARIANTS[name]), tokens()
    ys, final = model(xs)
    assert ys.shape == (STEPS, VOCAB)
    stepped, end = nn.run_steps(model, xs)
    assert_close(ys, stepped, "exact")
    first, state = model(xs[:5])
    rest, last = model(xs[5:], state)
    assert_close(jnp.concatenate([first, rest]), ys, "exact")
    for a, b, c in zip(*map(jtu.tree_leaves, (final, end, last)), strict=True):
        assert_close(a, b, "exact")
        assert_close(a, c, "exact")


def test_model_is_its_formula_with_one_block(key):
    model, xs = small(key, norm="rms", final_norm=False), tokens()

    def rms(x):
        return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-5)

    block = model.blocks[0]
    x = np.asarray(model.embedding.weight)[np.asarray(xs)]
    h = x + np.asarray(block.layer(jnp.asarray(rms(x)))[0])
    gate, up, down = (np.asarray(w) for w in (block.mlp.gate, block.mlp.up, block.mlp.down))
    u = rms(h)
    h = h + ((u @ gate.T) / (1 + np.exp(-u @ gate.T)) * (u @ up.T)) @ down.T
    assert_close(model(xs)[0], h @ np.asarray(model.head.weight).T + np.asarray(model.head.bias), "exact")


def test_resets_are_separate_sequences(key):
    model, xs = small(key, short_conv=3, num_layers=2), tokens()
    ys, final = model(xs, resets=jnp.zeros(STEPS, bool).at[jnp.array([4, 5])].set(True))
    for first, last in ((0, 4), (4, 5), (5, STEPS)):
        alone, end = model(xs[first:last])
        assert_close(ys[first:last], alone, "exact")
    for a, b in zip(jtu.tree_leaves(final), jtu.tree_leaves(end), strict=True):
        assert_close(a, b, "exact")
    block = nn.Block(nn.GRU((3, 4, 3), key=key))
    with pytest.raises(ValueError, match="GRU knows no resets"):
        block(jnp.zeros((2, 3)), resets=jnp.array([True, False]))


def test_greedy_generation_is_repeated_calls(key):
    model, prompt = small(key), tokens(1, 5)
    found, state = nn.generate(model, prompt, 9, temperature=0.0)
    read = np.zeros(14, int)
    read[:5] = prompt
    for num in range(5, 14):  # what is behind does not matter to a causal model
        read[num] = int(jnp.argmax(model(jnp.asarray(read))[0][num - 1]))
    assert found.tolist() == read[5:].tolist()
    more, _ = nn.generate(model, found[-1:], 2, temperature=0.0, state=state)
    longer = model(jnp.asarray([*read, *more]))[0]
    assert more.tolist() == jnp.argmax(longer[13:15], axis=-1).tolist()
    logits, state = nn.prefill(model, prompt)
    assert_close(logits, model(prompt)[0][-1], "exact")
    assert_close(model.step(state, found[0])[1], nn.prefill(model, read[:6])[0], "exact")


def test_generation_draws_from_the_softmax_and_compiles_once(key):
    model = small(key)
    logits, _ = nn.prefill(model, [1, 2])
    draw = eqx.filter_jit(
        eqx.filter_vmap(lambda k: nn.generate(model, jnp.array([1, 2]), 1, key=k, temperature=0.5)[0][0])
    )
    num = 4000
    counts = np.bincount(draw(jr.split(key, num)), minlength=VOCAB) / num
    expected = np.asarray(jax.nn.softmax(logits / 0.5))
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected * (1 - expected) / num) + 1e-12)
    best = set(np.argsort(np.asarray(logits))[-2:].tolist())
    drawn = {int(nn.generate(model, [1, 2], 1, key=k, temperature=5.0, top_k=2)[0][0]) for k in jr.split(key, 20)}
    assert drawn == best
    nn.generate(model, [1, 2], 6, key=key, temperature=0.3)
    with count_compilations() as compiled:
        nn.generate(model, [3, 4], 6, key=jr.key(1), temperature=0.9)
    assert not compiled


def test_loss_of_a_batch_of_tokens(key):
    model = nn.sequence_model("softmax-attention", vocab_size=3, num_classes=2, hidden_size=4, mlp=None, key=key)
    batch = tasks.sequence_task("parity", length=3).sample(8, key=key)
    losses = [ln.CrossEntropy()(model(x)[0][-1], y) for x, y in zip(batch.x, batch.y)]
    assert_close(nn.sample_loss(model, batch, ln.CrossEntropy()), np.mean(losses), "exact")


@pytest.mark.slow
def test_ensembles_of_models_learn_from_tokens(key):
    task = tasks.sequence_task("parity", length=3)

    def make(key, learning_rate):
        model = nn.sequence_model("softmax-attention", vocab_size=3, num_classes=2, hidden_size=8, key=key)
        return model, task, learn.Descent(learning_rate, optax.scale_by_adam(), batch_size=16)

    axes = {"seed": 2, "learning_rate": jnp.array([1e-2, 1e-3])}
    run = learn.ensemble(make, [0.0, 0.1], axes, loss=ln.CrossEntropy(), key=key)
    assert run["loss"].shape == (2, 2, 2) and bool(jnp.all(run["loss"][:, 0, -1] < run["loss"][:, 0, 0]))


def test_bad_input(key):
    model = small(key)
    with pytest.raises(ValueError, match=r"integers of shape \(step,\), got float64"):
        model(jnp.zeros((3, 2)))
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        model(jnp.zeros(0, int))
    with pytest.raises(ValueError, match="at least one token"):
        nn.generate(model, [], 3, key=key)
    with pytest.raises(ValueError, match="tokens 0 to 6, got 1 to 7 in the prompt"):
        nn.prefill(model, [1, 7])
    with pytest.raises(ValueError, match="needs a `key`"):
        nn.generate(model, [1], 3)
    with pytest.raises(ValueError, match="num >= 1"):
        nn.generate(model, [1], 0, key=key)
    with pytest.raises(ValueError, match="either a vocab_size"):
        nn.sequence_model("softmax-attention", num_classes=2, key=key)
    with pytest.raises(ValueError, match="no layer 'softmax'; the closest are softmax-attention"):
        nn.sequence_model("softmax", vocab_size=2, num_classes=2, key=key)
    with pytest.raises(ValueError, match='"rms", "layer" or "none", got \'batch\''):
        small(key, norm="batch")
    with pytest.raises(ValueError, match="A tied head needs an Embedding"):
        small(key, num_classes=9, tied=True)
    with pytest.raises(ValueError, match="max_length=32 tokens"):
        model(tokens(num=40))
    _, state = model(tokens(num=30))
    with pytest.raises(Exception, match="max_length=32 tokens"):
        jax.block_until_ready(model(tokens(num=3), state))

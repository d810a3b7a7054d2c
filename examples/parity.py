"""One sign decides: with eigenvalues in [-1, 1] a delta rule counts modulo 2 beyond its training; in [0, 1] never."""

import jax
import jax.numpy as jnp
import jax.random as jr
import optax

import linnet as ln

STEPS, LENGTH = 600, 20
task = ln.tasks.sequence_task("parity", length=LENGTH)
training = ln.tasks.Curriculum(task, min_length=3, steps=STEPS // 2)  # lengths grow over the first half
rule = ln.learn.Descent(
    optax.warmup_cosine_decay_schedule(3e-5, 3e-3, STEPS // 10, STEPS, 3e-5),
    optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam()),
    batch_size=64,
)
end = float(jnp.sum(jax.vmap(rule.rate)(jnp.arange(STEPS))))  # learning time is the sum of the rates


@jax.jit
def accuracy(model, x, y):
    outputs = jax.vmap(lambda one: ln.nn.apply(model, one))(x)
    return ln.tasks.accuracy(outputs, ln.tasks.Batch(x, y))


print("length       " + "".join(f"{multiple * LENGTH:>7}" for multiple in (1, 2, 4, 8)))
for negative in (True, False):
    model = ln.nn.sequence_model(
        "delta-net",
        vocab_size=task.vocab_size,
        num_classes=task.num_classes,
        hidden_size=32,
        num_layers=1,
        allow_neg_eigval=negative,
        key=jr.key(0),
    )
    run = ln.learn.simulate(model, training, [0.0, end], rule=rule, loss=ln.CrossEntropy(), key=jr.key(1))
    shares = []
    for multiple in (1, 2, 4, 8):
        batch = task.sample(256, key=jr.key(multiple), length=multiple * LENGTH)
        shares.append(float(accuracy(run.network, batch.x, batch.y)))
    print(f"{'[-1, 1]' if negative else '[0, 1]':<13}" + "".join(f"{share:7.2f}" for share in shares))

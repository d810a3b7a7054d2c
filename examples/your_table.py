"""What networks learn from a table, in the table's own words: 16 trainings of a deep linear network on iris."""

import pathlib
import tempfile

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from sklearn.datasets import load_iris

import linnet as ln

jax.config.update("jax_enable_x64", True)

# Any CSV, Parquet or NPZ file will do; this one is written here so that the example stands alone.
iris = load_iris(as_frame=True)
table = iris.frame.assign(species=iris.target_names[iris.target]).drop(columns="target")
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "iris.csv"
    table.to_csv(path, index=False)
    task = ln.tasks.from_table(path, target="species", scale=ln.tasks.Whiten())

modes = task.moments().singular_modes()
rank = int(jnp.sum(modes.singular_values > 1e-6))  # one-hot targets sum to one: the last mode is empty
for mode in range(rank):
    row = np.asarray(modes.left[:, mode])
    words = " ".join(f"{weight:+.2f} {name}" for weight, name in zip(row, task.output_names, strict=True))
    print(f"mode {mode + 1}, strength {modes.singular_values[mode]:.3f}: {words}")

ts = jnp.linspace(0.0, 40.0, 201)
start = ln.nn.small(1e-3)
sizes = (len(task.input_names), 16, len(task.output_names))


def make(key):
    return start(ln.nn.DeepLinear, sizes, key=key), task.moments(), ln.learn.Descent(0.02)


runs = ln.learn.ensemble(make, ts, {"seed": 16}, key=jr.key(0))
predicted = ln.theory.predict(make(jr.key(1))[0], task.moments(), ts)
measured = np.median(np.asarray(runs.half_times(final=modes.singular_values)), axis=0)
for mode in range(rank):
    theory, training = predicted.half_times()[mode], measured[mode]
    print(f"mode {mode + 1} is learned at {theory:.2f} by {predicted.theory}, at {training:.2f} by training (median)")

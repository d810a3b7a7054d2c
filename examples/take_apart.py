"""A memory taken apart: a GRU that holds three bits has a fixed point for each memory, and saddles between them.

Run it with a path to write to: python examples/take_apart.py docs/assets/take-apart.svg
"""

import sys

import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import optax

import linnet as ln

STEPS = 2500
task = ln.tasks.FlipFlop(64, pulse_probability=0.2)
rate = optax.warmup_cosine_decay_schedule(1e-4, 1e-2, STEPS // 10, STEPS, 1e-4)
adam = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
rule = ln.learn.Descent(rate, adam, batch_size=64)
end = float(jnp.sum(jax.vmap(rule.rate)(jnp.arange(STEPS))))
net = ln.nn.GRU((3, 64, 3), key=jr.key(0))
net = ln.learn.simulate(net, task, [0.0, end], rule=rule, loss=ln.SquaredError(), key=jr.key(1)).network


def run(h, xs):
    return jax.lax.scan(lambda h, x: (net.step(h, x)[0],) * 2, h, xs)[1]


visited = jax.vmap(lambda x: run(net.init_state(), x))(task.sample(64, key=jr.key(2)).x).reshape(-1, 64)
starts = visited[jr.choice(jr.key(3), len(visited), (1024,))]
starts = jnp.clip(starts + 0.5 * jr.normal(jr.key(4), starts.shape), -1, 1)  # a GRU's states are between -1 and 1
found = ln.analyse.fixed_points(net, starts, inputs=jnp.zeros(3))

unstable = found.unstable_dimension
outputs = found.points @ np.asarray(net.output_weights).T + np.asarray(net.output_bias)
print(f"{found.num} fixed points, by unstable dimension {np.bincount(unstable)}; {len(found.slow_points)} slow points")
print("held by the stable ones:", sorted(tuple(np.sign(row).astype(int).tolist()) for row in outputs[unstable == 0]))

colours = ["#1b4965", "#ca6702", "#5a7d2b", "#8a4f7d"]
plt.rcParams.update({"font.size": 11, "svg.hashsalt": "linnet", "svg.fonttype": "none", "font.family": "sans-serif"})
figure = plt.figure(figsize=(8.4, 3.8), layout="constrained")
space, plane = figure.add_subplot(1, 2, 1, projection="3d"), figure.add_subplot(1, 2, 2)
centre = np.asarray(visited.mean(axis=0))
axes = np.linalg.svd(np.asarray(visited) - centre, full_matrices=False)[2][:3].T
nearby = jnp.repeat(found.points[unstable == 1], 8, axis=0)
nearby += 0.02 * jr.normal(jr.key(5), nearby.shape)
for path in np.asarray(jax.vmap(lambda h: run(h, jnp.zeros((300, 3))))(nearby)) - centre:
    space.plot(*(path @ axes).T, color="#9fb0bc", linewidth=1.0)
plane.add_patch(plt.Circle((0, 0), 1, fill=False, color="grey", linewidth=0.8))
for kind in reversed(range(max(unstable) + 1)):
    those, label = unstable == kind, f"{kind} unstable" if kind else "stable"
    points, values = (found.points[those] - centre) @ axes, found.eigenvalues[those].ravel()
    space.scatter(*points.T, color=colours[kind], s=26, depthshade=False, label=label)
    plane.plot(values.real, values.imag, ".", color=colours[kind], markersize=4)
space.set(xticks=[], yticks=[], zticks=[], xlabel="PC 1", ylabel="PC 2")
plane.set(xlabel="real part of eigenvalues", ylabel="imaginary part", xlim=(-0.4, 1.6), ylim=(-0.7, 0.7))
space.legend(frameon=False, loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.16))
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "take-apart.svg", metadata={"Date": None})

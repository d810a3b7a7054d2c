"""The README's figure: what a deep linear network learns of a small tree, by training and by the closed form.

Run it with a path to write to: python examples/readme_figure.py docs/assets/theory-on-simulation.svg
"""

import sys

import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt

import linnet as ln

jax.config.update("jax_enable_x64", True)

task = ln.tasks.HierarchicalTree.canonical()  # 8 things, 15 features: all share one, halves share one, ...
net = ln.nn.small(1e-3)(ln.nn.DeepLinear, (8, 64, 15), key=jr.key(4))
ts = jnp.linspace(0.0, 24.0, 241)

simulated = ln.learn.simulate(net, task, ts)  # gradient flow from small random weights
predicted = ln.theory.predict(net, task, ts, theory=ln.theory.SmallInitialization())
print(predicted.theory)
print(ln.compare.difference(simulated, predicted))

levels = ["what all things share", "two halves", "four quarters", "each thing"]
first, colours = [0, 1, 2, 4], ["#1b4965", "#ca6702", "#5a7d2b", "#8a4f7d"]
plt.rcParams.update({"font.size": 11, "svg.hashsalt": "linnet", "svg.fonttype": "none", "font.family": "sans-serif"})
figure, axes = plt.subplots(figsize=(8.0, 3.6), layout="constrained")
for mode in range(8):
    level = sum(mode >= start for start in first) - 1
    strengths = predicted["mode_strengths"][:, mode]
    axes.plot(ts, strengths, color=colours[level], linewidth=1.8)
    dots = slice(2 * mode, None, 7 if level < 2 else 16)
    axes.plot(ts[dots], simulated["mode_strengths"][dots, mode], "o", color=colours[level], markersize=3.8)
    if mode in first:
        axes.annotate(levels[level], (ts[-1], strengths[-1]), (6, -4), textcoords="offset points", color=colours[level])
axes.plot([], [], "o", color="grey", markersize=3.4, label="training")
axes.plot([], [], color="grey", linewidth=1.8, label="closed form")
axes.set(xlabel="learning time", ylabel="mode strength", xlim=(0, ts[-1]), ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, ncols=2, loc="center", bbox_to_anchor=(0.75, 0.82))
path = sys.argv[1] if len(sys.argv) > 1 else "theory-on-simulation.svg"
figure.savefig(path, metadata={"Date": None})
print(f"written: {path}")

"""Adam keeps another clock: the same network, task and times under three rules, and why linnet will not mix them."""

import jax
import jax.numpy as jnp
import jax.random as jr
import optax

import linnet as ln

jax.config.update("jax_enable_x64", True)

task = ln.tasks.HierarchicalTree.canonical()
net = ln.nn.small(1e-2)(ln.nn.DeepLinear, (8, 16, 15), key=jr.key(0))
ts = jnp.linspace(0.0, 12.0, 121)

flow = ln.learn.simulate(net, task, ts, rule=ln.learn.GradientFlow())
steps = ln.learn.simulate(net, task, ts, rule=ln.learn.Descent(1e-2))
adam = ln.learn.simulate(net, task, ts, rule=ln.learn.Descent(1e-2, optax.scale_by_adam()))

print("half times of the first four modes:")
for name, run in {"gradient flow": flow, "gradient descent": steps, "Adam": adam}.items():
    print(f"  {name:17s}", *(f"{time:6.2f}" for time in run.half_times()[:4]))

# Small steps are the flow, and that may be said explicitly; Adam is not, and the difference is refused.
print(ln.compare.difference(flow, steps, allow=["rule"]))
try:
    ln.compare.difference(flow, adam)
except ValueError as refusal:
    print(refusal)

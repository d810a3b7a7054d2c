"""A critical period: two pathways race for a task, and one of them cannot learn for a while. When does it matter?"""

import jax
import jax.numpy as jnp
import jax.random as jr

import linnet as ln

jax.config.update("jax_enable_x64", True)

values = jnp.array([3.0, 2.0, 1.0])
task = ln.tasks.Moments(jnp.eye(3), jnp.diag(values), jnp.diag(values**2))
small = ln.nn.aligned(task, 0.02)  # the strength of every mode in each pathway, its layers balanced
ts = jnp.linspace(0.0, 12.0, 61)

print("share of the strongest mode in the pathway that could not learn for one unit of time")
print("deficit from  " + "".join(f"{f'{depth} layers':>20s}" for depth in (1, 2, 3)))
for start in (0.0, 1.0, 2.0, 6.0):
    row = []
    for depth in (1, 2, 3):
        first, second = (small(ln.nn.DeepLinear, (3,) * (depth + 1), key=key) for key in jr.split(jr.key(0)))
        network = ln.nn.Pathways((first, second))
        setting = ln.tasks.PathwayDeficit(task, start, start + 1.0)
        trained = ln.learn.simulate(network, setting, ts, observe=[ln.learn.PathwayStrengths()])
        predicted = ln.theory.predict(network, setting, ts, theory=ln.theory.PathwayRace())
        simulated, expected = (run["pathway_strengths"][-1, 1, 0] / values[0] for run in (trained, predicted))
        row.append(f"{float(simulated):8.3f} (theory {float(expected):.3f})")
    print(f"{start:12.1f}" + "".join(f"{cell:>24s}" for cell in row))

"""Every generator of linnet, small: what the contract tests run through. A new generator is one more line here."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from linnet import tasks

ANGLE = np.pi / 6


def _dynamics(profile, num_steps=4, size=3, **options):
    return tasks.TaskDynamics.random(profile, num_steps, inputs=size, outputs=size, key=jr.key(7), **options)


TWO = jnp.array([1.0, 0.4])

#: name -> a function that makes the task anew.
GENERATORS = {
    "teacher": lambda: tasks.Teacher.random(6, snr=2.0, key=jr.key(1), outputs=2),
    "teacher, spectrum": lambda: tasks.Teacher(jr.normal(jr.key(2), (2, 3)), 0.5, jnp.array([2.0, 1.0, 0.1])),
    "tree, diffusion": lambda: tasks.HierarchicalTree.diffusion(3, 20, 0.1, key=jr.key(3)),
    "tree, expected": lambda: tasks.HierarchicalTree.expected(2, 0.2, branching=3, scale=1.0),
    "tree, canonical": lambda: tasks.HierarchicalTree.canonical(),
    "dynamics, constant": lambda: _dynamics(tasks.Constant(TWO)),
    "dynamics, exponential": lambda: _dynamics(tasks.Exponential(TWO, jnp.array([0.8, 1.2])), noise_variance=0.3),
    "dynamics, inverse exponential": lambda: _dynamics(
        tasks.InverseExponential(TWO, jnp.array([0.8, 1.2])), exactly_white=True
    ),
    "dynamics, dirac": lambda: _dynamics(tasks.Dirac(TWO, jnp.array([0.3, 2.0]))),
    "dynamics, rotational": lambda: _dynamics(tasks.Rotational(jnp.array([0.7]), jnp.array([0.9]), jnp.array([ANGLE]))),
    "dynamics, any": lambda: _dynamics(jr.normal(jr.key(4), (4, 3))),
    "dynamics, transition": lambda: _dynamics(tasks.WithFinal(tasks.Constant(TWO), jnp.array([2.0]))),
    "dynamics, every step": lambda: _dynamics(
        tasks.InverseExponential(TWO, jnp.array([0.8, 1.2])), every_step=True, noise_variance=0.2
    ),
    "integration, sum": lambda: tasks.SensoryIntegration(4, 2),
    "integration, mean": lambda: tasks.SensoryIntegration(
        4, mean=True, stimulus_covariance=jnp.array([[1.0, 0.8], [0.8, 1.0]]), noise_variance=0.3
    ),
    "noise, leaky": lambda: tasks.WhiteNoiseIntegration(0.3, num_steps=20, dt=0.1),
    "noise, oscillatory": lambda: tasks.WhiteNoiseIntegration(0.3, 2.0, num_steps=20, dt=0.1),
}

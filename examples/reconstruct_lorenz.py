"""From a noisy series to a dynamical system: does it have the attractor and the exponents of the one that made it?"""

import jax
import numpy as np

import linnet as ln

DT = 0.02
lorenz = ln.systems.get("Lorenz")
series = lorenz.orbit(10_000, dt=DT, transient=20.0, noise=0.05, key=jax.random.key(0)).states

# Four networks in one program, drawn to the data by a tenth of the way at every step.
fit = ln.reconstruct.fit(
    lambda key: ln.nn.ShallowPLRNN(3, 50, key=key),
    series,
    ln.reconstruct.GeneralizedTeacherForcing(0.1),
    seeds=4,
    steps=8000,
    window=100,
    learning_rate=(5e-3, 1e-5),
    key=jax.random.key(1),
)
print(f"{fit.failure_rate:.0%} of the seeds failed: they diverged, ended in a cycle, or are further than", end=" ")
print(f"{fit.threshold:.1f} from the data in state space (a Gaussian cloud: {fit.gaussian:.1f}).")
for seed in fit.order:
    print(f"seed {seed}: {float(fit.divergences[seed]):5.2f}  {fit.message(seed)}")
truth = lorenz.orbit(10_000, dt=DT, transient=300.0).states
print(f"the true system without noise: {float(ln.analyse.state_space_divergence(series, truth)):.2f}")

# The best one: its Lyapunov exponents, and how long it forecasts a stretch that it has never seen.
best = fit.best
found = ln.analyse.lyapunov_spectrum(best.model, initial=best.starts[0])
exponents, errors = np.asarray(found.exponents) / DT, np.asarray(found.standard_errors) / DT
print("exponents", ", ".join(f"{value:.2f} +- {error:.2f}" for value, error in zip(exponents, errors)))
print("the truth", ", ".join(f"{value:.2f}" for value in ln.analyse.lyapunov_spectrum(lorenz).exponents))
forecast = best.forecast(truth[:100], 300).values
far = np.linalg.norm((forecast - truth[100:400]) / best.scale, axis=1) > 0.5
print(f"A forecast stays within half a standard deviation for {0.906 * DT * np.argmax(far):.1f} Lyapunov times.")

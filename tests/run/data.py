"""Small tables and series on disk."""

import numpy as np


def write_table(path, rows=120, noise=0.3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 4))
    y = x @ np.diag([2.0, 1.0, 0.5, 0.0]) @ np.ones((4, 2)) / 2 + noise * generator.normal(size=(rows, 2))
    y[:, 1] -= x[:, 1] * 2
    lines = [",".join(f"{v:.6f}" for v in (*a, *b)) for a, b in zip(x, y)]
    path.write_text("a,b,c,d,y,z\n" + "\n".join(lines) + "\n")
    return str(path)


def write_series(path, rows=200):
    generator = np.random.default_rng(0)
    z = np.zeros((rows, 2))
    step = 0.9 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    for t in range(1, rows):
        z[t] = step @ z[t - 1] + 0.3 * generator.normal(size=2)
    path.write_text("x,y\n" + "\n".join(f"{a:.6f},{b:.6f}" for a, b in z) + "\n")
    return str(path)

"""Where does a neuron learn lazily, and where richly? One number over two parameters, simulated and predicted."""

import jax
import numpy as np

from linnet.config import PhaseConfig
from linnet.run import phase

jax.config.update("jax_enable_x64", True)

# 12 x 6 points and 4 seeds, 288 neurons in one program. The run folder has the figure, the report and all arrays.
summary = phase(
    PhaseConfig(study="kunin2024-rich", x="balance", y="size", scalar="kernel_distance", cells=(12, 6), seeds=4)
)
print(summary["answer"])

# The same as text: a row for each initial size, a column for each balance, from rich (dark) to lazy (light).
shades = " .:-=+*#%@"
kernel = np.array(summary["simulated"])
for size, row in zip(summary["y"]["values"], kernel / np.nanmax(kernel)):
    print(f"{size:8.3f} |" + "".join(2 * shades[int(9 * part)] for part in row) + "|")
print(summary["figure"])

"""Causal convolutions by the Fourier transform."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def convolve(kernel: Float[Array, "lag ..."], inputs: Float[Array, "step ..."]) -> Float[Array, "step ..."]:
    r"""$y_t = \sum_{s \le t} K_{t-s}\, u_s$ for each channel: the convolutional view of a system that stays the same.

    Args:
        kernel: $K$, at least as many lags as steps are used.
        inputs: $u$, the same channels.

    Returns:
        $y$, `"step ..."`.

    Raises:
        ValueError: if there is no step, or there are fewer lags than steps.
    """
    num = inputs.shape[0]
    if num == 0 or kernel.shape[0] < num:
        raise ValueError(
            f"convolve needs at least 1 step and a lag for each of them, got {num} steps and {kernel.shape[0]} lags."
        )
    size = 1 << (2 * num - 1).bit_length()
    spectrum = jnp.fft.rfft(kernel[:num], size, axis=0) * jnp.fft.rfft(inputs, size, axis=0)
    return jnp.fft.irfft(spectrum, size, axis=0)[:num].astype(jnp.result_type(kernel, inputs))

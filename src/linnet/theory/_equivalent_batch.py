"""Samples that a linear network cannot tell from given moments."""

import jax.numpy as jnp

from .. import tasks


def equivalent_batch(moments: tasks.AbstractMoments) -> tasks.Batch:
    r"""Examples $x_k = \sqrt n\, \Sigma_{xx}^{1/2} e_k$ with the targets $y_k = M_* x_k$ of the least-squares map.

    Their input moments are those given and their input-output moments are $M_* \Sigma_{xx}$, so that their loss is that
    on the moments above its floor. With white inputs these are the unit vectors, scaled.

    Args:
        moments: $n$ features (inputs of all steps).

    Returns:
        $n$ examples; of sequences with the shapes of sequences.
    """
    form = moments.residual_form()
    target = form.target
    size = target.shape[1]
    root = jnp.eye(size, dtype=target.dtype) if form.root is None else form.root
    flat = jnp.sqrt(jnp.asarray(size, target.dtype)) * root
    outputs = flat @ target.T
    steps = moments.num_steps
    if steps is None:
        return tasks.Batch(flat, outputs)
    if isinstance(moments, tasks.SequenceMoments):
        outputs = outputs.reshape(size, steps, -1)
    return tasks.Batch(flat.reshape(size, steps, -1), outputs)

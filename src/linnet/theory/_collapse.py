"""The global minimum of the unconstrained-features model: which classes survive decay, and how large they are."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .. import nn, tasks
from .._cite import cite
from .._types import PRNGKey
from ._collapse_strength import collapse_strength


@cite("dang2023neural")
class CollapseSolution(eqx.Module):
    r"""The global minimiser of `linnet.tasks.DecayedClasses` over free features and $M$ matrices, up to rotations.

    Features are the same within a class. With $\tilde H = (\sqrt{n_k}\, h_k)_k$ the minimisers are
    $W_j = Q_j\, \mathrm{diag}(s_j)\, Q_{j-1}^\top$, $Q_M = U$, $\tilde H = Q_0\, \mathrm{diag}(s_0)\, V^\top$ for any
    matrices $Q$ of orthonormal columns. Made by `collapse_solution`.

    Args:
        loss: at the minimum.
        penalties: $b_r$ of each direction, what decay asks of it.
        strengths: $x_r$; 0 where the direction is given up.
        weight_singular_values: $s_j$, from the first matrix of the head to the last.
        feature_singular_values: $s_0$.
        left: $U$, by outputs. Without bias directions are classes, and $U = V = I$.
        right: $V$, by classes.
        counts: $n_k$.
        bias: $b$ of the last layer, or `None`.
    """

    loss: Float[Array, ""]
    penalties: Float[Array, " direction"]
    strengths: Float[Array, " direction"]
    weight_singular_values: Float[Array, "layer direction"]
    feature_singular_values: Float[Array, " direction"]
    left: Float[Array, "out direction"]
    right: Float[Array, "class direction"]
    counts: Float[Array, " class"]
    bias: Float[Array, " out"] | None

    @property
    def active(self) -> Bool[Array, "*member direction"]:
        """Which directions survive."""
        return self.strengths > 0

    @property
    def feature_gram(self) -> Float[Array, "class other"]:
        """$h_k^\\top h_l$ of the classes' features."""
        root = (self.right * self.feature_singular_values) / jnp.sqrt(self.counts)[:, None]
        return root @ root.T

    @property
    def classifier_gram(self) -> Float[Array, "out other"]:
        r"""$W W^\top$ of the head's product $W = W_M \cdots W_1$."""
        return (self.left * jnp.prod(self.weight_singular_values, axis=0) ** 2) @ self.left.T

    @property
    def outputs(self) -> Float[Array, "class out"]:
        """The output for each class, bias included."""
        values = jnp.prod(self.weight_singular_values, axis=0) * self.feature_singular_values
        found = ((self.right * values) @ self.left.T) / jnp.sqrt(self.counts)[:, None]
        return found if self.bias is None else found + self.bias

    def network(self, y: Float[Array, "num class"], widths: Sequence[int], *, key: PRNGKey) -> nn.UnconstrainedFeatures:
        """One of the minimisers, in random rotation.

        Args:
            y: one-hot classes of the rows whose features are wanted.
            widths: sizes of the features and of the hidden layers of the head, one for each matrix.
            key: of the rotations.

        Raises:
            ValueError: if a width cannot hold the surviving directions, or there is not one for each matrix.
        """
        depth, num = self.weight_singular_values.shape
        if len(widths) != depth:
            raise ValueError(f"A minimiser of {depth} matrices needs {depth} widths, got {len(widths)}.")
        order = jnp.argsort(-self.strengths)
        kept = min(num, *widths)
        surviving = int(jnp.sum(self.active))
        if kept < surviving:
            raise ValueError(f"{surviving} directions survive, but the narrowest of the widths {widths} is {kept}.")
        order = order[:kept]
        keys = jr.split(key, depth)
        frames = [
            jnp.linalg.qr(jr.normal(k, (width, kept), self.left.dtype))[0]
            for k, width in zip(keys, widths, strict=True)
        ]
        frames.append(self.left[:, order])
        weights = [
            (frames[layer + 1] * self.weight_singular_values[layer, order]) @ frames[layer].T for layer in range(depth)
        ]
        means = (self.right[:, order] * self.feature_singular_values[order]) @ frames[0].T
        features = y @ (means / jnp.sqrt(self.counts)[:, None])
        return nn.UnconstrainedFeatures(features, nn.DeepLinear(tuple(weights)), self.bias)


@cite("dang2023neural")
def collapse_solution(
    task: tasks.DecayedClasses, depth: int, *, width: int | None = None, bias: bool = False
) -> CollapseSolution:
    r"""Solves the unconstrained-features model under squared error globally.

    With features the same within each class the problem is a penalised factorisation of
    $T = \mathrm{diag}(\sqrt{n})\,(I - \tfrac{1}{N} \sqrt{n} \sqrt{n}^\top)$ (the bracket only with a bias), and
    decouples along its singular values $\tau_r$, of which

    $$\min_{x \ge 0} \Bigl( \frac{1}{1 + x^M} + b_r x \Bigr), \qquad
    b_r = \frac{M N}{\tau_r^2} \Bigl( N \lambda_H \prod_j \lambda_j \Bigr)^{1/M}$$

    is all that is left. Without a bias $\tau_k = \sqrt{n_k}$ and directions are classes: their means form an orthogonal
    frame with lengths by class size. With a bias and equal classes it is the simplex frame.
    Departs from the paper in its treatment of the bias, which holds for unequal classes too.

    Args:
        task: the setting; only its class sizes and decays enter.
        depth: $M$, the number of matrices of the head.
        width: the narrowest of the features and of the hidden layers; `None` where none is narrower than the classes.
            Among the directions only so many survive, those of the largest $\tau_r$; of equal ones the first.
        bias: whether the last layer has a bias (which does not decay).

    Returns:
        The solution. At the threshold itself the direction is given up.

    Raises:
        ValueError: if depth or width is below 1.
    """
    if depth < 1:
        raise ValueError(f"A head has at least 1 matrix, got depth={depth}.")
    if width is not None and width < 1:
        raise ValueError(f"A bottleneck has a width of at least 1, got {width}.")
    counts, decays = task.counts, task.decays(depth)
    total, feature_decay = jnp.sum(counts), task.feature_decay.astype(counts.dtype)
    decays = eqx.error_if(
        decays,
        (jnp.min(decays) <= 0) | (feature_decay <= 0),
        "The unconstrained-features model has a minimum only if all its decays are above 0.",
    )
    eye, root = jnp.eye(counts.shape[0], dtype=counts.dtype), jnp.sqrt(counts)
    if bias:
        left, values, right_t = jnp.linalg.svd(root[:, None] * (eye - jnp.outer(root, root) / total))
        right, offset = right_t.T, counts / total
    else:
        left, values, right, offset = eye, root, eye, None
    power = values**2
    common = jnp.exp((jnp.log(total * feature_decay) + jnp.sum(jnp.log(decays))) / depth)
    tiny = jnp.finfo(counts.dtype).eps * jnp.max(power)
    penalties = depth * total * common / jnp.maximum(power, tiny)
    strengths = jax.vmap(lambda b: collapse_strength(b, depth))(penalties)
    strengths = jnp.where(power > tiny, strengths, 0)
    if width is not None:
        place = jnp.argsort(jnp.argsort(-values, stable=True))
        strengths = jnp.where(place < width, strengths, 0)
    costs = 1 / (1 + strengths**depth) + jnp.where(strengths > 0, penalties * strengths, 0)
    squares = common * strengths
    return CollapseSolution(
        loss=power @ costs / (2 * total),
        penalties=penalties,
        strengths=strengths,
        weight_singular_values=jnp.sqrt(squares / decays[:, None]),
        feature_singular_values=jnp.sqrt(squares / feature_decay),
        left=left,
        right=right,
        counts=counts,
        bias=offset,
    )

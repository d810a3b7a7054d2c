"""Which mode is taken, and what is refused with which sentence."""

import jax.numpy as jnp
import jax.tree_util as jtu
import jaxtyping
import numpy as np
import pytest

from linnet import scan
from linnet.scan._chunks import unit_lower_inverse

DRIVES = jnp.ones((6, 3))
PAIRS = jnp.ones((6, 3)), jnp.ones((6, 3)), jnp.ones((6, 2))
VARYING, LOW_RANK = scan.Diagonal(jnp.ones((6, 3))), scan.LowRank(jnp.ones((6, 1, 3)), jnp.ones((6, 1, 3)))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: scan.recur(VARYING, DRIVES, mode="fft"),
            "does not admit the mode 'fft' in `recur`: a Fourier transform",
        ),
        (
            lambda: scan.recur(scan.Identity(), DRIVES, mode="fft", resets=jnp.zeros(6, bool)),
            "the same at all steps, and no resets. Choose from auto, step, scan, associative, chunk",
        ),
        (lambda: scan.recur(LOW_RANK, DRIVES, mode="chunk"), "LowRank does not admit the mode 'chunk'.*use `attend`"),
        (lambda: scan.recur(LOW_RANK, DRIVES, mode="fft"), "the corrections differ from step to step"),
        (lambda: scan.recur(scan.Dense(jnp.ones((3, 3)), invariant=True), DRIVES, mode="fft"), "`convolve` takes the"),
        (lambda: scan.recur(scan.MaxPlus(-DRIVES), DRIVES, mode="fft"), "have no Fourier transform"),
        (lambda: scan.recur(VARYING, DRIVES, mode="newton"), "There is no mode 'newton': choose from auto, step"),
        (lambda: scan.recur(VARYING, DRIVES[:0]), "at least 1 step, got shape \\(0, 3\\)"),
        (lambda: scan.recur(VARYING, DRIVES[:4]), "a transition for each of the 4 steps, got 6"),
        (lambda: scan.recur(VARYING, jnp.ones((6, 4))), "numbers that fit the drives of shape \\(6, 4\\), got"),
        (lambda: scan.recur(VARYING, DRIVES, jnp.ones(2)), "the shape of one drive, \\(3,\\), got \\(2,\\)"),
        (lambda: scan.recur(VARYING, DRIVES, chunk_size=0), "chunk_size of at least 1 step, got 0"),
        (lambda: scan.recur(VARYING, DRIVES, resets=jnp.zeros(5, bool)), "one reset for each of the 6 steps"),
        (lambda: scan.attend(VARYING, *PAIRS, mode="fft"), "in `attend`: a Fourier transform needs"),
        (lambda: scan.attend(LOW_RANK, *PAIRS, mode="fft"), "the corrections differ"),
        (lambda: scan.attend(scan.Block(jnp.ones((6, 1, 3, 3))), *PAIRS), "LowRank\\), got Block; use `recur`"),
        (lambda: scan.attend(scan.MaxPlus(-DRIVES), *PAIRS), "LowRank\\), got MaxPlus; use `recur`"),
        (lambda: scan.attend(scan.Identity(), PAIRS[0][:0], PAIRS[1][:0], PAIRS[2][:0]), "at least 1 step"),
        (lambda: scan.attend(scan.Identity(), PAIRS[0], None, PAIRS[2]), "needs keys with Identity"),
        (lambda: scan.attend(scan.Identity(), PAIRS[0], PAIRS[1][:, :2], PAIRS[2]), "queries \\(step, key\\), keys"),
        (lambda: scan.attend(scan.Identity(), *PAIRS, jnp.ones((2, 3))), "a start of shape \\(3, 2\\), got \\(2, 3\\)"),
        (lambda: scan.attend(scan.Diagonal(1j * DRIVES), *PAIRS), "real numbers, one a step or one for each of 3 keys"),
        (lambda: scan.attend(scan.Diagonal(jnp.ones((6, 2))), *PAIRS), "one for each of 3 keys"),
        (
            lambda: scan.attend(scan.LowRank(jnp.ones((6, 1, 4)), jnp.ones((6, 1, 4))), *PAIRS),
            "corrections of 3 keys and the rank of the keys",
        ),
        (lambda: scan.convolve(DRIVES[:3], DRIVES), "a lag for each of them, got 6 steps and 3 lags"),
        (lambda: scan.convolve(DRIVES, DRIVES[:0]), "at least 1 step"),
        (lambda: scan.Diagonal(DRIVES, log=DRIVES), "either the numbers \\(`value`\\) or the logarithms"),
        (lambda: scan.Scalar(), "either the numbers"),
        (
            lambda: scan.Scalar(DRIVES),
            "one number a step, of shape \\(step,\\) or \\(\\), got \\(6, 3\\); use Diagonal",
        ),
        (lambda: scan.Scalar(log=DRIVES[:, 0], sign=DRIVES[:4, 0]), "signs of the shape of its logarithms"),
        (lambda: scan.Scalar(DRIVES[:, 0], sign=DRIVES[:, 0]), "with `value` the signs are those of the numbers"),
        (lambda: scan.Diagonal(DRIVES[0]), "numbers of shape \\(step, state\\), got \\(3,\\)"),
        (lambda: scan.Dense(DRIVES), "a matrix of shape \\(step, state, state\\), got \\(6, 3\\)"),
        (lambda: scan.Block(DRIVES[None], invariant=True), "blocks of shape \\(head, block, block\\)"),
        (lambda: scan.Block(jnp.ones((6, 1, 3, 3)), factors=DRIVES), "factors of shape \\(6, 1\\), got \\(6, 3\\)"),
        (lambda: scan.LowRank(DRIVES, DRIVES[:, :2]), "erase and write of one shape"),
        (lambda: scan.LowRank(jnp.ones((6, 2, 3)), jnp.ones((6, 2, 3)), undecayed=True), "rank 1 is needed, got 2"),
        (lambda: scan.LowRank(DRIVES, DRIVES, sign=DRIVES), "needs the logarithms of the decays"),
    ],
)
def test_what_is_refused_says_what_was_needed(call, sentence, monkeypatch):
    # As a user has it: shapes are checked against annotations in tests only.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=sentence):
        call()


def test_auto_is_the_loop_of_any_mode_that_is_admitted():
    drives = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)))
    for transition in (VARYING, LOW_RANK, scan.Identity(), scan.MaxPlus(-DRIVES), scan.Block(jnp.ones((6, 1, 3, 3)))):
        shaped = drives[:, None] if isinstance(transition, scan.Block) else drives
        for num in (1, 6):
            cut = transition if transition.invariant else _first(transition, num)
            found, expected = (scan.recur(cut, shaped[:num], mode=mode)[0] for mode in ("auto", "step"))
            np.testing.assert_allclose(found, expected, rtol=1e-12)


def _first(transition, num):
    return jtu.tree_map(lambda leaf: leaf[:num], transition)


def test_a_convolution_is_the_sum_of_its_definition():
    rng = np.random.default_rng(0)
    kernel, inputs = rng.normal(size=(9, 2)), rng.normal(size=(7, 2))
    expected = [[np.dot(kernel[: t + 1, c], inputs[t::-1, c]) for c in range(2)] for t in range(7)]
    np.testing.assert_allclose(scan.convolve(jnp.asarray(kernel), jnp.asarray(inputs)), expected, rtol=1e-12)


@pytest.mark.parametrize("num", [1, 5, 8])
def test_the_inverse_of_a_unit_triangle_is_numpys(num):
    lower = np.random.default_rng(0).normal(size=(num, num))
    expected = np.linalg.inv(np.eye(num) - np.tril(lower, -1))
    np.testing.assert_allclose(unit_lower_inverse(jnp.asarray(lower)), expected, rtol=1e-10, atol=1e-10)


def test_the_inverse_bears_keys_that_repeat():
    # beta = 2 and one key: corrections are reflections, and entries of the inverse stay +-2 for ever.
    lower = -2 * np.tril(np.ones((64, 64), np.float32), -1)
    inverse = unit_lower_inverse(jnp.asarray(lower))
    assert np.max(np.abs(inverse)) == 2.0

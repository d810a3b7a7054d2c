"""Every observer of linnet, with networks and data it is about: what the contract tests run through."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from linnet import learn, nn, tasks

NUM, NUM_IN, NUM_OUT, STEPS = 12, 3, 2, 4


def plain_split(dtype):
    """Inputs and centred one-hot targets, the same to train and to test on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(NUM, NUM_IN)).astype(dtype)
    y = np.eye(NUM_OUT, dtype=dtype)[(x[:, 0] > 0.3).astype(int)]
    batch = tasks.Batch(x, y - y.mean(0))
    return tasks.Split(batch, batch, batch, None, jnp.asarray(y.mean(0)))


def sequence_batch(dtype):
    """Sequences with the sum of their steps as target."""
    x = np.random.default_rng(0).normal(size=(40, STEPS, NUM_IN)).astype(dtype)
    return tasks.Batch(x, x.sum(1)[:, :NUM_OUT])


def class_batch(dtype):
    """Sequences with a class at some steps: whether the sum so far is positive."""
    x = np.random.default_rng(0).normal(size=(40, STEPS, NUM_IN)).astype(dtype)
    mask = jnp.asarray(np.arange(STEPS) >= np.arange(40)[:, None] % STEPS)
    return tasks.Batch(x, (x.cumsum(1)[..., 0] > 0).astype(np.int32), mask)


def deep(key, dtype):
    return nn.fan_in()(nn.DeepLinear, (NUM_IN, 4, NUM_OUT), key=key, dtype=dtype)


def mlp(key, dtype):
    return nn.MLP((NUM_IN, 4, NUM_OUT), key=key, dtype=dtype)


def linear_rnn(key, dtype):
    return nn.fan_in(0.5)(nn.LinearRNN, (NUM_IN, 4, NUM_OUT), key=key, dtype=dtype)


def leaky_linear_rnn(key, dtype):
    return nn.fan_in(0.5)(nn.LeakyLinearRNN, (1, 4, 1), key=key, dtype=dtype)


def diagonal_ssm(key, dtype):
    blank = nn.DiagonalSSM(jnp.linspace(0, 0.5, 4, dtype=dtype), jnp.zeros((4, 1), dtype), jnp.zeros((1, 4), dtype))
    return nn.fan_in()(blank, key=key)


def spectrum(dtype):
    x = np.random.default_rng(0).normal(size=(3, 8, 1)).astype(dtype)
    return tasks.Spectrum.of(tasks.Batch(x, np.roll(x, 1, axis=1)))


def integration(dtype):
    return tasks.ContinuousIntegration(*jnp.array([0.3, 1.0, 1.0], dtype))


def gru(key, dtype):
    return nn.GRU((NUM_IN, 4, NUM_OUT), key=key, dtype=dtype)


def two_views(kind):
    """A setting of two views, as a function of a dtype."""
    return lambda dtype: kind(
        tasks.Moments(jnp.diag(jnp.array([1.0, 2.0, 3.0], dtype)), jnp.eye(3, dtype=dtype), jnp.eye(3, dtype=dtype))
    )


def encoder(key, dtype):
    return nn.fan_in()(nn.EncoderDecoder, (NUM_IN, 4, 3, 3), key=key, dtype=dtype)


def pathways(key, dtype):
    return nn.Pathways([deep(key, dtype), nn.fan_in(0.5)(nn.DeepLinear, (NUM_IN, NUM_OUT), key=key, dtype=dtype)])


def convolutional(key, dtype):
    filters, readout = jr.normal(key, (2, 2), dtype), jr.normal(jr.fold_in(key, 1), (NUM_OUT, 2, NUM_IN - 1), dtype)
    return nn.LinearCNN(filters, readout, circular=False)


def quadratic(key, dtype):
    return nn.QuadraticNetwork.random((NUM_IN, 4), 0.7, 0.5, key=key, dtype=dtype)


def polynomial_task(dtype):
    return tasks.PolynomialRegression.random(NUM_IN, 6, key=jr.key(1), dtype=dtype)


def patch_filter(key, dtype):
    return nn.PatchFilter(jr.normal(key, (NUM_IN,), dtype))


def filter_teacher(dtype):
    return tasks.FilterTeacher.correlated(jnp.arange(1, NUM_IN + 1, dtype=dtype), jnp.eye(2, dtype=dtype))


def probe(*shape):
    return jnp.asarray(np.random.default_rng(1).normal(size=shape))


def two_tasks(dtype):
    batch = plain_split(dtype).train
    return tasks.TaskSequence(jnp.stack([batch.x, -batch.x]), jnp.stack([batch.y, batch.y]))


#: name -> (a function of a dtype that makes the observer, a network, its data).
OBSERVERS = {
    "loss": (lambda dtype: learn.Loss(), mlp, plain_split),
    "test loss": (lambda dtype: learn.Loss("test"), deep, plain_split),
    "mode strengths": (lambda dtype: learn.ModeStrengths(), deep, plain_split),
    "mode strengths, nonlinear": (lambda dtype: learn.ModeStrengths(), mlp, plain_split),
    "mode strengths by step": (lambda dtype: learn.ModeStrengths(by_step=True), linear_rnn, sequence_batch),
    "mode strengths by step, nonlinear": (lambda dtype: learn.ModeStrengths(by_step=True), gru, sequence_batch),
    "mode alignment": (lambda dtype: learn.ModeAlignment(), deep, plain_split),
    "mode alignment, nonlinear": (lambda dtype: learn.ModeAlignment(), gru, sequence_batch),
    "singular values": (lambda dtype: learn.SingularValues(), linear_rnn, sequence_batch),
    "singular values, nonlinear": (lambda dtype: learn.SingularValues(), mlp, plain_split),
    "singular values of a weight": (lambda dtype: learn.SingularValues(1), linear_rnn, sequence_batch),
    "polynomial test loss": (lambda dtype: learn.PolynomialTestLoss(), quadratic, polynomial_task),
    "polynomial test loss, parts": (lambda dtype: learn.PolynomialTestLoss(True), quadratic, polynomial_task),
    "label alignment": (lambda dtype: learn.LabelAlignment(), quadratic, polynomial_task),
    "pathway strengths": (lambda dtype: learn.PathwayStrengths(), pathways, plain_split),
    "balancedness": (lambda dtype: learn.Balancedness(), linear_rnn, sequence_batch),
    "weight norms": (lambda dtype: learn.WeightNorms(), gru, sequence_batch),
    "recurrent eigenvalues": (lambda dtype: learn.RecurrentEigenvalues(), linear_rnn, sequence_batch),
    "outlier eigenvalues": (lambda dtype: learn.OutlierEigenvalues(2), leaky_linear_rnn, integration),
    "state strengths": (lambda dtype: learn.StateStrengths(), diagonal_ssm, spectrum),
    "poles": (lambda dtype: learn.Poles(), diagonal_ssm, spectrum),
    "overlaps": (lambda dtype: learn.Overlaps(), leaky_linear_rnn, integration),
    "encoder strengths": (lambda dtype: learn.EncoderStrengths(), encoder, two_views(tasks.Reconstruction)),
    "generated variances": (
        lambda dtype: learn.GeneratedVariances(),
        deep,
        lambda dtype: tasks.CovarianceMatching(jnp.diag(jnp.array([2.0, 1.0], dtype))),
    ),
    "decoder strengths": (lambda dtype: learn.DecoderStrengths(), encoder, two_views(tasks.SelfDistillation)),
    "decoder strengths, views": (lambda dtype: learn.DecoderStrengths(), encoder, two_views(tasks.Reconstruction)),
    "energy profile": (lambda dtype: learn.EnergyProfile(), convolutional, plain_split),
    "frequency strengths": (lambda dtype: learn.FrequencyStrengths((NUM_IN,)), deep, plain_split),
    "frequency strengths, nonlinear": (lambda dtype: learn.FrequencyStrengths((NUM_IN,)), mlp, plain_split),
    "kernel distance": (lambda dtype: learn.KernelDistance(probe(3, NUM_IN).astype(dtype)), mlp, plain_split),
    "kernel distance, linear": (lambda dtype: learn.KernelDistance(jnp.eye(NUM_IN, dtype=dtype)), deep, plain_split),
    "kernel distance, last step": (
        lambda dtype: learn.KernelDistance(probe(2, STEPS, NUM_IN).astype(dtype), nn.apply_last),
        gru,
        sequence_batch,
    ),
    "representation alignment": (
        lambda dtype: learn.RepresentationAlignment(probe(6, NUM_IN).astype(dtype)),
        mlp,
        plain_split,
    ),
    "representation similarity": (
        lambda dtype: learn.RepresentationSimilarity(probe(6, NUM_IN).astype(dtype)),
        mlp,
        plain_split,
    ),
    "effective rank": (lambda dtype: learn.EffectiveRank(), gru, sequence_batch),
    "sharpness": (lambda dtype: learn.Sharpness(4), deep, plain_split),
    "neural collapse": (lambda dtype: learn.NeuralCollapse(), mlp, plain_split),
    "task losses": (lambda dtype: learn.TaskLosses(), mlp, two_tasks),
    "filter angle": (lambda dtype: learn.TeacherFilter(), patch_filter, filter_teacher),
    "filter distance": (lambda dtype: learn.TeacherFilter("distance"), patch_filter, filter_teacher),
    "accuracy": (lambda dtype: learn.Accuracy(), mlp, plain_split),
    "test accuracy": (lambda dtype: learn.Accuracy("test"), deep, plain_split),
    "sequence accuracy": (lambda dtype: learn.Accuracy(sequences=True), gru, class_batch),
}

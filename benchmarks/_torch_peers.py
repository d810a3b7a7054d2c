"""The peers in PyTorch: a plain loop over networks, and the ensemble batched by hand in several writings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ._problem import Problem

try:
    import torch  # pyright: ignore[reportMissingImports]
except ImportError:  # the peers are skipped, with this as the reason
    torch = None

MISSING = "torch is not installed (`make bench` installs it)" if torch is None else ""


def with_threads(num: int, peer: Callable[[Problem], np.ndarray]) -> Callable[[Problem], np.ndarray]:
    """The same peer with a number of torch's threads."""

    def run(problem: Problem) -> np.ndarray:
        torch.set_num_threads(num)
        return peer(problem)

    return run


def _tensors(*arrays: np.ndarray) -> list[Any]:
    return [torch.tensor(array) for array in arrays]


def loop_on_samples(problem: Problem) -> np.ndarray:
    """One network after the other, one step after the other, by autograd and `torch.optim.SGD`."""
    x, y = _tensors(problem.x, problem.y)

    def loss(first: Any, last: Any) -> Any:
        return 0.5 * (x @ first.T @ last.T - y).square().sum() / len(x)

    return _loop(problem, loss)


def loop_on_moments(problem: Problem) -> np.ndarray:
    """The same loop on the moments."""
    xx, yx, yy = _tensors(*problem.moments())
    power = torch.trace(yy)

    def loss(first: Any, last: Any) -> Any:
        whole = last @ first
        return 0.5 * (power + ((whole @ xx - 2 * yx) * whole).sum())

    return _loop(problem, loss)


def _loop(problem: Problem, loss: Callable[[Any, Any], Any]) -> np.ndarray:
    losses = torch.empty(len(problem.first), problem.steps + 1)
    with torch.enable_grad():
        for member, weights in enumerate(zip(problem.first, problem.last)):
            params = [torch.tensor(weight, requires_grad=True) for weight in weights]
            optimiser = torch.optim.SGD(params, lr=problem.rate)
            for step in range(problem.steps):
                optimiser.zero_grad()
                value = loss(*params)
                value.backward()
                losses[member, step] = value.detach()
                optimiser.step()
            losses[member, -1] = loss(*params).detach()
    return losses.numpy()


def batched_on_samples(problem: Problem, modes: bool = False) -> np.ndarray:
    """By hand: products of batches, weights multiplied out first, updates by `baddbmm` into buffers that are kept.

    Args:
        problem: what is learned.
        modes: record the strengths of the modes too, as linnet does.
    """
    x, y = _tensors(problem.x, problem.y)
    inputs, targets, num = x.T.contiguous(), y.T.contiguous(), len(x)

    def step(whole: Any) -> tuple[Any, Any]:
        residual = (whole.reshape(-1, len(inputs)) @ inputs).view(*whole.shape[:2], num) - targets
        gradient = (residual.reshape(-1, num) @ x).view(whole.shape)
        return residual.square().sum((1, 2)) * (0.5 / num), gradient / num

    return _batched(problem, step, modes)


def layered_on_samples(problem: Problem) -> np.ndarray:
    """By hand: forward and backward through the layers on all samples, as one would write it first."""
    x, y, first, last = _tensors(problem.x, problem.y, problem.first, problem.last)
    inputs, targets, num = x.T.contiguous(), y.T.contiguous(), len(x)
    losses = torch.empty(problem.steps + 1, len(first))
    members, hidden, size = first.shape
    with torch.no_grad():
        for step in range(problem.steps + 1):
            active = (first.view(-1, size) @ inputs).view(members, hidden, num)
            residual = torch.bmm(last, active) - targets
            losses[step] = residual.square().sum((1, 2)) * (0.5 / num)
            if step < problem.steps:
                back = torch.bmm(last.transpose(1, 2), residual)
                last = last.baddbmm(residual, active.transpose(1, 2), alpha=-problem.rate / num)
                first = first.view(-1, size).addmm(back.view(-1, num), x, alpha=-problem.rate / num)
                first = first.view(members, hidden, size)
    return losses.T.numpy()


def batched_on_moments(problem: Problem, modes: bool = False) -> np.ndarray:
    """The same on the moments; the loss shares the product of its gradient."""
    xx, yx, yy = _tensors(*problem.moments())
    power = 0.5 * torch.trace(yy)

    def step(whole: Any) -> tuple[Any, Any]:
        gradient = (whole.reshape(-1, len(xx)) @ xx).view(whole.shape) - yx
        return power + 0.5 * (whole * (gradient - yx)).sum((1, 2)), gradient

    return _batched(problem, step, modes)


def _batched(problem: Problem, step: Callable[[Any], tuple[Any, Any]], modes: bool) -> np.ndarray:
    """Gradient descent of all networks at once, given loss and gradient by the product of the weights."""
    left, _, right = np.linalg.svd(problem.moments()[1], full_matrices=False)
    (basis,) = _tensors(np.einsum("om,mi->oim", left, right).reshape(-1, len(right)))
    first, last = _tensors(problem.first, problem.last)
    whole, spare = torch.bmm(last, first), torch.empty_like(first)
    losses = torch.empty(problem.steps + 1, len(first))
    strengths = torch.empty(problem.steps + 1, len(first), len(right)) if modes else None
    with torch.no_grad():
        for count in range(problem.steps + 1):
            losses[count], gradient = step(torch.bmm(last, first, out=whole))
            if strengths is not None:
                torch.mm(whole.view(len(first), -1), basis, out=strengths[count])
            if count < problem.steps:
                torch.baddbmm(first, last.transpose(1, 2), gradient, alpha=-problem.rate, out=spare)
                last.baddbmm_(gradient, first.transpose(1, 2), alpha=-problem.rate)
                first, spare = spare, first
    return losses.T.numpy()

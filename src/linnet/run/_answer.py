"""The numbers of a run in sentences."""

from typing import Any

from ._networks import Spec
from ._problem import Problem

#: The theory that is no independent check.
FALL_BACK = "MomentFlow"

#: No agreement is called closer than this: below it solvers and recording times speak.
FINEST = 1e-4


def answer(summary: dict[str, Any], main: Spec, problem: Problem) -> str:
    """The answer in one sentence: what is learned when, how well that was predicted, when to stop."""
    modes = [mode for mode in summary["modes"] if mode["measured_time"] == mode["measured_time"]]
    who = f"The linear network of {main.title}" if main.depth is not None else "The linear recurrent network"
    total, above = len(summary["modes"]), sum(mode["above_noise_edge"] for mode in summary["modes"])
    if not modes:
        return f"{who} learned none of the {total} modes of {_data(problem)} in the time given."
    times = [mode["measured_time"] for mode in modes]
    when = (
        f"at learning time {times[0]:.3g}"
        if len(times) == 1
        else f"from learning time {min(times):.3g} to {max(times):.3g}"
    )
    parts = [
        f"{who} learns {len(modes)} of {total} modes of {_data(problem)} ({above} above the noise edge), {when}"
        if len(modes) < total
        else f"{who} learns {_count(total)} of {_data(problem)} ({above} above the noise edge), {when}"
    ]
    errors = [abs(mode["relative_error"]) for mode in modes if mode["relative_error"] is not None]
    if errors and summary["theories"][main.name]["theory"] == FALL_BACK:
        parts.append("the prediction solves the equation of training itself, as no closed form holds here")
    elif errors:
        parts.append(f"predicted within {100 * max(*errors, FINEST):.2g} %{_order(summary['order_agreement'])}")
    stop = summary["stopping"]
    if stop["measured"] is not None:
        foreseen = "" if stop["predicted"] is None else f" (predicted {stop['predicted']:.3g})"
        parts.append(f"stop at {stop['measured']:.3g}{foreseen}")
    elif "validation_loss_at_end" in stop:
        parts.append("the held-out loss has no minimum before the end, so early stopping gains nothing")
    return "; ".join(parts) + "."


def departure_sentence(found: dict[str, Any], spec: Spec, main: Spec, loss: str) -> str:
    """How a nonlinear network departs from the linear one."""
    ratio, lost = found["half_time_ratio"], found["modes_not_learned"]
    reached, linear = found[f"best_{loss}"], found[f"linear_best_{loss}"]
    when = "learns none of the modes in the time given" if ratio != ratio else f"takes {ratio:.2f} times as long"
    missing = f", leaves {_count(lost)} unlearned" if lost and ratio == ratio else ""
    what = "held-out loss" if loss == "validation_loss" else "loss"
    change = 100 * (reached / linear - 1) if linear > 0 else float("nan")
    better = "the same" if abs(change) < 1 else f"{abs(change):.0f} % {'lower' if change < 0 else 'higher'}"
    return f"the {spec.title} {when}{missing}, and its best {what} is {better} ({reached:.3g} against {linear:.3g})"


def _count(num: int) -> str:
    return f"{num} mode{'' if num == 1 else 's'}"


def _order(agreement: float | None) -> str:
    if agreement is None:
        return ""
    if agreement > 0.999:
        return " and in the predicted order"
    return f" (order agreement {agreement:.2f})"


def _data(problem: Problem) -> str:
    report = problem.task.report
    return report.path if report.format == "arrays" else report.path.replace("\\", "/").rsplit("/", 1)[-1]

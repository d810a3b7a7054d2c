"""Ties, order and stopping times, against what they are by definition."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from linnet.run._agreement import order_agreement, relative_error, stopping_time, tie_groups

NAN = float("nan")


def test_near_equal_modes_are_one_group():
    assert tie_groups(np.array([2.0, 1.0, 0.995, 0.99, 0.5])).tolist() == [0, 1, 1, 1, 2]
    assert tie_groups(np.array([1.0])).tolist() == [0]
    assert tie_groups(np.array([])).tolist() == []


def groups(num):
    return np.arange(num)


def test_order_agreement_is_spearmans():
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 30.0, 20.0, 40.0])
    # 1 - 6 sum d^2 / (n (n^2 - 1)), d = (0, 1, 1, 0)
    assert order_agreement(a, b, groups(4)) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert order_agreement(a, 1 / b, groups(4)) == pytest.approx(-(1 - 6 * 2 / (4 * 15)))


def test_the_order_within_a_group_does_not_count():
    times = np.array([1.0, 2.0, 3.0, 9.0])
    assert order_agreement(times, times[[0, 2, 1, 3]], np.array([0, 1, 1, 2])) == pytest.approx(1)
    assert (order_agreement(times, times[[0, 2, 1, 3]], groups(4)) or 0) == pytest.approx(0.8)


def test_order_agreement_is_null_where_there_is_no_order():
    times = np.array([1.0, 2.0, 3.0])
    assert order_agreement(times[:1], times[:1], groups(1)) is None
    assert order_agreement(times, times, np.zeros(3, int)) is None
    assert order_agreement(np.full(3, 0.7) * (1 + 1e-9 * times), times, groups(3)) is None
    assert order_agreement(np.array([1.0, NAN, 2.0]), np.array([NAN, 1.0, 2.0]), groups(3)) is None


def test_modes_that_are_not_learned_are_left_out():
    assert order_agreement(np.array([1.0, 2.0, NAN, 3.0]), np.array([1.0, 2.0, 0.1, 3.0]), groups(4)) == pytest.approx(
        1
    )


def test_stopping_time_is_the_minimum():
    def loss(t):
        return np.exp(-t) + 0.01 * t

    ts = np.linspace(0, 20, 300)
    expected = minimize_scalar(loss, bounds=(0, 20), method="bounded").x  # pyright: ignore
    assert stopping_time(ts, loss(ts)) == pytest.approx(expected, rel=1e-3)


def test_stopping_time_on_uneven_times():
    ts = np.array([0.0, 1.0, 3.0, 4.0, 9.0])
    assert stopping_time(ts, (ts - 2.5) ** 2) == pytest.approx(2.5)


@pytest.mark.parametrize(
    "losses", [np.exp(-np.linspace(0, 5, 50)), np.linspace(0, 1, 50), np.ones(50), np.full(50, NAN)]
)
def test_no_interior_minimum_is_null(losses):
    assert stopping_time(np.linspace(0, 5, 50), losses) is None


def test_a_rise_within_rounding_is_no_minimum():
    ts = np.linspace(0, 30, 300)
    assert stopping_time(ts, np.exp(-ts) + 1e-9 * ts) is None


def test_relative_error():
    assert relative_error(1.1, 1.0) == pytest.approx(0.1)
    assert relative_error(NAN, 1.0) is None and relative_error(1.0, NAN) is None

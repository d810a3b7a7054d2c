"""Whole series from files: even in time, without gaps, or a sentence."""

import numpy as np
import pytest

from linnet import tasks


def table(tmp_path, text, name="data.csv"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


DAYS = "date,x,y\n2001-01-01,1,5\n2001-01-02,2,4\n2001-01-03,4,2\n{gap}2001-01-07,8,1\n2001-01-08,9,0\n"
WHOLE = DAYS.format(gap="2001-01-04,5,2\n2001-01-05,6,2\n2001-01-06,7,1.5\n")


def test_dates_give_the_step_its_unit_and_the_origin(tmp_path):
    found = tasks.series_table(table(tmp_path, WHOLE))
    assert found.names == ("x", "y") and found.values.shape == (8, 2)
    assert (found.dt, found.unit, found.origin) == (1.0, "days", "2001-01-01T00:00:00")
    assert tasks.dates_after(found.origin, found.unit, [8 * found.dt]) == ["2001-01-09T00:00:00"]
    named = tasks.series_table(table(tmp_path, WHOLE), ["y"])  # the time is found without being named
    assert named.unit == "days" and named.names == ("y",)
    assert tasks.series_table(table(tmp_path, WHOLE), ["y"], time="none").unit == "steps"


def test_numbers_are_times_in_their_own_unit(tmp_path):
    rows = "".join(f"{0.25 * k},{k % 3}\n" for k in range(10))
    found = tasks.series_table(table(tmp_path, "time,x\n" + rows))
    assert (found.dt, found.unit, found.start, found.origin) == (0.25, "time", 0.0, "")


def test_gaps_are_named_and_filled_by_straight_lines(tmp_path):
    path = table(tmp_path, DAYS.format(gap=""))
    with pytest.raises(ValueError, match=r"4 days after row 3 \(2001-01-03T00:00:00\)\. Fill .* --interpolate"):
        tasks.series_table(path)
    found = tasks.series_table(path, interpolate=True)
    assert found.values[:, 0].tolist() == [1, 2, 4, 5, 6, 7, 8, 9]
    assert found.values[2:7, 1].tolist() == [2, 1.75, 1.5, 1.25, 1]
    assert "3 rows that were missing by their time" in found.notes[-1]
    assert tasks.series_table(path, time="none").values.shape == (5, 2)


def test_months_are_even_and_rows_in_disorder_are_not(tmp_path):
    months = "".join(f"{2001 + k // 12}-{k % 12 + 1:02d}-01,{k % 5}\n" for k in range(30))
    found = tasks.series_table(table(tmp_path, "when,x\n" + months))
    assert found.unit == "days" and found.dt == 31.0 and len(found.values) == 30
    with pytest.raises(ValueError, match="does not come after the one before"):
        tasks.series_table(table(tmp_path, "time,x\n1,2\n2,3\n1.5,4\n"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x,y\n1,2\n1,3\n1,5\n", "Column 'x' .* is constant.* Leave it out: --columns y"),
        ("x,y\n1,2\n,3\n4,5\n", r"column 'x' has 1 missing \(rows 2, .* --interpolate"),
        ("x,y\n1,nan\n2,nan\n4,nan\n", "Column 'y' .* has no finite value in any of the 3 rows"),
        ("time,x\n1,2\n,3\n3,4\n", "no time in 1 rows .* row 2"),
        ("x\n1\n", "has 1"),
    ],
)
def test_bad_columns_are_sentences(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        tasks.series_table(table(tmp_path, text))


def test_missing_values_are_filled(tmp_path):
    found = tasks.series_table(table(tmp_path, "x,y\n1,2\n,3\n4,5\n"), interpolate=True)
    np.testing.assert_array_equal(found.values, [[1, 2], [2.5, 3], [4, 5]])

"""Time series as tasks: against all windows, cut by brute force."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from linnet.tasks import Centre, Standardise, TemporalMoments, Whiten, from_series
from linnet.tasks._lagged import LaggedMoments, Windows


def make_series(rows, columns=3, seed=0):
    """A random walk far from zero: nothing is stationary and edges matter."""
    rng = np.random.default_rng(seed)
    return 1e4 + np.cumsum(rng.normal(size=(rows, columns)), axis=0)


def write(values, path, **more):
    frame = pd.DataFrame(values, columns=list("abcdefgh")[: values.shape[1]])
    for name, column in more.items():
        frame.insert(0, name, column)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: frame[name].to_numpy() for name in frame})
    else:
        frame.to_csv(path, index=False)
    return path


def cut(values, window, horizon):
    """Every window, one after the other."""
    starts = range(len(values) - window - horizon + 1)
    return (
        np.array([values[s : s + window] for s in starts]),
        np.array([values[s + window - 1 + horizon] for s in starts]),
    )


def moments_of(x, y):
    return (
        np.einsum("pti,psj->tsij", x, x) / len(x),
        np.einsum("po,pti->toi", y, x) / len(x),
        y.T @ y / len(y),
    )


def assert_moments(known, x, y, atol=1e-9):
    for ours, theirs in zip((known.xx, known.yx, known.yy), moments_of(x, y)):
        np.testing.assert_allclose(ours, theirs, atol=atol)


PARTS = ("train", "validation", "test")


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
@pytest.mark.parametrize(("window", "horizon", "chunk_size"), [(1, 1, 10**6), (5, 1, 13), (12, 7, 64)])
def test_moments_are_those_of_all_windows(tmp_path, ending, window, horizon, chunk_size):
    values = make_series(500)
    path = write(values, tmp_path / f"series{ending}")
    task = from_series(path, window=window, horizon=horizon, chunk_size=chunk_size)
    assert isinstance(task.moments(), TemporalMoments)
    scaled = (values - values[:400].mean(0)) / values[:400].std(0)
    for name, (begin, end) in zip(PARTS, ((0, 400), (400, 450), (450, 500))):
        x, y = cut(scaled[begin:end], window, horizon)
        batch = getattr(task.draw(), name)
        assert batch.x.shape == (end - begin - window - horizon + 1, window, 3)
        np.testing.assert_allclose(batch.x, x, atol=1e-10)
        np.testing.assert_allclose(batch.y, y, atol=1e-10)
        assert_moments(getattr(task.split_moments(), name), x, y)
    assert task.input_names == task.output_names == ("a", "b", "c")
    assert task.report.parts == tuple(getattr(task.draw(), name).num for name in PARTS)


def test_targets_and_inputs_may_differ(tmp_path):
    values = make_series(300, 4)
    path = write(values, tmp_path / "series.csv")
    task = from_series(path, ["c", "a"], window=6, horizon=2, target=["d", "a"], scale=Centre())
    assert task.input_names == ("c", "a") and task.output_names == ("d", "a")
    centred = values[:240] - values[:240].mean(0)
    x, y = cut(centred, 6, 2)
    assert_moments(task.moments(), x[..., [2, 0]], y[:, [3, 0]], atol=1e-7)
    roles = {column.name: column.role for column in task.report.columns}
    assert roles == {"c": "input", "a": "input and target", "d": "target"}


def test_whitening_mixes_the_columns_of_one_row(tmp_path):
    values = make_series(400)
    values[:, 2] = values[:, 0] - 2 * values[:, 1]
    task = from_series(write(values, tmp_path / "series.csv"), window=4, scale=Whiten())
    assert len(task.input_names) == 2 and len(task.report.discarded) == 1
    rows = np.asarray(task.scaling.inputs(jnp.asarray(values[:320])))
    np.testing.assert_allclose(rows.T @ rows / 320, np.eye(2), atol=1e-9)
    y = (values[:320] - values[:320].mean(0)) / values[:320].std(0)
    x, _ = cut(rows, 4, 1)
    assert_moments(task.moments(), x, cut(y, 4, 1)[1])
    np.testing.assert_allclose(task.draw().train.x, x, atol=1e-9)


def test_no_window_reaches_over_a_gap_or_a_border(tmp_path):
    values = make_series(300, 2)
    holes = np.random.default_rng(1).choice(300, 12, replace=False)
    values[holes, holes % 2] = np.nan
    path = write(values, tmp_path / "series.csv")
    task = from_series(path, window=4, horizon=2, drop_missing=True, chunk_size=23)
    train = values[:240]
    good = np.isfinite(train).all(axis=1)
    scaled = (values - train[good].mean(0)) / train[good].std(0)
    for name, (begin, end) in zip(PARTS, ((0, 240), (240, 270), (270, 300))):
        x, y = cut(scaled[begin:end], 4, 2)
        span = np.array([np.isfinite(scaled[s : s + 6]).all() for s in range(begin, end - 5)])
        assert 0 < np.sum(span) < len(span)
        batch = getattr(task.draw(), name)
        np.testing.assert_allclose(batch.x, x[span], atol=1e-10)
        assert_moments(getattr(task.split_moments(), name), x[span], y[span], atol=1e-11)
    assert task.report.dropped_rows == 12


@given(
    st.integers(1, 6),
    st.integers(1, 4),
    st.lists(st.integers(1, 25), min_size=1, max_size=5),
    st.integers(1, 9),
    st.data(),
)
def test_lagged_moments_of_any_segments(window, horizon, segments, chunk, data):
    """Segments of any length, in chunks of any size, some too short for a window."""
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    windows = Windows(window, horizon, np.array([0, 1]), np.array([2]), 2**64, 0)
    shift = rng.normal(size=3)
    lagged, xs, ys = LaggedMoments(windows, shift), [], []
    for length in segments:
        values = rng.normal(size=(length, 3)) + 5
        for first in range(0, length, chunk):
            lagged.add(values[first : first + chunk], first)
        lagged.close()
        if length >= window + horizon:
            x, y = cut(values, window, horizon)
            xs.append(x[..., :2])
            ys.append(y[:, 2:])
    assert lagged.num == sum(len(x) for x in xs)
    if not xs:
        assert lagged.samples() is None
        return
    x, y = np.concatenate(xs), np.concatenate(ys)
    kept = lagged.samples()
    assert kept is not None
    np.testing.assert_allclose(kept[0], x, atol=1e-12)
    np.testing.assert_allclose(kept[1], y, atol=1e-12)
    centre = rng.normal(size=3)
    for ours, theirs in zip(lagged.about(centre), moments_of(x - centre[:2], y - centre[2:])):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_windows_that_do_not_fit_are_thinned_and_moments_are_not(tmp_path):
    path = write(make_series(3000, 2), tmp_path / "series.parquet")
    whole = from_series(path, window=10)
    thin = from_series(path, window=10, max_bytes=8 * 22 * 300, chunk_size=111)
    np.testing.assert_allclose(thin.moments().xx, whole.moments().xx, atol=1e-9)
    # 300 of 3,000 windows in the mean; binomial, standard deviation 16.
    assert abs(sum(thin.report.kept) - 300) < 5 * 17 and thin.report.parts == whole.report.parts
    distance = np.abs(np.asarray(thin.draw().train.x)[:, None] - np.asarray(whole.draw().train.x)).max(axis=(2, 3))
    assert np.max(distance.min(axis=1)) < 1e-9  # each is one of the windows
    places = distance.argmin(axis=1)
    assert (
        np.all(np.diff(places) > 0) and np.std(places) > 0.2 * whole.draw().train.num
    )  # in order, all over the series


def test_time_columns_are_found_checked_and_left_out(tmp_path):
    values = make_series(60, 2)
    dates = pd.date_range("2021-03-01", periods=60, freq="h").astype(str)
    for ending in (".csv", ".parquet"):
        path = write(values, tmp_path / f"dated{ending}", date=dates if ending == ".csv" else pd.to_datetime(dates))
        task = from_series(path, window=5)
        assert task.input_names == ("a", "b") and any("'date'" in note for note in task.report.notes)
    german = pd.date_range("2021-03-25", periods=60, freq="D").strftime("%d.%m.%Y")
    assert from_series(write(values, tmp_path / "german.csv", day=german), window=5).input_names == ("a", "b")
    path = write(values, tmp_path / "numbered.csv", t=np.arange(60) * 0.5)
    assert from_series(path, window=5, time="t").input_names == ("a", "b")
    assert from_series(path, window=5).input_names == ("t", "a", "b")
    assert any("uneven" in note for note in from_series(
        write(values, tmp_path / "uneven.csv", time=np.arange(60.0) ** 2), window=5).report.notes)  # fmt: skip


@pytest.mark.parametrize("chunk_size", [7, 1000])
def test_rows_out_of_order_are_an_error_with_the_row(tmp_path, chunk_size):
    times = pd.date_range("2021-03-01", periods=60, freq="h").to_series().to_numpy().copy()
    times[[41, 42]] = times[[42, 41]]
    path = write(make_series(60, 2), tmp_path / "series.csv", date=times)
    with pytest.raises(ValueError, match=r"row 43 .*does not come after.*Sort the file by 'date'"):
        from_series(path, window=5, chunk_size=chunk_size)
    times = np.arange(60.0)
    times[30] = times[29]
    path = write(make_series(60, 2), tmp_path / "same.npz", when=times)
    with pytest.raises(ValueError, match=r"'when'.*row 31 \(29\)"):
        from_series(path, window=5, time="when", chunk_size=chunk_size)


def test_constant_columns_are_dropped_and_reported(tmp_path):
    values = make_series(100)
    values[:, 1] = 4.0
    path = write(values, tmp_path / "series.csv")
    task = from_series(path, window=3)
    assert task.input_names == task.output_names == ("a", "c")
    assert dict(task.report.dropped_columns) == {"b": "it is constant"}
    scaled = (values - values[:80].mean(0)) / np.where(values[:80].std(0) > 0, values[:80].std(0), 1)
    assert_moments(task.moments(), *(part[..., [0, 2]] for part in cut(scaled[:80], 3, 1)))
    with pytest.raises(ValueError, match=r"Target 'b' .*constant \(4\)"):
        from_series(path, window=3, target="b")


def test_short_parts_are_none(tmp_path):
    task = from_series(write(make_series(100), tmp_path / "series.csv"), window=15)
    assert task.draw().validation is None and task.split_moments().test is None
    assert sum("too few rows" in note for note in task.report.notes) == 2


def test_rows_are_counted_as_they_are_read(tmp_path):
    values = make_series(200, 2)
    path = write(values, tmp_path / "series.csv")
    plain = from_series(path, window=5)
    text = path.read_text()
    for number, other in enumerate(
        (text.replace("\n", "\r\n"), text.replace("\n", "\n\n"), text.rstrip("\n"), text + "\n\n")
    ):
        changed = tmp_path / f"changed{number}.csv"
        changed.write_bytes(other.encode())
        task = from_series(changed, window=5)
        assert task.report.rows == 200 and task.report.parts == plain.report.parts
        np.testing.assert_array_equal(task.draw().train.x, plain.draw().train.x)


def test_sample_has_the_length_of_the_window(tmp_path, key):
    task = from_series(write(make_series(100), tmp_path / "series.csv"), window=5, scale=Standardise())
    assert task.sample(7, key=key, length=5).x.shape == (7, 5, 3)
    with pytest.raises(ValueError, match="window=9"):
        task.sample(7, key=key, length=9)

"""What bad input gets: one sentence that names the place and the way out, before anything long is done."""

import inspect
import os
import re

import jax
import numpy as np
import pandas as pd
import pytest

from linnet._errors import InputError
from linnet.tasks import Whiten, from_series, from_table
from linnet.tasks._parts import as_fractions

GOOD = "a,b,y\n" + "\n".join(f"{i},{i * i % 7},{i % 5 + 0.5}" for i in range(40)) + "\n"


@pytest.fixture
def file(tmp_path):
    """Writes a file and returns its path."""

    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def short_head(monkeypatch):
    """Makes the head of a CSV file short, so that what comes after it is soon reached."""
    monkeypatch.setattr("linnet.tasks._csv_head._FIRST_READ", 1 << 12)


def refuses(pattern, call, *arguments, **options):
    """One sentence or a few, on one line, of the right class."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert re.search(pattern, message, re.DOTALL), message
    assert "\n" not in message and message.endswith((".", ")")) and message[0] not in " ,"
    return message


def lines(*rows):
    return "\n".join(rows) + "\n"


# --- the file itself ---


def test_files_that_are_not_there(tmp_path, file):
    path = file(GOOD)
    refuses("no file.*'data.csv' is there", from_table, tmp_path / "dta.csv", "y")
    refuses("folder.*does not exist", from_table, tmp_path / "nowhere" / "data.csv", "y")
    refuses("is a folder", from_table, tmp_path, "y")
    refuses(r"ending '\.xlsx'.*\.csv", from_table, file(b"x", "data.xlsx"), "y")
    refuses("ending ''", from_table, file(b"x", "data"), "y")
    assert from_table(str(path), "y").report.rows == 40


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(file):
    path = file(GOOD)
    path.chmod(0)
    refuses("permission", from_table, path, "y")


@pytest.mark.parametrize("read", [lambda path: from_table(path, "y"), lambda path: from_series(path, window=2)])
def test_files_without_rows(file, read):
    refuses("empty", read, file(b""))
    refuses("empty", read, file(b"\n\n\n"))
    refuses("header.*no rows", read, file("a,b,y\n"))
    refuses("header.*no rows", read, file("a,b,y"))
    refuses("empty", read, file(b"", "data.parquet"))
    refuses("empty", read, file(b"", "data.npz"))


@pytest.mark.parametrize("late", [0, 2000])
def test_ragged_files_are_located(file, late, short_head):
    rows = [f"{i},{i * i % 7},{i % 5 + 0.5},{'x' * 20}" for i in range(late + 40)]
    short, long = list(rows), list(rows)
    short[late + 12] = "1,2,3"
    long[late + 30] += ",9"
    columns = {"columns": ["a", "b"]}
    refuses(rf"line {late + 14} has 3 fields.*4", from_table, file(lines("a,b,y,s", *short)), "y", **columns)
    refuses(rf"line {late + 32} has 5 fields.*4", from_table, file(lines("a,b,y,s", *long)), "y", **columns)


def test_an_open_quote_is_located(file):
    rows = [f"{i},{i % 3},{i % 5}" for i in range(40)]
    rows[10] = '1,"2,3'
    refuses("line", from_table, file(lines("a,b,y", *rows)), "y")


@pytest.mark.parametrize("late", [0, 1000])
def test_bytes_that_are_not_utf8_are_located(file, late, short_head):
    content = (GOOD + "1,2,3\n" * late).encode() + b"1,\xe9,3\n"
    refuses(f"not UTF-8: byte {content.index(0xE9)} ", from_table, file(content), "y")


def test_a_broken_character_across_blocks_is_located(file):
    from linnet.tasks._csv_diagnose import CheckedStream

    content = b"a" * 9 + "é".encode() * 3 + b"\xc3" + b"(" + b"a" * 20
    for size in (1, 2, 3, 5, 7, 100):
        stream = CheckedStream((file(content)).open("rb"), 2, "'data.csv'")
        with pytest.raises(InputError, match="byte 15 "):
            while stream.read(size):
                pass


def test_other_text_encodings_and_binaries(file):
    refuses("UTF-16", from_table, file(GOOD.encode("utf-16")), "y")
    refuses("zero byte at byte 7", from_table, file(b"a,b,y\n1\x00,2,3\n"), "y")
    refuses("not UTF-8: byte 0", from_table, file(b"\x89PNG\r\n\x1a\n"), "y")
    assert from_table(file(b"\xef\xbb\xbf" + GOOD.encode()), "y").input_names == ("a", "b")


def test_corrupt_parquet(file, tmp_path):
    pd.DataFrame({"a": np.arange(5000.0) % 1.7, "y": np.arange(5000.0)}).to_parquet(tmp_path / "good.parquet")
    content = bytearray((tmp_path / "good.parquet").read_bytes())
    refuses("cannot be read as Parquet", from_table, file(GOOD, "text.parquet"), "y")
    refuses("cannot be read as Parquet", from_table, file(bytes(content[: len(content) // 2]), "half.parquet"), "y")
    content[200:2000] = os.urandom(1800)
    refuses("cannot be read as Parquet", from_table, file(bytes(content), "noise.parquet"), "y")


def test_corrupt_npz(file, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "good.npz", x=rng.normal(size=(500, 3)), y=rng.normal(size=500))
    content = bytearray((tmp_path / "good.npz").read_bytes())
    refuses("cannot be read as NPZ", from_table, file(GOOD, "text.npz"), "y")
    refuses("cannot be read as NPZ", from_table, file(bytes(content[: len(content) // 2]), "half.npz"), "y")
    content[3000:3100] = bytes(100)
    refuses("cannot be read as NPZ", from_table, file(bytes(content), "noise.npz"), "y")


def test_npz_of_objects_is_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    np.savez(tmp_path / "data.npz", x=np.zeros((4, 2)), y=np.array([Bomb()] * 4, dtype=object))
    refuses("'y'.*Python objects.*never unpickles", from_table, tmp_path / "data.npz", "y")
    refuses("Python objects", from_table, tmp_path / "data.npz", "x", columns=["x[0]"])
    assert not (tmp_path / "exploded").exists()


def test_npz_of_other_shapes(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    refuses(r"same number of rows.*x \(4, 2\), y \(5,\)", from_table, save(x=np.zeros((4, 2)), y=np.zeros(5)))
    refuses("same number of rows", from_table, save(x=np.zeros((4, 2)), y=np.float64(3)))
    refuses("without rows", from_table, save(x=np.zeros((0, 2)), y=np.zeros(0)))
    refuses("no arrays", from_table, save())
    complex_x = np.arange(20) * 1j
    refuses("'x' holds values of type complex128", from_table, save(x=complex_x, y=np.arange(20.0)))
    rng = np.random.default_rng(0)
    images = np.asfortranarray(rng.normal(size=(20, 2, 3)))
    task = from_table(save(x=images, y=rng.normal(size=(20, 2))), chunk_size=7)
    assert task.input_names == ("x[0,0]", "x[0,1]", "x[0,2]", "x[1,0]", "x[1,1]", "x[1,2]")
    assert task.output_names == ("y[0]", "y[1]")
    rows = np.asarray(task.draw().train.x) / np.asarray(task.scaling.x_scale) + np.asarray(task.draw().x_mean)
    flat = images.reshape(20, 6)
    np.testing.assert_allclose(np.abs(rows[:, None] - flat).max(axis=2).min(axis=1), 0, atol=1e-12)


# --- columns ---


def test_unknown_columns_come_with_the_closest_names(file):
    path = file(GOOD.replace("a,b,y", "sepal_length,sepal_width,Species"))
    refuses("no column 'species'; the closest is 'Species'", from_table, path, "species")
    refuses("'sepal_lenght'; the closest are 'sepal_length'", from_table, path, "Species", columns=["sepal_lenght"])
    refuses("'zzz'; it has 'sepal_length', 'sepal_width'", from_table, path, "zzz")
    refuses("A target is needed.*'sepal_length'", from_table, path)
    refuses("At least one target", from_table, path, [])
    refuses("At least one column", from_table, path, "Species", columns=[])
    refuses("given more than once", from_table, path, "Species", columns=["sepal_width", "sepal_width"])
    refuses("is the target and among the columns", from_table, path, "Species", columns=["sepal_width", "Species"])
    refuses("no column 'x'", from_series, path, ["x"], window=3)
    refuses("no column 'when'", from_series, path, window=3, time="when")
    refuses("time of each row and among", from_series, path, ["sepal_width"], window=3, time="sepal_width")
    refuses("no column other than 'y'", from_table, file("y\n1\n2\n3\n", "one.csv"), "y")


def test_duplicate_names(file, tmp_path):
    refuses("more than one column named 'a'.*header", from_table, file(GOOD.replace("a,b,y", "a,a,y")), "y")
    refuses("more than one column named '1.5'", from_table, file(lines("1.5,1.5,y", "1,2,3", "2,3,4")), "y")
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table([pa.array([1.0, 2.0]), pa.array([1.0, 2.0])], names=["a", "a"])
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet")
    refuses("more than one column named 'a'", from_table, tmp_path / "data.parquet", "a")


def test_numbers_are_names_too(file):
    task = from_table(file(GOOD.replace("a,b,y", "0,1,2")), "2")
    assert task.input_names == ("0", "1") and any("numbers only" in note for note in task.report.notes)


def frame_with(**columns):
    rng = np.random.default_rng(0)
    rows = len(next(iter(columns.values())))
    return pd.DataFrame({"a": rng.normal(size=rows), **columns, "y": rng.normal(size=rows)})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("rows", [12, 90, 400])
def test_free_text_is_refused(tmp_path, ending, rows):
    frame = frame_with(note=[f"customer {i} said something" for i in range(rows)])
    path = tmp_path / f"data.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    message = refuses(r"'note'.*free text.*different values.*--columns a\)", from_table, path, "y", chunk_size=1000)
    assert ("more than 100" in message) == (rows > 100)
    refuses("'note'.*cannot be a target", from_table, path, "note")
    assert from_table(path, "y", columns=["a"]).input_names == ("a",)


def test_categories_are_not_free_text(tmp_path):
    frame = frame_with(city=[f"city {i % 30}" for i in range(300)])
    frame.to_csv(tmp_path / "data.csv", index=False)
    assert len(from_table(tmp_path / "data.csv", "y").input_names) == 31


def test_dates_are_refused_in_tables(tmp_path):
    frame = frame_with(when=pd.date_range("2020-01-01", periods=50))
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.to_parquet(tmp_path / "data.parquet")
    for path in (tmp_path / "data.csv", tmp_path / "data.parquet"):
        refuses(r"'when' holds dates or times.*--columns a\)", from_table, path, "y")


def test_types_that_are_no_numbers(tmp_path):
    frame = frame_with(many=[[1.0, 2.0]] * 20)
    frame.to_parquet(tmp_path / "data.parquet")
    refuses("'many' holds values of type list", from_table, tmp_path / "data.parquet", "y")
    frame_with(word=["x", "z"] * 10).to_csv(tmp_path / "data.csv", index=False)
    refuses("'word' holds text.*needs numbers", from_series, tmp_path / "data.csv", ["word", "a"], window=3)
    refuses("'word' holds text.*target needs numbers", from_table, tmp_path / "data.csv", "word", classes=False)
    assert from_series(tmp_path / "data.csv", window=3).input_names == ("a", "y")


@pytest.mark.parametrize("late", [0, 1000])
def test_a_word_among_numbers_is_located(file, late, short_head):
    rows = [f"{i * 0.37},{'true' if i % 3 else 'false'},{i % 5 + 0.5}" for i in range(late + 60)]
    rows[late + 40] = "abc,true,2"
    message = refuses(f"'a'.*'abc' in line {late + 42}", from_table, file(lines("a,b,y", *rows)), "y")
    assert "--columns" in message
    rows[late + 40] = "1,maybe,2"
    if late:
        refuses(f"'b'.*'maybe' in line {late + 42}", from_table, file(lines("a,b,y", *rows)), "y")
    else:
        report = from_table(file(lines("a,b,y", *rows)), "y").report
        assert {column.name: column.categories for column in report.columns}["b"] == 3


def test_a_date_that_is_none_is_located(file, short_head):
    rows = [f"2020-01-{i % 28 + 1:02} {i % 24:02}:00,{i * i % 7},{i}" for i in range(1000)]
    rows[900] = "yesterday,1,2"
    refuses("'date'.*'yesterday' in line 902", from_series, file(lines("date,a,b", *rows)), window=3)


# --- values ---


def test_gaps_are_counted_and_located(file):
    rows = [[str(i), str(i * i % 7), str(i % 5 + 0.5)] for i in range(40)]
    rows[2][0], rows[9][0], rows[11][0], rows[30][0] = "", "NA", " ?", "nan"
    rows[5][1] = "inf"
    path = file(lines("a,b,y", *(",".join(row) for row in rows)))
    message = refuses(
        r"'a' has 4 missing values \(rows 3, 10, 12, \.\.\., counted from 1\)", from_table, path, "y", chunk_size=8
    )
    assert "'b' has 1 infinite value (row 6," in message
    assert "the 5 of 40 rows" in message and "--drop-missing" in message
    refuses("'a' has 4 missing", from_series, path, window=3)
    assert from_table(path, "y", drop_missing=True).report.dropped_rows == 5
    assert from_table(path, "y", columns=["a"], drop_missing=True).report.dropped_rows == 4


def test_nothing_left_after_dropping(file):
    half = lines("a,b,y", *(f"{'' if i % 2 else i},{i if i % 2 else ''},{i}" for i in range(20)))
    refuses("No row.*'a' has 10 missing", from_table, file(half), "y", drop_missing=True)
    empty = lines("a,b,y", *(f"{i * 0.5},,{i}" for i in range(20)))
    for drop in (True, False):
        refuses("'b'.*no value in any of the 20 rows", from_table, file(empty), "y", drop_missing=drop)


def test_values_whose_squares_overflow(file):
    refuses("'a'.*1.0e\\+200.*Rescale", from_table, file(GOOD + "1e200,1,1\n"), "y")
    refuses("Rescale", from_series, file(GOOD + "1e200,1,1\n"), window=3)


def test_constant_targets_and_inputs(file):
    refuses(
        r"Target 'y'.*constant \(2\)",
        from_table,
        file(lines("a,y", *(f"{i},2" for i in range(20)))),
        "y",
        classes=False,
    )
    refuses("one class only, '2'", from_table, file(lines("a,y", *(f"{i},2" for i in range(20)))), "y")
    refuses("one class only, 'cat'", from_table, file(lines("a,y", *(f"{i},cat" for i in range(20)))), "y")
    refuses("one class only, 'True'", from_table, file(lines("a,y", *(f"{i},true" for i in range(20)))), "y")
    refuses(r"Target 'y'.*constant \(0.1\)", from_table, file(lines("a,y", *(f"{i},0.1" for i in range(20)))), "y")
    refuses("all of 'a', 'b'.*constant", from_table, file(lines("a,b,y", *(f"1,x,{i}" for i in range(20)))), "y")
    refuses("constant", from_series, file(lines("a,b", *["1,2"] * 20)), window=3)
    # 0.1 is no binary fraction: a variance would not come out as exactly zero.
    task = from_table(file(lines("a,b,y", *(f"{i},0.1,{i * i}" for i in range(50)))), "y", chunk_size=7)
    assert dict(task.report.dropped_columns) == {"b": "it is constant"} and task.input_names == ("a",)


def test_constant_in_the_training_part_only(file):
    from linnet.tasks import Fractions

    test_row = int(np.flatnonzero(Fractions().assign(np.arange(30), 0) == 2)[0])
    rows = [f"{i},{int(i == test_row)},{'odd' if i == test_row else 'usual'},{i * i}" for i in range(30)]
    task = from_table(file(lines("a,b,c,y", *rows)), "y", scale=Whiten())
    reasons = dict(task.report.dropped_columns)
    assert reasons == dict.fromkeys(["b", "c=odd", "c=usual"], "it is constant in the training part")
    refuses("one class only, 'usual' in the training part", from_table, file(lines("a,b,c,y", *rows)), "c")


def test_too_few_rows(file):
    refuses("2 rows to train on", from_table, file("a,y\n1,2\n"), "y")
    path = file(GOOD)
    refuses("at least 41 rows, but .* has 40", from_series, path, window=40)
    refuses("at least 41 rows, but .* has 40", from_series, path, window=1, horizon=40)
    refuses("training part .* has 32 of its 40", from_series, path, window=32)
    gaps = file(GOOD.replace("\n4,", "\n,").replace("\n8,", "\n,").replace("\n12,", "\n,").replace("\n16,", "\n,"))
    rows = [line if i % 4 else "," + line.split(",", 1)[1] for i, line in enumerate(GOOD.splitlines()[1:])]
    gaps = file(lines("a,b,y", *rows))
    refuses("2 windows to train on", from_series, gaps, window=4, drop_missing=True)


@pytest.mark.parametrize("value", [0, -3, 2.5, True, "4", None])
def test_lengths_of_zero_or_less(file, value):
    plain = inspect.unwrap(from_series)  # without the run-time check of types, which only tests have
    refuses("window needs to be a whole number of at least 1", plain, file(GOOD), window=value)


def test_other_options(file):
    path = file(GOOD)
    refuses("horizon needs", from_series, path, window=3, horizon=0)
    refuses("chunk_size", from_series, path, window=3, chunk_size=0)
    refuses("chunk_size", from_table, path, "y", chunk_size=0)
    for split in ((0.5, 0.2, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.0, 0.0)):
        refuses("three shares.*sum to 1", from_table, path, "y", split=split)
    refuses("floating one.*int32", from_table, path, "y", dtype="int32")
    with jax.enable_x64(False):
        refuses("jax_enable_x64", from_series, path, window=3, dtype="float64")
        assert from_table(path, "y", seed=-1).moments().xx.dtype == "float32"
    refuses("three shares", inspect.unwrap(as_fractions), (0.5, 0.5))


# --- odd but good ---


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(file, delimiter, newline):
    plain = from_table(file(GOOD), "y")
    other = from_table(file(GOOD.replace(",", delimiter).replace("\n", newline), "other.csv"), "y")
    assert other.input_names == ("a", "b")
    np.testing.assert_array_equal(other.draw().train.x, plain.draw().train.x)


def test_decimal_commas(file):
    plain = from_table(file(GOOD), "y")
    other = from_table(file(GOOD.replace(",", ";").replace(".", ","), "other.csv"), "y")
    np.testing.assert_array_equal(other.draw().train.y, plain.draw().train.y)
    assert any("decimal comma" in note for note in other.report.notes)


def test_quotes_blanks_and_unnamed_columns(file):
    rows = [f"""{i}, {i * i % 7} ," {'left, ""or"" so' if i % 2 else "right"}",  {i % 5 + 0.5}""" for i in range(40)]
    text = '\n\n,"the, ""a""" ,side, y\n' + "\n\n".join(rows) + "\n\n"
    task = from_table(file(text), "y")
    assert task.input_names == ('the, "a"', 'side=left, "or" so', "side=right")
    assert any("column 1" in note for note in task.report.notes)


def test_line_breaks_in_quotes(file):
    rows = [f'{i},"{"first" if i % 2 else "one" + chr(10) + "two"}",{i % 5 + 0.5}' for i in range(40)]
    task = from_table(file(lines("a,b,y", *rows)), "y")
    assert task.input_names == ("a", "b=first", "b=one\ntwo")
    rows[30] = "1,2"
    refuses("line 47 ", from_table, file(lines("a,b,y", *rows)), "y")


def test_names_beyond_ascii(file):
    task = from_table(file(GOOD.replace("a,b,y", "größe,温度,y")), "y", columns=["温度", "größe"])
    assert task.input_names == ("温度", "größe")


def test_late_categories_and_numbers_in_other_forms(file):
    rows = [f"+{i}.,{i}e-1,{'u' if i < 6_000 else 'v'},{i % 11 + 0.5}" for i in range(6_050)]
    task = from_table(file(lines("a,b,c,y", *rows)), "y", split=(1.0, 0.0, 0.0), chunk_size=1000)
    assert task.input_names == ("a", "b", "c=u", "c=v")
    means = np.asarray(task.draw().x_mean)
    assert float(means[3]) == pytest.approx(50 / 6_050)
    assert float(means[1]) == pytest.approx(np.mean(np.arange(6_050)) / 10)


def test_rows_longer_than_a_block(file):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 20_000))
    header = ",".join(f"column_{i}" for i in range(20_000))
    path = file(lines(header, *(",".join(map(str, row)) for row in values)), "wide.csv")
    assert path.stat().st_size > 2**20
    task = from_table(path, "column_0", columns=["column_1", "column_19999"], split=(1.0, 0.0, 0.0))
    np.testing.assert_allclose(task.draw().x_mean, values[:, [1, 19999]].mean(0))


def test_memory_that_is_short_is_announced(file, monkeypatch):
    path = file(GOOD)
    monkeypatch.setattr(os, "sysconf", lambda name: 1)
    with pytest.warns(UserWarning, match="GiB of memory are free"):
        from_table(path, "y")


def spoil(content, rng):
    """The same bytes with a few of them changed, added or left out."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(content)))
        new = [b",", b"\n", b'"', b";", b"NaN", b"1e400", b"abc", b"\xff", b"\x00", b"true", b"\xc3\xa9", b"", b"1_0"]
        content[at : at + int(rng.choice([0, 1, 1, 30]))] = new[rng.integers(len(new))]
    return bytes(content)


@pytest.mark.parametrize("ending", ["csv", "npz", "parquet"])
def test_spoilt_files_get_a_sentence_or_are_read(tmp_path, ending, file):
    rng = np.random.default_rng(0)
    dates = pd.date_range("2020", periods=40).astype(str)
    frame = pd.DataFrame({"date": dates, "a": np.arange(40) * 0.3, "y": np.arange(40) % 3})
    good = tmp_path / f"good.{ending}"
    if ending == "csv":
        frame.to_csv(good, index=False)
    elif ending == "npz":
        np.savez(good, a=frame["a"].to_numpy(), y=frame["y"].to_numpy())
    else:
        frame.to_parquet(good)
    read = refused = 0
    for _ in range(100):
        path = file(spoil(good.read_bytes(), rng), f"spoilt.{ending}")
        for table in (True, False):
            try:
                from_table(path, "y", columns=["a"]) if table else from_series(path, window=3, drop_missing=True)
                read += 1
            except InputError as error:
                assert "\n" not in str(error)
                refused += 1
    assert read > 1 and refused > 50

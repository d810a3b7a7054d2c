"""Every config survives the way through TOML, and every wrong setting is a sentence."""

import dataclasses
import math
import tomllib

import pytest
from hypothesis import given, strategies as st

from linnet import config

NAMES = ["learn", "sequence", "reconstruct", *config.STUDIES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", config.PRESETS)
def test_every_preset_survives_toml(name, preset):
    loaded = config.load(name, preset, seed=7)
    text = config.dumps({"kind": name, "config": config.to_plain(loaded)})
    assert config.from_plain(type(loaded), tomllib.loads(text)["config"]) == loaded
    assert loaded.seed == 7


@pytest.mark.parametrize("name", NAMES)
def test_configs_are_frozen_and_the_default_preset_is_the_default(name):
    loaded = config.load(name)
    assert loaded == type(loaded)()
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.seed = 1
    assert config.load(name, "quick") != loaded != config.load(name, "paper")


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name):
    cls = type(config.load(name))
    for field in dataclasses.fields(cls):
        assert f"{field.name}: " in (cls.__doc__ or ""), f"{cls.__name__}.{field.name} has no line in the docstring."


values = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
    st.lists(st.floats(allow_nan=False)),
)
tables = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=4)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values | tables, max_size=5))
def test_the_writer_is_undone_by_the_standard_library(content):
    assert same(tomllib.loads(config.dumps(content)), content)


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and (a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))


def test_nothing_is_left_out_but_none():
    assert tomllib.loads(config.dumps({"a": None, "b": {"c": {}}, "d": 1})) == {"b": {"c": {}}, "d": 1}
    with pytest.raises(ValueError, match="A config holds"):
        config.dumps({"a": object()})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "--hidden must be at least 1, got 0"),
        ({"window": 0}, "--window must be at least 1, got 0"),
        ({"horizon": -1}, "--horizon must be at least 1"),
        ({"depths": (1, 0)}, "--depths must be at least 1, got 0"),
        ({"depths": ()}, "--depths needs at least one"),
        ({"depths": (2, 2)}, "--depths needs at least one depth and each only once"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"seed": 2**32}, "--seed must be below"),
        ({"scale": 0.0}, "--scale must be a positive number"),
        ({"scale": math.nan}, "--scale must be a positive number"),
        ({"rate": -1.0}, "--rate must be a positive number"),
        ({"rate": math.inf}, "--rate must be a positive number"),
        ({"hiden": 3}, "did you mean hidden"),
        ({"hidden": 1.5}, "hidden needs a whole number, got 1.5"),
        ({"hidden": True}, "hidden needs a whole number"),
        ({"target": "y"}, "target needs a list"),
    ],
)
def test_a_wrong_setting_is_a_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("learn", **settings)


def test_an_unknown_study_or_preset_is_a_sentence():
    with pytest.raises(ValueError, match="saxe2014-modes"):
        config.load("saxe-modes")
    with pytest.raises(ValueError, match="quick, default, paper"):
        config.load("learn", "fast")
    assert config.title("saxe2014-modes").endswith(".")

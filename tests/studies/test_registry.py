"""Every study has settings, presets, a citation and a function under its name."""

import pytest

from linnet import config, studies
from linnet._cite import bibliography, citations


def test_every_study_with_settings_has_code():
    assert set(studies.STUDIES) == set(config.STUDIES)


@pytest.mark.parametrize("name", sorted(config.STUDIES))
def test_studies_are_cited_and_named(name):
    study = studies.STUDIES[name]
    assert getattr(studies, name.replace("-", "_")) is study
    assert citations(study) and "@" in bibliography(citations(study))
    assert [config.load(name, preset, seed=3).seed for preset in config.PRESETS] == [3, 3, 3]
    assert config.title(name).endswith(".") and (study.__doc__ or "").partition("\n")[0].endswith(".")

"""A job file is refused before the first record, and the answer says what was meant."""

from dataclasses import dataclass, field

import pytest

from pipelines.spine import config, flags
from pipelines.spine.config import ConfigError


@dataclass(frozen=True)
class Rules:
    min_side: int = 200
    max_aspect: float = 3.0
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    name: str
    rules: Rules = field(default_factory=Rules)
    prices: Rules | None = None
    limit: int | None = None


def test_sections_become_dataclasses():
    job = config.build(Job, {"name": "x", "rules": {"min_side": 64, "words": ["a", "b"]}, "prices": {"max_aspect": 2}})
    assert job == Job("x", Rules(64, words=("a", "b")), Rules(max_aspect=2.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "rules": {"min_sid": 64}}, r"unknown key 'rules\.min_sid'; did you mean 'min_side'\?"),
        ({"name": "x", "ruels": {}}, r"unknown key 'ruels'; did you mean 'rules'\?"),
        ({"name": "x", "zzz": 1}, r"unknown key 'zzz'; known here: limit, name, prices, rules"),
        ({"name": "x", "rules": {"min_side": "64"}}, r"'rules\.min_side': expected int, found '64'"),
        ({"name": "x", "rules": {"min_side": 6.5}}, r"'rules\.min_side': expected int, found 6\.5"),
        ({"name": "x", "rules": {"min_side": True}}, r"'rules\.min_side': expected int, found True"),
        ({"name": "x", "rules": 7}, r"'rules': expected Rules, found 7"),
        ({"name": "x", "limit": "ten"}, r"'limit': expected int \| None, found 'ten'"),
        ({}, r"missing key 'name': expected str"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(values: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        config.build(Job, values)


def test_settings_are_laid_over_the_file():
    assert config.override({"rules": {"min_side": 1, "max_aspect": 2.0}}, ["rules.min_side=5", "name=x"]) == {
        "rules": {"min_side": 5, "max_aspect": 2.0},
        "name": "x",
    }


@pytest.mark.parametrize("setting", ["rules.min_side", "=3", ""])
def test_a_setting_without_a_value_is_refused(setting: str):
    with pytest.raises(ConfigError, match=r"expects a\.b=value"):
        config.override({}, [setting])


def test_a_setting_below_a_value_is_refused():
    with pytest.raises(ConfigError, match="is a value, not a section"):
        config.override({"name": "x"}, ["name.first=y"])


def test_a_plain_config_builds_the_same_job_again():
    job = Job("x", Rules(64, words=("a",)))
    assert config.build(Job, config.to_plain(job)) == job


def test_an_unknown_flag_is_answered_with_the_right_one():
    with pytest.raises(ConfigError, match=r"unknown flag '--direct_num_worker=2'; did you mean '--direct_num_workers'\?"):
        flags.parse(["--input=x", "--direct_num_worker=2"], "")


def test_the_local_runner_is_the_same_on_every_machine():
    assert flags.parse([], "").is_local
    assert flags.parse(["--runner=DirectRunner"], "").is_local
    assert not flags.parse(["--runner=DataflowRunner"], "").is_local


def test_flags_are_short_for_settings():
    command = flags.parse(["--input=a", "--output", "b", "--limit=3", "--set", "input.corpus=c"], "")
    assert command.settings == {"input": {"path": "a", "limit": 3, "corpus": "c"}, "output": {"folder": "b"}}

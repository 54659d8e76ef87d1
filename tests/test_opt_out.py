"""What X-Robots-Tag says, read by cases from Google's documentation and from DeviantArt's directive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest.opt_out import NO_TRAINING, opted_out, robot_of


@pytest.mark.parametrize(
    ("headers", "directive"),
    [
        (["noai"], "noai"),
        (["noindex, noai"], "noindex"),
        (["nofollow,noimageai"], "noimageai"),
        (["  NoImageIndex  "], "noimageindex"),
        (["none"], "none"),
        (["nosnippet", "max-image-preview: large", "noai"], "noai"),
        (["ours: noai"], "noai"),
        (["OURS : nofollow, noindex"], "noindex"),
        (["*: noai"], "noai"),
        (["googlebot: nofollow, ours: noindex"], "noindex"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], "noai"),
        (["max-snippet: 10, noindex"], "noindex"),
        ([], None),
        ([""], None),
        (["all"], None),
        (["nofollow, nosnippet, noarchive"], None),
        (["googlebot: noindex"], None),
        (["ours: nofollow, googlebot: noindex, noai"], None),
        (["noairplanes", "xnoai"], None),
        ([":", ",,", ":noai,"], "noai"),
    ],
)
def test_directives_for_all_and_for_us_count_and_those_for_others_do_not(headers: list[str], directive: str | None):
    assert opted_out(headers, "ours", NO_TRAINING) == directive


@given(st.lists(st.text(max_size=30), max_size=4))
def test_any_header_is_read(headers: list[str]):
    assert opted_out(headers, "ours", NO_TRAINING) in (None, "none", *NO_TRAINING)


def test_what_counts_is_the_jobs_to_say():
    assert opted_out(["noai, noindex"], "ours", ("noindex",)) == "noindex"
    assert opted_out(["noai, none"], "ours", ("noai",)) == "noai"
    assert opted_out(["noai, none"], "ours", ()) is None


@pytest.mark.parametrize(("agent", "robot"), [("My-Lab/1.0 (+https://my.lab)", "my-lab"), ("plain", "plain"), ("Two words", "two")])
def test_a_robot_is_named_by_the_first_word_of_its_user_agent(agent: str, robot: str):
    assert robot_of(agent) == robot

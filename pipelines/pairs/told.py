"""What the report of a run over image-text pairs counts: every threshold of its rules, and what the pool looks like."""

from collections.abc import Sequence

from pipelines.pairs import rules
from pipelines.pairs.rules import PairJob
from pipelines.report.measured import METRICS, PLANES
from pipelines.report.metrics import Bar, Side, Told
from pipelines.report.telling import Telling
from schemas import columns as c

ALT_TEXT_ASKED_FIRST = ("no_alt_text", "file_name", "web_address", "no_letters", "date_only", "long_digit_run")
_COUNTED = (
    *("shorter_side", "aspect", "source_bytes", "colour_std", "sharpness", "alt_text_chars", "alt_text_words", "language_confidence"),
    *("nsfw_score", "faces", "clip_score", "duplicate_count", "caption_clip_score", "caption_chars", "copy_similarity"),
    *("completion_tokens", "answer_seconds"),
)
_LABELS = (
    (c.LANGUAGE.name, "Language of the alt text"),
    (c.IMAGE_FORMAT.name, "Format of the image"),
    (c.SOURCE_LICENSE.name, "Licence"),
    (c.CORPUS.name, "Corpus"),
    (c.CAPTION_SOURCE.name, "Text that a sample trains on"),
    (c.CAPTION_FAULT.name, "Fault of a caption that was set aside"),
    (c.SEEN.name, "What the captioner saw"),
    (c.FINISH_REASON.name, "How answers ended"),
    (c.CLIP_MODEL.name, "Embedder of the scores"),
)


def telling(job: PairJob, further: Sequence[Bar] = ()) -> Telling:
    """Return what is told of a run of ``job``; ``further`` are thresholds of its own."""
    told = Told((*_bars(job), *further), tuple(METRICS[name] for name in _COUNTED), _LABELS, tuple(PLANES.values()))
    return Telling({"ledger": told}, job.output.seed)


def bar(key: str, metric: str, step: str, reason: str, side: Side, threshold: float, before: Sequence[str] = ()) -> Bar:
    """Return the bar at ``threshold`` on the metric of that name."""
    return Bar(key, METRICS[metric], step, reason, side, threshold, tuple(before))


def _bars(job: PairJob) -> list[Bar]:
    content = rules.CONTENT if job.decode.pixels else rules.CONTENT_OF_HEADERS
    return [
        bar("image_size.min_side", "shorter_side", rules.SIZE, "too_small", "min", job.image_size.min_side),
        bar("image_size.max_aspect", "aspect", rules.SIZE, "too_elongated", "max", job.image_size.max_aspect, ("too_small",)),
        bar("image_content.min_colour_std", "colour_std", content, "solid_colour", "min", job.image_content.min_colour_std),
        bar("image_content.min_bytes", "source_bytes", content, "tiny_file", "min", job.image_content.min_bytes, ("solid_colour",)),
        bar("not_safe.max_score", "nsfw_score", rules.NOT_SAFE, "not_safe", "max", job.not_safe.max_score),
        *([] if job.faces.max_faces is None else [bar("faces.max_faces", "faces", rules.FACES, "faces", "max", job.faces.max_faces)]),
        *_of_alt_texts(job),
        bar("language.min_confidence", "language_confidence", rules.LANGUAGE, "language_unsure", "min", job.language.min_confidence,
            ("language",)),
        *_of_scores(job),
    ]  # fmt: skip


def _of_alt_texts(job: PairJob) -> list[Bar]:
    rule, first = job.alt_text, ALT_TEXT_ASKED_FIRST
    asked: tuple[tuple[str, str, str, Side, int], ...] = (
        ("alt_text.min_chars", "alt_text_weight", "too_short", "min", rule.min_chars),
        ("alt_text.max_chars", "alt_text_chars", "too_long", "max", rule.max_chars),
        ("alt_text.min_words", "alt_text_words", "too_few_words", "min", rule.min_words),
        ("alt_text.max_words", "alt_text_words", "too_many_words", "max", rule.max_words),
    )
    bars: list[Bar] = []
    for key, metric, reason, side, threshold in asked:
        bars.append(bar(key, metric, rules.ALT_TEXT, reason, side, threshold, (*first, *(b.reason for b in bars))))
    return bars


def _of_scores(job: PairJob) -> list[Bar]:
    """Return the bar of relevance; with two embedders there are two scales in one column, and no threshold over both."""
    if len(job.embedders) != 1:
        return []
    rule = rules.relevance(job.embedders[0], job.clip, c.CLIP_SCORE, "min_score")
    return [bar(rule.setting, "clip_score", rules.RELEVANCE, "irrelevant", "min", rule.threshold, ("no_score",))]

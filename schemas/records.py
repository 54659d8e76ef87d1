"""Record schemas: compositions of the columns, one per place where a table rests."""

import json

import pyarrow as pa

from schemas import columns as c

SCHEMA_VERSION = 2
"""Part of the identity of every pass: raised when a column changes, so that no pass reads what another version wrote."""

SOURCE = (c.SPLIT_ID, c.ROW, c.CORPUS, c.SOURCE_LICENSE, c.SOURCE_PATH, c.SOURCE_MEMBER, c.SOURCE_OFFSET, c.SOURCE_BYTES, c.URL)
SIGNALS = (c.IMAGE_HASH, c.IMAGE_FORMAT, c.WIDTH, c.HEIGHT, c.ANIMATED, c.COLOUR_STD)
LOOKS = (c.LANGUAGE, c.LANGUAGE_CONFIDENCE, c.OTHER_SCRIPT_SHARE, c.NSFW_SCORE, c.FACES, c.IMAGE_MD5, c.IMAGE_SHA256)
EVIDENCE = (c.LABELS, c.OCR_TEXT)
NEAR = (c.SHARPNESS, c.PERCEPTUAL_HASHES, c.ALT_TEXT_WORDS, c.SHINGLES, c.MINHASH)
SCORES = (c.CLIP_SCORE, c.CLIP_MODEL, c.UNSCORED, c.IMAGE_EMBEDDING, c.EMBEDDING_MODEL)
TWINS = (c.ALT_TEXTS, c.ALT_TEXT_COUNT, c.DUPLICATE_COUNT)
CARRIED = (*SCORES, *TWINS)
"""What an earlier run found out and a Parquet input brings along: it is not made again."""
ANSWER = (
    c.CAPTION, c.UNWRAPPED, c.CAPTION_MODEL, c.PROMPT_VERSION, c.SEEN, c.FINISH_REASON,
    c.PROMPT_TOKENS, c.COMPLETION_TOKENS, c.ANSWER_SECONDS, c.COPY_SIMILARITY,
)  # fmt: skip
FACTS = (c.NAMES_KEPT, c.NAMES_LOST, c.NAMES_ADDED, c.WORDS_ADDED, c.WORDS_UNSUPPORTED, c.ECHO)
ENRICHMENT = (c.WORDS_SEEN, c.ENRICHED)
CHECKED = (c.CAPTION_PERSONAL_DATA, *FACTS, c.CAPTION_CLIP_SCORE, *ENRICHMENT)
MIXED = (c.TEXT, c.CAPTION_SOURCE, c.CAPTION_FAULT)
DOWNLOAD = (c.FINAL_URL, c.HTTP_STATUS, c.CONTENT_TYPE, c.ATTEMPTS)
EXITS = (c.EXIT, c.STEP, c.REASON, c.VALUE, c.THRESHOLD, c.ERROR, c.MERGED_INTO)

IMAGE_TEXT = pa.schema([c.SAMPLE_ID, *SOURCE, c.IMAGE, c.ALT_TEXT, *CARRIED])
"""An image-text sample as a reader yields it."""

ANNOTATION = pa.schema([c.SAMPLE_ID, *SOURCE, c.ALT_TEXT, *CARRIED, *SIGNALS, *LOOKS, *EVIDENCE, *NEAR, *EXITS])
"""What the annotate pass leaves on disk: every row, its signals and its exit so far, no image bytes."""

SCORED = pa.schema([c.SPLIT_ID, c.ROW, *SCORES])
"""What the embed pass leaves on disk."""

CONCEPT = (c.CONCEPTS, c.CONCEPT_PROBABILITY)

DECISION = pa.schema([c.SPLIT_ID, c.ROW, c.ALT_TEXT_PERSONAL_DATA, *TWINS, *EXITS])
"""What crosses the shuffle back to a split: verdicts and merges, no signals."""

CURATION = pa.schema([c.SPLIT_ID, c.ROW, c.ALT_TEXT_PERSONAL_DATA, *TWINS, *CONCEPT, *EXITS])
"""What was decided on a split by caption curation."""

CURATED = pa.schema(
    [
        *(c.SAMPLE_ID, *SOURCE, c.IMAGE, c.ALT_TEXT, *SIGNALS, c.SHARPNESS, c.PERCEPTUAL_HASHES, c.ALT_TEXT_WORDS, *LOOKS),
        *(c.ALT_TEXT_PERSONAL_DATA, *SCORES, *TWINS, *CONCEPT),
    ]
)
"""A curated sample, as recaptioning reads it."""

CURATED_FRAGMENT = pa.schema([*CURATED, *EXITS])
"""A committed split of caption curation: every row with its exit, image bytes only where kept."""

CURATED_LEDGER = pa.schema([field for field in CURATED_FRAGMENT if field not in (c.IMAGE, c.IMAGE_EMBEDDING)])
"""One line for each row of the input: where it came from, all that was measured of it, and by which door it left."""

RECAPTIONED = pa.schema(
    [
        *(c.SAMPLE_ID, *SOURCE, c.IMAGE, c.ALT_TEXT, *SIGNALS, *LOOKS, *EVIDENCE),
        *(c.ALT_TEXT_PERSONAL_DATA, c.CLIP_SCORE, c.CLIP_MODEL, c.UNSCORED, *TWINS, *ANSWER, *CHECKED, *MIXED),
    ]
)
"""A sample of the recaption job, as the trainer reads it."""

FRAGMENT = pa.schema([*RECAPTIONED, *EXITS])
"""A committed split: every row with its exit, image bytes only where kept."""

LEDGER = pa.schema([field for field in FRAGMENT if field.name != c.IMAGE.name])
"""One line for each row of the input: where it came from, all that was measured of it, and by which door it left."""

DEAD_LETTER = pa.schema([c.SAMPLE_ID, *SOURCE, c.STEP, c.REASON, c.ERROR])
"""The dead letters: enough to find the source file and read what went wrong."""

RECAPTIONER_DATA = pa.schema(
    [
        *(c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.SOURCE_LICENSE, c.IMAGE_HASH, c.MESSAGES, c.IMAGES, c.VERDICT, c.REASON, c.VALUE, c.THRESHOLD),
        *(c.CAPTION_MODEL, c.PROMPT_VERSION, c.SEEN, c.LANGUAGE, c.COPY_SIMILARITY, c.CLIP_SCORE, c.CLIP_MODEL, *CHECKED),
    ]
)
"""A caption with its verdict, as a recaptioner is trained on it."""


LISTED = pa.schema([c.SAMPLE_ID, *SOURCE, c.IMAGE, c.ALT_TEXT, c.METADATA, c.LISTED_HASH])
"""A row of a list of addresses, before its image is there."""

INGESTED = pa.schema([*LISTED, *DOWNLOAD, c.IMAGE_HASH, c.IMAGE_FORMAT, c.WIDTH, c.HEIGHT, c.ANIMATED, c.ORIGINAL_WIDTH, c.ORIGINAL_HEIGHT])
"""A sample of the ingest job: an image that was downloaded, with what its list says of it."""

INGESTED_FRAGMENT = pa.schema([*INGESTED, c.OPTED_OUT, *EXITS])
"""A committed split of a list: every row with its exit, image bytes only where kept."""

INGESTED_LEDGER = pa.schema([field for field in INGESTED_FRAGMENT if field.name != c.IMAGE.name])
"""One line for each row of a list: what its address came to, and by which door it left."""

INGESTED_DEAD = pa.schema([*DEAD_LETTER, *DOWNLOAD])
"""The dead letters of the ingest job."""


def with_features(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` with the metadata by which ``datasets`` shows its image columns as images."""
    features = {field.name: _feature(field.type) for field in schema}
    info = {"info": {"features": features}}
    return schema.with_metadata({**(schema.metadata or {}), b"huggingface": json.dumps(info).encode()})


def _feature(kind: pa.DataType) -> object:
    if kind == c.IMAGE_TYPE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):  # the literal form: `datasets` below 4 knows no `List`
        return [_feature(kind.value_type)]
    if pa.types.is_struct(kind):
        return {f.name: _feature(f.type) for f in kind}
    names = {"float": "float32", "double": "float64"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}

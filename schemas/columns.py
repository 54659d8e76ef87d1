"""Every column of the project, declared once.

A column is a ``pa.Field`` whose metadata says what it holds (``doc``), in what ``unit``, and which ``source`` the
definition comes from. Record schemas (``schemas.records``) are compositions of these fields; ``docs/data-dictionary.md``
is generated from them.
"""

import pyarrow as pa


def column(name: str, kind: pa.DataType, doc: str, *, unit: str = "", source: str = "ours", null: bool = True) -> pa.Field:
    """Return the field ``name`` with its documentation in the metadata."""
    return pa.field(name, kind, nullable=null, metadata={"doc": doc, "unit": unit, "source": source})


IMAGE_TYPE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
LABEL_TYPE = pa.struct([pa.field("label", pa.string()), pa.field("probability", pa.float32())])
MESSAGES_TYPE = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
PLACE_TYPE = pa.struct([pa.field("split_id", pa.string()), pa.field("row", pa.int32())])

# Identity: where a sample comes from, and how its rows are joined.
SAMPLE_ID = column(
    "sample_id",
    pa.string(),
    "xxh3-128 over the encoded image and the corpus name, of a question over its prompt, choices and images; exact duplicates share it",
    unit="32 hex digits",
)
SPLIT_ID = column(
    "split_id", pa.string(), "the split that the sample was read in; rows join on (split_id, row)", unit="32 hex digits", null=False
)
ROW = column("row", pa.int32(), "position of the sample in its split", unit="rows", null=False)
CORPUS = column("corpus", pa.string(), "name of the corpus, from the job", null=False)
SOURCE_LICENSE = column("source_license", pa.string(), "licence as the source states it, else the job's `input.license`", null=False)
SOURCE_PATH = column(
    "source_path", pa.string(), "file that holds the encoded image: a tar, a Parquet file, or the image itself", null=False
)
SOURCE_MEMBER = column(
    "source_member",
    pa.string(),
    "name inside `source_path`, `row 7 of image` in a Parquet file, `row 7` in a list of addresses or a Parquet file of questions (rows "
    "count from 0), `line 8` in a JSONL of questions (lines from 1), null where the file is the image",
)
SOURCE_OFFSET = column(
    "source_offset",
    pa.int64(),
    "first byte of the image, of the line of JSON, or of the damage, inside `source_path`; 0 in a Parquet file or a list",
    unit="bytes",
    null=False,
)
SOURCE_BYTES = column("source_bytes", pa.int64(), "length of the encoded image as it came", unit="bytes", null=False)
URL = column("url", pa.string(), "address that the image was downloaded from, where the source kept it")

# What came with the sample.
IMAGE = column(
    "image",
    IMAGE_TYPE,
    "the encoded image as it came, re-encoded only where ingest was asked to `resize`; `path` is its name in the source",
    source="datasets Image feature",
)
ALT_TEXT = column("alt_text", pa.string(), "text that came with the image, Unicode NFC, outer whitespace removed")

# The download.
METADATA = column("metadata", pa.string(), "further columns of the list that the job names, as a JSON object")
LISTED_HASH = column(
    "listed_hash", pa.string(), "hash of the image as the list gives it, `sha256:...` or `md5:...`; the download was held against it"
)
FINAL_URL = column("final_url", pa.string(), "address that gave the last answer, after redirects; null where none did")
HTTP_STATUS = column("http_status", pa.int32(), "status of the last answer", unit="HTTP status", source="RFC 9110")
CONTENT_TYPE = column("content_type", pa.string(), "what the last answer said of itself; the bytes decide", source="RFC 9110")
ATTEMPTS = column("attempts", pa.int32(), "how often the download was begun; 0 where the address was refused", unit="attempts")
OPTED_OUT = column(
    "opted_out", pa.string(), "directive by which the owner opted out; the image was then not read", source="X-Robots-Tag, Google"
)
ORIGINAL_WIDTH = column("original_width", pa.int32(), "width of the image as it came, as displayed, after EXIF rotation", unit="pixels")
ORIGINAL_HEIGHT = column("original_height", pa.int32(), "height of the image as it came, as displayed, after EXIF rotation", unit="pixels")

# Signals of the one decode.
IMAGE_HASH = column("image_hash", pa.string(), "xxh3-128 of the encoded image", unit="32 hex digits")
IMAGE_FORMAT = column(
    "image_format", pa.string(), "format that the decoder found, whatever the file name says", source="Pillow format names"
)
WIDTH = column("width", pa.int32(), "width as displayed, after EXIF rotation", unit="pixels")
HEIGHT = column("height", pa.int32(), "height as displayed, after EXIF rotation", unit="pixels")
ANIMATED = column("animated", pa.bool_(), "the file holds more than one frame; signals are those of the first")
COLOUR_STD = column("colour_std", pa.float32(), "largest standard deviation of a colour channel over the decoded pixels", unit="0-255")
PERCEPTUAL_HASHES = column(
    "perceptual_hashes",
    pa.list_(pa.uint64()),
    "256 bits, coarse to fine, of what the image shows, as 4 words: the whole image's first, then those of two slight crops; "
    "empty where it shows next to nothing",
    unit="bits",
)
SHARPNESS = column("sharpness", pa.float32(), "variance of the Laplacian over the grey decoded pixels", unit="squared grey levels")

# What the texts are, and what keeps a sample out of a corpus that is given away.
LANGUAGE = column(
    "language",
    pa.string(),
    "language of the alt text: ISO 639-1, 639-3 where there is none, `und` where none can be told",
    source="fastText lid.176",
)
LANGUAGE_CONFIDENCE = column("language_confidence", pa.float32(), "how sure the language is", unit="0-1")
OTHER_SCRIPT_SHARE = column("other_script_share", pa.float32(), "share of the alt text's letters outside its main script", unit="0-1")
NSFW_SCORE = column("nsfw_score", pa.float32(), "probability of sexual content in the image", unit="0-1", source="Yahoo open_nsfw")
FACES = column("faces", pa.int32(), "faces found in the image", unit="faces")
ALT_TEXT_PERSONAL_DATA = column(
    "alt_text_personal_data", pa.list_(pa.string()), "kinds of personal data in the alt text: card_number, email, phone"
)
CAPTION_PERSONAL_DATA = column(
    "caption_personal_data", pa.list_(pa.string()), "kinds of personal data in the caption: card_number, email, phone"
)
IMAGE_MD5 = column(
    "image_md5", pa.string(), "MD5 of the encoded image, where a blocklist needs it", unit="32 hex digits", source="RFC 1321"
)
IMAGE_SHA256 = column(
    "image_sha256", pa.string(), "SHA-256 of the encoded image, where a blocklist needs it", unit="64 hex digits", source="FIPS 180-4"
)
# Relevance: how well a text fits its image.
CLIP_SCORE = column(
    "clip_score", pa.float32(), "cosine of image and alt text by `clip_model`, rounded to 4 decimals", unit="-1 to 1", source="paper 3.1"
)
CAPTION_CLIP_SCORE = column(
    "caption_clip_score",
    pa.float32(),
    "cosine of image and caption by `clip_model`, rounded to 4 decimals",
    unit="-1 to 1",
    source="paper 3.1",
)
IMAGE_EMBEDDING = column(
    "image_embedding", pa.list_(pa.float32()), "unit vector of the image by `embedding_model`, elements rounded to 5 decimals"
)
EMBEDDING_MODEL = column("embedding_model", pa.string(), "embedder of `image_embedding`, as `clip_model` names it")
UNSCORED = column("unscored", pa.string(), "why the alt text has no CLIP score: `language`, which no model of the job reads")
CLIP_MODEL = column("clip_model", pa.string(), "embedder of the scores, such as `ViT-B-32/openai`; `conse` is no CLIP")

# Concept balance.
CONCEPTS = column("concepts", pa.list_(pa.string()), "entries of the vocabulary that stand in the alt text", source="MetaCLIP")
CONCEPT_PROBABILITY = column(
    "concept_probability",
    pa.float64(),
    "probability with which concept balance keeps the sample, rounded to 9 decimals",
    unit="0-1",
    source="MetaCLIP 2",
)

# Evidence for a captioner that cannot see.
LABELS = column("labels", pa.list_(LABEL_TYPE), "classes that an image classifier is most sure of, best first")
OCR_TEXT = column("ocr_text", pa.list_(pa.string()), "lines of text read in the image, in reading order")

# Exact duplicates.
ALT_TEXTS = column("alt_texts", pa.list_(pa.string()), "up to 16 distinct alt texts of the merged duplicates, the sample's own first")
ALT_TEXT_COUNT = column("alt_text_count", pa.int32(), "number of distinct alt texts before the cut to 16", unit="texts")
DUPLICATE_COUNT = column("duplicate_count", pa.int32(), "number of rows merged into this one", unit="rows")

# Near-duplicates among the texts.
ALT_TEXT_WORDS = column(
    "alt_text_words", pa.float32(), "words of the alt text; a character of a script without spaces is half of one", unit="words"
)
SHINGLES = column(
    "shingles",
    pa.list_(pa.uint32()),
    "runs of three words of the alt text, each as a hash, ascending and distinct; null where it has fewer words",
)
MINHASH = column(
    "minhash",
    pa.binary(256),
    "MinHash signature of `shingles`: 128 places, each uint16, little-endian; null where they are",
    source="arXiv 1704.04370",
)

# The caption.
CAPTION = column("caption", pa.string(), "what the captioner wrote, Unicode NFC", source="paper 3.1")
UNWRAPPED = column("unwrapped", pa.bool_(), "the answer held a closed thought, or tags around the caption, which were taken off")
CAPTION_MODEL = column("caption_model", pa.string(), "model name and revision that wrote the caption")
PROMPT_VERSION = column("prompt_version", pa.string(), "version in the header of the prompt file")
SEEN = column("seen", pa.string(), "what the captioner had before it: `image`, or `description` (labels and text found in the image)")
SEEN_IMAGE, SEEN_DESCRIPTION = "image", "description"
FINISH_REASON = column(
    "finish_reason",
    pa.string(),
    "why the server stopped, in its own words: stop, length, content_filter, eos_token, ...",
    source="OpenAI chat completions",
)
PROMPT_TOKENS = column(
    "prompt_tokens",
    pa.int32(),
    "tokens of the request, as the server counted them; 0 where an equal request of the same split was answered",
    unit="tokens",
)
COMPLETION_TOKENS = column("completion_tokens", pa.int32(), "tokens of the answer, as the server counted them", unit="tokens")
ANSWER_SECONDS = column("answer_seconds", pa.float32(), "wall time of the request that was answered", unit="seconds")
COPY_SIMILARITY = column("copy_similarity", pa.float32(), "normalised edit similarity of caption and alt text; 1 is a copy", unit="0-1")

# The mix of originals and recaptions.
TEXT = column("text", pa.string(), "what the trainer reads beside the image: the alt text as it came, or the caption", source="paper 3.1")
CAPTION_SOURCE = column("caption_source", pa.string(), "which of them `text` is: `original` or `recaption`", source="paper 3.1")
CAPTION_FAULT = column("caption_fault", pa.string(), "reason for which the caption was set aside while the sample stays with its alt text")
# Facts of the alt text in the caption.
NAMES_KEPT = column(
    "names_kept", pa.list_(pa.string()), "proper names of the alt text, credits apart, that the caption keeps", source="paper 3.1"
)
NAMES_LOST = column(
    "names_lost", pa.list_(pa.string()), "proper names of the alt text, credits apart, that the caption drops or alters", source="paper 3.1"
)
NAMES_ADDED = column("names_added", pa.list_(pa.string()), "proper names of the caption that neither alt text nor evidence holds")
WORDS_ADDED = column(
    "words_added",
    pa.list_(pa.string()),
    "content words that the caption adds to the alt text and the evidence supports, folded",
    source="paper 3.1",
)
WORDS_UNSUPPORTED = column(
    "words_unsupported",
    pa.list_(pa.string()),
    "content words that the caption adds and the evidence does not hold: the image has to support them",
)
WORDS_SEEN = column(
    "words_seen",
    pa.list_(pa.string()),
    "those of `words_unsupported` that the image supports by `clip_model`'s embedder; null where it was not asked",
    source="paper 3.1",
)
ENRICHED = column(
    "enriched",
    pa.bool_(),
    "the caption adds at least one content word that the evidence or the image supports; null where neither could be asked",
    source="paper 3.1",
)
ECHO = column("echo", pa.bool_(), "the caption adds no content word at all")

# The exit of a row.
EXIT = column("exit", pa.string(), "the door the row left by: kept, dropped, merged, dead; null while it is under way")
STEP = column("step", pa.string(), "sentence of the step at which the row left; null where kept")
REASON = column("reason", pa.string(), "why it left; null where kept")
VALUE = column("value", pa.float64(), "the number that decided, where one did")
THRESHOLD = column("threshold", pa.float64(), "the number that `value` was held against")
ERROR = column("error", pa.string(), "the exception of a dead row: what was expected, what was found")
MERGED_INTO = column("merged_into", PLACE_TYPE, "the row that a merged row lives on in")

# Training data for a recaptioner.
MESSAGES = column(
    "messages",
    MESSAGES_TYPE,
    "the user's turn, `<image>` and the prompt as it was asked, and the assistant's, the caption",
    source="LLaMA-Factory sharegpt, verl",
    null=False,
)
IMAGES = column(
    "images",
    pa.list_(IMAGE_TYPE),
    "the encoded image that `<image>` stands for, as it came; `path` is its name in the source",
    source="datasets Image feature",
)  # never null, but `datasets` shows images only of a column that may be
VERDICT = column(
    "verdict",
    pa.string(),
    "`accepted`: the caption passed every rule; `rejected`: `reason` says which it broke",
    source="paper 3.1",
    null=False,
)
ACCEPTED, REJECTED = "accepted", "rejected"

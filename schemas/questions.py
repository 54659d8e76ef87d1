"""Columns and record schemas of reasoning data: questions, rollouts, SFT samples and RL tasks (paper 4 and 5)."""

import pyarrow as pa

from schemas import columns as c
from schemas.columns import column
from schemas.records import EXITS, SOURCE, TWINS

MARKER = "<image>"
"""Stands in a turn for the next of the question's images (verl, LLaMA-Factory)."""

PASS_TYPE = pa.struct(
    [
        pa.field("model", pa.string()),
        pa.field("n", pa.int32()),
        pa.field("correct", pa.int32()),
        pa.field("truncated", pa.int32()),
        pa.field("failed", pa.int32()),
        pa.field("tokens_mean", pa.float32()),
        pa.field("tokens_p95", pa.float32()),
    ]
)

# The question.
PROMPT = column(
    "prompt",
    c.MESSAGES_TYPE,
    "the turns before the answer, the last of them the user's; each `<image>` stands for the next of `images`",
    source="verl, LLaMA-Factory sharegpt",
)
IMAGES = column(
    "images",
    pa.list_(c.IMAGE_TYPE),
    "the encoded images of the question in the order of their markers, empty for a text; `path` is content hash and ending",
    source="datasets Image feature",
)
TRUTH = column("truth", pa.string(), "the reference answer without tags; null where no rule and no judge can hold one", source="paper 5.1")
DOMAIN = column("domain", pa.string(), "sub-domain, which names the verifier: `math`, `chart`, `ocr`, ...", source="paper 5.2, Table 1")
CHOICES = column("choices", pa.list_(pa.string()), "options of a multiple choice in order, without their letters")
HUMAN_TIER = column(
    "human_tier", pa.string(), "difficulty as people label it: one of the five tiers, null where nobody did", source="paper 5.1"
)
SEEN = column(
    "seen",
    pa.string(),
    "what the model had before it: `image`, `text` where there is none, or `description` where words stood in for the image",
)
SEEN_IMAGE, SEEN_TEXT, SEEN_DESCRIPTION = "image", "text", "description"
TIERS = ("very_easy", "easy", "medium", "hard", "very_hard")
"""The five tiers of difficulty (paper 5.3: "very easy through very hard")."""

# The rollout.
ROLLOUT = column("rollout", pa.int32(), "number of the rollout among those of its question and model, from 0", unit="rollouts")
MODEL = column("model", pa.string(), "model name and revision that wrote the rollout")
RESPONSE = column("response", pa.string(), "the whole response as the model wrote it, tags included")
THINKING = column("thinking", pa.string(), "the text between the think tags", source="paper 4")
ANSWER = column("answer", pa.string(), "what the verifier judged: the text of the one box, or the whole answer where there is none")
THINKING_OTHER_SCRIPT = column(
    "thinking_other_script", pa.float32(), "share of the thought in sentences whose main script is not that of the question", unit="0-1"
)
FORCED = column(
    "forced",
    pa.string(),
    "`answer`: the thought was cut at its limit and the answer asked for by a second call; `grammar`: a grammar on the server held the "
    "model to the tags; null where the model did all by itself",
    source="paper 5.3",
)
REWARD = column("reward", pa.float32(), "what the verifier gave, rounded to 4 decimals; null where it gave no verdict", unit="0-1")
REWARD_REASON = column("reward_reason", pa.string(), "why, in the verifier's words")
REWARDED_BY = column("rewarded_by", pa.string(), "the rule that decided: `exact`, `number`, `math_verify`, `judge`, ...")
VERIFIER = column("verifier", pa.string(), "verifier and version that judged, such as `chart-1`")
SECOND_OPINIONS = column(
    "second_opinions",
    pa.list_(pa.struct([pa.field("by", pa.string()), pa.field("reward", pa.float32()), pa.field("reason", pa.string())])),
    "what math-verify and the judge say of it too; null where the rollout was not drawn. They change no reward",
)

# Difficulty.
PASSES = column(
    "passes", pa.list_(PASS_TYPE), "for each model its rollouts, those that passed, those cut off or without a verdict, and their tokens"
)
PASS_RATE = column("pass_rate", pa.float32(), "share of the rollouts of all models that passed", unit="0-1", source="paper 5.1")
PASS_LOW = column("pass_low", pa.float32(), "lower end of the 95 % Wilson interval of `pass_rate`", unit="0-1", source="Wilson 1927")
PASS_HIGH = column("pass_high", pa.float32(), "upper end of the 95 % Wilson interval of `pass_rate`", unit="0-1", source="Wilson 1927")
TIER = column("tier", pa.string(), "difficulty, of `very_easy` to `very_hard`, offline and human labels merged", source="paper 5.3")
N_SAMPLES = column("n_samples", pa.int32(), "rollouts that were judged, of all models", unit="rollouts")
N_CORRECT = column("n_correct", pa.int32(), "rollouts that passed, of all models", unit="rollouts")

# What was found out of a question before any model was asked.
QUESTION_TEXT = column("question", pa.string(), "the last turn of `prompt` without markers, Unicode NFC")
IMAGE_COUNT = column("image_count", pa.int32(), "pictures of the question", unit="images")
IMAGE_HASHES = column("image_hashes", pa.list_(pa.string()), "xxh3-128 of each encoded picture, in order", unit="32 hex digits")
PICTURE_HASHES = column(
    "picture_hashes", pa.list_(pa.uint64()), "first 64 bits of the perceptual hash of each picture, in order; 0 where it shows nothing"
)
IMAGES_SEEN = (IMAGE_COUNT, IMAGE_HASHES, PICTURE_HASHES)
SIGNALS = (c.LANGUAGE_CONFIDENCE, c.ALT_TEXT_WORDS, c.SHINGLES, c.MINHASH)

# How a question became a task of reinforcement learning.
REWRITTEN_FROM = column(
    "rewritten_from", pa.string(), "the multiple choice as it was asked, where it is asked without options now", source="paper 5.1"
)
REWRITTEN_BY = column("rewritten_by", pa.string(), "model that asked it so")
DISTRACTORS = column("distractors", pa.list_(pa.string()), "the wrong options of that multiple choice")
LABEL_FAULT = column("label_fault", pa.string(), "why the truth cannot be right, as the verifier of its domain sees it", source="paper 5.1")
HOPELESS = column(
    "hopeless",
    pa.string(),
    "why no rollout passed: `too_hard`, or `suspect_label` where rollouts agree on another answer",
    source="paper 5.1",
)
OTHER_ANSWER = column("other_answer", pa.string(), "the answer that most rollouts agree on, where none passed")
OTHER_VOTES = column("other_votes", pa.int32(), "rollouts that gave it", unit="rollouts")
BENCHMARK = column("benchmark", pa.string(), "question of a benchmark that this one is, as `name:number`", source="paper 3.1")
BENCHMARK_SPAN = column("benchmark_span", pa.string(), "the words that both share")

# The task of reinforcement learning.
ABILITY = column("ability", pa.string(), "the domain, as verl calls it", source="verl")
REWARD_MODEL = column(
    "reward_model",
    pa.struct([pa.field("style", pa.string()), pa.field("ground_truth", pa.string())]),
    "`rule`, and the truth",
    source="verl",
)
EXTRA_INFO = column(
    "extra_info",
    pa.struct(
        [
            *(
                pa.field("index", pa.int64()),
                pa.field("split", pa.string()),
                pa.field("question", pa.string()),
                pa.field("answer", pa.string()),
            ),
            *(pa.field("verifier", pa.string()), pa.field("verifier_args", pa.string()), pa.field("tier", pa.string())),
        ]
    ),
    "what a reward needs besides: the domain of the verifier, its options as JSON, the tier",
    source="verl",
)

# The training sample.
DATA_SOURCE = column("data_source", pa.string(), "name of the corpus, by which verl chooses a reward", source="verl", null=False)
MESSAGES = column(
    "messages",
    c.MESSAGES_TYPE,
    "the turns of the question and, as the assistant's, the response in the tags of `style`; the thought of earlier turns is not kept",
    source="LLaMA-Factory sharegpt",
)
STYLE = column("style", pa.string(), "tags of the response: `glm41v`, or `glm45v` without `<answer>`", source="paper 4", null=False)
MODE = column("mode", pa.string(), "`thinking`, or `nothink`: the same answer behind an empty thought", source="paper 4", null=False)
THINKING_MODE, NOTHINK_MODE = "thinking", "nothink"


def nested(name: str, rows: pa.Schema) -> pa.Field:
    """Return a column that holds rows with exits of their own, as ``pipelines.spine.nested`` puts them there."""
    structs = pa.struct([pa.field(field.name, field.type) for field in rows])
    return column(name, pa.list_(structs), "rollouts of the question, each with its verdict and its exit")


RESPONSES = column(
    "responses",
    pa.list_(pa.string()),
    "rollouts that came with the question, tags included, such as good ones of an RL checkpoint",
    source="paper 4",
)
RESPONSES_BY = column("responses_by", pa.string(), "model and revision that wrote `responses`")
BROUGHT = (RESPONSES, RESPONSES_BY)
"""What a question may bring along; it ends as rollouts."""

QUESTION = pa.schema([c.SAMPLE_ID, *SOURCE, PROMPT, IMAGES, TRUTH, DOMAIN, CHOICES, c.LANGUAGE, HUMAN_TIER, SEEN])
"""A question as a reader yields it."""

WRITTEN = (MODEL, ROLLOUT, RESPONSE, THINKING, ANSWER, THINKING_OTHER_SCRIPT, c.FINISH_REASON, FORCED)
JUDGED = (*WRITTEN, REWARD, REWARD_REASON, REWARDED_BY, VERIFIER, SECOND_OPINIONS)
SPENT = (c.PROMPT_TOKENS, c.COMPLETION_TOKENS, c.ANSWER_SECONDS)
DIFFICULTY = (PASSES, PASS_RATE, PASS_LOW, PASS_HIGH, N_SAMPLES, N_CORRECT, TIER)
ABOUT = (DOMAIN, c.LANGUAGE, SEEN, TRUTH)

ROLLED_OUT = pa.schema([*JUDGED, *SPENT, *EXITS])
"""A rollout as it is nested on its question: one sampled response with its verdict."""

ROLLOUTS = pa.schema([c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.CORPUS, c.SOURCE_LICENSE, *ABOUT, *ROLLED_OUT])
"""A rollout in a table of a run, beside what its question is."""

QUESTION_ANNOTATION = pa.schema([*(f for f in QUESTION if f not in (PROMPT, IMAGES)), QUESTION_TEXT, *IMAGES_SEEN, *SIGNALS, *EXITS])
"""What the first pass leaves on disk of a question: every row, its signals and its exit so far, no images."""

QUESTION_DECISION = pa.schema([c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.LANGUAGE, *EXITS])
"""What crosses the shuffle back to a split of questions."""

COLD_START = pa.schema(
    [*QUESTION, QUESTION_TEXT, *IMAGES_SEEN, *DIFFICULTY, nested("graded", ROLLED_OUT), nested("rollouts", ROLLED_OUT), *EXITS]
)
"""A committed split of the cold start: every question with its exit, its pictures only where it is kept, and its rollouts."""

QUESTION_LEDGER = pa.schema([field for field in COLD_START if field.name not in ("images", "prompt", "graded", "rollouts")])
"""One line for each question of the input, by whichever door it left."""

MADE = (REWRITTEN_FROM, REWRITTEN_BY, DISTRACTORS, LABEL_FAULT, HOPELESS, OTHER_ANSWER, OTHER_VOTES, BENCHMARK, BENCHMARK_SPAN)

TASK_DECISION = pa.schema([*QUESTION_DECISION, *TWINS])
"""What crosses the shuffles of RL tasks back to a split."""

TASK_FRAGMENT = pa.schema(
    [*QUESTION, QUESTION_TEXT, *IMAGES_SEEN, c.DUPLICATE_COUNT, *MADE, *DIFFICULTY, nested("graded", ROLLED_OUT), *EXITS]
)
"""A committed split of RL tasks: every question with its exit, its pictures only where it is kept, and the rollouts that graded it."""

TASK_LEDGER = pa.schema([field for field in TASK_FRAGMENT if field.name not in ("images", "prompt", "graded")])
"""One line for each question of the input, by whichever door it left."""

RL = pa.schema(
    [
        *(c.SAMPLE_ID, c.SPLIT_ID, c.ROW, DATA_SOURCE, c.SOURCE_LICENSE, DOMAIN, c.LANGUAGE, SEEN, PROMPT, IMAGES, ABILITY),
        *(REWARD_MODEL, EXTRA_INFO, *DIFFICULTY, HOPELESS, HUMAN_TIER),
    ]
)
"""A task of reinforcement learning, with the columns that verl reads."""

AUDIT = pa.schema([c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.CORPUS, DOMAIN, QUESTION_TEXT, CHOICES, TRUTH, OTHER_ANSWER, OTHER_VOTES, N_SAMPLES])
"""A question whose label the rollouts contradict, for people to look at."""

SFT = pa.schema(
    [
        *(c.SAMPLE_ID, c.SPLIT_ID, c.ROW, DATA_SOURCE, c.SOURCE_LICENSE, DOMAIN, c.LANGUAGE, SEEN, TRUTH),
        *(MESSAGES, IMAGES, MODEL, ROLLOUT, STYLE, MODE, FORCED, REWARD, PASS_RATE, N_SAMPLES, N_CORRECT),
    ]
)
"""A training sample of the cold start: messages with the response in one of the two styles (paper 4)."""

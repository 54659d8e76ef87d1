"""Columns and record schemas of reasoning data: questions, rollouts, SFT samples and RL tasks (paper 4 and 5)."""

import pyarrow as pa

from schemas import columns as c
from schemas.columns import column
from schemas.records import EXITS, SOURCE

PASS_TYPE = pa.struct(
    [
        pa.field("model", pa.string()),
        pa.field("n", pa.int32()),
        pa.field("correct", pa.int32()),
        pa.field("truncated", pa.int32()),
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
FORCED = column("forced", pa.bool_(), "the thought was cut at its limit and the answer asked for by a second call", source="paper 5.3")
GUIDED = column("guided", pa.bool_(), "a grammar on the server held the model to the tags; not by its own skill")
REWARD = column("reward", pa.float32(), "what the verifier gave, rounded to 4 decimals; null where it gave no verdict", unit="0-1")
REWARD_REASON = column("reward_reason", pa.string(), "why, in the verifier's words")
REWARDED_BY = column("rewarded_by", pa.string(), "the rule that decided: `exact`, `number`, `math_verify`, `judge`, ...")
VERIFIER = column("verifier", pa.string(), "verifier and version that judged, such as `chart-1`")

# Difficulty.
PASSES = column("passes", pa.list_(PASS_TYPE), "for each model its rollouts, those that passed, those cut off, and their tokens")
PASS_RATE = column("pass_rate", pa.float32(), "share of the rollouts of all models that passed", unit="0-1", source="paper 5.1")
PASS_LOW = column("pass_low", pa.float32(), "lower end of the 95 % Wilson interval of `pass_rate`", unit="0-1", source="Wilson 1927")
PASS_HIGH = column("pass_high", pa.float32(), "upper end of the 95 % Wilson interval of `pass_rate`", unit="0-1", source="Wilson 1927")
TIER = column("tier", pa.string(), "difficulty, of `very_easy` to `very_hard`, offline and human labels merged", source="paper 5.3")
N_SAMPLES = column("n_samples", pa.int32(), "rollouts that were judged, of all models", unit="rollouts")
N_CORRECT = column("n_correct", pa.int32(), "rollouts that passed, of all models", unit="rollouts")

QUESTION = pa.schema([c.SAMPLE_ID, *SOURCE, PROMPT, IMAGES, TRUTH, DOMAIN, CHOICES, c.LANGUAGE, HUMAN_TIER, SEEN])
"""A question as a reader yields it."""

JUDGED = (MODEL, ROLLOUT, RESPONSE, THINKING, ANSWER, c.FINISH_REASON, FORCED, GUIDED, REWARD, REWARD_REASON, REWARDED_BY, VERIFIER)
DIFFICULTY = (PASSES, PASS_RATE, PASS_LOW, PASS_HIGH, N_SAMPLES, N_CORRECT, TIER)

ROLLOUTS = pa.schema([c.SAMPLE_ID, c.SPLIT_ID, c.ROW, DOMAIN, *JUDGED, c.PROMPT_TOKENS, c.COMPLETION_TOKENS, c.ANSWER_SECONDS, *EXITS])
"""One sampled response with its verdict; it carries the place of its question."""

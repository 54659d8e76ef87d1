"""Write a GLM-4.1V with random weights, small enough for two cores: ``python tests/serving/make_model.py FOLDER``.

Architecture, image processor and special tokens are those of GLM-4.1V-9B-Thinking, sizes are not. The same script writes
the same bytes: weights are drawn from a seed, and the tokenizer is one token for each byte, with no merges to train. It runs
in the environment of the server.
"""

import json
import sys
from pathlib import Path

MARKS = (
    "<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<think>", "</think>",
    "<|begin_of_image|>", "<|end_of_image|>", "<|image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|video|>",
)  # fmt: skip
"""Special tokens (zai-org/GLM-V); their ids follow the 256 bytes."""
IDS = {mark: 256 + index for index, mark in enumerate(MARKS)}
PLACES = {
    "image": "image",
    "video": "video",
    "image_start": "begin_of_image",
    "image_end": "end_of_image",
    "video_start": "begin_of_video",
    "video_end": "end_of_video",
}
"""Fields of the config that name a special token."""
CONTEXT = 4096
"""Tokens, prompt and answer together."""
CHAT_TEMPLATE = """[gMASK]<sop>
{%- for message in messages %}<|{{ message.role }}|>
{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content %}
{%- if part.type == 'text' %}{{ part.text }}{% else %}<|begin_of_image|><|image|><|end_of_image|>{% endif %}
{%- endfor %}
{%- endif %}
{%- endfor %}<|assistant|>
{% if enable_thinking is defined and not enable_thinking %}<think></think>
{% endif %}"""
"""The turns as GLM-4.5V writes them (LLaMA-Factory template glm4_5v), with its switch for thinking."""
TEXT = {
    "vocab_size": 256 + len(MARKS),
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.3,
    "pad_token_id": IDS["<|endoftext|>"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "mrope_section": [4, 6, 6]},
}
"""Heads of 64 dimensions, which vLLM's CPU kernels have; weights large enough for an image to show in the answer."""
VISION = {
    "depth": 2,
    "hidden_size": 64,
    "num_heads": 2,
    "intermediate_size": 128,
    "out_hidden_size": TEXT["hidden_size"],
    "initializer_range": 0.3,
}
IMAGES = {
    "size": {"shortest_edge": 112 * 112, "longest_edge": 28 * 28 * 1024},
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
}
"""As GLM-4.1V: one token for 28 x 28 pixels, but 512 tokens for an image at most (1,024 for its two equal frames)."""


def write_weights(folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors``, bfloat16."""
    import torch
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration

    tokens = {f"{place}_token_id": IDS[f"<|{mark}|>"] for place, mark in PLACES.items()}
    config = Glm4vConfig(text_config=TEXT, vision_config=VISION, eos_token_id=IDS["<|endoftext|>"], **tokens)
    torch.manual_seed(0)
    Glm4vForConditionalGeneration(config).to(torch.bfloat16).save_pretrained(folder)


def write_tokenizer(folder: Path) -> None:
    """Write ``tokenizer.json`` and its config: byte-level, so that any text has tokens and any token a place in a grammar."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: index for index, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS])
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, pad_token=end, model_max_length=CONTEXT, chat_template=CHAT_TEMPLATE
    ).save_pretrained(folder)


def write_processors(folder: Path) -> None:
    """Write what turns images and videos into patches; no video is sent, but GLM's processor wants its settings."""
    for file, kind in (("preprocessor_config", "image"), ("video_preprocessor_config", "video")):
        settings = {**IMAGES, "processor_class": "Glm4vProcessor", f"{kind}_processor_type": f"Glm4v{kind.title()}Processor"}
        (folder / f"{file}.json").write_text(json.dumps(settings, sort_keys=True))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    write_processors(folder)
    write_weights(folder)


if __name__ == "__main__":
    main()

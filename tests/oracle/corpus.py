"""A random pool that breaks every rule of the recaption job many times over, and a served model that does as badly.

The same seed gives the same bytes. Kept out, because the rules leave them open: damaged tars, text that is no UTF-8, two images
or two different alt texts in a sample, colour spreads near the threshold.
"""

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, cycle
from pathlib import Path

import numpy as np

from tests.oracle import images
from tests.oracle.alt_texts import LANGUAGES, SAYS_NOTHING, SAYS_SOMETHING, sensible
from tests.oracle.images import BAD, GOOD, File, Rng
from tests.oracle.text_rules import letters_and_digits, words_of

Sample = Mapping[str, bytes]
"""Content by extension."""

FOLDERS = (
    "",
    "",
    "",
    "part.one/",
    "写真/",
    "a-folder-name-so-long-that-it-does-not-fit-into-the-hundred-bytes-of-a-tar-header-and-needs-a-second-one/",
)


def build(out: Path, seed: int, samples: int) -> None:
    """Write ``samples`` samples into WebDataset tars (at least three, about 200 samples each) in the folder ``out``."""
    rng = np.random.default_rng(seed)
    pool = list(sample_pool(rng, samples))
    order = rng.permutation(samples)
    shards = max(3, samples // 200)
    out.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        places = [int(place) for place in order[shard::shards]]
        write_tar(out / f"{shard:05d}.tar", {f"{rng.choice(FOLDERS)}{place:09d}": pool[place] for place in places})


def write_tar(path: Path, samples: Mapping[str, Sample]) -> None:
    """Write samples, by key, as a WebDataset tar: the members of a sample stand together."""
    with tarfile.open(path, "w") as archive:
        for key, sample in samples.items():
            for extension, content in sample.items():
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def sample_pool(rng: Rng, samples: int) -> Iterator[Sample]:
    """Yield a fifth each of bad images, bad alt texts, duplicates, alt texts at the edge of a rule, and plain good samples."""
    sources = cycle([bad_images(rng), bad_alt_texts(rng), duplicates(rng, samples // 5), edges(rng), good(rng)])
    for _, source in zip(range(samples), sources, strict=False):
        yield next(source)


def bad_images(rng: Rng) -> Iterator[Sample]:
    """Yield samples that leave for their image or for their files, each reason in turn."""
    for turn in count():
        for makers in BAD.values():
            yield sample(rng, makers[turn % len(makers)](rng), sensible(rng))
        yield sample(rng, None, sensible(rng))
        extension, content = good_image(rng)
        yield {extension: content, "json": b'{"caption": "a wooden boat in the har'}


def bad_alt_texts(rng: Rng) -> Iterator[Sample]:
    """Yield good images with alt texts that say nothing, each reason in turn."""
    for turn in count():
        for texts in SAYS_NOTHING.values():
            yield sample(rng, good_image(rng), texts[turn % len(texts)])


def edges(rng: Rng) -> Iterator[Sample]:
    """Yield every kind of good image, with every alt text at the edge of a rule."""
    for maker, text in zip(cycle(GOOD), cycle(SAYS_SOMETHING), strict=False):
        yield sample(rng, maker(rng), text)


def good(rng: Rng) -> Iterator[Sample]:
    """Yield samples with nothing wrong."""
    while True:
        yield sample(rng, good_image(rng), sensible(rng))


def duplicates(rng: Rng, rows: int) -> Iterator[Sample]:
    """Yield groups of one image: a big one first (30 alt texts, if ``rows`` allows), then small ones and look-alikes."""
    for size in chain([min(40, rows // 2)], cycle((2, 3, 5, 2, 8))):
        image = good_image(rng)
        for text in group_texts(rng, size):
            yield sample(rng, image, text)
        extension, content = images.jpeg(220, 230)(rng)
        text = sensible(rng)
        yield sample(rng, (extension, content), text)
        yield sample(rng, (extension, content + b"\n"), text)


def group_texts(rng: Rng, size: int) -> list[str | None]:
    """Return the alt texts of ``size`` duplicates: three quarters distinct, the rest said before, or saying nothing.

    The two longest are equally long, so that code-point order decides, and may be said again: a full tie.
    """
    texts = [sensible(rng) for _ in range(max(1, size * 3 // 4))]
    if len(texts) > 1:
        longest = max(texts, key=len)
        texts[-2:] = [f"{longest} left", f"{longest} east"]
    bad = [None, "", "IMG_2041", "cat"]
    again = [texts[-1 - rng.integers(min(3, len(texts)))] if rng.random() < 0.7 else bad[rng.integers(4)] for _ in range(size - len(texts))]
    return [*texts, *again]


def good_image(rng: Rng) -> File:
    """Return a random image that breaks no rule."""
    return GOOD[rng.integers(len(GOOD))](rng)


def sample(rng: Rng, image: File | None, alt_text: str | None) -> Sample:
    """Return the files of a sample, its alt text in a .txt, a .json or both; a missing one may be null or not there."""
    members = {image[0]: image[1]} if image else {}
    metadata = json.dumps({"caption": alt_text, "url": "https://example.test/1", "status": "success"}, ensure_ascii=False).encode()
    text = {"txt": alt_text.encode()} if alt_text is not None else {}
    layouts = (text, {"json": metadata}, {**text, "json": metadata})
    return {**members, **layouts[rng.integers(3)]} if image else {"json": metadata, **text}


@dataclass(frozen=True)
class Request:
    """What the served model is asked, with a source of chance that depends on alt text and image alone."""

    chance: random.Random
    alt_text: str
    instructions: str


REFUSALS = (
    "I'm sorry, but I can't describe this image.", "I am sorry, this picture is beyond me.", "Sorry, no description is possible.",
    "I cannot see any picture here.", "“I can’t help with this photograph.”", "I can not tell what this shows.",
    "I'm unable to view the image.", "I am unable to view the image.", "  \"I'm not able to look at pictures.\"",
    "As an AI, I have no eyes to see this with.", "As a language model I read text only.", "Unfortunately, I see nothing in it.",
    "UNABLE TO load the picture.", "抱歉，我看不到这张图片。", "对不起，图片没有显示。", "很抱歉，无法描述这张照片。",
    "我无法查看图片内容。", "我不能描述这张图片。", "作为一个语言模型，我看不到图片。", "作为AI助手，我没有视觉。",
)  # fmt: skip
TITLES = ("Unable to Fly", "Unable to Sleep", "I'm Sorry", "Unfortunately Yours", "Sorry, My Love", "As an Airman Waits")
"""How titles begin that begin like a refusal."""
REFRAINS = ("a dog sits on the sofa, ", "一只猫坐在沙发上，", "very ", "哈哈", "on and off ", "Der Hund schläft. ")
ALMOST_STUCK = (
    "A dog sits on a rug; a dog sits on a rug, then it leaves.",
    "A very very very wide river 哈哈哈哈哈哈哈 flows.",
    "绿色的山坡，绿色的山谷，绿色的山顶。",
)
"""A phrase twice, a word three times in a row, a few characters three times: less than it takes."""
JUST_STUCK = ("A very very very very wide river flows.", "一条很很很很很很很很宽的河。")
SCENES = (
    "{2} {1} stands {0}, and soft light from the left falls on its surface.",
    "画面中央是一件{2}{1}，位于{0}，光线从左侧照过来，背景十分安静。",
    "画面の中央に{2}{1}があり、{0}で左から柔らかな光が当たっています。",
    "화면 가운데에 {2} {1}, {0} 쪽에서 부드러운 빛이 비치고 있습니다.",
)


THOUGHTS = (
    "<think>\nFirst, I look at", "{}</answer>", "<answer>{}", "<|begin_of_box|>{}", "{}<|im_end|>", "<|assistant|>\n{}",
    "It is <|begin_of_box|>{}<|end_of_box|>",
)  # fmt: skip
WRAPPED = (
    "<think>The picture shows something.</think>{}", "The picture shows something.\n</think>\n{}", "<answer>{}</answer>\n",
    "<think>So?</think>\n<answer>{}</answer>", "<|begin_of_box|>{}<|end_of_box|>", "</think><answer>{}</answer>",
)  # fmt: skip


def scene(chance: random.Random) -> str:
    """Return a caption as it should be."""
    language = chance.randrange(len(SCENES))
    _, *banks = LANGUAGES[language]
    return SCENES[language].format(*(chance.choice(bank) for bank in banks))


def invented(chance: random.Random, length: int) -> str:
    """Return ``length`` characters of invented words, none like another."""
    text = " ".join("".join(chance.choices("bdfgklmnprstvz", k=2) + chance.choices("aeiou", k=3)) for _ in range(length // 6 + 1))
    return f"{text}zzzzzz"[: length - 1] + "y"


def echo(asked: Request, words: int) -> str:
    """Return a sentence that holds ``words`` consecutive words of the instructions, or all of them if they are fewer."""
    said = words_of(asked.instructions)
    start = asked.chance.randrange(max(1, len(said) - words + 1))
    return f"Heron and sluice: {' '.join(said[start : start + words])} beside reeds"


def near_copy(alt_text: str, over: int) -> str:
    """Return the alt text with letters appended: as many as keep the similarity at or above 0.95, and ``over`` more."""
    text = alt_text.rstrip(".!?。！？ ")
    return text + "o" * (2 * len(letters_and_digits(text)) // 19 + over)


def shouted(alt_text: str) -> str:
    """Return a copy that differs in case, spacing and punctuation alone."""
    return f" {alt_text.upper().replace(' ', '  ')} !"


def stuck(chance: random.Random) -> str:
    """Return a caption that says one thing over and over."""
    return f"{scene(chance)} {chance.choice(REFRAINS) * chance.randrange(6, 9)}end"


KINDS: Sequence[tuple[str, float, Callable[[Request], str | None]]] = (
    ("kept", 50, lambda asked: scene(asked.chance)),
    ("kept", 3, lambda asked: f"\n {scene(asked.chance)} Cafe\u0301 \n"),
    ("kept", 2, lambda asked: f'A sign says "I\'m sorry, I cannot help" {scene(asked.chance)}'),
    ("kept", 2, lambda asked: f"{asked.chance.choice(TITLES)}, a painting of which one sees little. {scene(asked.chance)}"),
    ("kept", 3, lambda asked: invented(asked.chance, 800)),
    ("kept", 3, lambda asked: asked.chance.choice(ALMOST_STUCK)),
    ("kept", 3, lambda asked: echo(asked, 7)),
    ("kept", 4, lambda asked: near_copy(asked.alt_text, 1)),
    ("kept", 4, lambda asked: asked.chance.choice(WRAPPED).format(scene(asked.chance))),
    ("empty", 3, lambda asked: asked.chance.choice(("", " \n ", "...", "12 345", "🙂"))),
    ("thinking", 4, lambda asked: asked.chance.choice(THOUGHTS).format(scene(asked.chance))),
    ("length", 4, lambda asked: scene(asked.chance)[:25]),
    ("content_filter", 4, lambda asked: scene(asked.chance)[:25]),
    ("abort", 4, lambda asked: scene(asked.chance)),
    ("refusal", 5, lambda asked: asked.chance.choice(REFUSALS)),
    ("too_long", 3, lambda asked: invented(asked.chance, asked.chance.choice((801, 1200)))),
    ("repetition", 4, lambda asked: stuck(asked.chance)),
    ("repetition", 2, lambda asked: asked.chance.choice(JUST_STUCK)),
    ("prompt_echo", 3, lambda asked: echo(asked, asked.chance.choice((8, 12)))),
    ("copy", 3, lambda asked: shouted(asked.alt_text)),
    ("copy", 4, lambda asked: near_copy(asked.alt_text, 0)),
    ("captioner_failed", 3, lambda _: None),
)
"""What becomes of a caption, how often in a hundred, and who writes it. ``length``, ``content_filter`` and ``abort`` are finish reasons.

Copies of very long alt texts come out too long, and copies of very short ones have no room for a letter more.
"""


CUT = ("length", "content_filter", "abort")


def kind_of(alt_text: str, image: bytes, instructions: str = "") -> tuple[str, Callable[[Request], str | None], Request]:
    """Return the kind of caption that this alt text and image get, its writer, and what the writer is asked."""
    chance = random.Random(hashlib.sha256(alt_text.encode() + b"\0" + image).digest())
    kind, _, writer = chance.choices(KINDS, [weight for _, weight, _ in KINDS])[0]
    return kind, writer, Request(chance, alt_text, instructions)


def caption_of(alt_text: str, image: bytes, instructions: str = "") -> str | None:
    """Return what the served model answers, the same each time it is asked; None where every request fails.

    ``instructions`` is the text of the prompt, for captions that echo it; one of less than 8 words cannot be echoed.
    """
    _, writer, request = kind_of(alt_text, image, instructions)
    return writer(request)


def finish_reason_of(alt_text: str, image: bytes) -> str | None:
    """Return why the served model stopped: mostly ``stop``, in the words of several servers, sometimes not stated."""
    kind, _, request = kind_of(alt_text, image)
    return kind if kind in CUT else request.chance.choice(("stop", "stop", "stop", "eos_token", "end_turn", None))

"""Refusals and titles that begin alike: a labelled list, as models decline and as captions name works."""

import pytest

from filters.refusals import OPENINGS, UNSURE, is_refusal

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I cannot assist with this request.",
    "I'm sorry, but no.",
    "I am sorry, this picture is beyond me.",
    "I'm sorry, but this is a painting I can't describe without more context.",
    "I apologize, but I am unable to view images.",
    "I apologise for the inconvenience, but the image did not load.",
    "My apologies, the picture could not be opened.",
    "Sorry, no description is possible.",
    "Sorry, I can't identify people in photographs.",
    "Sorry, but I cannot see the image you are referring to.",
    "Sorry! I can't see any image here.",
    "I cannot see any picture here.",
    "I cannot provide a caption for this image.",
    "I can't describe this.",
    "I can’t help with identifying real people.",
    "“I can’t help with this photograph.”",
    "I can not tell what this shows.",
    "I'm unable to view the image.",
    "I am unable to process your request at this time.",
    "I'm unable to help with that.",
    "I'm not able to look at pictures.",
    "I am not able to rewrite this alt text.",
    "I won't describe this image.",
    "I don't have access to the image.",
    "I do not see an image attached to your message.",
    "I'm not comfortable describing this photograph of a person.",
    "As an AI, I have no eyes to see this with.",
    "As an AI language model, I don't have the ability to view images.",
    "As an AI assistant, I'm here to be helpful and harmless.",
    "As a language model I read text only.",
    "Unfortunately, I see nothing in it.",
    "Unfortunately, I cannot view or interpret images.",
    "Unfortunately the image is not displayed.",
    "Unfortunately, without the image I can't write a caption.",
    "UNABLE TO load the picture.",
    "Unable to provide a caption: no image was given.",
    "Unable to process the image.",
    "Apologies, but I can't access that image.",
    "抱歉，我看不到这张图片。",
    "抱歉，我无法协助完成这个请求。",
    "对不起，图片没有显示。",
    "对不起，我不能回答这个问题。",
    "很抱歉，无法描述这张照片。",
    "很抱歉，我不能提供关于该人物的信息。",
    "非常抱歉，我目前无法查看图像。",
    "不好意思，我没办法识别图片里的人。",
    "很遗憾，我无法看到您上传的图片。",
    "我无法查看图片内容。",
    "我不能描述这张图片。",
    "我看不到任何图片，请重新上传。",
    "无法识别图片内容。",
    "作为一个语言模型，我看不到图片。",
    "作为AI助手，我没有视觉。",
    "作为人工智能助手，我无法直接查看照片。",
    "“抱歉，我无法处理该图片。”",
)
INNOCENT = (
    "Unable to Fly, a painting by Mina Okafor, 1998.",
    "Unable to Sleep, a lithograph by Edvard Munch.",
    "Unable to move in the crowd, a cyclist waits at the crossing.",
    "Unable to Forget: a bronze sculpture in a sunlit courtyard.",
    "\"Unable to See\" is a sculpture of a blindfolded woman.",
    "“I'm Sorry” is a pop art print of a crying woman with a telephone.",
    "\"I Cannot Tell a Lie\", a cartoon of George Washington beside a cherry tree.",
    "'I Can't Help Myself' by the Four Tops, a seven-inch record in its sleeve.",
    "“Sorry, we're closed” reads a red sign on the door of a bakery.",
    "\"Sorry, I Can't See\" is written on a mug beside a pair of glasses.",
    "I'm Sorry, a lithograph by Ed Ruscha.",
    "I Am Sorry, an oil painting by Lena Berg, 2004.",
    "I Can't Breathe, a mural by Celos in Los Angeles.",
    "I Cannot Live Without You, a film poster from 1962.",
    "I Can't Stand the Rain is a song by Ann Peebles, shown here as a single in its sleeve.",
    "I'm Not Able is a book by Kim Novak, its cover blue and white.",
    "Sorry We Missed You, a poster for the film by Ken Loach.",
    "Sorry for Your Loss, a greeting card with white lilies.",
    "Sorry board game with four coloured pawns on a wooden table.",
    "Sorry, Wrong Number, a film poster with Barbara Stanwyck at a telephone.",
    "Apologies written in chalk on a pavement in Dublin.",
    "Unfortunately, it rains on the parade in Lisbon.",
    "Unfortunately Named, a shop front in Leeds with a green awning.",
    "As an airliner lands, a crowd waves from the hill.",
    "As an AI robot serves coffee, guests film it with their telephones.",
    "As an Aikido master throws his partner, students sit in a row.",
    "As a language class ends, children run into the yard.",
    "I cannoneri march past in blue and white.",
    "I Don't Know, Nuori Nainen, a drawing in ink.",
    "I won a ribbon, says the caption under a grinning boy with a calf.",
    "I do not disturb sign hangs on a hotel door.",
    "A card that says 'I cannot' in red.",
    "A man who looks sorry, I cannot say why, holds an old map.",
    "The artwork “Sorry” hangs above a fireplace.",
    "A helper unable to see the image of the road squints into the sun.",
    "对不起，我爱你，电视剧海报，一对恋人站在雨中。",
    "《对不起》专辑封面，一名女子背对镜头。",
    "“对不起，我爱你”字样的贺卡放在木桌上。",
    "「抱歉」二字写在黑板上。",
    "抱歉兔玩偶坐在窗台上。",
    "我不能没有你，歌手在舞台上弹吉他。",
    "我无法忘记的夏天，一幅海边日落的油画。",
    "无法逾越的高山，云雾缭绕的峰顶。",
    "无法无天的孩子们在泥地里奔跑。",
    "作为一个著名的旅游景点，布达拉宫屹立在山上。",
    "作为一名消防员，他站在红色的消防车前。",
    "由于我国南方连日降雨，河水漫上了街道。",
    "一位抱歉的服务员端着打翻的托盘。",
)  # fmt: skip


@pytest.mark.parametrize("caption", REFUSALS)
def test_a_captioner_that_declines_is_told(caption: str):
    assert is_refusal(caption)


@pytest.mark.parametrize("caption", INNOCENT)
def test_a_caption_that_begins_like_a_refusal_is_none(caption: str):
    assert not is_refusal(caption)


def test_the_lists_are_long_enough_and_hold_both_languages():
    assert min(len(REFUSALS), len(INNOCENT)) >= 40
    assert all(sum("一" <= text.strip("“「《")[0] <= "鿿" for text in texts) >= 12 for texts in (REFUSALS, INNOCENT))


def test_every_opening_is_written_as_it_is_compared():
    assert [opening for opening in (*OPENINGS, *UNSURE) if opening != opening.casefold() or "’" in opening] == []


def test_nothing_is_no_refusal():
    assert not any(map(is_refusal, ("", " ", "“", "sorry", "无法")))

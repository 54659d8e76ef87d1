"""Take out of an alt text what names somebody but describes nothing: credits, agencies, hashtags, file names, addresses."""

import re

_WHO = r"[^\W\d_][\w.'’&-]*(?:\s+[^\W\d_a-zà-ÿ][\w.'’&-]*){0,3}(?:\s*/\s*[A-Z][\w.'’&-]*(?:\s+[A-Z][\w.'’&-]*){0,3})?"
_AGENCY = (
    r"getty\s?images?|shutterstock|i?stock\s?photos?|alamy|adobe\s?stock|dreamstime|depositphotos|123rf|unsplash|pexels|pixabay|flickr|"
    r"bigstock|fotolia|freepik|vecteezy|wikimedia\s?commons|ap\s?photo|500px|"
    r"视觉中国|图虫(?:创意)?|全景(?:网|视觉)|站酷(?:海洛)?|千图网|昵图网|汇图网|百度(?:图片|百科)|摄图网|花瓣网|壹图网|东方ic"
)
_SITE = (
    r"reuters|afp|epa|associated\s?press|corbis|pinterest|wikipedia|instagram|facebook|twitter|youtube|tumblr|ebay|etsy|aliexpress|"
    r"amazon(?:\.\w+)?|redbubble|walmart|imgur|新华社|中新社|新浪(?:网|微博)?|搜狐网?|网易|腾讯网?|淘宝网?|天猫|京东|小红书|微博|知乎"
)
"""Sites and agencies that are also what a picture may show: they are a credit only behind a separator."""
_MARKS = (
    re.compile(
        r"https?://\S+|www\.\S+|\S+\.(?:jpe?g|png|gif|webp|bmp|tiff?|html?)\b|\b[\w-]+\.(?:com|net|org|cn|de|fr|ru|co\.uk)\b", re.IGNORECASE
    ),
    re.compile(r"[#＃][^\s#＃]+[#＃]?|(?<!\w)@[\w.]+"),
    re.compile(r"\b(?:IMG|DSC|DSCN|DSCF|PXL|SKU|ID|No|Nr|Art|REF|Item)[-_ .:#]*\d[\d_-]*\b", re.IGNORECASE),
    re.compile(
        rf"[(\[（【]?\s*(?:\b(?:(?i:photo(?:graph(?:ed|y)?|s)?|image|picture|pic|courtesy|shot|foto|bild|cr[ée]dits?|crédit\s+photo))\s*"
        rf"(?:(?i:credits?|courtesy))?\s*(?:(?i:by|von|par|por|©)\b|:)\s*|(?:©|\([cC]\)|(?i:copyright|credits?)\s*[:©]?)\s*(?:\d{{4}}\s*)?(?i:by\s+)?)(?:{_WHO})\s*[)\]）】]?"
    ),
    re.compile(
        r"[(（【\[]?(?:(?:摄影(?:师|者)?|摄|图片?来源|来源|图源|图|作者|供图|版权)[:：/]\s*[^\s,，。；;)）】\]]+|[一-鿿]{2,4}\s?(?:摄|供图)(?![一-鿿]))[)）】\]]?"
    ),
    re.compile(r"(?:фото|автор|источник)\s*[:：]\s*[^\W\d_]+(?:\s+[А-ЯЁ][а-яё.]*){0,2}", re.IGNORECASE),
    re.compile(r"(?:写真|撮影|画像|提供)\s*[:：＝=]\s*\S+"),
    re.compile(rf"(?:[A-Z][\w.'’-]+\s+){{1,3}}/\s*(?i:{_AGENCY}|{_SITE})(?!\w)"),
    re.compile(rf"(?:[|–—/(（_-]\s*)?(?:\b(?:on|via|from|at)\s+)?(?<![^\W_])(?:{_AGENCY})(?![a-z])(?:\s*[)）])?", re.IGNORECASE),
    re.compile(rf"[(\[（][^()（）\[\]]*\b(?:{_AGENCY}|{_SITE})\b[^()（）\[\]]*[)\]）]", re.IGNORECASE),
    re.compile(
        r"(?:\b(?i:by|von|par|por)\s+)?(?:[A-Z][\w.'’-]+\s+){1,3}(?:Photography|Photographers?|Fotografie|Photographie|Fotografía|Photos|Studios?\b)"
    ),
    re.compile(r"\b(?:[Ss]hot|[Tt]aken|[Cc]aptured|[Pp]hotographed)\s+(?:with|on)\s+(?:an?\s+|my\s+)?[A-Z][^,.|]*"),
    re.compile(r"\ball rights reserved\b|\b(?:premium|free) (?:vector|photo|psd)\b", re.IGNORECASE),
    re.compile(rf"(?:[|–—/(（_]\s*|\s-\s*|\b(?:via|on)\s+)(?:{_SITE})(?![^\W_])\s*[)）]?", re.IGNORECASE),
    re.compile(
        r"\b(?:royalty[- ]free|stock\s+(?:photo|image|vector|illustration|footage)s?(?:graphy)?|editorial (?:image|photo))\b", re.IGNORECASE
    ),
)


_PHOTO_OF = re.compile(r"\A(\s*(?:photo|photograph|image|picture|pic)s?\s+of\s.*?)\s+by\s+[^,|]*\Z", re.IGNORECASE | re.DOTALL)
"""A photograph of something by somebody: who took it can not be seen in it."""


def without_credits(text: str) -> str:
    """Return ``text`` without photographers, agencies, hashtags, handles, file names and web addresses (ours)."""
    text = _PHOTO_OF.sub(r"\1", text)
    for mark in _MARKS:
        text = mark.sub(" | ", text)
    return text

"""Names in Chinese: jieba's tagger over a dictionary that knows more places and people, titles in 《》, foreign names by their sounds."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from filters.models.names_species import HAN_SPECIES
from filters.names import folded, listed, simplified
from schemas.protocols import Name
from schemas.weights import cache_dir

KIND_OF_TAG: Mapping[str, str] = MappingProxyType(
    {
        "nr": "person",
        "nrt": "person",
        "nrfg": "person",
        "ns": "place",
        "nt": "organisation",
        "nz": "name",
        "nspecies": "species",
        "nbrand": "product",
    }
)
"""What jieba's tags of proper nouns mean (ICTCLAS tag set); the last two are ours."""
SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏窦章苏潘葛范彭郎鲁韦马苗方俞任袁柳鲍史唐费薛雷贺倪汤滕罗毕郝邬安常乐傅齐康伍余顾孟黄和穆萧尹姚邵汪祁毛狄米贝"
    "戴宋庞熊纪舒屈项祝董梁杜阮蓝闵季贾路江童颜郭梅盛林钟徐邱骆高夏蔡田胡凌霍虞万柯管卢莫房裘缪解应宗丁宣邓单杭洪包诸左石崔吉龚程邢裴陆荣翁荀甄曲封储靳段焦巴牧谷车侯宓蓬全班仰仲伊宫"
    "宁仇栾甘厉祖武符刘景詹束龙叶幸司韶黎薄印白怀蒲邰赖卓蔺屠蒙池乔闻党翟谭贡姬申扶堵冉宰桑桂牛寿通边燕尚农温庄晏柴瞿阎连习艾容向古易廖庾居步耿满匡文寇广东欧沃利越夔隆师巩聂关肖佟岳帅迟褚"
)
"""The family names of the Hundred Family Surnames that are one character, and common later ones, simplified."""
FOREIGN = (
    "阿埃艾奥巴班贝彼伯博布查达戴丹德迪蒂杜顿厄恩尔菲费弗芬福佛盖冈戈格哈汉赫亨霍基吉加杰卡凯坎考科克肯库拉莱兰朗劳勒雷利莉琳卢鲁伦罗洛麦曼玛梅蒙密莫姆穆纳娜尼涅诺努欧帕潘佩彭皮普奇乔琼"
    "丘萨塞莎舍施史什斯丝苏塔泰坦汤特托瓦韦维翁沃乌谢辛雅亚扬耶伊尤扎泽詹兹佐"
)
"""Characters that foreign names are written with and few other words are, simplified (ours, after Xinhua's transliteration tables)."""
COMMON = frozenset(
    listed(
        "越野车 山村 雪山 绝美 公开赛 小镇 古镇 老街 村庄 风光 美景 夜景 日落 日出 海滩 沙滩 森林 草原 湖面 高山 青山 江山 明珠"
        " 红墙 白云 金秋 阳光 星空 大海 小桥 流水 老人 男孩 女孩 美女 帅哥 宝宝 模特 蓝天 花海 田园 广场 公园 学校 医院 城市"
        " 乡村 都市 海岛 海边 河边 江边 湖边 山顶 山谷 山峰 高楼 老屋 民居 中式 欧式 日式 韩式 美式 法式 英伦 复古 高清 素材"
        " 图片 壁纸 摄影 照片 宝贝 时尚 新款 正品 包邮 男士 女士 儿童 婴儿 连衣裙 手机壳 保护套 风格 系列 华丽 安静 文静 晴空"
        " 白雪 冰雪 黄昏 黎明 清晨 高原 平原 盆地 峡谷 明亮 明媚 温馨 舒适 宁静 和谐 繁华 辉煌 金色 银色 白色 黑色 红色 蓝色"
        " 绿色 黄色 紫色 粉色 灰色 棕色 雪地 雪景 云海 小路 石板 石头 小狗 小猫 花园 庭院 古城 古建筑 水乡 晚霞 夕阳 路灯 灯光"
        " 倒影 树林 竹林 小溪 瀑布 蜜蜂 蝴蝶 康复 安康 幸福 快乐 高端 高档 大气 小吃 美食 家常 全景 特写 特色 景区 景点 度假"
        " 旅游 马路 车流 江面 海面 海浪 东方 西方 南方 北方 国画 油画 水彩 书法 毛笔 花卉 植物 动物 风景 人物 元旦 春节 中秋"
        " 国庆 圣诞 经典 白墙 灰瓦 红叶 秋叶 青石 金鱼 黄花 梅子 明月 银河 温泉 白鸽 高跟鞋 单车 贝壳 石榴 蓝莓 温柔 乐队 乐器"
        " 安装 解放 通道 白菜 石桥 林间 林海 金黄"
    )
)
"""Words, simplified, that jieba's dictionary or its guess takes for names and that alt texts use as common words (ours)."""
COUNTRIES = frozenset(
    listed(
        "中国 美国 英国 法国 德国 俄国 泰国 韩国 日本 印度 埃及 希腊 意大利 俄罗斯 西班牙 葡萄牙 荷兰 瑞士 瑞典 挪威 芬兰 丹麦"
        " 冰岛 波兰 捷克 奥地利 比利时 爱尔兰 土耳其 以色列 伊朗 伊拉克 越南 老挝 缅甸 柬埔寨 朝鲜 蒙古 新加坡 马来西亚 印尼"
        " 菲律宾 尼泊尔 不丹 斯里兰卡 巴基斯坦 澳大利亚 澳洲 新西兰 加拿大 墨西哥 巴西 阿根廷 智利 秘鲁 古巴 南非 肯尼亚 摩洛哥"
        " 坦桑尼亚 迪拜 欧洲 非洲 亚洲 美洲 南极 北极 台湾 香港 澳门 西藏 新疆 内蒙古 宁夏 广西 河北 山西 辽宁 吉林 黑龙江 江苏"
        " 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海 江南 长江 黄河 长城 泰山 华山 黄山"
        " 庐山 嵩山 恒山 衡山 西湖 太湖 洱海 故宫 天坛 颐和园 圆明园 天安门 布达拉宫 兵马俑 外滩 鼓浪屿 九寨沟 张家界 凤凰古城"
        " 平遥 稻城 亚丁 稻城亚丁 乌镇 周庄 丽江 大理 三亚 桂林 阳朔 漓江 敦煌 莫高窟 香格里拉 喀纳斯 呼伦贝尔 可可西里 泸沽湖"
        " 玉龙雪山 富士山 珠穆朗玛峰 阿尔卑斯 白宫 卢浮宫"
    )
)
"""Countries, provinces and sights by the names that alt texts give them, simplified (ours)."""
BRANDS = frozenset(
    listed(
        "华为 小米 荣耀 魅族 联想 海尔 格力 美的 比亚迪 吉利 长安 奇瑞 蔚来 理想汽车 小鹏 特斯拉 宝马 奔驰 奥迪 大众 丰田 本田"
        " 日产 马自达 现代汽车 起亚 福特 别克 雪佛兰 凯迪拉克 保时捷 法拉利 兰博基尼 宾利 劳斯莱斯 路虎 捷豹 沃尔沃 雷克萨斯"
        " 五菱 三星 索尼 佳能 尼康 松下 东芝 夏普 任天堂 微软 谷歌 亚马逊 英特尔 英伟达 戴尔 惠普 华硕 诺基亚 摩托罗拉 大疆 耐克"
        " 阿迪达斯 李宁 安踏 彪马 匡威 新百伦 优衣库 无印良品 宜家 香奈儿 迪奥 古驰 爱马仕 路易威登 普拉达 卡地亚 劳力士 欧米茄"
        " 浪琴 兰蔻 雅诗兰黛 欧莱雅 资生堂 可口可乐 百事可乐 雪碧 星巴克 肯德基 麦当劳 必胜客 海底捞 瑞幸 喜茶 奈雪 茅台 五粮液"
        " 青岛啤酒 伊利 蒙牛 康师傅 乐高 迪士尼 芭比 哆啦A梦 皮卡丘 米老鼠 唐老鸭 熊出没 喜羊羊 奥特曼 故宫文创 老干妈 同仁堂"
        " 淘宝 支付宝 微信 抖音"
    )
)
"""Brands, characters and products that Chinese alt texts name, simplified (ours)."""
PEOPLE = frozenset(
    listed(
        "梵高 凡高 莫奈 马奈 高更 塞尚 达利 毕加索 米勒 提香 雷诺阿 伦勃朗 克里姆特 达芬奇 牛顿 肖邦 巴赫 梅西 贝克汉姆 科比"
        " 乔丹 费德勒 霍金 乔布斯 马斯克"
    )
)
"""Foreign people whose short names are no foreign sound to jieba (ours)."""
SIGHTS = frozenset(
    listed(
        "铁塔 大桥 古城 古镇 老街 广场 教堂 大教堂 大学 机场 火车站 车站 博物馆 美术馆 图书馆 体育馆 体育场 动物园 植物园 园林"
        " 夜市 公园 大街 寺 塔 湖 山 岛 桥"
    )
)
"""What follows the name of a place in the name of a sight."""
PLACE_END = re.compile(
    "(?:自治[区州县]|故居|纪念[馆碑堂]|遗址|陵园|古城|古镇|雪山|瀑布|大桥|大街|胡同|博物馆|美术馆|体育馆|体育场|大教堂|清真寺|铁塔|大厦|[山寺塔湖宫园陵窟祠岛屿江河峡沟镇州县峰岭])$"
)
"""How the names of places end; words of three characters and more with it are names unless they are in ``NO_PLACES`` (ours)."""
NO_PLACES = frozenset(
    listed(
        "动物园 植物园 游乐园 幼儿园 水族园 采摘园 葡萄园 果园 茶园 主题公园 森林公园 湿地公园 城市公园 中央公园 街心花园"
        " 后花园 小花园 空中花园 人工湖 小岛 海岛 护城河 大运河 小河 火山 假山 大雪山 玉米地 步行街 商业街 小吃街 美食街 十字街"
        " 立交桥 玻璃桥 石拱桥 木桥 人行天桥 吊桥 摩天大厦 高楼大厦 度假村 小山村 小渔村 欧洲小镇 特色小镇 水上乐园 水墨江"
        " 金字塔 电视塔 水塔 灯塔 宝塔 佛塔 白塔 双子塔 信号塔 冷却塔 观音山 三清宫 天宫 皇宫 龙宫 迷宫 子宫 少年宫 滚滚长江"
        " 一座山 万重山 千山 满山 半山 下山 爬山 登山 上山 冰山 远山 群山 高山 青山 深山 大山 雪山 江山 关山 岩石山"
    )
)
"""Common words that end so."""
_TITLE = re.compile("《([^》]{1,40})》")
_FOREIGN_RUN = re.compile(
    f"[{FOREIGN}]{{3,}}|[{FOREIGN}波伊圣安沙海山林西夏文森金大英法马万]{{1,6}}(?:[·・•][{FOREIGN}波伊圣安沙海山林西夏文森金大英法马万]{{1,6}})+"
)
_VERSION = re.compile(r"(?:\s?[A-Za-z]{0,2}\d+(?![\d年月日元寸]))?")
_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-. ][A-Za-z0-9]+)*")
_LONG_ENOUGH = 3
"""Characters from which on a word of a list is taken up: shorter ones are common words too often (ours)."""
_NO_SMALL_PRODUCTS = frozenset(
    listed(
        "diy ins ppt vip led lcd hd uhd logo vlog app cm mm kg ml 3d 4k 8k ps ai psd png jpg t恤 xl xxl pvc abs usb wifi gif ui"
        " cp ok vs nba cba cctv p"
    )
)


class ChineseNames:
    """A loaded finder for texts in Chinese, simplified or traditional."""

    def __init__(self, words: Mapping[str, Sequence[str]], places: Iterable[str]) -> None:
        """Find with jieba's dictionary, THUOCL's lists ``words`` and the simplified names of ``places``."""
        import jieba
        import jieba.posseg

        jieba.setLogLevel("WARNING")
        tokenizer: Any = jieba.Tokenizer()
        # jieba unmarshals what lies there, so it must not be a folder that others write to.
        tokenizer.tmp_dir = str(cache_dir())
        tokenizer.initialize()
        self._tagger: Any = jieba.posseg.POSTokenizer(tokenizer)
        self._people = frozenset(words["历史人名"])
        self._places = frozenset(places) | COUNTRIES
        self._add(self._people, "nr", _LONG_ENOUGH)
        self._add(self._places, "ns", _LONG_ENOUGH)
        self._add((w for w in words["动物"] if w not in COMMON), "nspecies", _LONG_ENOUGH)
        self._add(HAN_SPECIES, "nspecies", 2)
        self._add(COUNTRIES, "ns", 2)
        self._add(BRANDS, "nbrand", 2)
        self._people |= PEOPLE
        for word in sorted(PEOPLE):
            tokenizer.add_word(word, 3, "nr")

    def _add(self, words: Iterable[str], tag: str, shortest: int) -> None:
        known: dict[str, int] = self._tagger.tokenizer.FREQ
        for word in sorted(words):
            if len(word) >= shortest and (tag not in ("ns", "nr") or not known.get(word) or word in COUNTRIES):
                # Without a frequency jieba computes one, segment by segment; three is that of rare words of its dictionary.
                self._tagger.tokenizer.add_word(word, max(known.get(word, 0), 3), tag)

    def find(self, text: str) -> list[Name]:
        """Return the names of one text in reading order."""
        plain = simplified(text)
        if len(plain) != len(text):
            text = plain
        found = [(m.start(1), m.end(1), "work") for m in _TITLE.finditer(plain)]
        found += [(m.start(), m.end(), "name") for m in _FOREIGN_RUN.finditer(plain)]
        found += [(m.start(), m.end(), "product") for m in _PRODUCT.finditer(plain) if _is_product(m[0])]
        found += [(start, _with_version(plain, end) if kind == "product" else end, kind) for start, end, kind in self._tagged(plain)]
        return [Name(text[start:end], kind) for start, end, kind in apart(found)]

    def _tagged(self, plain: str) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] = []
        position = 0
        for pair in self._tagger.cut(plain):
            start, position = position, position + len(pair.word)
            kind = self._kind(pair.word, KIND_OF_TAG.get(pair.flag, ""))
            if pair.word in SIGHTS and found and found[-1][1:] == (start, "place"):
                found[-1] = (found[-1][0], position, "place")
            elif kind:
                found.append((start, position, kind))
        return found

    def _kind(self, word: str, tagged: str) -> str:
        """Return the kind of a word that jieba gave the kind ``tagged``, empty where it is no name: its guesses are often wrong."""
        if len(word) < 2 or word in COMMON or word in NO_PLACES or not "\u3400" <= word[0] <= "\u9fff":
            return ""
        if tagged in ("species", "product", "organisation") or word in self._people:
            return tagged or "person"
        if word in self._places and (tagged == "place" or len(word) >= _LONG_ENOUGH):
            return "place"
        if len(word) >= _LONG_ENOUGH and PLACE_END.search(word):
            return "place"
        if tagged == "person" and (all(c in FOREIGN for c in word) or (len(word) == _LONG_ENOUGH and word[0] in SURNAMES)):
            return "person"
        return tagged if tagged in ("place", "name") and len(word) > _LONG_ENOUGH else ""


def _with_version(plain: str, end: int) -> int:
    version = _VERSION.match(plain, end)
    return version.end() if version else end


def _is_product(word: str) -> bool:
    return len(word) > 1 and folded(word) not in _NO_SMALL_PRODUCTS and not re.fullmatch(r"\d.*", word)


def apart(found: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return the spans that overlap no longer one (the first of equals), in reading order."""
    chosen: list[tuple[int, int, str]] = []
    for span in sorted(found, key=lambda s: s[0] - s[1]):
        if all(span[1] <= other[0] or other[1] <= span[0] for other in chosen):
            chosen.append(span)
    return sorted(chosen)

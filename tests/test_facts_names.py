"""The finder of names with its real taggers and lists: what it takes for a name in texts of seven languages, and what not."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from filters.models.names import NameSpec
from jobs.fetch import fetch
from schemas.exits import EnvironmentFault
from schemas.protocols import NameFinder
from schemas.weights import CACHE_VARIABLE, TABLE, cache_dir


@pytest.fixture(scope="module")
def finder() -> NameFinder:
    for name in ("geonames", "thuocl"):
        fetch(TABLE[name], cache_dir())
    return NameSpec().load()


FOUND = {
    "Lionel Messi celebrates after scoring against Real Madrid": ["Lionel Messi", "Real Madrid"],
    "Eiffel Tower at sunset, Paris, France": ["Eiffel Tower", "Paris", "France"],
    "taylor swift eras tour": ["taylor swift"],
    "LEBRON JAMES DUNKS OVER TWO DEFENDERS": ["LEBRON JAMES"],
    "Best Places To Visit In Hawaii This Summer": ["Hawaii"],
    "Jars of Nutella on a shelf": ["Nutella"],
    "golden retriever puppy cute funny": ["golden retriever"],
    "A Northern Cardinal Singing.": ["Northern Cardinal"],
    "Persian cat on a cushion": ["Persian cat"],
    "Tesla Model 3 charging": ["Tesla Model 3"],
    "Golden Gate Bridge at night": ["Golden Gate Bridge"],
    "Cork harbour in the morning": ["Cork"],
    "周杰伦在北京举办演唱会": ["周杰伦", "北京"],
    "2019.07.30 梅斯蒂亚 乌树故里,雪山脚下的绝美山村": ["梅斯蒂亚"],
    "《清明上河图》局部 张择端": ["清明上河图", "张择端"],
    "華為手機殼 紅色": ["華為"],
    "一只柯基犬在草地上": ["柯基犬"],
    "小米13 手机": ["小米13"],
    "苏州拙政园的荷花": ["苏州", "拙政园", "荷花"],
    "哈利·波特 海报": ["哈利·波特"],
    "村上春樹の小説と富士山": ["村上春樹", "富士山"],
    "Das Brandenburger Tor in Berlin bei Nacht": ["Brandenburger Tor", "Berlin"],
    "Victor Hugo, photographie": ["Victor Hugo"],
    "El Popocatépetl con nieve": ["Popocatépetl"],
    "Юрий Гагарин в скафандре": ["Юрий Гагарин"],
}

NAMELESS = [
    "Beautiful Sunset Over The Ocean",
    "Happy Young Couple Drinking Coffee In Kitchen",
    "HAPPY BIRTHDAY CARD WITH BALLOONS",
    "apple on a desk next to a laptop",
    "Wooden dining table with six chairs",
    "Vintage Leather Messenger Bag for Men",
    "厂家直销 爆款 包邮 限时特价",
    "夕阳下的湖面泛着金光,远处是连绵的群山。",
    "一位老人坐在公园的长椅上",
    "猫がソファで寝ている",
    "Eine Katze liegt auf dem Sofa.",
    "Tarte aux pommes maison, recette facile",
    "Кошка спит на диване",
    "Niños jugando en la playa",
    "สวัสดี",
    "2019",
    "",
]


@pytest.mark.parametrize(("text", "names"), FOUND.items(), ids=range(len(FOUND)))
def test_names_are_found_in_reading_order_as_they_stand(finder: NameFinder, text: str, names: list[str]):
    assert [name.text for name in finder.find([text])[0]] == names


@pytest.mark.parametrize("text", NAMELESS)
def test_a_text_without_names_has_none(finder: NameFinder, text: str):
    assert list(finder.find([text])[0]) == []


def test_kinds_are_told_where_the_taggers_tell_them(finder: NameFinder):
    texts = ["Angela Merkel in Berlin", "周杰伦在北京", "A Northern Cardinal", "《清明上河图》", "华为手机"]
    assert [[name.kind for name in names] for names in finder.find(texts)] == [
        ["person", "place"],
        ["person", "place"],
        ["species"],
        ["work"],
        ["product"],
    ]


def test_a_text_has_the_same_names_alone_and_among_others(finder: NameFinder):
    texts = [*FOUND, *NAMELESS]
    assert list(finder.find(texts)) == [finder.find([text])[0] for text in texts]
    assert list(finder.find(texts[::-1])) == list(finder.find(texts))[::-1]


def test_the_spec_is_a_picklable_value():
    assert pickle.loads(pickle.dumps(NameSpec())) == NameSpec()


def test_missing_lists_stop_the_run_with_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"jobs\.fetch geonames"):
        NameSpec().load()


def test_a_missing_pipeline_stops_the_run_with_the_command_that_installs_it(finder: NameFinder):
    with pytest.raises(EnvironmentFault, match=r"glmv-curation\[names\]"):
        replace(NameSpec(), english="no_such_pipeline-1.0").load()

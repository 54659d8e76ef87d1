"""Animals, breeds and plants that an alt text names, in English, singular and folded (ours); ImageNet-1k has others."""

from filters.names import listed

SPECIES = frozenset(
    # birds
    listed(
        "albatross bluebird bluejay blackbird bittern bunting buzzard canary cardinal chickadee cockatiel cockatoo condor"
        " cormorant cuckoo curlew dove eagle egret emu falcon finch flamingo goldfinch goose goshawk grebe grouse gull hawk"
        " heron hoopoe hornbill hummingbird ibis jackdaw kestrel kingfisher kookaburra lapwing lark lorikeet macaw magpie"
        " mallard mockingbird moorhen nightingale nuthatch oriole osprey ostrich owl parakeet parrot partridge peacock pelican"
        " penguin peregrine pheasant pigeon plover puffin quail quetzal raven robin roadrunner sandpiper seagull shrike sparrow"
        " starling stork swan tanager tern thrush toucan vulture warbler waxwing woodpecker wren aardvark alpaca anteater"
        " antelope armadillo baboon badger bear beaver bison boar bobcat buffalo camel capybara caribou cheetah chimpanzee"
        " chinchilla chipmunk cougar coyote deer dingo dolphin donkey dormouse elephant elk ferret fox gazelle gibbon giraffe"
        " gorilla groundhog guanaco hamster hare hedgehog hippo hippopotamus hyena ibex impala jackal jaguar kangaroo koala"
        " lemur leopard lion llama lynx manatee marmot meerkat mongoose moose narwhal ocelot okapi opossum orangutan orca otter"
        " panda panther platypus porcupine puma raccoon reindeer rhino rhinoceros serval skunk sloth squirrel stoat tapir tiger"
        " walrus warthog weasel whale wildebeest wolf wolverine wombat yak zebra akita appaloosa beagle bengal bernese bichon"
        " bloodhound bulldog chihuahua clydesdale cockapoo collie corgi dachshund dalmatian doberman goldendoodle greyhound"
        " havanese husky labradoodle labrador malamute mastiff newfoundland papillon pekingese pinscher pitbull pomeranian"
        " poodle pug ragdoll retriever rottweiler samoyed schnauzer shiba siamese spaniel sphynx terrier vizsla weimaraner"
        " whippet alligator anaconda axolotl barracuda chameleon clownfish cobra cockroach crocodile dragonfly firefly gecko"
        " grasshopper iguana jellyfish ladybug ladybird lionfish mantis manta monarch mosquito octopus piranha python"
        " rattlesnake salamander scorpion seahorse shark stingray swordfish tarantula toad tortoise turtle viper wasp agave aloe"
        " azalea baobab begonia bluebell bonsai bougainvillea buttercup camellia carnation chrysanthemum crocus cypress daffodil"
        " dahlia dandelion edelweiss eucalyptus fern foxglove geranium ginkgo hibiscus hyacinth hydrangea ivy jacaranda jasmine"
        " juniper lavender lily lotus magnolia marigold mimosa narcissus oleander orchid palm pansy peony petunia poinsettia"
        " poppy primrose redwood rhododendron rose sequoia snowdrop sunflower sycamore thistle tulip wisteria yucca zinnia"
    )
)
"""What a species or breed is called; words before it may say which (`northern cardinal`)."""

KINDS = frozenset(
    listed(
        "northern southern eastern western american european african asian arctic siberian japanese chinese german english"
        " french scottish irish welsh belgian australian mexican indian bengal golden bald snowy great greater lesser giant"
        " emperor king blue red grey gray black white green yellow purple brown barn horned tailed headed breasted winged"
        " throated backed crested wild polar grizzly sea killer humpback sperm border shepherd fire cherry water tiger leopard"
        " komodo sumatran amur persian atlantic pacific common mute ruby jack yorkshire staffordshire maine koala hammerhead"
        " clouded snow mountain tree monarch swallowtail"
    )
)
"""Words that say which species of a kind it is."""

HAN_SPECIES = frozenset(
    listed(
        "金毛犬 金毛 柯基 柯基犬 哈士奇 泰迪 泰迪犬 拉布拉多 柴犬 萨摩耶 边境牧羊犬 边牧 德国牧羊犬 贵宾犬 比熊 吉娃娃 斗牛犬"
        " 法斗 布偶猫 英短 英国短毛猫 美短 美国短毛猫 暹罗猫 波斯猫 橘猫 缅因猫 大熊猫 小熊猫 东北虎 华南虎 孟加拉虎 雪豹 金丝猴"
        " 藏羚羊 丹顶鹤 朱鹮 白鹭 苍鹭 翠鸟 火烈鸟 红嘴鸥 北极熊 棕熊 黑天鹅 白天鹅 帝企鹅 白头鹰 金雕 猫头鹰 蓝鲸 座头鲸 虎鲸"
        " 白鲸 中华鲟 扬子鳄 梅花鹿 长颈鹿 樱花 梅花 荷花 牡丹 牡丹花 玫瑰 郁金香 向日葵 薰衣草 杜鹃花 桂花 菊花 茶花 山茶花"
        " 银杏 枫叶 水仙 兰花 蝴蝶兰 紫藤 绣球花 海棠 油菜花 格桑花 桃花 杏花 梨花 百合 茉莉 胡杨 红豆杉 水杉"
    )
)
"""Animals and plants in Chinese whose names THUOCL lacks, simplified."""

BREEDS = frozenset(
    listed(
        "persian siamese bengal burmese birman angora abyssinian shorthair longhair arabian friesian andalusian maltese boxer pointer"
        " setter monarch swallowtail peacock clown koi cherry siberian"
    )
)
"""What names a breed or species only before an everyday word for an animal or plant."""
EVERYDAY = frozenset(listed("cat kitten kitty dog puppy pup horse pony foal butterfly fish carp tiger bird blossom tree"))
"""Everyday words for animals and plants, which name no species."""

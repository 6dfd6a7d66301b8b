"""The data sets that come with ganzoo: what they are. How they are read is in the modules that the cards name.

Embedded sets ship inside the package and need no network; the others are downloaded once into the cache
(`ganzoo.data.download.cache_dir`). Nothing heavy is imported here: this module is read for every list of data sets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ganzoo import hookimpl
from ganzoo.cards import Dataset
from ganzoo_data.embedded import EMOJI_CATEGORIES, FASHION_CLASSES


def slug(text: str) -> str:
    """A name as it stands after a colon: `"colt's foot"` becomes `"colts-foot"`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("'", "")).strip("-")


def _names(text: str) -> tuple[str, ...]:
    """The names of a list with commas, whatever lines it is broken into."""
    return tuple(" ".join(name.split()) for name in text.split(","))


def _slugs(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(slug(name) for name in names)


DIGITS = tuple("0123456789")
KMNIST_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL10_CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
LSUN_CATEGORIES = (
    "bedroom",
    "bridge",
    "church_outdoor",
    "classroom",
    "conference_room",
    "dining_room",
    "kitchen",
    "living_room",
    "restaurant",
    "tower",
)
CIFAR100_CLASSES = _names(
    """
    apple, aquarium fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle, bowl, boy, bridge, bus, butterfly,
    camel, can, castle, caterpillar, cattle, chair, chimpanzee, clock, cloud, cockroach, couch, crab, crocodile,
    cup, dinosaur, dolphin, elephant, flatfish, forest, fox, girl, hamster, house, kangaroo, keyboard, lamp, lawn
    mower, leopard, lion, lizard, lobster, man, maple tree, motorcycle, mountain, mouse, mushroom, oak tree, orange,
    orchid, otter, palm tree, pear, pickup truck, pine tree, plain, plate, poppy, porcupine, possum, rabbit,
    raccoon, ray, road, rocket, rose, sea, seal, shark, shrew, skunk, skyscraper, snail, snake, spider, squirrel,
    streetcar, sunflower, sweet pepper, table, tank, telephone, television, tiger, tractor, train, trout, tulip,
    turtle, wardrobe, whale, willow tree, wolf, woman, worm
    """
)

FLOWERS_CLASSES = _names(
    """
    pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon
    orchid, bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle, yellow
    iris, globe-flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily,
    pincushion flower, fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless
    gentian, artichoke, sweet william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly,
    ruby-lipped cattleya, cape flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword
    lily, poinsettia, bolero deep blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion, petunia,
    wild pansy, primula, sunflower, pelargonium, bishop of llandaff, gaura, geranium, orange dahlia, pink-yellow
    dahlia?, cautleya spicata, japanese anemone, black-eyed susan, silverbush, californian poppy, osteospermum,
    spring crocus, bearded iris, windflower, tree poppy, gazania, azalea, water lily, rose, thorn apple, morning
    glory, passion flower, lotus, toad lily, anthurium, frangipani, clematis, hibiscus, columbine, desert-rose, tree
    mallow, magnolia, cyclamen, watercress, canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea,
    camellia, mallow, mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
    """
)

CELEBA_ATTRIBUTES = _names(
    """
    5_o_Clock_Shadow, Arched_Eyebrows, Attractive, Bags_Under_Eyes, Bald, Bangs, Big_Lips, Big_Nose, Black_Hair,
    Blond_Hair, Blurry, Brown_Hair, Bushy_Eyebrows, Chubby, Double_Chin, Eyeglasses, Goatee, Gray_Hair,
    Heavy_Makeup, High_Cheekbones, Male, Mouth_Slightly_Open, Mustache, Narrow_Eyes, No_Beard, Oval_Face, Pale_Skin,
    Pointy_Nose, Receding_Hairline, Rosy_Cheeks, Sideburns, Smiling, Straight_Hair, Wavy_Hair, Wearing_Earrings,
    Wearing_Hat, Wearing_Lipstick, Wearing_Necklace, Wearing_Necktie, Young
    """
)


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    """Cards of the embedded sets, then of those that are downloaded or fetched by hand."""
    return [*_embedded(), *_downloaded(), *_captioned(), *_unpaired(), *_paired(), *_large()]


def _embedded() -> list[Dataset]:
    emoji = {
        "line": ("line drawings", "emoji_line"),
        "flat": ("flat colours", "emoji_flat"),
        "3d": ("shaded", "emoji_3d"),
    }
    return [
        Dataset(
            name="fashion",
            title="Fashion-MNIST, a balanced part",
            summary="clothes on black, grey; 500 a class of the original's training file, 100 of its test file",
            fields=("image", "label"),
            load="ganzoo_data.embedded_sets:fashion",
            licence="MIT",
            source="https://github.com/zalandoresearch/fashion-mnist",
            size=28,
            channels=1,
            count=5000,
            classes=FASHION_CLASSES,
            subsets=_slugs(FASHION_CLASSES),
            embedded=True,
        ),
        *(
            Dataset(
                name=f"emoji-{style}",
                title=f"Fluent Emoji, {title}",
                summary=f"emoji on white with their English names, {title}; the three styles hold the same emoji",
                fields=("image", "label", "text"),
                load=f"ganzoo_data.embedded_sets:{function}",
                licence="MIT",
                source="https://github.com/microsoft/fluentui-emoji",
                size=64,
                channels=3,
                count=1391,
                classes=EMOJI_CATEGORIES,
                splits=("train", "test", "all"),
                subsets=_slugs(EMOJI_CATEGORIES),
                embedded=True,
            )
            for style, (title, function) in emoji.items()
        ),
        *(
            Dataset(
                name=f"emoji-{first}-{second}",
                title=f"Fluent Emoji, {emoji[first][0]} and {emoji[second][0]}",
                summary=f"the same emoji twice, {emoji[first][0]} and {emoji[second][0]}: as pairs, or as two domains",
                fields=("source", "target", "a", "b"),
                load=f"ganzoo_data.embedded_pairs:{function}",
                licence="MIT",
                source="https://github.com/microsoft/fluentui-emoji",
                size=64,
                channels=3,
                count=1391,
                splits=("train", "test", "all"),
                subsets=_slugs(EMOJI_CATEGORIES),
                embedded=True,
            )
            for first, second, function in (("line", "flat", "line_flat"), ("flat", "3d", "flat_3d"))
        ),
        Dataset(
            name="emoji-photos",
            title="Fluent Emoji of 256 x 256, and five photographs",
            summary="523 shaded emoji and the left two thirds of five photographs, for super-resolution",
            fields=("low", "high"),
            load="ganzoo_data.embedded_pairs:emoji_photos",
            licence="MIT (emoji), CC0 (photographs)",
            source="https://github.com/microsoft/fluentui-emoji, https://scikit-image.org",
            count=528,
            subsets=("emoji", "photos"),
            embedded=True,
        ),
        Dataset(
            name="emoji-captions",
            title="Fluent Emoji with captions",
            summary="flat emoji under sentences made of name, category and style; other styles, or all, as parts",
            fields=("image", "text"),
            load="ganzoo_data.captioned_sets:emoji_captions",
            licence="MIT",
            source="https://github.com/microsoft/fluentui-emoji",
            size=64,
            channels=3,
            count=1391,
            splits=("train", "test", "all"),
            subsets=("flat", "3d", "line", "styles"),
            embedded=True,
        ),
        Dataset(
            name="shapes",
            title="Shapes with captions",
            summary="one to three coloured shapes and what they are, in several phrasings; drawn in any size; half of "
            "its test split are combinations that training never shows",
            fields=("image", "text"),
            load="ganzoo_data.shapes:shapes",
            licence="MIT (drawn by ganzoo)",
            source="https://arxiv.org/abs/1704.04517 (ShapeWorld, whose idea it is)",
            size=32,
            channels=3,
            count=20_000,
            subsets=("one", "two", "three", "held-out", "seen"),
            embedded=True,
        ),
    ]


def _downloaded() -> list[Dataset]:
    return [
        Dataset(
            name="mnist",
            title="MNIST",
            summary="handwritten digits on black, grey",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:mnist",
            licence="CC BY-SA 3.0",
            source="http://yann.lecun.com/exdb/mnist/",
            size=28,
            channels=1,
            count=60_000,
            classes=DIGITS,
            subsets=DIGITS,
            download="12 MB",
        ),
        Dataset(
            name="fashion-mnist",
            title="Fashion-MNIST",
            summary="clothes on black, grey; read from Debian's package dataset-fashion-mnist where that is installed",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:fashion_mnist",
            licence="MIT",
            source="https://github.com/zalandoresearch/fashion-mnist",
            size=28,
            channels=1,
            count=60_000,
            classes=FASHION_CLASSES,
            subsets=_slugs(FASHION_CLASSES),
            download="31 MB",
        ),
        Dataset(
            name="kmnist",
            title="Kuzushiji-MNIST",
            summary="cursive Japanese characters on black, grey",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:kmnist",
            licence="CC BY-SA 4.0",
            source="http://codh.rois.ac.jp/kmnist/",
            size=28,
            channels=1,
            count=60_000,
            classes=KMNIST_CLASSES,
            subsets=KMNIST_CLASSES,
            download="21 MB",
        ),
        Dataset(
            name="cifar10",
            title="CIFAR-10",
            summary="photographs of ten kinds of things and animals",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:cifar10",
            licence="none stated (cite Krizhevsky 2009)",
            source="https://www.cs.toronto.edu/~kriz/cifar.html",
            size=32,
            count=50_000,
            classes=CIFAR10_CLASSES,
            subsets=_slugs(CIFAR10_CLASSES),
            download="170 MB",
        ),
        Dataset(
            name="cifar100",
            title="CIFAR-100",
            summary="photographs of a hundred kinds of things and animals (the fine labels)",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:cifar100",
            licence="none stated (cite Krizhevsky 2009)",
            source="https://www.cs.toronto.edu/~kriz/cifar.html",
            size=32,
            count=50_000,
            classes=CIFAR100_CLASSES,
            subsets=_slugs(CIFAR100_CLASSES),
            download="169 MB",
        ),
        Dataset(
            name="svhn",
            title="Street View House Numbers",
            summary="house numbers cut to one digit in the middle; the split `extra` has 531,131 easier ones",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:svhn",
            licence="non-commercial use only",
            source="http://ufldl.stanford.edu/housenumbers/",
            size=32,
            count=73_257,
            classes=DIGITS,
            splits=("train", "test", "extra"),
            subsets=DIGITS,
            download="182 MB, extra 1.3 GB",
        ),
        Dataset(
            name="stl10",
            title="STL-10",
            summary="photographs of ten kinds of things and animals; the split `unlabeled` has 100,000 without a label",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:stl10",
            licence="none stated (pictures from ImageNet: research)",
            source="https://cs.stanford.edu/~acoates/stl10/",
            size=96,
            count=5_000,
            classes=STL10_CLASSES,
            splits=("train", "test", "unlabeled"),
            subsets=_slugs(STL10_CLASSES),
            download="2.6 GB",
        ),
        Dataset(
            name="celeba",
            title="CelebA, aligned",
            summary="faces, the middle 178 x 178 of 178 x 218; labels for one attribute at a time (celeba:smiling)",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:celeba",
            licence="non-commercial research only",
            source="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
            size=178,
            count=162_770,
            splits=("train", "valid", "test", "all"),
            subsets=_slugs(CELEBA_ATTRIBUTES),
            download="1.4 GB",
        ),
        Dataset(
            name="flowers102",
            title="Oxford Flowers-102",
            summary="photographs of flowers; the split `all` has the 8,189 that GAN papers train on",
            fields=("image", "label"),
            load="ganzoo_data.torchvision_sets:flowers102",
            licence="none stated (pictures from the web: research)",
            source="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
            count=1_020,
            classes=FLOWERS_CLASSES,
            splits=("train", "val", "test", "all"),
            subsets=_slugs(FLOWERS_CLASSES),
            download="345 MB",
        ),
        Dataset(
            name="lsun",
            title="LSUN scenes",
            summary="rooms and buildings, one category at a time (lsun:bedroom); fetched by hand, read with lmdb",
            fields=("image",),
            load="ganzoo_data.torchvision_sets:lsun",
            licence="none stated (research)",
            source="https://github.com/fyu/lsun",
            count=9_895_373,
            splits=("train", "val"),
            subsets=_slugs(LSUN_CATEGORIES),
            download="2 to 43 GB, by hand",
        ),
    ]


def _captioned() -> list[Dataset]:
    return [
        Dataset(
            name="cub200-captions",
            title="CUB-200-2011 with captions",
            summary="photographs of birds, ten captions each; training and test have different kinds of birds",
            fields=("image", "text"),
            load="ganzoo_data.captioned_sets:cub200_captions",
            licence="non-commercial research and education only",
            source="https://www.vision.caltech.edu/datasets/cub_200_2011/",
            count=8_855,
            splits=("train", "test", "all"),
            download="1.2 GB, by hand",
        ),
        Dataset(
            name="flowers102-captions",
            title="Oxford Flowers-102 with captions",
            summary="photographs of flowers, ten captions each; training and test have different kinds of flowers",
            fields=("image", "text"),
            load="ganzoo_data.captioned_sets:flowers102_captions",
            licence="none stated (pictures from the web: research)",
            source="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
            count=7_034,
            splits=("train", "test", "all"),
            download="345 MB, by hand",
        ),
    ]


def _unpaired() -> list[Dataset]:
    imagenet = "none stated (pictures from ImageNet: non-commercial research)"
    flickr = "none stated (photographs from Flickr: research)"
    wikiart = "none stated (paintings from WikiArt, photographs from Flickr: research)"
    photos = "6,287 landscape photographs"
    facts = (
        ("horse2zebra", "Horses and zebras", "1,067 horses and 1,334 zebras", imagenet, 1_334, "117 MB"),
        ("apple2orange", "Apples and oranges", "995 apples and 1,019 oranges", imagenet, 1_019, "78 MB"),
        (
            "summer2winter_yosemite",
            "Yosemite in two seasons",
            "1,231 summer and 962 winter photographs",
            flickr,
            1_231,
            "133 MB",
        ),
        ("monet2photo", "Monet and photographs", f"1,072 paintings and {photos}", wikiart, 6_287, "305 MB"),
        ("cezanne2photo", "Cézanne and photographs", f"525 paintings and {photos}", wikiart, 6_287, "280 MB"),
        ("ukiyoe2photo", "Ukiyo-e and photographs", f"562 prints and {photos}", wikiart, 6_287, "293 MB"),
        ("vangogh2photo", "Van Gogh and photographs", f"400 paintings and {photos}", wikiart, 6_287, "307 MB"),
    )
    return [
        Dataset(
            name=name,
            title=title,
            summary=f"two domains without pairs (CycleGAN's): {summary}",
            fields=("a", "b"),
            load=f"ganzoo_data.translation_sets:{name}",
            licence=licence,
            source="https://junyanz.github.io/CycleGAN/",
            size=256,
            count=count,
            download=download,
        )
        for name, title, summary, licence, count, download in facts
    ]


def _paired() -> list[Dataset]:
    return [
        Dataset(
            name="facades",
            title="CMP facades",
            summary="from labels of windows, doors and so on to photographs of facades (pix2pix's pairs)",
            fields=("source", "target"),
            load="ganzoo_data.translation_sets:facades",
            licence="CC BY-SA (CMP Facade Database)",
            source="https://cmp.felk.cvut.cz/~tylecr1/facade/",
            size=256,
            count=400,
            splits=("train", "val", "test"),
            download="30 MB",
        ),
        Dataset(
            name="maps",
            title="Aerial photographs and maps",
            summary="from aerial photographs of New York to maps of the same places (pix2pix's pairs)",
            fields=("source", "target"),
            load="ganzoo_data.translation_sets:maps",
            licence="none stated (pictures from Google Maps: Google's terms)",
            source="https://phillipi.github.io/pix2pix/",
            size=600,
            count=1_096,
            download="250 MB",
        ),
        Dataset(
            name="edges2shoes",
            title="Edges and shoes",
            summary="from edges to photographs of shoes on white (pix2pix's pairs)",
            fields=("source", "target"),
            load="ganzoo_data.translation_sets:edges2shoes",
            licence="non-commercial research only (UT Zappos50K)",
            source="https://phillipi.github.io/pix2pix/",
            size=256,
            count=49_825,
            download="2 GB",
        ),
        Dataset(
            name="edges2handbags",
            title="Edges and handbags",
            summary="from edges to photographs of handbags on white (pix2pix's pairs)",
            fields=("source", "target"),
            load="ganzoo_data.translation_sets:edges2handbags",
            licence="none stated (pictures from Amazon: research)",
            source="https://phillipi.github.io/pix2pix/",
            size=256,
            count=138_567,
            download="8 GB",
        ),
    ]


def _large() -> list[Dataset]:
    benchmarks = (
        ("set5", "Set5", 5, "none stated (research)", "https://github.com/jbhuang0604/SelfExSR", "by hand"),
        ("set14", "Set14", 14, "none stated (research)", "https://github.com/jbhuang0604/SelfExSR", "by hand"),
        (
            "bsd100",
            "BSD100",
            100,
            "non-commercial research and education only",
            "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/",
            "22 MB",
        ),
        (
            "urban100",
            "Urban100",
            100,
            "none stated (photographs from Flickr: research)",
            "https://github.com/jbhuang0604/SelfExSR",
            "by hand",
        ),
    )
    return [
        Dataset(
            name="div2k",
            title="DIV2K",
            summary="photographs of about 2040 x 1400 for super-resolution; its validation set is the test split",
            fields=("low", "high"),
            load="ganzoo_data.large_sets:div2k",
            licence="academic research only",
            source="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
            count=800,
            download="3.5 GB, test 0.4 GB",
        ),
        *(
            Dataset(
                name=name,
                title=f"{title}, to measure on",
                summary=f"{count} pictures that super-resolution is measured on, all of them the test split",
                fields=("low", "high"),
                load=f"ganzoo_data.large_sets:{name}",
                licence=licence,
                source=source,
                count=count,
                splits=("test",),
                download=download,
            )
            for name, title, count, licence, source, download in benchmarks
        ),
    ]

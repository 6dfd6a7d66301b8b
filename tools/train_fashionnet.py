"""Train the small classifier of Fashion-MNIST that ships inside the package (developers only; two minutes, one core).

    python tools/train_fashionnet.py

It sees the 5,000 embedded training pictures, mirrored at random and moved by up to 2 pixels; the 1,000 held-out ones
are looked at once, at the end. Seeded and on one thread: the same machine and version of torch give the same bytes,
others the same accuracy within its own error. `SOURCES.json` records what it was made from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from ganzoo.engine.noise import derive, seed_globals
from ganzoo_data import embedded
from ganzoo_evaluation.backbone import FILES
from ganzoo_evaluation.fashionnet import NAME, Body, prepare
from ganzoo_evaluation.folding import fold_pairs

EPOCHS = 24
BATCH = 50
RATE = 4e-3
DECAY = 0.02
SHIFT = 2
"""Pixels that a picture is moved by at most."""

LICENCE = "LICENSE-fashionnet.txt"


def split(name: str) -> tuple[Tensor, Tensor]:
    """Embedded pictures uint8 (n, 1, 28, 28) and labels (n,)."""
    images, labels = embedded.fashion(name)
    return torch.from_numpy(images), torch.from_numpy(labels).long()


def augmented(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Half of (n, 1, 28, 28) mirrored, all of them moved; what comes in at the border is black."""
    count, _, height, width = pictures.shape
    mirror = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    pictures = torch.where(mirror, pictures.flip(3), pictures)
    top, left = torch.randint(2 * SHIFT + 1, (2, count), generator=generator)
    rows = (top[:, None] + torch.arange(height))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, None, :]
    room = pad(pictures, (SHIFT,) * 4, value=-1.0)
    return room[torch.arange(count)[:, None, None, None], 0, rows, columns]


def train(seed: int) -> Body:
    """The classifier after `EPOCHS` epochs, in evaluation mode."""
    seed_globals(seed, NAME)
    generator = torch.Generator().manual_seed(derive(seed, NAME, "order and augmentation"))
    images, labels = split("train")
    pictures = prepare(images)
    body = Body(norm=True).to(memory_format=torch.channels_last)
    steps = len(pictures) // BATCH
    optimizer = torch.optim.AdamW(body.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps, pct_start=0.2)
    for epoch in range(EPOCHS):
        total, started = 0.0, time.monotonic()
        for rows in torch.randperm(len(pictures), generator=generator)[: steps * BATCH].split(BATCH):
            optimizer.zero_grad()
            _, logits = body(augmented(pictures[rows], generator))
            loss = cross_entropy(logits, labels[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {total / steps:.4f}, {time.monotonic() - started:.1f} s")
    return body.eval()


def record(name: str, accuracy: str, out: Path) -> None:
    """Put the entry of the file, with its sha256 and length, into `SOURCES.json`."""
    path = out / "SOURCES.json"
    files = json.loads(path.read_text(encoding="utf-8"))["files"] if path.exists() else {}
    data = json.loads((embedded.FILES / "SOURCES.json").read_text(encoding="utf-8"))["files"]["fashion-train.webp"]
    content = (out / name).read_bytes()
    files[name] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "license": "MIT",
        "license_file": LICENCE,
        "accuracy": accuracy,
        "made_from": [{"file": "ganzoo_data/files/fashion-train.webp", "sha256": data["sha256"]}],
        "made_by": "tools/train_fashionnet.py",
    }
    path.write_text(json.dumps({"files": dict(sorted(files.items()))}, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the classifier of fashion pictures that ships in the package.")
    parser.add_argument("--out", type=Path, default=FILES, help="where the weights go")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    body = fold_pairs(train(arguments.seed))
    tensors = {name: value.half() if value.ndim > 1 else value for name, value in body.state_dict().items()}
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    images, labels = split("test")
    rounded = Body().eval()
    rounded.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=True)
    with torch.inference_mode():
        accuracy = f"{float((rounded(prepare(images))[1].argmax(1) == labels).float().mean()):.3f}"
    save_file(tensors, out / f"{NAME}.safetensors", metadata={"accuracy on the 1,000 held-out pictures": accuracy})
    own = (Path(__file__).parent.parent / "LICENSE").read_text(encoding="utf-8")
    (out / LICENCE).write_text(own, encoding="utf-8")
    record(f"{NAME}.safetensors", accuracy, out)
    print(f"accuracy {accuracy}; {(out / f'{NAME}.safetensors').stat().st_size:,} bytes in {out}")


if __name__ == "__main__":
    main()

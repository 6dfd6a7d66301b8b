"""Train the classifier of `shapes` that ships inside the package (developers only; a few minutes, one core).

    python tools/train_shapes_judge.py

Every picture is drawn once: a number of things on places at random, each of any shape, colour and size, whatever the
set holds out. Half of the pictures are then damaged a little. The accuracy that is written beside the weights is that
of clean pictures, `TESTED` of each kind, that are drawn once, at the end, as the set draws its own: of seen and of
held-out combinations. Seeded and on one thread: the same machine and version of torch give the same bytes, others the
same accuracy within its own error. `SOURCES.json` records what it was made from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from ganzoo.engine.noise import derive, seed_globals
from ganzoo_attributes.judge import FILE, NAME, SIZE, Body, prepare, scenes_of, split
from ganzoo_data.shapes import BACKGROUNDS, COLOURS, PLACES, SHAPES, SIZES, Scene, Thing, draw, random_scene, wobbles
from ganzoo_evaluation.folding import fold_pairs

STEPS = 3000
BATCH = 64
RATE = 4e-3
DECAY = 0.02
COUNTS = (0, *[1] * 8, *[2] * 7, *[3] * 5)
"""How many things a picture has: one of these."""
LARGE = 0.25
"""Share of the batches that are drawn at twice the size and reduced, as larger pictures are."""
TESTED = 4000

LICENCE = "LICENSE-shapes-judge.txt"


def any_scene(rng: random.Random) -> Scene:
    """Things anywhere, with nothing held out."""
    things = tuple(
        Thing(shape=rng.choice(SHAPES), colour=rng.choice([*COLOURS]), size=rng.choice(SIZES), row=row, column=column)
        for row, column in rng.sample([*PLACES], rng.choice(COUNTS))
    )
    return Scene(things=things, relation=None, background=rng.choice([*BACKGROUNDS]))


def pictures_of(scenes: Sequence[Scene], size: int, seed: int) -> Tensor:
    """Pictures uint8 (n, 3, size, size)."""
    return torch.from_numpy(draw(scenes, size, wobbles(seed, len(scenes))))


def targets_of(scenes: Sequence[Scene]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shape (0: nothing), colour and size at each place, (n, 9), -100 where nothing is; the background, (n,)."""
    shape = torch.zeros(len(scenes), len(PLACES), dtype=torch.int64)
    colour, size = torch.full_like(shape, -100), torch.full_like(shape, -100)
    for row, scene in enumerate(scenes):
        for thing in scene.things:
            place = [*PLACES].index(thing.place)
            shape[row, place] = 1 + SHAPES.index(thing.shape)
            colour[row, place] = [*COLOURS].index(thing.colour)
            size[row, place] = SIZES.index(thing.size)
    return shape, colour, size, torch.tensor([[*BACKGROUNDS].index(scene.background) for scene in scenes])


def damaged(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """(n, 3, H, W) in [-1, 1], one half of them blurred, with less or more contrast, another tint, and noise."""
    count = len(pictures)

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, channels, 1, 1, generator=generator)

    blurred = avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
    changed = torch.lerp(pictures, blurred, uniform(-0.3, 1.0))
    changed = changed * uniform(0.8, 1.1) + uniform(-0.1, 0.1) + uniform(-0.08, 0.08, 3)
    grain = torch.randn(pictures.shape, generator=generator) * uniform(0, 0.15)
    coarse = torch.randn(count, 3, SIZE // 4, SIZE // 4, generator=generator) * uniform(0, 0.15)
    changed = changed + grain + interpolate(coarse, pictures.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(uniform(0, 1) < 0.5, changed.clamp(-1, 1), pictures)


def train(seed: int) -> Body:
    """The classifier after `STEPS` steps, in evaluation mode."""
    seed_globals(seed, NAME)
    generator = torch.Generator().manual_seed(derive(seed, NAME, "damage"))
    rng = random.Random(derive(seed, NAME, "scenes"))
    body = Body(norm=True).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(body.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.2)
    total, started = 0.0, time.monotonic()
    for step in range(1, STEPS + 1):
        scenes = [any_scene(rng) for _ in range(BATCH)]
        size = SIZE * 2 if rng.random() < LARGE else SIZE
        pictures = damaged(prepare(pictures_of(scenes, size, derive(seed, NAME, "wobble", step))), generator)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            _, answers = body(pictures.contiguous(memory_format=torch.channels_last))
        pairs = zip(split(answers.float()), targets_of(scenes), strict=True)
        loss = torch.stack([cross_entropy(logits.flatten(0, -2), right.flatten()) for logits, right in pairs]).sum()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
        if step % 100 == 0:
            print(f"step {step}/{STEPS}: loss {total / 100:.4f}, {time.monotonic() - started:.0f} s", flush=True)
            total = 0.0
    return body.eval()


def accuracy(body: Body, seed: int) -> dict[str, dict[str, float]]:
    """How often it is right on clean pictures; see `ganzoo_attributes.judge.Judge`."""
    found = {}
    for name, held in (("seen", False), ("held-out", True)):
        rng = random.Random(derive(seed, NAME, "test", name))
        scenes = [random_scene(rng, held=held) for _ in range(TESTED)]
        pictures = prepare(pictures_of(scenes, SIZE, derive(seed, NAME, "test wobble", name)))
        with torch.inference_mode():
            read = scenes_of(torch.cat([body(part)[1] for part in pictures.split(100)]))
        found[name] = agreement(scenes, read)
    return found


def agreement(scenes: Sequence[Scene], read: Sequence[Scene]) -> dict[str, float]:
    """How often what was read is true: shape, colour and size of the things that were found, and whole pictures."""
    both = list(zip(scenes, read, strict=True))
    found = []
    for scene, other in both:
        there = {thing.place: thing for thing in other.things}
        found += [(thing, there[thing.place]) for thing in scene.things if thing.place in there]
    right = {
        "shape": [a.shape == b.shape for a, b in found],
        "colour": [a.colour == b.colour for a, b in found],
        "size": [a.size == b.size for a, b in found],
        "place": [{a.place for a in scene.things} == {b.place for b in other.things} for scene, other in both],
        "background": [scene.background == other.background for scene, other in both],
        "whole": [
            set(scene.things) == set(other.things) and scene.background == other.background for scene, other in both
        ],
    }
    return {name: round(sum(values) / len(values), 4) for name, values in right.items()}


def record(found: dict[str, dict[str, float]], out: Path) -> None:
    """Write `SOURCES.json`: the file with its sha256 and length, and how good it is."""
    content = (out / FILE.name).read_bytes()
    entry = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "license": "MIT",
        "license_file": LICENCE,
        "accuracy": found,
        "made_from": [{"set": "shapes", "drawn": STEPS * BATCH}],
        "made_by": "tools/train_shapes_judge.py",
    }
    text = json.dumps({"files": {FILE.name: entry}}, indent=2)
    (out / "SOURCES.json").write_text(f"{text}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the classifier of `shapes` that ships in the package.")
    parser.add_argument("--out", type=Path, default=FILE.parent, help="where the weights go")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    body = fold_pairs(train(arguments.seed))
    tensors = {name: value.half() if value.ndim > 1 else value for name, value in body.state_dict().items()}
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    rounded = Body().eval()
    rounded.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=True)
    found = accuracy(rounded, arguments.seed)
    save_file(tensors, out / FILE.name, metadata={"accuracy": json.dumps(found)})
    own = (Path(__file__).parent.parent / "LICENSE").read_text(encoding="utf-8")
    (out / LICENCE).write_text(own, encoding="utf-8")
    record(found, out)
    print(f"{json.dumps(found, indent=2)}\n{(out / FILE.name).stat().st_size:,} bytes in {out}")


if __name__ == "__main__":
    main()

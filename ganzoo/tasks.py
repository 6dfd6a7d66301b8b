"""The built-in tasks. Pictures in a batch are float, [-1, 1], N x C x H x W; labels int64, N; texts a list of N."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.cards import Direction, Task

SETS = ("fd", "fd_inf", "kid", "precision", "density", "sharpness", "spectrum", "recall", "coverage", "vendi")
"""Metrics of a set of pictures; those of other plugins that are not there are left out."""
LATENT = ("ppl", "authpct", "parameters", "latency", "throughput")
"""Metrics of what draws pictures from a latent."""
TRUTH = ("psnr", "ssim", "lpips", "perceptual", "perceptual_squeeze")
"""Metrics of what has a known answer."""
LOOKS = ("fd", "kid", "precision", "sharpness", "spectrum")
"""Metrics of a set of pictures that were made of given ones, whose variety is that of what was given."""
COST = ("parameters", "latency")
"""What a picture that is made of a given one costs."""


@hookimpl
def ganzoo_tasks() -> list[Task]:
    return [
        Task(
            name="generation",
            title="Image generation",
            summary="noise in, picture out",
            batch=("image",),
            inputs=("z",),
            output="image",
            optional=("label",),
            pipeline="unconditional-image-generation",
            metrics=(*SETS, "class_coverage", *LATENT),
        ),
        Task(
            name="class-conditional",
            title="Class-conditional image generation",
            summary="noise and a class in, picture out",
            batch=("image", "label"),
            inputs=("z", "label"),
            output="image",
            given={"label": "label"},
            pipeline="unconditional-image-generation",
            metrics=(*SETS, "class_accuracy", "class_coverage", "fd_classes", *LATENT),
        ),
        Task(
            name="text-to-image",
            title="Text-to-image generation",
            summary="noise and a caption in, picture out",
            batch=("image", "text"),
            inputs=("z", "text"),
            output="image",
            given={"text": "text"},
            show="ganzoo.pictures:save_captioned",
            pipeline="text-to-image",
            metrics=("r_precision", *SETS, *LATENT),
        ),
        Task(
            name="unpaired-translation",
            title="Unpaired image translation",
            summary="a picture of one domain in, the same in the other domain out",
            batch=("a", "b"),
            inputs=("a", "b"),
            output="b",
            given={"a": "image", "b": "image"},
            show="ganzoo.pictures:save_answers",
            metrics=("l1", *TRUTH, "cycle", *LOOKS, "coverage", *COST),
            directions=(Direction(name="a2b", input="a", output="b"), Direction(name="b2a", input="b", output="a")),
        ),
        Task(
            name="paired-translation",
            title="Paired image translation",
            summary="a picture in, its counterpart out",
            batch=("source", "target"),
            inputs=("source",),
            output="target",
            given={"source": "image"},
            show="ganzoo.pictures:save_answers",
            metrics=("l1", *TRUTH, *LOOKS, "coverage", *COST),
            directions=(Direction(input="source", output="target"),),
        ),
        Task(
            name="super-resolution",
            title="Super-resolution",
            summary="a small picture in, a large one out",
            batch=("low", "high"),
            inputs=("low",),
            output="high",
            given={"low": "image"},
            show="ganzoo.pictures:save_answers",
            metrics=("psnr_y", "ssim_y", "lpips", "perceptual", "perceptual_squeeze", *LOOKS, *COST),
            directions=(Direction(input="low", output="high"),),
        ),
    ]

"""A small classifier of Fashion-MNIST, a yardstick for recipes: class accuracy and a Frechet distance of features.

Two strided convolutions and a penultimate layer of 64, trained on the real training pictures (the full set where the
Debian package or the cache has it, else the embedded one). Distances in its features compare recipes with each other
and with nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganzoo.cards import resolve
from ganzoo.data.base import ArrayData, DataRequest
from ganzoo.engine.noise import seed_globals
from ganzoo.registry import get_registry

Moments = tuple[np.ndarray, np.ndarray]
CACHE = Path(__file__).parent / "results" / "fashion-classifier.pt"


class Classifier(nn.Module):
    """Pictures (N, 1, 28, 28) in [-1, 1] to logits (N, 10); `features` gives the 64 in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 49, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, 10)

    def features(self, pictures: Tensor) -> Tensor:
        """(N, 64)."""
        result: Tensor = self.body(pictures)
        return result

    def forward(self, pictures: Tensor) -> Tensor:
        result: Tensor = self.head(self.features(pictures))
        return result


def load_split(split: str) -> tuple[Tensor, Tensor]:
    """Embedded Fashion-MNIST as float pictures in [-1, 1] and labels."""
    card = get_registry().datasets["fashion"]
    request = replace(DataRequest(fields=("image", "label")), split=split)
    data: ArrayData = resolve(card.load)(request)
    pictures = torch.from_numpy(data.columns["image"]).float() / 127.5 - 1
    return pictures, torch.from_numpy(data.columns["label"])


def classifier() -> tuple[Classifier, float]:
    """The classifier (trained once and kept) in eval mode, and its accuracy on the held-out pictures."""
    model = Classifier()
    test_pictures, test_labels = load_split("test")
    if CACHE.exists():
        model.load_state_dict(torch.load(CACHE, weights_only=True))
    else:
        seed_globals(0, "classifier")
        pictures, labels = load_split("train")
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        epochs = 15
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * (len(pictures) // 64))
        for _ in range(epochs):
            for rows in torch.randperm(len(pictures))[: len(pictures) // 64 * 64].split(64):
                optimizer.zero_grad()
                cross_entropy(model(pictures[rows]), labels[rows]).backward()
                optimizer.step()
                schedule.step()
        CACHE.parent.mkdir(exist_ok=True)
        torch.save(model.state_dict(), CACHE)
    model.eval()
    with torch.inference_mode():
        accuracy = float((model(test_pictures).argmax(1) == test_labels).float().mean())
    return model, accuracy


@torch.inference_mode()
def moments(model: Classifier, pictures: Tensor) -> Moments:
    """Mean (64,) and covariance (64, 64) of the features, float64."""
    features = torch.cat([model.features(block) for block in pictures.split(500)]).double().numpy()
    return features.mean(0), np.cov(features, rowvar=False)


def frechet(a: Moments, b: Moments) -> float:
    """Squared Frechet distance of two Gaussians, through the eigenvalues of a symmetric product."""
    values, vectors = np.linalg.eigh(a[1])
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ b[1] @ root).clip(0)).sum()
    return float(((a[0] - b[0]) ** 2).sum() + np.trace(a[1]) + np.trace(b[1]) - 2 * cross)

"""A mixture of Gaussians as the prior of a trained VAE (Ghosh et al., 2020, arXiv:1903.12436, section 4).

The latents of the training pictures are not spread like N(0, 1) as a whole, and what is drawn where none of them lies
decodes to nothing. With few pictures they cannot be: the KL term is what z tells of which picture it was, at most
log(pictures), plus how far all latents together are from N(0, 1) (Hoffman and Johnson, 2016); of 75 nats on 5,000
pictures the second has 66. A density fitted to them afterwards is a better prior and leaves the networks as they are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

ROUNDS = 200
TOLERANCE = 1e-3
"""A round that gains less than this a row (in nats) is the last."""
SEEDING_ROUNDS = 10
CANDIDATES = 8
"""Rows that are tried for each further centre; the one that leaves the others nearest to a centre is taken."""


class Mixture(nn.Module):
    """p(z | y) = sum over k of weights[y, k] N(z; means[k], scales[k] scales[k]^T).

    The components are shared by the classes y and their weights are each class's own; without classes y is 0. `scales`
    is lower triangular (components, d, d), or (components, d) where the covariance is diagonal. N(0, 1) until `fit`.
    """

    weights: Tensor
    means: Tensor
    scales: Tensor

    def __init__(self, components: int, dimensions: int, classes: int = 1, *, diagonal: bool = False) -> None:
        super().__init__()
        self.diagonal = diagonal
        unit = torch.ones(dimensions) if diagonal else torch.eye(dimensions)
        self.register_buffer("weights", torch.full((classes, components), 1 / components))
        self.register_buffer("means", torch.zeros(components, dimensions))
        self.register_buffer("scales", unit.expand(components, *unit.shape).clone())

    def forward(self, noise: Tensor, uniform: Tensor, label: Tensor | None = None) -> Tensor:
        """Draw (N, d) from standard normal `noise` (N, d) and `uniform` (N,) in [0, 1), for classes (N,) or none."""
        weights = self.weights[:1].expand(len(noise), -1) if label is None else self.weights[label]
        last = self.means.shape[0] - 1
        component = (weights.cumsum(1) <= uniform[:, None]).sum(1).clamp(max=last)
        scales = self.scales[component]
        spread = scales * noise if self.diagonal else torch.bmm(scales, noise[:, :, None])[:, :, 0]
        return self.means[component] + spread

    def log_prob(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """log p(z | y) in nats, (N,), of z (N, d) and classes (N,) or none; in float64."""
        return self._joint(z.double(), self._rows(z, label)).logsumexp(1)

    @torch.no_grad()
    def fit(self, z: Tensor, label: Tensor | None = None, *, generator: torch.Generator) -> None:
        """Fit to z (N, d) with classes (N,) or none by expectation maximisation.

        It starts from k-means++ (Arthur and Vassilvitskii, 2007). A component's covariance is the mode under a
        conjugate prior that is worth d rows of the covariance of all rows, shrunk to the volume of one component
        (Fraley and Raftery, 2007), so that none collapses onto a few rows. `generator` is on the device of z.
        """
        rows, label = z.double(), self._rows(z, label)
        count, dimensions = rows.shape
        centred = rows - rows.mean(0)
        spread = centred.var(0, correction=0).diag() if self.diagonal else centred.T @ centred / count
        spread += 1e-6 * spread.diagonal().mean().clamp(min=1e-12) * torch.eye(dimensions, dtype=z.dtype).to(spread)
        spread /= self.means.shape[0] ** (2 / dimensions)
        self._maximise(rows, label, self._seed(rows, generator), spread)
        before = -math.inf
        for _ in range(ROUNDS):
            joint = self._joint(rows, label)
            total = joint.logsumexp(1)
            self._maximise(rows, label, (joint - total[:, None]).exp(), spread)
            now = float(total.mean())
            if now - before < TOLERANCE:
                break
            before = now

    def _rows(self, z: Tensor, label: Tensor | None) -> Tensor:
        return torch.zeros(len(z), dtype=torch.int64, device=z.device) if label is None else label

    def _joint(self, z: Tensor, label: Tensor) -> Tensor:
        """log (weights[y, k] N(z; k)), (N, components)."""
        columns = []
        for mean, scale in zip(self.means.double(), self.scales.double(), strict=True):
            difference = z - mean
            if self.diagonal:
                white, sizes = difference / scale, scale
            else:
                white, sizes = torch.linalg.solve_triangular(scale, difference.T, upper=False).T, scale.diagonal()
            columns.append(-0.5 * white.square().sum(1) - sizes.log().sum())
        constant = 0.5 * z.shape[1] * math.log(2 * math.pi)
        return torch.stack(columns, 1) - constant + self.weights.double().clamp(min=1e-300)[label].log()

    def _maximise(self, z: Tensor, label: Tensor, shares: Tensor, spread: Tensor) -> None:
        """Weights, means and scales from each row's shares (N, components)."""
        dimensions = z.shape[1]
        sizes = shares.sum(0)
        overall = sizes / len(z)
        members = one_hot(label, self.weights.shape[0]).to(z)
        # One row more for every class, spread as all rows are: a class of few rows, or none, has weights too.
        self.weights.copy_((members.T @ shares + overall) / (members.sum(0)[:, None] + 1))
        self.means.copy_(shares.T @ z / sizes.clamp(min=1e-12)[:, None])
        for k in range(len(sizes)):
            difference = z - self.means[k].double()
            if self.diagonal:
                within = shares[:, k] @ difference.square() + dimensions * spread.diagonal()
                self.scales[k] = (within / (sizes[k] + dimensions)).sqrt()
            else:
                within = (shares[:, k, None] * difference).T @ difference + dimensions * spread
                self.scales[k] = torch.linalg.cholesky(within / (sizes[k] + dimensions))

    def _seed(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Shares (N, components) of 0 and 1: k-means from centres chosen far apart."""
        components = self.means.shape[0]
        centres = z[torch.randint(len(z), (1,), generator=generator, device=z.device)]
        far = torch.cdist(z, centres)[:, 0].square()
        while len(centres) < components:
            candidates = z[torch.multinomial(far + 1e-12, CANDIDATES, replacement=True, generator=generator)]
            left = torch.minimum(far[:, None], torch.cdist(z, candidates).square())
            best = left.sum(0).argmin()
            centres, far = torch.cat([centres, candidates[best : best + 1]]), left[:, best]
        shares = one_hot(torch.cdist(z, centres).argmin(1), components).to(z)
        for _ in range(SEEDING_ROUNDS):
            sizes = shares.sum(0)[:, None]
            centres = torch.where(sizes > 0, shares.T @ z / sizes.clamp(min=1), centres)
            shares = one_hot(torch.cdist(z, centres).argmin(1), components).to(z)
        return shares

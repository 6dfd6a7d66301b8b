"""Frechet distance of two Gaussians, and how sure one may be of it.

FD = |m_f - m_r|^2 + tr S_f + tr S_r - 2 tr (S_f S_r)^(1/2) (Dowson and Landau 1982; Heusel et al. 2017, on
Inception features). With any A such that A A^T = S_r, the last trace is the sum of the square roots of the eigenvalues
of the symmetric A^T S_f A: no matrix square root, no complex number, nothing to add to a diagonal. A belongs to the
reference alone and is computed once.

Everything is float64. Where a distance is compared with a reference that is itself a sample, the reference is taken as
it is: errors and biases are those of the fake side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ganzoo.engine.noise import derive
from ganzoo_evaluation.base import Array, Comparison, Measured, NotApplicable, Value
from ganzoo_evaluation.features import Features
from ganzoo_evaluation.moments import Moments

EPSILON = float(np.finfo(np.float64).eps)
FEW = 2048
"""Below this many pictures a value is remarked on, whatever the dimension."""
FEWEST = 8
"""Fewer pictures than this have no error bar: each half of them is needed too."""
FEWEST_TO_EXTRAPOLATE = 50
ROWS = 2048
"""Rows that are multiplied at a time, so that temporary arrays stay small beside the features."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Gaussian:
    """A Gaussian fitted to features: `mean` (d,), `covariance` (d, d), float64, of `count` samples (0: unknown)."""

    mean: Array
    covariance: Array
    count: int

    @classmethod
    def of(cls, features: Array | Tensor) -> Self:
        """Fitted to features (n, d), n at least 2; the covariance is divided by n - 1."""
        rows = torch.as_tensor(features).double()
        mean = rows.mean(0)
        centred = rows - mean
        covariance = centred.T @ centred / (len(rows) - 1)
        return cls(mean=mean.numpy(), covariance=covariance.numpy(), count=len(rows))

    @property
    def rank(self) -> int:
        """Most that the rank of the covariance can be."""
        d = len(self.mean)
        return min(d, self.count - 1) if self.count > 0 else d

    @property
    def trace(self) -> float:
        """Total variance."""
        return float(np.trace(self.covariance))

    @cached_property
    def root(self) -> Array:
        """A (d, r) with A A^T = covariance: the Cholesky factor where there is one, else from the eigenvectors.

        Directions without variance (dead features, fewer samples than dimensions) are left out.
        """
        covariance = torch.from_numpy(self.covariance)
        if self.rank == len(covariance):
            factor, failed = torch.linalg.cholesky_ex(covariance)
            if int(failed) == 0:
                result: Array = factor.numpy()
                return result
        values, vectors = torch.linalg.eigh(covariance)
        kept = values > len(values) * EPSILON * values[-1].clamp(min=0)
        kept[: len(values) - self.rank] = False
        result = (vectors[:, kept] * values[kept].sqrt()).numpy()
        return result

    def with_ddof(self, ddof: int) -> Gaussian:
        """This Gaussian, whose covariance was divided by count - 1, with it divided by count - ddof instead; count
        above ddof. A root that was computed goes with it."""
        if ddof == 1:
            return self
        scale = (self.count - 1) / (self.count - ddof)
        made = Gaussian(mean=self.mean, covariance=scale * self.covariance, count=self.count)
        if "root" in self.__dict__:
            made.__dict__["root"] = math.sqrt(scale) * self.root
        return made

    def arrays(self) -> dict[str, Array]:
        """All of it, the root too, for a file."""
        return {"mean": self.mean, "covariance": self.covariance, "count": np.array(self.count), "root": self.root}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """What `arrays` made; a file without `root` will do, and one without `count`.

        Raises:
            KeyError: when the mean or the covariance is missing.
        """
        mean, covariance = (np.asarray(arrays[name], dtype=np.float64) for name in ("mean", "covariance"))
        made = cls(mean=mean, covariance=covariance, count=int(arrays.get("count", np.array(0))))
        if "root" in arrays:
            made.__dict__["root"] = np.asarray(arrays["root"], dtype=np.float64)
        return made


@dataclass(frozen=True, kw_only=True)
class Frechet:
    """A distance, and what of it the means and the covariances contribute."""

    mean_term: float
    covariance_term: float

    @property
    def value(self) -> float:
        """The distance (a squared length, as it is always reported)."""
        return self.mean_term + self.covariance_term


@dataclass(frozen=True, kw_only=True)
class Infinity:
    """A distance extrapolated to infinitely many samples: `value` at 1/N = 0, its standard `error`, the `slope` (what
    the bias is times N), `r2` of the line, and the points (`sizes`, `distances`) that it was drawn through."""

    value: float
    error: float
    slope: float
    r2: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def distance(fake: Gaussian, real: Gaussian) -> Frechet:
    """Frechet distance through the root of `real`: two products and one symmetric eigenvalue problem.

    Raises:
        ValueError: when the two have different dimensions.
    """
    if fake.mean.shape != real.mean.shape:
        raise ValueError(f"features of {len(fake.mean)} dimensions against features of {len(real.mean)}")
    values = torch.linalg.eigvalsh(_middle(fake, real))
    # The covariances cannot have a higher rank than there were samples. Beyond it an eigenvalue is rounding, but its
    # square root would not be: 1,000 times the root of 1e-15.
    overlap = float(values[len(values) - _rank(fake, real) :].clamp(min=0).sqrt().sum())
    return Frechet(
        mean_term=float(((fake.mean - real.mean) ** 2).sum()),
        covariance_term=max(0.0, fake.trace + real.trace - 2 * overlap),
    )


def _middle(fake: Gaussian, real: Gaussian) -> Tensor:
    """A^T S_f A, (r, r)."""
    root = torch.from_numpy(real.root)
    return root.T @ (torch.from_numpy(fake.covariance) @ root)


def _rank(fake: Gaussian, real: Gaussian) -> int:
    return min(fake.rank, len(real.root.T))


def distance_low_rank(x: Array | Tensor, y: Array | Tensor) -> Frechet:
    """Distance of the Gaussians of two sets of features (n, d) and (m, d), from the features themselves.

    The trace is the sum of the singular values of the (n, m) product of the centred sets, so no (d, d) matrix is made:
    the cheapest and most exact form where one of the sets is smaller than d (Mathiasen and Hvilshoj 2020).
    """
    return _low_rank(torch.as_tensor(x).double(), torch.as_tensor(y).double(), influences=False)[0]


def _low_rank(x: Tensor, y: Tensor, influences: bool) -> tuple[Frechet, Tensor]:
    """The distance of features `x` (fake) and `y`, and each row of `x`'s influence on it (see `_influences`)."""
    shift = x.mean(0) - y.mean(0)
    x, y = x - x.mean(0), y - y.mean(0)
    product = x @ y.T / math.sqrt((len(x) - 1) * (len(y) - 1))
    found = torch.zeros(0)
    if influences:
        left, singular, _ = torch.linalg.svd(product, full_matrices=False)
        # The transport map's quadratic form of row i of x is (n - 1) sum_k singular_k left_ik^2.
        found = 2 * x @ shift + (x**2).sum(1) - (len(x) - 1) * (left**2) @ singular
    else:
        singular = torch.linalg.svdvals(product)
    traces = float((x**2).sum()) / (len(x) - 1) + float((y**2).sum()) / (len(y) - 1)
    covariance_term = max(0.0, traces - 2 * float(singular.sum()))
    return Frechet(mean_term=float((shift**2).sum()), covariance_term=covariance_term), found


# --- how sure ---------------------------------------------------------------------------------------------------------


def _transport(fake: Gaussian, real: Gaussian) -> tuple[Tensor, Tensor]:
    """Eigenvalues l (k,) of A^T S_f A above rounding, and A times their eigenvectors, (d, k)."""
    values, vectors = torch.linalg.eigh(_middle(fake, real))
    kept = values > len(values) * EPSILON * values[-1:].clamp(min=0)
    kept[: len(values) - _rank(fake, real)] = False
    return values[kept], torch.from_numpy(real.root) @ vectors[:, kept]


def _influences(features: Array | Tensor, fake: Gaussian, real: Gaussian) -> Tensor:
    """How much each fake (n, d) pulls the distance, up to a constant: the derivative of FD in the fake's direction.

    The derivative of FD by S_f is I - T, where T = A (A^T S_f A)^(-1/2) A^T is the optimal transport map from fake to
    real, so that x has the influence 2 (x - m_f).(m_f - m_r) + (x - m_f)^T (I - T) (x - m_f). Directions that either
    covariance lacks are left out of T: its range is that of A^T S_f A.
    """
    values, vectors = _transport(fake, real)
    half = vectors * values**-0.25
    shift = torch.from_numpy(fake.mean - real.mean)
    parts = []
    for rows in torch.as_tensor(features).split(ROWS):
        centred = rows.double() - torch.from_numpy(fake.mean)
        parts.append(2 * centred @ shift + (centred**2).sum(1) - ((centred @ half) ** 2).sum(1))
    return torch.cat(parts)


def standard_error(features: Array | Tensor, fake: Gaussian, real: Gaussian) -> float:
    """Standard error of `distance(fake, real)`, by the delta method: no bootstrap, which would double the bias instead.

    `features` (n, d) are those that `fake` was fitted to, or a random sample of them. In simulations it is the true
    spread, or up to two fifths more where there are only a few samples a dimension and the distance is mostly bias.
    """
    return float(_influences(features, fake, real).std()) / math.sqrt(fake.count or len(features))


def paired_standard_error(
    features_a: Array | Tensor,
    a: Gaussian,
    features_b: Array | Tensor,
    b: Gaussian,
    real: Gaussian,
    features_real: Array | Tensor | None = None,
) -> float:
    """Standard error of `distance(a, real).value - distance(b, real).value` for two independent sets of fakes.

    Without `features_real` the reference is taken as it is. With the features (m, d) that `real` was fitted to it is a
    sample too: what it does to both distances alike cancels, and only the difference of its two influences counts.
    """
    variance = standard_error(features_a, a, real) ** 2 + standard_error(features_b, b, real) ** 2
    if features_real is not None:
        mean, shift = torch.from_numpy(real.mean), torch.from_numpy(b.mean - a.mean)
        back_a, back_b = _transport_back(a, real), _transport_back(b, real)
        parts = []
        for rows in torch.as_tensor(features_real).split(ROWS):
            centred = rows.double() - mean
            parts.append(
                2 * centred @ shift + ((centred @ back_b) ** 2).sum(1) - ((centred @ back_a) ** 2).sum(1),
            )
        variance += float(torch.cat(parts).var()) / (real.count or len(features_real))
    return math.sqrt(variance)


def _transport_back(fake: Gaussian, real: Gaussian) -> Tensor:
    """H (d, k) such that H H^T is the optimal transport map from real to fake.

    That map is S_f A (A^T S_f A)^(-3/2) A^T S_f: the inverse of the one from fake to real without an inverse of A.
    """
    values, vectors = _transport(fake, real)
    return torch.from_numpy(fake.covariance) @ vectors * values**-0.75


def bias(features: Array | Tensor, fake: Gaussian, real: Gaussian, seed: int = 0) -> float:
    """About how much higher `distance(fake, real)` is than it would be with infinitely many fakes.

    The bias is C/N to first order (Binkowski et al. 2018; Chong and Forsyth 2020), so that it is what the
    two halves of the sample have more than the whole; in their mean, what chance did to the whole cancels. In
    simulations it is right to some 10 % from 3 samples a dimension on; below, it is the order of magnitude.
    `features` (n, d) as for `standard_error`; n at least 4.
    """
    rows = torch.as_tensor(features)
    n = len(rows)
    shuffled = torch.from_numpy(np.random.default_rng(derive(seed, "frechet", "halves", n)).permutation(n))
    halves = (shuffled[: n // 2], shuffled[n // 2 :])
    whole = fake if fake.count in (0, n) else Gaussian.of(rows)
    excess = np.mean([distance(Gaussian.of(rows[half]), real).value for half in halves])
    excess -= distance(whole, real).value
    return float(excess) * n / (fake.count or n)


def infinity(features: Array | Tensor, real: Gaussian, seed: int = 0, points: int = 15) -> Infinity:
    """FD_infinity: the distance at `points` sample sizes, extrapolated along 1/N (Chong and Forsyth 2020).

    `features` (n, d) of the fakes, n at least `points` + 2. The sizes are evenly spaced from max(n/10, min(5000, n/2))
    to n, each with a fresh random subset (seeded). The points share their pictures, so the scatter about the line
    tells only a part of the error: the sampling error of the largest sample is added to it in quadrature.
    """
    rows = torch.as_tensor(features)
    n = len(rows)
    sizes = np.linspace(max(n / 10, min(5000, n / 2)), n, points).round().astype(int)
    generator = np.random.default_rng(derive(seed, "frechet", "infinity", n))
    distances = []
    whole = Gaussian.of(rows)
    for size in sizes:
        chosen = whole if size == n else Gaussian.of(rows[torch.from_numpy(generator.permutation(n)[:size])])
        distances.append(distance(chosen, real).value)
    design = np.stack([np.ones(points), 1 / sizes], axis=1)
    (intercept, slope), *_ = np.linalg.lstsq(design, np.array(distances), rcond=None)
    residuals = np.array(distances) - design @ (intercept, slope)
    scatter = float(residuals @ residuals) / (points - 2) * np.linalg.inv(design.T @ design)[0, 0]
    total = float(np.var(distances)) * points
    return Infinity(
        value=float(intercept),
        error=math.hypot(math.sqrt(scatter), standard_error(rows, whole, real)),
        slope=float(slope),
        r2=1 - float(residuals @ residuals) / total if total > 0 else 1.0,
        sizes=tuple(int(size) for size in sizes),
        distances=tuple(distances),
    )


# --- metrics ----------------------------------------------------------------------------------------------------------


def gaussian_of(measured: Measured) -> Gaussian:
    """The Gaussian of a set, kept with it, so that its root is computed once.

    Raises:
        NotApplicable: when no moments were collected, or of fewer than 2 pictures.
    """
    if Gaussian not in measured.collected:
        moments = measured[Moments]
        mean = moments.mean
        if moments.count < 2:
            raise NotApplicable(f"{measured.name} has fewer than 2 pictures")
        measured.collected[Gaussian] = Gaussian(mean=mean, covariance=moments.covariance, count=moments.count)
    found: Gaussian = measured.collected[Gaussian]
    return found


def compute(c: Comparison) -> Value:
    """Frechet distance of the row to the reference, with its error and bias where the row's features were kept.

    The option `ddof` (1 by default) divides both covariances by n - ddof; those of a file of statistics are taken as
    they are.
    """
    ddof = int(c.options.get("ddof", 1))
    unbiased, real = gaussian_of(c.fake), _with_ddof(c.real, ddof)
    fake = _with_ddof(c.fake, ddof)
    found = distance(fake, real)
    details = {"mean_term": found.mean_term, "covariance_term": found.covariance_term}
    error, excess = None, ""
    features = c.fake.collected.get(Features)
    if features is not None and len(features.values) >= FEWEST:
        error = standard_error(features.values, fake, real)
        details["bias"] = bias(features.values, unbiased, real, c.seed)
        if ddof != 1:  # what the other divisor adds or takes away would be 0 with infinitely many pictures, too
            details["bias"] += found.value - distance(unbiased, real).value
        excess = f": about {details['bias']:.3g} of it is the bias of a small sample"
    few = fake.count < FEW or fake.count <= len(fake.mean)
    note = f"{fake.count:,} pictures{excess or ' make it too high'}" if few else ""
    return Value(value=found.value, error=error, protocol={"ddof": ddof}, details=details, note=note)


def _with_ddof(measured: Measured, ddof: int) -> Gaussian:
    """The Gaussian of a set whose covariance is divided by n - ddof."""
    gaussian = gaussian_of(measured)
    return gaussian.with_ddof(ddof) if Moments in measured.collected else gaussian


def compute_infinity(c: Comparison) -> Value:
    """FD_infinity of the row."""
    values = c.fake[Features].values
    if len(values) < FEWEST_TO_EXTRAPOLATE:
        raise NotApplicable(f"needs {FEWEST_TO_EXTRAPOLATE} pictures or more")
    found = infinity(values, gaussian_of(c.real), c.seed)
    return Value(
        value=found.value,
        error=found.error,
        protocol={"points": len(found.sizes), "smallest": found.sizes[0]},
        details={"slope": found.slope, "r2": found.r2, "sizes": found.sizes, "distances": found.distances},
        note=_fit_note(found),
    )


def _fit_note(found: Infinity) -> str:
    """A bad fit is worth a word where it matters: where the bias that it takes away is more than chance."""
    bias_at_most = abs(found.slope) / found.sizes[-1]
    if found.r2 >= 0.9 or bias_at_most < 2 * found.error:
        return ""
    return f"the line through 1/N fits badly (R² {found.r2:.2f})"


def compute_per_class(c: Comparison) -> Value:
    """Mean over the classes of the distance between the fakes and the reals of a class.

    Classes with fewer than 2 pictures on either side are left out and named. The error takes the classes' fakes for
    independent samples.
    """
    sides = []
    for measured in (c.fake, c.real):
        features = measured[Features]
        if features.labels is None:
            raise NotApplicable(f"{measured.name} has no labels")
        sides.append((features.tensor, torch.from_numpy(features.labels)))
    (fake, asked), (real, true) = sides
    names = c.real.classes or c.fake.classes
    values: dict[str, float] = {}
    variance, missing = 0.0, []
    for label in sorted(set(true.tolist()) | set(asked.tolist())):
        name = names[label] if label < len(names) else str(label)
        x, y = fake[asked == label], real[true == label]
        if len(x) < 2 or len(y) < 2:
            missing.append(name)
            continue
        values[name], error = _of_a_class(x, y)
        variance += error**2
    if not values:
        raise NotApplicable(f"{c.fake.name} and {c.real.name} have no class in common")
    return Value(
        value=float(np.mean(list(values.values()))),
        error=math.sqrt(variance) / len(values),
        protocol={"classes": len(values)},
        details={"classes": values},
        note=f"too few pictures of {', '.join(missing)}" if missing else "",
    )


def _of_a_class(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Distance of fakes `x` to reals `y` and its standard error, the cheaper way."""
    if min(len(x), len(y)) <= x.shape[1]:
        found, influences = _low_rank(x.double(), y.double(), influences=True)
        return found.value, float(influences.std()) / math.sqrt(len(x))
    fake, real = Gaussian.of(x), Gaussian.of(y)
    return distance(fake, real).value, standard_error(x, fake, real)

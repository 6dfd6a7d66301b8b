"""Losses, penalties, augmentation and layers against closed forms and slow references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganzoo.engine.noise import Noise
from ganzoo.nn.augment import OPERATIONS, diff_augment
from ganzoo.nn.layers import Maxout, maybe_spectral
from ganzoo.nn.losses import adversarial_loss, loss_names
from ganzoo.nn.penalties import gradient_penalty, r1_penalty, r2_penalty, squared_gradient_norms

LOG2 = math.log(2)


class Coins:
    """Random for augmentation, from fixed noise."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.noise = Noise(seed, count=count)

    def rand(self, *shape: int, stream: str) -> Tensor:
        return self.noise.rand(*shape, stream=stream)


# At logits of 0 the discriminator is undecided: (discriminator's loss, generator's loss) from the papers' formulas.
UNDECIDED = {
    "minimax": (2 * LOG2, -LOG2),
    "non-saturating": (2 * LOG2, LOG2),
    "least-squares": (0.5, 0.5),
    "hinge": (2.0, 0.0),
    "wasserstein": (0.0, 0.0),
    "relativistic": (LOG2, LOG2),
}


@pytest.mark.parametrize("name", loss_names())
def test_losses_of_an_undecided_discriminator_have_their_closed_form(name: str) -> None:
    loss, zeros = adversarial_loss(name), torch.zeros(7)
    discriminator, generator = UNDECIDED[name]
    assert float(loss.discriminator(zeros, zeros)) == pytest.approx(discriminator, abs=1e-6)
    assert float(loss.generator(zeros, zeros)) == pytest.approx(generator, abs=1e-6)


@pytest.mark.parametrize("name", loss_names())
def test_losses_push_real_up_and_fake_down_for_one_and_fake_up_for_the_other(name: str) -> None:
    loss = adversarial_loss(name)
    real, fake = torch.full((4,), 0.3, requires_grad=True), torch.full((4,), 0.2, requires_grad=True)
    loss.discriminator(real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    real.grad = fake.grad = None
    loss.generator(real.detach(), fake).backward()
    assert (fake.grad < 0).all()


def test_the_minimax_generator_saturates_where_the_non_saturating_one_does_not() -> None:
    rejected = torch.full((1,), -12.0, requires_grad=True)
    (flat,) = torch.autograd.grad(adversarial_loss("minimax").generator(None, rejected), rejected)
    (steep,) = torch.autograd.grad(adversarial_loss("non-saturating").generator(None, rejected), rejected)
    assert abs(float(flat)) == pytest.approx(1 / (1 + math.exp(12)), rel=1e-4)
    assert abs(float(steep)) == pytest.approx(1 / (1 + math.exp(-12)), rel=1e-4)


def test_minimax_equals_binary_cross_entropy() -> None:
    real, fake = torch.randn(50), torch.randn(50)
    expected = nn.functional.binary_cross_entropy_with_logits(real, torch.ones(50))
    expected += nn.functional.binary_cross_entropy_with_logits(fake, torch.zeros(50))
    assert float(adversarial_loss("minimax").discriminator(real, fake)) == pytest.approx(float(expected), rel=1e-5)


def test_losses_are_float32_and_finite_for_large_bfloat16_logits() -> None:
    for name in loss_names():
        loss = adversarial_loss(name)
        real, fake = torch.full((3,), 300.0).bfloat16(), torch.full((3,), -300.0).bfloat16()
        for value in (loss.discriminator(real, fake), loss.generator(real, fake)):
            assert value.dtype is torch.float32
            assert torch.isfinite(value)


def test_the_relativistic_generator_says_that_it_needs_real_logits() -> None:
    with pytest.raises(ValueError, match="real pictures"):
        adversarial_loss("relativistic").generator(None, torch.zeros(2))


def linear(weight: Tensor) -> nn.Sequential:
    layer = nn.Linear(weight.numel(), 1)
    layer.weight.data.copy_(weight.view(1, -1))
    return nn.Sequential(nn.Flatten(), layer)


def test_penalties_of_a_linear_discriminator_have_their_closed_form() -> None:
    weight = torch.randn(12)
    network, pictures = linear(weight), torch.randn(5, 3, 2, 2)
    square = float(weight.square().sum())
    assert squared_gradient_norms(network, pictures).tolist() == pytest.approx([square] * 5, rel=1e-5)
    assert r1_penalty(network, pictures).item() == pytest.approx(square / 2, rel=1e-5)
    assert r2_penalty(network, pictures).item() == pytest.approx(square / 2, rel=1e-5)
    expected = (math.sqrt(square) - 1) ** 2
    penalty = gradient_penalty(network, pictures, torch.randn(5, 3, 2, 2), torch.rand(5))
    assert penalty.item() == pytest.approx(expected, rel=1e-4)


def test_the_penalty_is_differentiable_in_the_weights() -> None:
    weight = torch.randn(4)
    network = linear(weight)
    r1_penalty(network, torch.randn(3, 1, 2, 2)).backward()
    assert torch.allclose(network[1].weight.grad.flatten(), weight, atol=1e-6)  # d(|w|^2 / 2) / dw = w


def test_the_gradient_penalty_is_taken_between_real_and_fake() -> None:
    seen: list[Tensor] = []

    def spy(pictures: Tensor) -> Tensor:
        seen.append(pictures.detach())
        return pictures.flatten(1).sum(1)

    real, fake = torch.zeros(3, 1, 2, 2), torch.ones(3, 1, 2, 2)
    gradient_penalty(spy, real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert seen[0][:, 0, 0, 0].tolist() == [0.0, 0.25, 1.0]


def test_penalties_run_in_float32_under_autocast() -> None:
    kinds: list[torch.dtype] = []
    layer = nn.Linear(4, 1)

    def network(pictures: Tensor) -> Tensor:
        logits = layer(pictures.flatten(1))
        kinds.append(logits.dtype)
        return logits

    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(torch.randn(2, 1, 2, 2))
        r1_penalty(network, torch.randn(2, 1, 2, 2))
    assert kinds == [torch.bfloat16, torch.float32]


def test_a_penalty_works_on_a_compiled_network() -> None:
    network = linear(torch.ones(4))
    network.compile(backend="aot_eager")
    assert r1_penalty(network, torch.randn(2, 1, 2, 2)).item() == pytest.approx(2.0)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_augmentation_keeps_shape_lets_gradients_through_and_differs_by_stream(operation: str) -> None:
    pictures = torch.randn(6, 3, 16, 16, requires_grad=True)
    coins = Coins(6)
    changed = diff_augment(pictures, (operation,), coins, "real")
    assert changed.shape == pictures.shape
    changed.sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0
    assert torch.equal(changed, diff_augment(pictures, (operation,), coins, "real"))
    assert not torch.equal(changed, diff_augment(pictures, (operation,), coins, "fake"))


def test_translation_moves_each_picture_whole_and_fills_with_grey() -> None:
    pictures = torch.rand(32, 1, 16, 16) + 0.5
    moved = diff_augment(pictures, ("translation",), Coins(32), "real")
    offsets = set()
    for before, after in zip(pictures[:, 0], moved[:, 0], strict=True):
        matches = []
        for down in range(-2, 3):
            for right in range(-2, 3):
                expected = torch.zeros(16, 16)
                rows, columns = slice(max(0, down), 16 + min(0, down)), slice(max(0, right), 16 + min(0, right))
                source = (slice(max(0, -down), 16 + min(0, -down)), slice(max(0, -right), 16 + min(0, -right)))
                expected[rows, columns] = before[source]
                if torch.equal(expected, after):
                    matches.append((down, right))
        assert len(matches) == 1
        offsets.add(matches[0])
    assert len(offsets) > 8  # the moves are spread over the 25 that there are


def test_cutout_removes_at_most_a_quarter_in_one_rectangle() -> None:
    cut = diff_augment(torch.ones(64, 1, 16, 16), ("cutout",), Coins(64), "real")
    for picture in cut[:, 0]:
        hole = picture == 0
        rows, columns = hole.any(1).nonzero().flatten(), hole.any(0).nonzero().flatten()
        assert 0 < len(rows) <= 8
        assert 0 < len(columns) <= 8
        assert int(hole.sum()) == len(rows) * len(columns)
        assert rows.tolist() == list(range(int(rows[0]), int(rows[-1]) + 1))


def test_color_with_middle_coins_changes_nothing() -> None:
    class Middle:
        def rand(self, *shape: int, stream: str) -> Tensor:
            return torch.full((4, *shape), 0.5)

    pictures = torch.randn(4, 3, 8, 8)
    assert torch.allclose(diff_augment(pictures, ("color",), Middle(), "real"), pictures, atol=1e-5)


def test_maxout_is_the_largest_of_its_linear_pieces() -> None:
    layer, x = Maxout(5, 3, 4), torch.randn(7, 5)
    every = x @ layer.linear.weight.T + layer.linear.bias
    expected = torch.stack([every[:, unit * 4 : unit * 4 + 4].max(1).values for unit in range(3)], 1)
    assert torch.allclose(layer(x), expected, atol=1e-6)


def test_spectral_normalisation_brings_the_largest_singular_value_to_one() -> None:
    layer = maybe_spectral(nn.Linear(20, 10), "spectral")
    for _ in range(100):
        layer(torch.randn(2, 20))
    assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1.0, abs=1e-3)

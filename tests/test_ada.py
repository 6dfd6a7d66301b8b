"""Adaptive augmentation: each change is its closed form, none leaks, and p follows the discriminator."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forks import the_driver
from test_processes import run_ranks
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganzoo.engine import distributed
from ganzoo.engine.noise import Noise
from ganzoo.model import Batch
from ganzoo.nn.ada import BGC, KINDS, AdaptiveAugment, Kind, augment
from ganzoo.nn.penalties import squared_gradient_norms


def pictures(count: int = 4, channels: int = 3, size: int = 16, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def unchanged(before: Tensor, after: Tensor) -> Tensor:
    """Which pictures are the same to the bit, (N,)."""
    return (before == after).flatten(1).all(1)


# ------------------------------------------------------------------------------------------------ what each kind does


def test_a_picture_that_is_not_square_is_turned_by_halves_only_and_keeps_its_size() -> None:
    x = torch.rand(400, 1, 3, 4)  # too small to be moved by 1/8
    made = augment(x, 1.0, Noise(0, count=400), "a", kinds=("blit",))
    outcomes = [x, x.flip(3), x.flip(2, 3), x.flip(2)]
    shares = [float(unchanged(outcome, made).float().mean()) for outcome in outcomes]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0.15


def test_filtering_keeps_the_power_of_a_picture_like_a_photograph() -> None:
    """Each single change keeps sum(share x gain^2) at 1; so here, where one band is changed and three are not."""
    made = augment(torch.full((500, 1, 8, 8), 1.0), 0.1, Noise(0, count=500), "a", kinds=("filter",))
    gain = made[:, 0, 0, 0].sqrt()  # of the lowest band, which is all that a flat picture has
    coins, normals = (
        Noise(0, count=500).rand(4, stream="ada-filter-a"),
        Noise(0, count=500).randn(4, stream="ada-filter-a"),
    )
    once = (coins < 0.1).sum(1) == 1
    lowest = once & (coins[:, 0] < 0.1)
    strength = (2.0 ** normals[:, 0]) ** 2
    assert lowest.sum() > 20
    torch.testing.assert_close(gain[lowest], (strength / (3 / 13 + 10 / 13 * strength)).sqrt()[lowest])
    other = once & (coins[:, 2] < 0.1)
    torch.testing.assert_close(gain[other], (1 / (12 / 13 + 1 / 13 * (2.0 ** normals[:, 2]) ** 2)).sqrt()[other])


def test_noise_has_the_spread_that_is_drawn() -> None:
    made = augment(torch.zeros(300, 3, 16, 16), 1.0, Noise(0, count=300), "a", kinds=("noise",))
    spread = made.flatten(1).std(1)
    assert float(made.mean()) == pytest.approx(0, abs=1e-3)
    assert float(spread.square().mean().sqrt()) == pytest.approx(0.1, rel=0.15)
    assert float(spread.mean()) == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.15)  # half-normal


def test_a_cutout_hides_a_quarter_at_most_and_leaves_the_rest() -> None:
    made = augment(torch.ones(300, 3, 16, 16), 1.0, Noise(0, count=300), "a", kinds=("cutout",))
    hidden = (made == 0).all(1)
    assert (hidden | (made == 1).all(1)).all()
    tall, wide = hidden.any(2).sum(1), hidden.any(1).sum(1)
    assert torch.equal(hidden.sum((1, 2)), tall * wide)
    assert int(tall.max()) == int(wide.max()) == 8
    assert int(tall.min()) == int(wide.min()) == 4  # centred at a border


# ------------------------------------------------------------------------------------------- probability and draws


@pytest.mark.parametrize("probability", [0.0, torch.tensor(0.0)])
def test_at_p_0_every_bit_stays(probability: Tensor | float) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        x = pictures(8).to(dtype)
        assert torch.equal(augment(x, probability, Noise(0, count=8), "a", kinds=KINDS), x)


LEFT_ALONE: dict[Kind, tuple[int, Callable[[float], float]]] = {
    # Of 8 x 8 pixels: half of the shifts of up to 1/8 are rounded to 0 in each direction.
    "blit": (3, lambda p: (1 - p / 2) * (1 - p * 3 / 4) * (1 - p * 3 / 4)),
    "geometric": (3, lambda p: (1 - p) ** 4),
    "color": (3, lambda p: (1 - p) ** 4 * (1 - p / 2)),
    "filter": (3, lambda p: (1 - p) ** 4),
    "noise": (3, lambda p: 1 - p),
    "cutout": (3, lambda p: 1 - p),
}


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_pictures_stay_to_the_bit_as_the_coins_say(kind: Kind, probability: float) -> None:
    count = 3000
    channels, expected = LEFT_ALONE[kind]
    x = pictures(count, channels, size=8)
    share = expected(probability)
    same = unchanged(x, augment(x, torch.tensor(probability), Noise(1, count=count), "a", kinds=(kind,)))
    assert float(same.float().mean()) == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / count))


def test_grey_pictures_have_three_changes_of_colour() -> None:
    x, p = pictures(3000, channels=1, size=4), 0.4
    share = (1 - p) ** 2 * (1 - p / 2)
    same = unchanged(x, augment(x, p, Noise(1, count=3000), "a", kinds=("color",)))
    assert float(same.float().mean()) == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 3000))


def test_at_p_1_no_picture_stays() -> None:
    x = pictures(200, size=8)
    assert not unchanged(x, augment(x, 1.0, Noise(0, count=200), "a", kinds=BGC)).any()


def test_draws_do_not_depend_on_how_the_batch_is_split() -> None:
    x, noise = pictures(12, size=8), Noise(3, "step", 7, count=12)
    whole = augment(x, 0.5, Batch({}, noise, slice(0, 12), 7), "real", kinds=KINDS)
    parts = [slice(0, 4), slice(4, 8), slice(8, 12)]
    apart = [augment(x[rows], 0.5, Batch({}, noise, rows, 7), "real", kinds=KINDS) for rows in parts]
    torch.testing.assert_close(torch.cat(apart), whole)


def test_draws_of_two_streams_and_of_two_steps_differ() -> None:
    x, noise = pictures(8, size=8), Noise(3, "step", 7, count=8)
    real, fake = (augment(x, 1.0, noise, stream) for stream in ("real", "fake"))
    later = augment(x, 1.0, Noise(3, "step", 8, count=8), "real")
    assert not unchanged(real, fake).any()
    assert not unchanged(real, later).any()
    assert torch.equal(real, augment(x, 1.0, Noise(3, "step", 7, count=8), "real"))


def test_the_change_that_is_drawn_is_the_same_at_every_p_and_beside_every_kind() -> None:
    x, noise = torch.ones(200, 3, 16, 16), Noise(0, count=200)
    rarely, often = (augment(x, p, noise, "a", kinds=("cutout",)) for p in (0.2, 0.6))
    changed = ~unchanged(x, rarely)
    assert 20 < int(changed.sum()) < 60
    assert torch.equal(rarely[changed], often[changed])
    beside = augment(x, 0.6, noise, "a", kinds=("cutout", "blit", "geometric"))
    assert torch.equal(beside == 0, often == 0)


def test_bfloat16_pictures_under_autocast_are_changed_in_float32() -> None:
    x = pictures(8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = augment(x, 1.0, Noise(0, count=8), "a", kinds=KINDS)
    assert made.dtype is torch.bfloat16
    assert torch.equal(made, augment(x.float(), 1.0, Noise(0, count=8), "a", kinds=KINDS).bfloat16())


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(ValueError, match="no such kind of augmentation: colour; there are blit, geometric, color"):
        augment(pictures(), 0.5, Noise(0, count=4), "a", kinds=("colour",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 or 3 channels, not 4"):
        augment(pictures(channels=4), 0.5, Noise(0, count=4), "a")
    with pytest.raises(ValueError, match="parts of 3 and 3 channels are not pictures of 4"):
        augment(pictures(channels=4), 0.5, Noise(0, count=4), "a", parts=(3, 3))


def test_a_pair_is_changed_as_one_and_a_grey_part_stays_grey() -> None:
    x, noise = pictures(16), Noise(0, count=16)
    module = AdaptiveAugment(probability=0.8, parts=(3, 3))
    made = module(torch.cat([x, x], 1), noise, "a")
    assert torch.equal(made[:, :3], made[:, 3:])
    torch.testing.assert_close(made[:, :3], augment(x, 0.8, noise, "a"))
    grey = augment(torch.cat([x[:, :1], x[:, :1].repeat(1, 3, 1, 1)], 1), 0.8, noise, "a", parts=(1, 3))
    torch.testing.assert_close(grey[:, :1].repeat(1, 3, 1, 1), grey[:, 1:])


# --------------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("probability", [0.6, 1.0])
def test_every_kind_differentiates_twice(kind: Kind, probability: float) -> None:
    x = pictures(2, size=4).double().requires_grad_(True)

    def twice(x: Tensor) -> Tensor:  # not linear, so that a second derivative has something to say
        return augment(x.sin(), probability, Noise(4, count=2), "a", kinds=(kind,)).square()

    assert torch.autograd.gradcheck(twice, (x,))
    assert torch.autograd.gradgradcheck(twice, (x,))


def test_a_gradient_penalty_reaches_the_weights_through_the_pipeline() -> None:
    """The norm of the gradient of a linear discriminator is that of its weights carried back through the changes, which
    a penalty without augmentation would not see."""
    weight = torch.randn(3 * 8 * 8, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    x = pictures(2, size=8)

    def norms(weight: Tensor) -> Tensor:
        return squared_gradient_norms(lambda x: augment(x, 1.0, Noise(0, count=2), "a").flatten(1) @ weight, x)

    (gradient,) = torch.autograd.grad(norms(weight).sum(), weight)
    step = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * 1e-2
    ahead, behind = (float(norms((weight + sign * step).detach()).sum()) for sign in (1, -1))
    assert float(gradient @ step) == pytest.approx((ahead - behind) / 2, rel=1e-3)
    assert not torch.allclose(norms(weight), weight.square().sum().expand(2), rtol=1e-2)


# ------------------------------------------------------------------------------------------------------------- no leak


def orientations(count: int, probability: float) -> Tensor:
    """How often each of the eight orientations of a picture of 3 x 3, too small to be moved, comes out: (8,)."""
    upright = torch.arange(9.0).view(1, 1, 3, 3)
    made = augment(upright.repeat(count, 1, 1, 1), probability, Noise(0, count=count), "a", kinds=("blit",))
    outcomes = [unchanged(each, made) for each in eight(upright)]
    assert (torch.stack(outcomes).sum(0) == 1).all()
    return torch.stack(outcomes).float().mean(1)


def eight(picture: Tensor) -> list[Tensor]:
    """The four turns of pictures, and the four of their mirror images."""
    return [each.rot90(quarters, (2, 3)) for each in (picture, picture.flip(3)) for quarters in range(4)]


@pytest.mark.parametrize("probability", [0.3, 0.8, 0.9])
def test_below_p_1_the_picture_as_it_is_stays_the_most_frequent_outcome(probability: float) -> None:
    turned, mirrored = probability / 4, probability / 2
    expected = torch.tensor([1 - 3 * turned, turned, turned, turned])
    expected = torch.cat([expected * (1 - mirrored), expected * mirrored])
    found = orientations(20_000, probability)
    assert torch.allclose(found, expected, atol=4 * math.sqrt(0.25 / 20_000))
    assert int(found.argmax()) == 0


def imitated(probability: float) -> Tensor:
    """Shares of the eight orientations that a generator which can make them all learns from upright pictures alone,
    when its discriminator sees everything augmented."""
    generator = torch.Generator().manual_seed(0)
    upright = torch.randn(1, 1, 3, 3, generator=generator)
    can_make = torch.cat(eight(upright)).repeat_interleave(32, 0)
    wishes = torch.zeros(8, requires_grad=True)
    torch.manual_seed(0)
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(9, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1), nn.Flatten(0))
    learns = torch.optim.Adam(discriminator.parameters(), 5e-3, betas=(0.0, 0.99))
    imitates = torch.optim.Adam([wishes], 2e-2, betas=(0.0, 0.99))
    averaged = torch.zeros(8)
    for step in range(400):
        noise = Noise(0, "step", step, count=256)
        real = augment(upright.repeat(256, 1, 1, 1), probability, noise, "real", kinds=("blit",))
        fake = augment(can_make, probability, noise, "fake", kinds=("blit",))
        shares = wishes.softmax(0).repeat_interleave(32) / 32
        loss = softplus(-discriminator(real)).mean() + (softplus(discriminator(fake)) * shares.detach()).sum()
        learns.zero_grad()
        loss.backward()
        learns.step()
        imitates.zero_grad()
        (softplus(-discriminator(fake).detach()) * shares).sum().backward()
        imitates.step()
        averaged += wishes.detach().softmax(0) / 400 * (2 if step >= 200 else 0)
    return averaged


def test_a_generator_learns_none_of_the_changes_that_its_discriminator_sees() -> None:
    assert float(imitated(0.7)[0]) > 0.8
    assert float(imitated(1.0)[0]) < 0.2  # 1/8: nothing is left to tell them by, and the changes leak


# ----------------------------------------------------------------------------------------------------- the controller


def observe(module: AdaptiveAugment, logits: Tensor, steps: range, parts: int = 1) -> list[float]:
    """p after each step whose batch, cut into parts, has these logits (steps, batch, ...)."""
    found = []
    for step in steps:
        size = logits.shape[1] // parts
        for part in range(parts):
            rows = slice(part * size, part * size + size)
            batch = Batch({}, Noise(0, "step", step, count=logits.shape[1]), rows, step)
            module.observe(batch, logits[step][rows])
        found.append(float(module.probability))
    return found


def some_logits(steps: int, batch: int = 8) -> Tensor:
    """Mostly above 0 for a while and then less so."""
    drift = torch.linspace(2.5, -0.5, steps)[:, None]
    return torch.randn(steps, batch, generator=torch.Generator().manual_seed(0)) + drift


def test_p_moves_by_the_share_of_pictures_every_four_batches_towards_the_target() -> None:
    """8 pictures x 4 batches of 1,000: by 0.032, up where the signs' mean is above 0.6 and down where it is below."""
    sure = torch.tensor([1.0] * 7 + [-1.0]).repeat(8, 1)  # 0.75
    unsure = torch.tensor([1.0] * 6 + [-1.0] * 2).repeat(8, 1)  # 0.5
    module = AdaptiveAugment(kimg=1.0)
    assert observe(module, torch.cat([sure, unsure]), range(16)) == pytest.approx(
        [0, 0, 0, 0.032, 0.032, 0.032, 0.032, 0.064, 0.064, 0.064, 0.064, 0.032, 0.032, 0.032, 0.032, 0], abs=1e-6
    )
    assert float(module.overfitting) == 0.5


def test_p_follows_the_mean_sign_by_hand() -> None:
    logits = some_logits(40)
    expected, p = [], 0.0
    for step in range(40):
        if step % 4 == 3:
            r = sum(1 if value > 0 else -1 for value in logits[step - 3 : step + 1].flatten().tolist()) / 32
            p = min(1.0, max(0.0, p + (0 if r == 0.6 else math.copysign(8 * 4 / 400, r - 0.6))))
        expected.append(p)
    assert max(expected) > 0.2
    assert expected[-1] < max(expected)
    assert observe(AdaptiveAugment(kimg=0.4), logits, range(40)) == pytest.approx(expected, abs=1e-6)


def test_p_stays_where_the_mean_sign_is_the_target_and_within_0_and_1() -> None:
    at_target = torch.tensor([1.0] * 4 + [-1.0]).repeat(4, 1)
    module = AdaptiveAugment(kimg=1.0)
    module.probability.fill_(0.5)
    assert observe(module, at_target, range(4))[-1] == 0.5
    assert max(observe(AdaptiveAugment(kimg=0.1), torch.ones(40, 8), range(40))) == 1
    assert min(observe(AdaptiveAugment(kimg=0.1), -torch.ones(40, 8), range(40))) == 0


def test_by_default_p_goes_from_0_to_1_in_500_thousand_pictures() -> None:
    found = observe(AdaptiveAugment(), torch.ones(100, 64), range(100))
    assert found[-1] == pytest.approx(100 * 64 / 500_000)


def test_a_fixed_p_stays() -> None:
    module = AdaptiveAugment(probability=0.3, kimg=0.1)
    assert observe(module, torch.ones(8, 8), range(8)) == pytest.approx([0.3] * 8)


@pytest.mark.parametrize("parts", [2, 4])
def test_micro_batches_move_p_as_the_whole_batch_does(parts: int) -> None:
    logits, whole, cut = some_logits(24), AdaptiveAugment(kimg=0.4), AdaptiveAugment(kimg=0.4)
    assert observe(cut, logits, range(24), parts) == observe(whole, logits, range(24))


def test_logits_of_patches_count_as_their_mean() -> None:
    logits = some_logits(24, batch=8 * 9)
    patches, apart = AdaptiveAugment(kimg=0.4), AdaptiveAugment(kimg=3.6)
    assert observe(patches, logits.view(24, 8, 1, 3, 3), range(24)) == pytest.approx(observe(apart, logits, range(24)))


def test_a_saved_and_loaded_module_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    logits = some_logits(30)
    whole, first, second = (AdaptiveAugment(kimg=0.4) for _ in range(3))
    expected = observe(whole, logits, range(30))
    before = observe(first, logits, range(14))  # in the middle of an interval
    torch.save(first.state_dict(), tmp_path / "ada.pt")
    second.load_state_dict(torch.load(tmp_path / "ada.pt", weights_only=True))
    assert before + observe(second, logits, range(14, 30)) == expected
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_the_module_augments_with_its_p_and_has_no_weights() -> None:
    module, x = AdaptiveAugment(("blit", "cutout")), pictures(8)
    assert list(module.parameters()) == []
    assert torch.equal(module(x, Noise(0, count=8), "real"), x)
    module.probability.fill_(0.8)
    module.compile(backend="eager")
    expected = augment(x, 0.8, Noise(0, count=8), "real", kinds=("blit", "cutout"))
    assert torch.equal(module(x, Noise(0, count=8), "real"), expected)
    assert not torch.equal(expected, x)


def observe_shares(folder: str) -> None:
    """One process of a group tells of its share of the logits, in two micro-batches a step."""
    group = distributed.join("cpu")
    module, logits = AdaptiveAugment(kimg=0.4), some_logits(22)
    for step in range(22):
        for micro in range(2):
            peers = [slice(4 * rank + 2 * micro, 4 * rank + 2 * micro + 2) for rank in range(group.world)]
            mine = peers[group.rank]
            batch = Batch({}, Noise(0, "step", step, count=8), mine, step, group, peers)
            module.observe(batch, logits[step][mine].bfloat16())
    torch.save(module.state_dict(), Path(folder) / f"rank-{group.rank}.pt")
    distributed.leave()


def test_every_process_has_the_state_of_one_process(tmp_path: Path) -> None:
    module = AdaptiveAugment(kimg=0.4)
    observe(module, some_logits(22), range(22))
    run_ranks(the_driver(), 2, tmp_path, call="test_ada:observe_shares", cwd=tmp_path)
    for rank in range(2):
        found = torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True)
        assert int(found["seen"]) == 16
        for name, value in module.state_dict().items():
            assert torch.equal(found[name], value), name

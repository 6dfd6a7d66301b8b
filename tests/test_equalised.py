"""Layers with an equalised learning rate, and the minibatch standard deviation, in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pad

from ganzoo.nn.equalised import EqualisedConv2d, EqualisedLinear, MinibatchDeviation, second_moment
from ganzoo.nn.resample import Activation, kernel

FILTER = torch.outer(kernel(), kernel()).double()


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filtered(x: Tensor, padding: int) -> Tensor:
    """Each channel with the full two-dimensional filter."""
    return conv2d(pad(x, [padding] * 4).flatten(0, 1)[:, None], FILTER[None, None])[:, 0].unflatten(0, x.shape[:2])


@pytest.mark.parametrize("activation", ["linear", "leaky-relu"])
@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_a_linear_layer_scales_its_weights_when_it_runs(multiplier: float, activation: Activation) -> None:
    layer = EqualisedLinear(6, 4, bias_init=0.5, lr_multiplier=multiplier, activation=activation).double()
    x = draw(3, 6)
    plain = x @ (layer.weight * multiplier / math.sqrt(6)).T + 0.5
    expected = plain if activation == "linear" else leaky_relu(plain, 0.2) * math.sqrt(2)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_signals_keep_their_size_through_a_new_linear_layer(multiplier: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(256, 512)
    assert EqualisedLinear(512, 512, lr_multiplier=multiplier)(x).std().item() == pytest.approx(1, rel=0.02)
    active = EqualisedLinear(512, 512, lr_multiplier=multiplier, activation="leaky-relu")(x)
    assert active.square().mean().sqrt().item() == pytest.approx(math.sqrt(1.04), rel=0.02)  # (1 + 0.2^2) 2 / 2


@pytest.mark.parametrize("way", ["same", "up", "down"])
def test_signals_keep_their_order_of_size_through_a_new_convolution(way: str) -> None:
    torch.manual_seed(0)
    layer = EqualisedConv2d(64, 64, 3, up=way == "up", down=way == "down", activation="leaky-relu")
    assert layer.weight.std().item() == pytest.approx(1, rel=0.02)
    size = layer(torch.randn(4, 64, 16, 16)).square().mean().sqrt().item()
    assert (0.9 if way == "same" else 0.2) < size < 1.1


def test_every_layer_moves_by_the_same_share_of_its_scale_in_a_step_of_adam() -> None:
    """What the equalised learning rate is for: the step of the weights in use is lr x multiplier x 1 / sqrt(fan-in)."""
    torch.manual_seed(0)
    for layer, fan_in, multiplier in (
        (EqualisedLinear(16, 8), 16, 1.0),
        (EqualisedLinear(64, 8, lr_multiplier=0.01), 64, 0.01),
        (EqualisedConv2d(4, 8, 3), 36, 1.0),
    ):
        layer.double()
        x = torch.ones(2, layer.weight.shape[1], *[5] * (layer.weight.ndim - 2), dtype=torch.float64)
        before = layer.weight.detach() * layer.scale
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.002)
        layer(x).sum().backward()
        optimizer.step()
        moved = (layer.weight.detach() * layer.scale - before).abs()
        expected = torch.full_like(moved, 0.002 * multiplier / math.sqrt(fan_in))
        torch.testing.assert_close(moved, expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("activation", ["linear", "leaky-relu"])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("way", ["same", "up", "down"])
def test_a_convolution_equals_its_steps_one_by_one(way: str, size: int, activation: Activation) -> None:
    layer = EqualisedConv2d(3, 4, size, up=way == "up", down=way == "down", activation=activation, gain=0.7).double()
    with torch.no_grad():
        layer.bias.copy_(draw(4, seed=1))
    x = draw(2, 3, 7, 6, seed=2)
    weight = layer.weight / math.sqrt(3 * size**2)
    if way == "up":
        out = 4 * filtered(conv_transpose2d(x, weight.transpose(0, 1), stride=2), (5 - size) // 2)
    elif way == "down":
        out = conv2d(filtered(x, (size + 1) // 2), weight, stride=2)
    else:
        out = conv2d(x, weight, padding=size // 2)
    out = out + layer.bias[:, None, None]
    out = out if activation == "linear" else leaky_relu(out, 0.2) * math.sqrt(2)
    torch.testing.assert_close(layer(x), 0.7 * out, rtol=0, atol=1e-12)
    assert layer(x).shape == (2, 4, *{"same": (7, 6), "up": (14, 12), "down": (3, 3)}[way])


@pytest.mark.parametrize("way", ["same", "up", "down"])
def test_a_convolution_differentiates_twice_in_pictures_and_parameters(way: str) -> None:
    layer = EqualisedConv2d(2, 2, 3, up=way == "up", down=way == "down", activation="leaky-relu").double()

    def called(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out: Tensor = functional_call(layer, {"weight": weight, "bias": bias}, x)
        return out**2

    given = tuple(each.requires_grad_(True) for each in (draw(1, 2, 4, 4), draw(2, 2, 3, 3, seed=1), draw(2, seed=2)))
    assert gradcheck(called, given)
    assert gradgradcheck(called, given)


@pytest.mark.parametrize("way", ["same", "up", "down"])
def test_a_convolution_runs_in_bfloat16_under_autocast_and_near_float32(way: str) -> None:
    layer = EqualisedConv2d(32, 16, 3, up=way == "up", down=way == "down", activation="leaky-relu")
    x = draw(2, 32, 8, 8).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.bfloat16
    exact = layer(x)
    assert ((out.float() - exact).square().mean() / exact.square().mean()).item() < 1e-4


def test_a_checkpoint_has_the_weights_and_not_the_filter() -> None:
    assert set(EqualisedConv2d(2, 3, 3, up=True).state_dict()) == {"weight", "bias"}
    assert set(EqualisedLinear(2, 3, bias=False).state_dict()) == {"weight"}


def test_a_network_of_these_layers_is_traced_as_one_graph() -> None:
    network = nn.Sequential(
        EqualisedConv2d(3, 8, 1, activation="leaky-relu"),
        EqualisedConv2d(8, 8, 3, down=True, activation="leaky-relu"),
        EqualisedConv2d(8, 8, 3, up=True, activation="leaky-relu"),
        MinibatchDeviation(2),
        nn.Flatten(),
        EqualisedLinear(9 * 64, 1),
    )
    x = draw(4, 3, 8, 8).float()
    torch.compiler.reset()
    traced = torch.compile(network, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(traced(x), network(x))


def test_shapes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="odd kernel size, not 4"):
        EqualisedConv2d(2, 2, 4)
    with pytest.raises(ValueError, match="not both"):
        EqualisedConv2d(2, 2, 3, up=True, down=True)
    with pytest.raises(ValueError, match="above 0"):
        EqualisedConv2d(2, 2, 3, gain=0)
    with pytest.raises(ValueError, match="groups of 0 pictures"):
        MinibatchDeviation(group=0)
    with pytest.raises(ValueError, match="3 channels cannot be shared out to 2 features"):
        MinibatchDeviation(features=2)(torch.zeros(4, 3, 2, 2))


def test_the_deviation_of_pictures_plus_and_minus_a_constant_is_that_constant() -> None:
    x = torch.zeros(4, 3, 2, 2, dtype=torch.float64)
    x[0], x[1], x[2], x[3] = 5, 1, -3, -3  # two groups of neighbours: 3 +- 2 and -3 +- 0
    out = MinibatchDeviation(group=2)(x)
    assert out.shape == (4, 4, 2, 2)
    assert torch.equal(out[:, :3], x)
    assert out[:2, 3].flatten().tolist() == pytest.approx([math.sqrt(4 + 1e-8)] * 8)
    assert out[2:, 3].flatten().tolist() == pytest.approx([1e-4] * 8)


def test_each_feature_of_the_deviation_has_its_own_share_of_the_channels() -> None:
    x = draw(6, 4, 3, 5)
    out = MinibatchDeviation(group=3, features=2)(x)
    for first in (0, 3):
        for feature in (0, 1):
            share = x[first : first + 3, 2 * feature : 2 * feature + 2]
            expected = (share.var(0, correction=0) + 1e-8).sqrt().mean()
            torch.testing.assert_close(out[first : first + 3, 4 + feature], expected.expand(3, 3, 5))


def test_a_batch_that_is_split_between_groups_has_the_same_deviations() -> None:
    x, layer = draw(8, 2, 3, 3), MinibatchDeviation(group=4)
    assert torch.equal(layer(x), torch.cat([layer(x[:4]), layer(x[4:])]))


@pytest.mark.parametrize(("count", "group", "used"), [(6, 4, 3), (2, 4, 2), (5, 4, 1), (8, 4, 4), (1, 4, 1)])
def test_a_group_that_does_not_divide_the_batch_is_made_smaller(count: int, group: int, used: int) -> None:
    x = draw(count, 2, 3, 3)
    assert torch.equal(MinibatchDeviation(group)(x), MinibatchDeviation(used)(x))


def test_the_deviation_differentiates_twice_also_where_pictures_are_alike() -> None:
    x = draw(4, 2, 2, 2).requires_grad_(True)
    assert gradcheck(MinibatchDeviation(2), (x,))
    assert gradgradcheck(MinibatchDeviation(2), (x,))
    alike = torch.ones(4, 2, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(MinibatchDeviation()(alike).square().sum(), alike, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), alike)
    assert second.isfinite().all()


def test_the_deviation_keeps_the_type_of_pictures_in_half_precision() -> None:
    out = MinibatchDeviation()(draw(4, 8, 4, 4).bfloat16())
    assert out.dtype == torch.bfloat16


def test_normalised_latents_have_a_mean_square_of_one() -> None:
    z = 100 * draw(5, 32)
    torch.testing.assert_close(second_moment(z).square().mean(1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(second_moment(z), z / z.norm(dim=1, keepdim=True) * math.sqrt(32))

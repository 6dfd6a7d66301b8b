"""The VAE: its bound in closed form, its prior fitted afterwards, and any other architecture's generator as decoder."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TinyRuns
from PIL import Image
from torch import Tensor
from torch.distributions import Bernoulli, Normal
from torch.distributions import kl_divergence as reference_kl
from torch.nn.functional import mse_loss

from ganzoo import hookimpl, training
from ganzoo.cards import Dataset, resolve
from ganzoo.config import Layer, build
from ganzoo.data.base import ArrayData, Data, DataRequest, DataSpec, Field
from ganzoo.data.sources import open_path
from ganzoo.engine.noise import Noise, seed_globals
from ganzoo.errors import UserError
from ganzoo.model import Batch, Model, SampleRequest
from ganzoo.registry import Registry, get_registry
from ganzoo.runs import build_model, load_model
from ganzoo_vae.mixture import Mixture
from ganzoo_vae.model import LEAST_VARIANCE, VAE, bernoulli_loss, gaussian_loss, kl_divergence
from ganzoo_vae.networks import maps

LIKES = {
    "dcgan": ("width=8", "latent=12"),
    "cgan": ("width=8", "latent=12", "embedding=4"),
    "vanilla": ("width=16", "maxout_units=8", "latent=12"),
}


def spec(size: int = 28, channels: int = 1, classes: int = 5) -> DataSpec:
    fields = [Field(name="image", kind="image", channels=channels, size=size)]
    if classes:
        fields.append(Field(name="label", kind="label", classes=tuple(f"class-{i}" for i in range(classes))))
    return DataSpec(name="made-up", split="train", count=100, fields=tuple(fields))


def make(name: str = "vae", data: DataSpec | None = None, **values: Any) -> Any:
    data = data or spec()
    card = get_registry().architectures[name]
    tiny = {} if name != "vae" else card.tiny
    settings, _ = build(resolve(card.config), [Layer("test", {**tiny, **values, "size": data.size})])
    seed_globals(0, "weights")
    return build_model(card, settings, data)


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def batch_of(model: Model, size: int = 8, step: int = 0) -> Batch:
    noise = Noise(0, "step", step, count=size)
    data = model.data
    fields: dict[str, Any] = {"image": noise.rand(data.channels, data.size, data.size, stream="pictures") * 2 - 1}
    if data.classes:
        fields["label"] = torch.arange(size) % len(data.classes)
    return Batch(fields, noise, slice(0, size), step)


# --- the bound --------------------------------------------------------------------------------------------------------


def test_the_kl_term_is_that_of_two_gaussians() -> None:
    mean, log_variance = torch.randn(2, 50, 7, generator=torch.Generator().manual_seed(0))
    wanted = reference_kl(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mean, log_variance), wanted)


def test_the_likelihoods_are_those_of_their_distributions() -> None:
    pictures, mean = torch.rand(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    torch.testing.assert_close(gaussian_loss(pictures, mean, 0.04), -Normal(mean, 0.2).log_prob(pictures).mean())
    black_and_white = pictures.sign()
    wanted = -Bernoulli((mean + 1) / 2).log_prob((black_and_white + 1) / 2).mean()
    torch.testing.assert_close(bernoulli_loss(black_and_white, mean), wanted)


def test_the_best_variance_is_the_best_and_gives_the_gradient_of_the_likelihood_maximised_over_it() -> None:
    pictures, mean = torch.randn(2, 4, 1, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 3
    mean.requires_grad_(True)
    best = gaussian_loss(pictures, mean)
    error = (pictures - mean).square().mean()
    assert all(best < gaussian_loss(pictures, mean, float(error.detach()) * factor) for factor in (0.5, 0.9, 1.1, 2))
    profile = 0.5 * (1 + (2 * math.pi * error).log())
    torch.testing.assert_close(best, profile)
    torch.testing.assert_close(*(torch.autograd.grad(loss, mean)[0] for loss in (best, profile)))


def test_a_perfect_reconstruction_is_worth_no_more_than_rounding_to_bytes_allows() -> None:
    pictures = torch.zeros(2, 1, 4, 4)
    assert float(gaussian_loss(pictures, pictures)) == pytest.approx(0.5 * math.log(2 * math.pi * LEAST_VARIANCE))


@pytest.mark.parametrize("likelihood", ["sigma", "gaussian", "bernoulli"])
def test_both_terms_are_nats_for_each_number_of_a_picture(likelihood: str) -> None:
    model = make(likelihood=likelihood, sigma=0.3).eval()
    batch = batch_of(model)
    terms = model.elbo_loss(batch)
    mean, log_variance = model.encode(batch.image, batch.label)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    decoded = model.decode(mean + posterior.stddev * batch.randn(*mean.shape[1:], stream="posterior"), batch.label)
    if likelihood == "bernoulli":
        share = (batch.image + 1) / 2
        white = (decoded + 1) / 2
        wanted = -(share * white.log() + (1 - share) * (1 - white).log()).mean()
    else:
        deviation = 0.3 if likelihood == "gaussian" else float(mse_loss(decoded, batch.image).detach().sqrt())
        wanted = -Normal(decoded, deviation).log_prob(batch.image).mean()
    torch.testing.assert_close(terms["reconstruction"], wanted)
    kl = reference_kl(posterior, Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(terms["kl"], kl / (28 * 28))


def test_beta_weighs_the_kl_term() -> None:
    (phase,) = make(beta=4).phases()
    assert (phase.name, phase.weights) == ("elbo", {"kl": 4.0})


@pytest.mark.parametrize("size", [1, 5, 7, 8, 30, 33, 64])
def test_its_own_networks_are_built_for_any_size(size: int) -> None:
    assert maps(size)[0] == size
    assert maps(size)[-1] <= 7
    model = make(data=spec(size, 3)).eval()
    pictures = batch_of(model).image
    assert model.reconstruct(pictures, torch.arange(8) % 5).shape == pictures.shape


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_short_training_reconstructs_pictures_it_has_not_seen(tiny_run: TinyRuns, registry: Registry) -> None:
    tiny = tiny_run("vae", steps=150, width=16, latent=16, batch=32)
    tiny.trainer.run()
    model = load_model(tiny.run.folder)
    held_out = training.open_data(registry, tiny.job, split="test").read(range(200))
    pictures, label = torch.from_numpy(held_out["image"]) / 127.5 - 1, torch.from_numpy(held_out["label"])
    with torch.inference_mode():
        error = mse_loss(model.reconstruct(pictures, label), pictures)
    assert float(error) < 0.5 * float(pictures.var(0).mean())  # half of what the mean picture leaves


@pytest.mark.parametrize("like", [*LIKES, "stylegan"])
def test_every_weight_of_borrowed_networks_learns(like: str, tiny_run: TinyRuns) -> None:
    settings = LIKES.get(like, ("width=8", "latent=12", "depth=2"))
    trainer = tiny_run("vae", like=like, like_settings=settings).trainer
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.train_step()
    for name, value in trainer.model.named_parameters():
        assert torch.isfinite(value).all()
        noise = name.endswith(".strength")  # of the noise of layers, of which a decoder is given none
        assert torch.equal(before[name], value) == noise, f"{name} {'moves' if noise else 'does not move'}"


def test_compiled_networks_are_those_that_are_called(tiny_run: TinyRuns) -> None:
    trainer = tiny_run("vae", like="dcgan", like_settings=LIKES["dcgan"]).trainer
    called = []
    for name, network in trainer.networks.items():
        network.register_forward_hook(lambda *_, name=name: called.append(name))
    trainer.train_step()
    assert {"encoder", "decoder"} <= set(called)


# --- the label --------------------------------------------------------------------------------------------------------


def test_it_takes_the_label_where_the_data_have_one() -> None:
    assert make().takes == ("label",)
    assert make(data=spec(classes=0)).takes == ()
    assert make(data=spec(classes=1)).takes == ()
    assert make(conditional="off").takes == ()
    with pytest.raises(UserError, match="conditional=on: made-up has no labels"):
        make(data=spec(classes=0), conditional="on")


def test_the_class_changes_the_picture_and_the_code() -> None:
    model = make().eval()
    z, pictures = torch.randn(2, 8), torch.rand(2, 1, 28, 28)
    zeros, ones = torch.zeros(2, dtype=torch.long), torch.ones(2, dtype=torch.long)
    assert not torch.equal(model.generate({"z": z, "label": zeros}), model.generate({"z": z, "label": ones}))
    assert not torch.equal(model.encode(pictures, zeros)[0], model.encode(pictures, ones)[0])
    with pytest.raises(ValueError, match="label"):
        model.reconstruct(pictures)


def test_classes_are_drawn_as_asked_for_or_in_turn() -> None:
    model = make().eval()
    given = torch.tensor([3, 3, 1])
    assert model.inputs(SampleRequest(count=7, noise=Noise(0, count=7)))["label"].tolist() == [0, 1, 2, 3, 4, 0, 1]
    asked = model.inputs(SampleRequest(count=3, noise=Noise(0, count=3), given={"label": given}))
    assert torch.equal(asked["label"], given)


def test_one_command_draws_a_class_by_name(
    tiny_run: TinyRuns, cwd: Path, here: Callable[..., Any], registry: Registry
) -> None:
    tiny = tiny_run("vae", steps=2)
    tiny.trainer.run()
    answer = here("generate", str(tiny.run.folder), "--label", "sneaker", "-n", "2", "--out", "sneakers")
    assert answer.code == 0
    assert len(list(Path("sneakers").glob("*.png"))) == 2


@pytest.mark.parametrize("folders", [("cat", "dog"), ("",)])
def test_a_folder_of_ones_own_has_labels_where_it_has_folders(folders: tuple[str, ...], tmp_path: Path) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        for i in range(3):
            Image.fromarray(np.full((16, 16), 40 * i, np.uint8)).save(tmp_path / folder / f"{i}.png")
    data = open_path(tmp_path, DataRequest(optional=("label",)))
    assert make(data=data.spec).takes == (("label",) if len(folders) > 1 else ())
    assert data.spec.fingerprint == open_path(tmp_path, DataRequest()).spec.fingerprint


ASKED: list[DataRequest] = []


@hookimpl
def ganzoo_datasets() -> list[Dataset]:
    """Two sets that write down what they are asked for, one with labels and one without."""
    facts = {"title": "t", "summary": "s", "load": f"{__name__}:listen", "licence": "CC0", "source": "none"}
    fields = {"labelled": ("image", "label"), "plain": ("image",)}
    return [Dataset(name=name, fields=there, size=28, **facts) for name, there in fields.items()]


def listen(request: DataRequest) -> Data:
    ASKED.append(request)
    image = Field(name="image", kind="image", channels=1, size=28)
    spec = DataSpec(name="nothing", split="train", count=0, fields=(image,))
    return ArrayData(spec, {"image": np.empty((0, 1, 28, 28), np.uint8)})


def test_a_data_set_is_asked_for_the_optional_fields_that_it_has() -> None:
    registry = Registry()
    registry.load_entry_points()
    registry.load("listener", "ganzoo-listener", "1.0", lambda: sys.modules[__name__])
    for source in ("labelled", "plain"):
        training.open_data(registry, training.plan_job(registry, "vae", source, None, {}))
    assert [(request.fields, request.optional) for request in ASKED] == [(("image",), ("label",)), (("image",), ())]


# --- another architecture's networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("like", LIKES)
def test_the_decoder_is_that_architectures_generator_down_to_its_first_weights(like: str) -> None:
    gan = make(like, **dict(text.split("=") for text in LIKES[like]))
    vae = make(like=like, like_settings=LIKES[like])
    theirs, ours = gan.generator.state_dict(), vae.decoder.model.generator.state_dict()
    assert list(theirs) == list(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert parameters(vae.decoder) == parameters(gan.generator)
    assert vae.takes == gan.takes
    assert vae.latent == 12
    assert not hasattr(vae.decoder.model, "discriminator")


@pytest.mark.parametrize("like", LIKES)
def test_the_encoder_is_the_discriminator_but_for_its_outputs(like: str) -> None:
    values = dict(text.split("=") for text in LIKES[like])
    gan, vae = make(like, **values), make(like=like, like_settings=LIKES[like])
    theirs = {name: value.shape for name, value in gan.discriminator.named_parameters()}
    ours = {name: value.shape for name, value in vae.encoder.named_parameters()}
    assert theirs.keys() == ours.keys()
    differing = [name for name in theirs if theirs[name] != ours[name]]
    assert {theirs[name][0] for name in differing} == {1}
    assert {ours[name][0] for name in differing} == {2 * 12}


@pytest.mark.parametrize("like", ["dcgan", "cgan"])
def test_the_encoder_is_normalised_as_the_discriminator_is_but_its_slope_is_not_bound(like: str) -> None:
    def kinds(*settings: str) -> set[str]:
        encoder = make(like=like, like_settings=(*LIKES[like], *settings)).encoder
        return {type(module).__name__ for module in encoder.modules()}

    assert "BatchNorm2d" in kinds()
    assert "BatchNorm2d" not in kinds("r1=0.3")
    assert not any("Parametr" in kind for kind in kinds("discriminator_norm=spectral"))


def test_perceptrons_of_the_conditional_gan_are_taken_too() -> None:
    vae = make(like="cgan", like_settings=("variant=mlp", "width=4", "latent=6"))
    batch = batch_of(vae)
    assert vae.reconstruct(batch.image, batch.label).shape == batch.image.shape
    assert all(not isinstance(m, torch.nn.Dropout) or m.p == 0 for m in vae.encoder.modules())


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"like": "dcgna"}, "like: .*no architecture 'dcgna' .*did you mean 'dcgan'"),
        ({"like": "vae"}, "like: vae is a yardstick itself"),
        ({"like": "dcgan", "like_settings": ["widht=3"]}, "widht: no such setting .*did you mean 'width'"),
        ({"like": "dcgan", "like_settings": ["width"]}, "like_settings=width: expected NAME=VALUE"),
        ({"like_settings": ["width=3"]}, "like_settings: .*like=NAME"),
        ({"like": "dcgan", "conditional": "on"}, "conditional=on: dcgan takes no label"),
        ({"like": "cgan", "conditional": "off"}, "conditional=off: cgan takes a label"),
    ],
)
def test_what_cannot_be_likened_is_said_in_a_line(settings: dict[str, Any], wanted: str) -> None:
    with pytest.raises(UserError, match=wanted):
        make(**settings)


def test_a_conditional_decoder_needs_labels_and_every_decoder_its_sizes() -> None:
    with pytest.raises(UserError, match="like=cgan: it needs labels, and made-up has none"):
        make(data=spec(classes=0), like="cgan")
    with pytest.raises(UserError, match=r"dcgan is built for pictures of .*--set size=28"):
        make(data=spec(27), like="dcgan")


FOREIGN = """
    import torch
    from torch import nn
    from ganzoo import hookimpl
    from ganzoo.cards import Architecture
    from ganzoo.model import Model, truncated_normal


    @hookimpl
    def ganzoo_architectures():
        return [
            Architecture(
                name="foreign", title="F", task="class-conditional", year=2000, paper="none", summary="s",
                config="ganzoo.config:Settings", model="ganzoo_foreign:Foreign", licence="MIT",
            )
        ]


    class Foreign(Model):
        sampling = ("mapping", "synthesis")
        takes = ("label",)

        def __init__(self, config, data):
            super().__init__(config, data)
            self.mapping = nn.Linear(12, 9)
            self.embed_size = len(data.classes)
            self.synthesis = nn.Linear(9 + len(data.classes), data.channels * data.size**2)
            self.judge = nn.Linear(2, 2)

        def inputs(self, request):
            return {"z": truncated_normal(request, 3, 4), "label": request.given["label"]}

        def generate(self, inputs):
            styles = self.mapping(inputs["z"].flatten(1))
            classes = nn.functional.one_hot(inputs["label"], self.embed_size).float()
            pictures = self.synthesis(torch.cat([styles, classes], 1)).tanh()
            return pictures.view(-1, self.data.channels, self.data.size, self.data.size)
"""


@pytest.fixture
def foreign(install: Callable[..., Path]) -> Iterator[None]:
    """An installed architecture that knows nothing of encoders, with a latent of 3 x 4."""
    install("ganzoo-foreign", FOREIGN)
    get_registry.cache_clear()
    yield
    get_registry.cache_clear()


@pytest.mark.usefixtures("foreign")
def test_any_model_with_a_latent_can_be_the_decoder(tiny_run: TinyRuns) -> None:
    tiny = tiny_run("vae", registry=get_registry(), like="foreign", prior="mixture", steps=3)
    vae = tiny.trainer.model
    assert isinstance(vae, VAE)
    assert [name for name, _ in vae.decoder.model.named_children()] == ["mapping", "synthesis"]
    assert vae.encode(*_rows(tiny.data.read(range(4))))[0].shape == (4, 3, 4)
    tiny.trainer.run()
    expected, inputs = tiny.trainer.sample(4)
    with torch.inference_mode():
        torch.testing.assert_close(load_model(tiny.run.folder).generate(inputs), expected)


def _rows(columns: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(columns["image"]) / 127.5 - 1, torch.from_numpy(columns["label"])


# --- the prior --------------------------------------------------------------------------------------------------------


def known_mixture(count: int, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Draws from three Gaussians in the plane, and which one each is from (given, or 1/2, 3/10 and 1/5 of them)."""
    generator = torch.Generator().manual_seed(1)
    shares = torch.tensor([0.5, 0.3, 0.2])
    component = torch.multinomial(shares, count, replacement=True, generator=generator) if label is None else label
    means = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 8.0]])
    scales = torch.tensor([[[1.0, 0.0], [0.8, 0.6]], [[0.5, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]])
    noise = torch.randn(count, 2, 1, generator=generator)
    return means[component] + (scales[component] @ noise)[:, :, 0], component


def fitted(z: Tensor, label: Tensor | None = None, **how: Any) -> Mixture:
    mixture = Mixture(how.pop("components", 3), z.shape[1], **how)
    mixture.fit(z, label, generator=torch.Generator().manual_seed(0))
    return mixture


def test_a_mixture_is_found_again() -> None:
    mixture = fitted(known_mixture(6000)[0])
    order = mixture.weights[0].argsort(descending=True)
    torch.testing.assert_close(mixture.weights[0][order], torch.tensor([0.5, 0.3, 0.2]), atol=0.03, rtol=0)
    wanted = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 8.0]])
    torch.testing.assert_close(mixture.means[order], wanted, atol=0.12, rtol=0)
    covariances = (mixture.scales @ mixture.scales.mT)[order]
    wanted = torch.tensor([[[1.0, 0.8], [0.8, 1.0]], [[0.25, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]])
    torch.testing.assert_close(covariances, wanted, atol=0.2, rtol=0)


@pytest.mark.parametrize("diagonal", [False, True])
def test_a_fitted_mixture_explains_new_draws_better_than_one_gaussian_and_than_before(diagonal: bool) -> None:
    z, new = known_mixture(3000)[0], known_mixture(4000)[0][3000:]
    one, three = fitted(z, components=1, diagonal=diagonal), fitted(z, diagonal=diagonal)
    assert three.log_prob(new).mean() > one.log_prob(new).mean() + 0.5
    assert one.log_prob(new).mean() > Mixture(3, 2, diagonal=diagonal).log_prob(new).mean()


def test_the_density_is_that_of_its_draws() -> None:
    mixture = fitted(known_mixture(2000)[0])
    generator = torch.Generator().manual_seed(2)
    draws = mixture(torch.randn(20_000, 2, generator=generator), torch.rand(20_000, generator=generator))
    torch.testing.assert_close(draws.mean(0), (mixture.weights[0] @ mixture.means), atol=0.1, rtol=0)
    grid = torch.cartesian_prod(torch.arange(-6, 14, 0.05), torch.arange(-8, 14, 0.05))
    assert float(mixture.log_prob(grid).exp().sum() * 0.05**2) == pytest.approx(1, abs=1e-3)


def test_before_it_is_fitted_it_is_the_normal_prior() -> None:
    noise = torch.randn(100, 4)
    mixture = Mixture(5, 4, 2)
    assert torch.equal(mixture(noise, torch.rand(100), torch.randint(2, (100,))), noise)
    torch.testing.assert_close(mixture.log_prob(noise).float(), Normal(0.0, 1.0).log_prob(noise).sum(1))


def test_each_class_has_its_own_weights_of_shared_components() -> None:
    z, component = known_mixture(3000)
    mixture = fitted(z, (component == 2).long(), classes=3)
    torch.testing.assert_close(mixture.weights.sum(1), torch.ones(3))
    assert sorted(mixture.weights[1].tolist())[-1] > 0.97
    assert sorted(mixture.weights[0].tolist())[0] < 0.02
    torch.testing.assert_close(  # of the class without a row: those of all rows
        mixture.weights[2].sort().values, torch.tensor([0.2, 0.3, 0.5]), atol=0.05, rtol=0
    )
    draws = mixture(torch.randn(200, 2), torch.rand(200), torch.ones(200, dtype=torch.long))
    assert float((draws - torch.tensor([0.0, 8.0])).norm(dim=1).median()) < 2


@pytest.mark.parametrize("rows", [1, 3, 12])
def test_it_can_be_fitted_to_fewer_rows_than_dimensions_and_to_equal_ones(rows: int) -> None:
    for z in (torch.randn(rows, 20), torch.zeros(rows, 20)):
        mixture = fitted(z, components=5)
        assert all(torch.isfinite(value).all() for value in mixture.state_dict().values())
        assert torch.isfinite(mixture.log_prob(z)).all()


def test_a_finished_run_samples_from_the_latents_of_its_training_pictures(tiny_run: TinyRuns) -> None:
    tiny = tiny_run("vae", steps=40, prior="mixture", components=4)
    tiny.trainer.run()
    model = load_model(tiny.run.folder)
    assert isinstance(model, VAE)
    assert torch.equal(model.prior.weights.sum(1).round(decimals=4), torch.ones(10))
    pictures, label = _rows(tiny.data.read(range(500)))
    with torch.inference_mode():
        mean, log_variance = model.encode(pictures, label)
        z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
        inputs = model.inputs(SampleRequest(count=500, noise=Noise(0, count=500), given={"label": label}))
    assert model.prior.log_prob(z, label).mean() > Normal(0.0, 1.0).log_prob(z).sum(1).mean()
    torch.testing.assert_close(inputs["z"].mean(0), z.mean(0), atol=0.25, rtol=0)


def test_the_fit_depends_on_the_seed_and_on_nothing_that_was_found_before(tiny_run: TinyRuns) -> None:
    model = tiny_run("vae", steps=2, prior="mixture", components=3).trainer.model.eval()

    def batches() -> Iterator[Batch]:
        return (batch_of(model, step=step) for step in range(4))

    model.data = spec()
    model.finish(batches)
    first = {name: value.clone() for name, value in model.prior.state_dict().items()}
    model.finish(batches)
    assert all(torch.equal(first[name], value) for name, value in model.prior.state_dict().items())

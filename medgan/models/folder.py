"""The model folder: a manifest, safetensors and a card. Nothing else is needed to synthesise."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from medgan import __version__
from medgan.contrasts import contrast, other
from medgan.errors import ModelRefusedError
from medgan.files import sha256, whole_folder, write_json, write_text
from medgan.models.card import model_card
from medgan.models.catalogue import default_model, find_model, name_of
from medgan.models.content import AGAIN, MANIFEST
from medgan.models.manifest import Domain, Manifest, read_manifest
from medgan.models.parts import History, Weights
from medgan.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model, ready to synthesise.

    Attributes:
        folder: where it was read from.
        manifest: what it says of itself.
        digest: SHA-256 of its manifest, which holds those of its weights.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def in_a_line(self) -> str:
        """Its name, where it is from, what made it and when, and what it is for."""
        manifest, name = self.manifest, name_of(self.folder)
        whence = f"{name}, which comes with medgan" if name else f"{manifest.name} in {self.folder}"
        purpose = f": {manifest.about.purpose}" if manifest.about.purpose else ""
        return f"{whence} (made by medgan {manifest.medgan_version} on {manifest.created[:10]}){purpose}"

    @property
    def told_to_others(self) -> str:
        """As `in_a_line`, without where it lies on this machine, and with its checksum."""
        manifest = self.manifest
        name = name_of(self.folder) or manifest.name
        return f"{name} (made by medgan {manifest.medgan_version} on {manifest.created[:10]}), SHA-256 {self.digest}"

    def check(self, target: str) -> Weights:
        """What the manifest says of the weights that make `target`.

        Raises:
            ModelRefusedError: the model has no such direction.
        """
        weights = self.manifest.direction(target)
        if weights is None:
            raise ModelRefusedError(
                f"has no generator for {target}",
                file=self.folder,
                remedy=f"It makes {', '.join(w.target for w in self.manifest.directions)}.",
            )
        return weights

    def generator(self, target: str) -> nn.Module:
        """The network that makes `target`, in evaluation mode on the CPU; all files of weights are checked first.

        Raises:
            ModelRefusedError: the model has no such direction; a file of weights, of this direction or another, is
                missing or damaged; or this one's does not fit.
        """
        weights = self.check(target)
        network = _on_paper(self.manifest)
        for other_weights in self.manifest.directions:
            if other_weights != weights:  # a folder that is damaged in one place is not trusted in the next
                _read_weights(self.folder, other_weights, network)
        file, content = self.folder / weights.file_name, _read_weights(self.folder, weights, network)
        try:
            tensors = safetensors.torch.load(content)
            network.load_state_dict(tensors, assign=True)
        except (safetensors.SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
            raise ModelRefusedError(
                f"does not fit model.json: {str(error)[:500]}", file=file, remedy=AGAIN
            ) from error
        if not all(t.dtype == torch.float32 and bool(t.isfinite().all()) for t in tensors.values()):
            raise ModelRefusedError(
                "holds weights that are no finite float32 numbers", file=file, remedy=AGAIN
            )
        return network.eval()


def _on_paper(manifest: Manifest) -> nn.Module:
    """The network that a manifest describes, without memory for its weights: it may describe a monster."""
    from medgan.models.architecture import build_generator  # with MONAI, which takes seconds

    with torch.device("meta"):
        return build_generator(manifest.recipe, slab=manifest.slab)


def _read_weights(folder: Path, weights: Weights, network: nn.Module) -> bytes:
    """The bytes of a file that is no larger than the weights of `network` make it, and has the checksum stated.

    They are read once, then checked and used.
    """
    file = folder / weights.file_name
    expected = sum(4 * tensor.numel() for tensor in network.state_dict().values())
    try:
        if file.stat().st_size > expected + _LARGEST_HEADER:
            raise ModelRefusedError("is larger than the network of model.json", file=file, remedy=AGAIN)
        content = file.read_bytes()
    except FileNotFoundError:
        raise ModelRefusedError("is missing from the model folder", file=file, remedy=AGAIN) from None
    except OSError as error:
        raise ModelRefusedError(
            f"cannot be read: {error.strerror or error}", file=file, remedy=AGAIN
        ) from error
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise ModelRefusedError("does not have the checksum that model.json states", file=file, remedy=AGAIN)
    return content


def load_model(name: str | Path | None = None) -> Model:
    """Read a model: one that comes with medgan, a model folder, or the one in a run folder.

    Args:
        name: a name that `medgan models` lists, `default`, a run of `medgan train`, or a model folder; the default
            model where none is given. A folder of that name wins.

    Raises:
        ModelRefusedError: there is none, or it is damaged or of another version.
    """
    folder = find_model(default_model() if name is None else name)
    manifest = read_manifest(folder)
    return Model(folder=folder, manifest=manifest, digest=sha256(folder / MANIFEST))


def save_model(
    folder: Path,
    *,
    generators: Mapping[str, nn.Module],
    recipe: Recipe,
    slab: int,
    domains: Mapping[str, Domain],
    history: History,
) -> None:
    """Write a model folder, whole or not at all.

    Args:
        folder: where; an older model there is replaced.
        generators: networks by the contrast that they make.
        recipe: the resolved settings.
        slab: slices that the networks see at once.
        domains: what was learnt of each contrast.
        history: how it was trained.
    """
    with whole_folder(folder) as temporary:
        directions = []
        for target, network in generators.items():
            tensors = {
                name: tensor.detach().to("cpu", torch.float32).contiguous()
                for name, tensor in network.state_dict().items()
            }
            weights = Weights(
                source=other(target).key,
                target=contrast(target).key,
                sha256="0" * 64,
                parameters=sum(tensor.numel() for tensor in tensors.values()),
            )
            file = temporary / weights.file_name
            file.write_bytes(safetensors.torch.save(tensors))  # save_file hides OSError
            directions.append(weights.model_copy(update={"sha256": sha256(file)}))
        manifest = Manifest(
            name=recipe.name,
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            medgan_version=__version__,
            libraries=_library_versions(),
            slab=slab,
            recipe=recipe,
            domains=dict(domains),
            directions=tuple(directions),
            training=history,
        )
        write_json(temporary / MANIFEST, manifest.model_dump(mode="json"))
        write_text(temporary / "README.md", model_card(manifest))


def _library_versions() -> dict[str, str]:
    import importlib.metadata

    return {
        name: importlib.metadata.version(name)
        for name in ("torch", "monai", "numpy", "nibabel", "safetensors")
    }


_LARGEST_HEADER = 4 << 20
"""Bytes that may precede the weights in a file."""

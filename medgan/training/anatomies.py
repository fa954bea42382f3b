"""The anatomies that a training simulates from: label maps or procedural heads, made small once and kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from medgan.files import sha256, whole_file
from medgan.sample_data import label_maps, read_label_map
from medgan.simulation import Anatomy, Head, procedural_head

_VERSION = 2
_FIRST_SEED = 2_000_000
_SHAPE, _SPACING = (180, 216, 176), 1.0
_ARRAYS = ("palette", "candidates")


@dataclass(frozen=True, eq=False)
class Anatomies:
    """What is simulated from.

    Attributes:
        items: one or more.
        fingerprint: SHA-256 over what each was made from.
    """

    items: tuple[Anatomy, ...]
    fingerprint: str


def prepare_anatomies(
    labels: Path | None,
    *,
    heads: int,
    seed: int,
    cache: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Anatomies:
    """Make anatomies, or take them from the cache.

    Args:
        labels: a folder of label maps; procedural heads where it is None.
        heads: how many procedural heads.
        seed: of procedural heads.
        cache: where they are kept.
        advance: told after each how many of how many are done.

    Raises:
        InputRefusedError: a label map is none.
    """
    makers: list[tuple[str, Callable[[], Head]]] = []
    if labels is not None:
        for number, path in enumerate(label_maps(labels)):
            makers.append((f"labels {sha256(path)}", lambda p=path, n=number: read_label_map(p, seed=n)))  # type: ignore[misc]
    else:
        for index in range(heads):
            number = _FIRST_SEED + seed * 1000 + index
            makers.append(
                (
                    f"procedural {number} {_SHAPE} {_SPACING}",
                    lambda n=number: procedural_head(n, shape=_SHAPE, spacing_mm=_SPACING),  # type: ignore[misc]
                )
            )
    made, digests = [], []
    for done, (key, make) in enumerate(makers, start=1):
        digest = hashlib.sha256(f"{_VERSION} {key}".encode()).hexdigest()[:32]
        file = cache / f"anatomy-{digest}.safetensors"
        anatomy = _load(file)
        if anatomy is None:
            anatomy = Anatomy.of(make())
            _save(anatomy, file)
        made.append(anatomy)
        digests.append(digest)
        advance(done, len(makers))
    return Anatomies(tuple(made), hashlib.sha256("".join(digests).encode()).hexdigest())


def _save(anatomy: Anatomy, file: Path) -> None:
    fields = {field.name: getattr(anatomy, field.name) for field in dataclasses.fields(anatomy)}
    tensors = {"codes": fields.pop("codes"), "brain": fields.pop("brain")}
    tensors |= {name: torch.from_numpy(fields.pop(name)) for name in _ARRAYS}
    content = safetensors.torch.save(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, {"anatomy": json.dumps(fields)}
    )
    with whole_file(file) as temporary:
        temporary.write_bytes(content)


def _load(file: Path) -> Anatomy | None:
    """What `_save` wrote; None where there is nothing of it, or it is damaged."""
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            fields: dict[str, Any] = json.loads((content.metadata() or {})["anatomy"])
        for name in ("origin", "low", "high", "tissue_names"):
            fields[name] = tuple(fields[name])
        return Anatomy(**fields, **tensors | {name: tensors[name].numpy() for name in _ARRAYS})
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None

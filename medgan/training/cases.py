"""What a training folder holds: each scan read and prepared once, and kept on disk, not in memory."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgan.contrasts import contrast as known_contrast
from medgan.contrasts import other
from medgan.errors import InputRefusedError, MedganError, OutputNotWrittenError
from medgan.files import sha256, whole_file, write_json
from medgan.models import Domain
from medgan.models.scope import Look, Scope, look_of
from medgan.preparation import IntensityRange, Prepared, find_foreground, measure_range, median_range, prepare
from medgan.recipe import Recipe
from medgan.scans import Found, Scan, read_scan
from medgan.scans.finding import picture_rank, search
from medgan.scans.shown_paths import shown_path

_HEAD_SHARE = 0.02
_CACHE_VERSION = 4


@dataclass(frozen=True)
class Case:
    """One prepared scan on disk.

    Attributes:
        name: its name, for messages on the user's own screen; no model holds it.
        image: the `.npy` file: float16, (X, Y, Z), -1 to 1, canonical axes.
        shape: of `image`.
        spacing: mm, of `image`.
        kind: nifti, dicom or picture.
        bits: bits per pixel of a picture.
        intensity: which intensities became -1 and 1.
        head: first and last index (inclusive) of the head along each axis.
        slices: axial slices that show enough of the head to learn from.
        rank: for a numbered picture, its stack and its number in it.
        digest: SHA-256 of `image`.
        warnings: what the user should know.
        appearance: the contrast that its intensities look like, or None.
        look: what it is like, for the model to remember.
    """

    name: str
    image: Path
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    kind: str
    bits: int | None
    intensity: IntensityRange
    head: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    slices: tuple[int, ...]
    rank: tuple[str, int] | None
    digest: str
    warnings: tuple[str, ...]
    appearance: str | None = None
    look: Look | None = None

    def voxels(self) -> npt.NDArray[np.float16]:
        """The image, mapped from disk: only what is looked at is read."""
        voxels: npt.NDArray[np.float16] = np.load(self.image, mmap_mode="r", allow_pickle=False)
        return voxels


@dataclass(frozen=True)
class Cases:
    """All usable scans of one contrast, and why others are not used."""

    contrast: str
    cases: tuple[Case, ...]
    refused: tuple[MedganError, ...]
    warnings: tuple[str, ...]

    @property
    def slices(self) -> int:
        """How many slices there are to learn from."""
        return sum(len(case.slices) for case in self.cases)

    @property
    def measured(self) -> list[Case]:
        """Those that tell the contrast's intensities: volumes, in scanner units, before pictures."""
        return [case for case in self.cases if case.kind != "picture"] or list(self.cases)

    def domain(self) -> Domain:
        """What the model will say of them."""
        spacings = np.array([case.spacing for case in self.cases])
        bits = {case.bits for case in self.cases}
        looks = [case.look for case in self.measured if case.look is not None]
        return Domain(
            intensity=median_range([case.intensity for case in self.measured]),
            scans=len(self.cases),
            slices=self.slices,
            kinds=tuple(sorted({case.kind for case in self.cases})),
            spacings=tuple((float(axis.min()), float(axis.max())) for axis in spacings.T),
            bits=bits.pop() if len(bits) == 1 else None,
            fingerprint=hashlib.sha256(
                "".join(sorted(case.digest for case in self.cases)).encode()
            ).hexdigest(),
            scope=Scope.of(looks) if looks else None,
        )


def prepare_folder(
    folder: Path,
    contrast: str,
    *,
    recipe: Recipe,
    cache: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Cases:
    """Find, read and prepare every scan of a folder, one at a time.

    Args:
        folder: scans of one contrast: NIfTI, DICOM series or pictures, nested or not.
        contrast: `t1` or `t2`.
        recipe: how to prepare.
        cache: where prepared scans go; those that are there already and whose files did not change are reused.
        advance: told after each scan how many of how many are done.

    Raises:
        InputRefusedError: the folder holds nothing usable.
    """
    held = search(folder)
    found = held.scans
    pictures = picture_range(found, recipe)
    cases: list[Case] = []
    refused: list[MedganError] = []
    warnings: list[str] = []
    for done, item in enumerate(found, start=1):
        try:
            case, guess = _prepare_one(item, recipe, cache, pictures)
        except OutputNotWrittenError:
            raise
        except MedganError as error:
            refused.append(error)
        else:
            cases.append(case)
            if guess not in (None, contrast):
                warnings.append(
                    f"{case.name} looks like {_label(guess)}, but lies in the {_label(contrast)} folder"
                )
            elif case.kind != "picture" and case.appearance not in (None, contrast):
                looks = f"{case.name} looks like {_label(case.appearance)} by its intensities"
                warnings.append(f"{looks}, but lies in the {_label(contrast)} folder")
        advance(done, len(found))
    if not cases:
        causes = "; ".join(f"{shown_path(error.file or folder)}: {error.cause}" for error in refused[:3])
        raise InputRefusedError(
            f"holds no scan to train on ({len(refused)} refused: {causes})",
            file=folder,
            remedy="`medgan inspect` on the folder says of each file what is wrong with it.",
        )
    warnings += _doubts_of_pictures(cases, contrast)
    if held.left_out:
        warnings.append(f"{held.left_out} of the {contrast} folder")
    return Cases(contrast, tuple(cases), tuple(refused), tuple(warnings))


def _doubts_of_pictures(cases: Sequence[Case], contrast: str) -> list[str]:
    """A single slice tells little of its contrast; most of a folder's tell enough."""
    telling = [case for case in cases if case.kind == "picture" and case.appearance is not None]
    others = sum(case.appearance != contrast for case in telling)
    if 2 * others <= len(telling):
        return []
    return [
        f"{others} of {len(telling)} pictures whose intensities tell look like {other(contrast).key}, but "
        f"lie in the {contrast} folder"
    ]


def _label(key: str | None) -> str:
    return known_contrast(key).label if key else ""


def _prepare_one(
    item: Found, recipe: Recipe, cache: Path, pictures: IntensityRange | None
) -> tuple[Case, str | None]:
    """A case and the contrast that its file looks like."""
    if item.refusal is not None:
        raise item.refusal
    given = pictures if item.kind == "picture" else None
    rank = picture_rank(item.path) if item.kind == "picture" else None
    key = key_of(item, recipe, given)
    return keep_prepared(
        lambda: read_acquired(item),
        key,
        recipe=recipe,
        cache=cache,
        name=item.stem,
        intensity=given,
        rank=rank,
    )


def read_acquired(item: Found) -> Scan:
    """Read a scan that a scanner made: what medgan made is nothing to learn from."""
    scan = read_scan(item)
    if scan.source.facts.get("synthetic"):
        raise InputRefusedError(
            "is itself synthetic", file=item.path, remedy="Take synthetic images out of the folder."
        )
    return scan


def keep_prepared(
    read: Callable[[], Scan],
    key: str,
    *,
    recipe: Recipe,
    cache: Path,
    name: str,
    intensity: IntensityRange | None = None,
    rank: tuple[str, int] | None = None,
) -> tuple[Case, str | None]:
    """Prepare a scan into the cache, or take it from there; returns it and the contrast that it looks like.

    Args:
        read: gives the scan; not called where it is in the cache.
        key: its name in the cache.
        recipe: how to prepare.
        cache: the folder.
        name: for messages.
        intensity: a range shared with others, instead of its own percentiles.
        rank: of a numbered picture.
    """
    image, facts = cache / f"{key}.npy", cache / f"{key}.json"
    if not (image.is_file() and facts.is_file()):
        scan = read()
        prepared = prepare(scan, recipe.preparation, spatial_dims=recipe.spatial_dims, intensity=intensity)
        # slices are read one by one, so a slice's voxels lie together on disk
        array = np.asfortranarray(prepared.image[0].numpy().astype(np.float16))
        stream = io.BytesIO()  # into a file itself, numpy does not say why a disk refuses
        np.save(stream, array, allow_pickle=False)
        with whole_file(image) as temporary:
            temporary.write_bytes(stream.getbuffer())
        write_json(facts, _facts(scan, prepared) | {"digest": sha256(image)})
    known: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
    guess = known.pop("contrast")
    known["intensity"] = IntensityRange(**known["intensity"])
    known["look"] = Look(**known["look"])
    known = {field: _tuples(value) for field, value in known.items()}
    return Case(name=name, image=image, rank=rank, **known), guess


def _facts(scan: Scan, prepared: Prepared) -> dict[str, Any]:
    head = prepared.foreground[0].numpy()
    extents = []
    for axis in range(3):
        occupied = np.flatnonzero(head.any(axis=tuple(other for other in range(3) if other != axis)))
        extents.append((int(occupied[0]), int(occupied[-1])) if len(occupied) else (0, head.shape[axis] - 1))
    share = head.mean(axis=(0, 1))
    enough = np.flatnonzero(share >= min(_HEAD_SHARE, float(share.max())))
    return {
        "shape": head.shape,
        "spacing": prepared.spacing,
        "kind": scan.source.kind,
        "bits": scan.source.bits,
        "intensity": prepared.intensity.model_dump(),
        "head": extents,
        "slices": [int(index) for index in enough],
        "warnings": [*scan.warnings, *prepared.warnings],
        "contrast": scan.contrast,
        "appearance": prepared.appearance.contrast,
        "look": look_of(prepared).model_dump(mode="json"),
    }


def picture_range(found: Sequence[Found], recipe: Recipe) -> IntensityRange | None:
    """One range for all pictures of a folder.

    Slices exported as pictures share one scale, and a slice near the vertex has other percentiles than one
    through the ventricles: scaled each by its own, the same tissue would have two intensities.
    """
    ranges = []
    for item in found:
        if item.kind == "picture" and item.refusal is None:
            try:
                voxels = read_scan(item).voxels
            except MedganError:
                continue  # reading it again for training reports it
            mask = find_foreground(voxels).mask
            ranges.append(measure_range(voxels, mask, percentiles=recipe.preparation.percentiles))
    return median_range(ranges) if ranges else None


def key_of(item: Found, recipe: Recipe, intensity: IntensityRange | None) -> str:
    """Changes with the files and with what is done to them, and gives away no name."""
    files = item.series.files if item.series is not None else (item.path,)
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return cache_key(recipe, stats, intensity.model_dump_json() if intensity is not None else "")


def is_cached(file: Path) -> bool:
    """Whether a file is one of the cache's."""
    return re.fullmatch(r"[0-9a-f]{32}\.(npy|json)|anatomy-[0-9a-f]{32}\.safetensors", file.name) is not None


def cache_key(recipe: Recipe, *parts: Any) -> str:
    """A digest of what a prepared scan depends on."""
    text = json.dumps([_CACHE_VERSION, recipe.preparation.model_dump_json(), recipe.spatial_dims, *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value

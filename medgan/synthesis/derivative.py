"""A BIDS derivative data set: where it may lie, and what it says of itself as a whole.

After BIDS 1.10, "Dataset description" and "BIDS URI". What is of one image alone stands in its sidecar.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgan import __version__
from medgan.contrasts import contrast, other
from medgan.errors import InputRefusedError, UsageError
from medgan.files import is_leftover, kind_of, marked, remove_leftovers, write_json, write_text

DESCRIPTION = "dataset_description.json"
_DESCRIPTION_LIMIT = 2**20
_BIDS_VERSION = "1.10.0"
_IGNORED = """\
# Beside the images, and not in BIDS: pages and pictures to look at, maps of the error to expect.
*.html
*_preview.png
*_errormap.nii.gz
"""
_README = """\
# Synthetic MR images

The images in this data set were not acquired by a scanner. medgan, an image-to-image translation network, made them
from images of another contrast. Research software, not a medical device: they are not for diagnosis, and lesions may
be missing in them or invented. Keep them apart from acquired images in every analysis, and say so where you publish.

Each image lies on the grid of the image that it was made from, which `Sources` in its JSON names; `Medgan` there
tells the model (SHA-256), how the voxels were prepared, and what there was to warn of. `bids:raw:` stands for the data
set that `DatasetLinks` in dataset_description.json leads to.

Files whose names end in `_errormap.nii.gz` are no images of a head: they hold the absolute error to expect of each
voxel (`Uncertainty`), or what it stays under in 90 % of voxels (`Bound90`). BIDS has no name for them, nor for pages
(`.html`) and pictures (`_preview.png`), so that .bidsignore lists them.
"""
_CITE = (
    "Say that these images are synthetic. Cite medgan, and what it builds on: CycleGAN (Zhu et al., ICCV 2017) and "
    "MONAI (Cardoso et al. 2022, doi:10.48550/arXiv.2211.02701)."
)


def read_description(root: Path) -> dict[str, Any]:
    """What a data set says of itself.

    Raises:
        InputRefusedError: its dataset_description.json is missing or is no JSON object.
    """
    path = root / DESCRIPTION
    if kind_of(path) != "file":
        raise InputRefusedError(
            f"is no BIDS data set: it has no {DESCRIPTION}",
            file=root,
            remedy='Give the folder in which it lies; or write one, which holds at least {"Name": "...", '
            f'"BIDSVersion": "{_BIDS_VERSION}"}}.',
        )
    try:
        with path.open("rb") as stream:
            content = json.loads(stream.read(_DESCRIPTION_LIMIT).decode("utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputRefusedError(
            f"cannot be read as JSON: {error}",
            file=path,
            remedy="Mend it; the BIDS validator tells what is wrong.",
        ) from error
    return content


def check_place(out: Path, raw: Path) -> None:
    """Refuse to write a derivative anywhere within another data set but in its folder `derivatives`.

    Args:
        out: where the derivative is to lie.
        raw: the root of the data set that it is made from.

    Raises:
        UsageError: it would lie in a data set, in one that is not medgan's, or of another raw data set; or among
            other files.
    """
    inside = _place_in_data_set(out.resolve(), raw.resolve())
    if inside is not None and (inside[:1] != ("derivatives",) or len(inside) < 2):
        raise UsageError(
            "lies in a data set, of which results must not become a part",
            file=out,
            remedy="Give a folder DATASET/derivatives/NAME as --out, or one outside of it.",
        )
    if kind_of(out) != "folder":
        return
    if kind_of(out / DESCRIPTION) == "file":
        _refuse_others(out, read_description(out), raw)
    elif any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise UsageError(
            "holds other files, and a data set needs a folder of its own",
            file=out,
            remedy="Give a new or an empty folder as --out.",
        )


def _place_in_data_set(place: Path, raw: Path) -> tuple[str, ...] | None:
    """The way to a folder from the root of the innermost data set that it lies in, or None where it lies in none."""
    for folder in (place, *place.parents):
        if folder == raw or (folder != place and kind_of(folder / DESCRIPTION) == "file"):
            return place.relative_to(folder).parts
    return None


def _refuse_others(out: Path, said: Mapping[str, Any], raw: Path) -> None:
    if said.get("DatasetType") != "derivative" or not any(map(_is_ours, _steps(said))):
        raise UsageError(
            "is a data set that medgan did not make", file=out, remedy="Give a folder of its own as --out."
        )
    links = said.get("DatasetLinks")
    link = links.get("raw") if isinstance(links, dict) else None
    linked = out / link if isinstance(link, str) and "://" not in link else None
    if linked is None or not any(out.glob("sub-*")):
        return
    if kind_of(linked / DESCRIPTION) != "file":
        raise UsageError(
            "holds results, and no data set is where its DatasetLinks lead, so that they may be another's",
            file=out,
            remedy=f'If they are of this one, which was moved, write "raw": {json.dumps(_link(out, raw))} into '
            f"DatasetLinks of its {DESCRIPTION}; else give a folder of its own as --out.",
        )
    if not linked.samefile(raw):
        raise UsageError(
            "holds results of another raw data set, to which its DatasetLinks lead",
            file=out,
            remedy="Give a folder of its own as --out.",
        )


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """What makes the images of one command: a model, by its name and digest, in one direction.

    Attributes:
        model: its name.
        sha256: of its manifest.
        target: key of the contrast that it makes.
    """

    model: str
    sha256: str
    target: str

    @property
    def step(self) -> dict[str, Any]:
        """An entry of `GeneratedBy`."""
        here, there = other(self.target).label, contrast(self.target).label
        return {
            "Name": "medgan",
            "Version": __version__,
            "Description": f"Synthetic {there} images, made from {here} images by medgan's model {self.model} (SHA-256 "
            f"{self.sha256}). Research software, not a medical device: not acquired by a scanner, not for diagnosis.",
        }


@contextlib.contextmanager
def described(out: Path, raw: Path, made_by: MadeBy) -> Iterator[None]:
    """Let a derivative say what it is before its first image is there; one that stays empty is taken away again.

    A data set that is there already keeps what it says of models that were at work before. Several commands may be at
    work in one: each leaves a mark of its own, and only the last one takes anything away.

    Args:
        out: the derivative.
        raw: the root of the data set that it is made from.
        made_by: what makes the images.

    Raises:
        InputRefusedError: the raw data set has no description that can be read.
        OutputNotWrittenError: the disk refuses.
    """
    is_new, folders = (
        not (out / DESCRIPTION).exists(),
        [one for one in (out, *out.parents) if not one.exists()],
    )
    try:
        with marked(out):
            _describe(out, raw, made_by)
            yield
    finally:
        remove_leftovers(out)
        if is_new and _is_unused(out):
            _take_away(out, folders)
        if not _is_unused(out):  # what another command wrote at the same moment may have gone
            _describe(out, raw, made_by)


def _is_unused(out: Path) -> bool:
    """Whether a derivative has no results, and no other command is at work in it."""
    return not any(out.glob("sub-*")) and not (out.is_dir() and any(map(is_leftover, out.iterdir())))


def _describe(out: Path, raw: Path, made_by: MadeBy) -> None:
    before = read_description(out) if kind_of(out / DESCRIPTION) == "file" else {}
    content = _description(before, read_description(raw), made_by, link=_link(out, raw))
    if content != before:
        write_json(out / DESCRIPTION, content)
    if not (out / ".bidsignore").exists():
        write_text(out / ".bidsignore", _IGNORED)
    if not any(out.glob("README*")):  # BIDS wants one, whatever its ending
        write_text(out / "README", _README)


def _description(
    before: Mapping[str, Any], of_raw: Mapping[str, Any], made_by: MadeBy, *, link: str
) -> dict[str, Any]:
    steps = [*_steps(before), *([made_by.step] if made_by.step not in _steps(before) else [])]
    links = before.get("DatasetLinks")
    asked = of_raw.get("HowToAcknowledge")
    content = {
        "Name": f"Synthetic images, made by medgan from: {of_raw.get('Name') or 'a data set without a name'}",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "HowToAcknowledge": f"{_CITE} Of the raw data set: {asked}"
        if isinstance(asked, str) and asked
        else _CITE,
        **_license(of_raw),
        **_sources(of_raw),
        **before,
        "GeneratedBy": steps,
        "DatasetLinks": {**(links if isinstance(links, dict) else {}), "raw": link},
    }
    return content


def _license(of_raw: Mapping[str, Any]) -> dict[str, Any]:
    """What may be done with an image may be done with one made from it, and no more."""
    said = of_raw.get("License")
    return {"License": said} if isinstance(said, str) and said else {}


def _sources(of_raw: Mapping[str, Any]) -> dict[str, Any]:
    doi = of_raw.get("DatasetDOI")
    if not isinstance(doi, str) or not doi:
        return {}
    bare = doi.removeprefix("doi:").removeprefix("https://doi.org/")
    return {"SourceDatasets": [{"URL": f"https://doi.org/{bare}", "DOI": f"doi:{bare}"}]}


def _link(out: Path, raw: Path) -> str:
    """The way from the derivative to the raw data set: it holds where both are moved, and names no other folder."""
    try:
        return Path(os.path.relpath(raw.resolve(), out.resolve())).as_posix()
    except ValueError:  # on another drive
        return raw.resolve().as_uri()


def _steps(said: Mapping[str, Any]) -> Sequence[Any]:
    steps = said.get("GeneratedBy")
    return steps if isinstance(steps, list) else []


def _is_ours(step: Any) -> bool:
    return isinstance(step, dict) and step.get("Name") == "medgan"


def _take_away(out: Path, folders: Sequence[Path]) -> None:
    with contextlib.suppress(OSError):
        for name in (DESCRIPTION, ".bidsignore", "README"):
            (out / name).unlink(missing_ok=True)
        for folder in folders:
            folder.rmdir()

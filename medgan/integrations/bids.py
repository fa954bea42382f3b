"""The scans of a BIDS data set that lack the other contrast; and their results, as a derivative of it.

Which ones lack it is decided session by session: what was acquired then counts, and what derivatives hold does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from medgan.contrasts import contrast, other
from medgan.errors import InputRefusedError, MedganError
from medgan.files import kind_of
from medgan.integrations.bids_index import Indexed, index
from medgan.integrations.bids_root import folders, labels, participants_of, refuse_unknown
from medgan.scans import Found
from medgan.scans.hints import read_sidecars
from medgan.scans.identity import holds_any, told_identifiers
from medgan.scans.nifti_file import nifti_suffix
from medgan.synthesis.inputs import Input
from medgan.texts import natural_order

if TYPE_CHECKING:
    from medgan.models import Model
    from medgan.synthesis import Result

_NOT_MAGNITUDE = ("phase", "real", "imag")
CONTRAST_AGENT = "with a contrast agent (ce-)"
NO_MAGNITUDE = "of phase, real or imaginary parts (part-)"
ONE_ECHO = "of one echo among several (echo-)"
ONE_CHUNK = "of a part of the head (chunk-)"
NO_BIDS_NAME = "with a name or at a place that BIDS does not know"


_Jsons = Mapping[PurePosixPath, Sequence[Indexed]]
"""JSON files by the folders that they lie in."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """What a data set lacks, and has.

    Attributes:
        root: of the data set.
        target: key of the contrast that is missing.
        inputs: the scans to make it from, in natural order; where one cannot be taken, with its refusal.
        complete: folders (`sub-01/ses-a`) of sessions with scans of both contrasts.
        left_out: scans that would be inputs or would make a session complete but for what they are, by the reason.
        lacking: folders of participants without a scan of either.
        named: how many participants are called after their patients, as the JSON beside a scan tells.
    """

    root: Path
    target: str
    inputs: tuple[Input, ...]
    complete: tuple[str, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    named: int = 0

    @property
    def default_out(self) -> Path:
        """Where the derivative lies if no one says where."""
        return self.root / "derivatives" / "medgan"


def find_missing(
    root: Path, *, target: str, participants: Sequence[str] = (), sessions: Sequence[str] = ()
) -> Missing:
    """Find the scans of the one contrast in sessions that have none of the other.

    Args:
        root: of a raw BIDS data set.
        target: the contrast that is missing, `t1` or `t2`.
        participants: labels, with or without `sub-`; all where there is none.
        sessions: labels, with or without `ses-`; all where there is none.

    Raises:
        UsageError: a label that is none, or that the data set does not have; or pybids is not installed.
        InputRefusedError: no raw BIDS data set, or none that can be read.
    """
    people = participants_of(root)
    asked = labels("sub", participants)
    refuse_unknown(root, "sub", asked, people)
    asked_sessions = labels("ses", sessions)
    there, here = contrast(target).label, other(target).label
    found = index(root, suffixes=(there, here), participants=asked)
    images = sorted((one for one in found if not one.is_json), key=lambda one: natural_order(str(one.path)))
    known = {one.session for one in images} - {""}
    if not set(asked_sessions) <= known:
        refuse_unknown(root, "ses", asked_sessions, known | set(folders(root, "sub-*/ses-*")))
    seen = {one.path.parts[0] for one in images}
    if asked_sessions:
        images = [one for one in images if one.session in asked_sessions or not one.is_bids]
    jsons: dict[PurePosixPath, list[Indexed]] = {}
    for one in found:
        if one.is_json and one.suffix == here:
            jsons.setdefault(one.path.parent, []).append(one)
    lacking = [f"sub-{label}" for label in asked or people if f"sub-{label}" not in seen]
    return replace(_told(root, target, images, jsons), lacking=tuple(lacking))


def synthesize_data_set(
    root: str | Path,
    *,
    target: str,
    model: str | Path | Model | None = None,
    out: str | Path | None = None,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    uncertainty: bool = False,
    resume: bool = False,
    device: str = "auto",
) -> Iterator[Result]:
    """Make what `find_missing` finds, as `medgan synthesize --bids` does; yields as each is done.

    Args:
        root, target, participants, sessions: as of `find_missing`.
        model: as of `medgan.synthesize`.
        out: the derivative; ROOT/derivatives/medgan where it is not given.
        uncertainty: also write maps of the error to expect.
        resume: keep results that are complete, unchanged, and of this input, model and version.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        MedganError: as `find_missing`, `open_destination`, `load_model` and `synthesize_each`; what is wrong with one
            scan alone is the `error` of its result.
    """
    from medgan.models import Model, load_model
    from medgan.synthesis import Synthesizer, open_destination, synthesize_each

    missing = find_missing(Path(root), target=target, participants=participants, sessions=sessions)
    place = missing.default_out if out is None else Path(out)
    with open_destination(place, raw=missing.root) as destination:
        loaded = model if isinstance(model, Model) else load_model(model)
        synthesizer = Synthesizer(loaded, target=target, device=device, uncertainty=uncertainty)
        yield from synthesize_each(missing.inputs, synthesizer, destination, resume=resume)


def _told(root: Path, target: str, images: Sequence[Indexed], jsons: _Jsons) -> Missing:
    """What is missing, from what is there."""
    there, here = contrast(target).label, other(target).label
    left_out: dict[str, list[str]] = {}
    sessions: dict[str, list[Indexed]] = {}
    for one in images:
        if one.is_bids:
            sessions.setdefault(one.folder, []).append(one)
        else:
            left_out.setdefault(NO_BIDS_NAME, []).append(str(one.path))
    complete: list[str] = []
    wanted: list[Indexed] = []
    for folder, held in sessions.items():
        sources = [one for one in held if one.suffix == here]
        if any(one.suffix == there and one.entities.get("part") not in _NOT_MAGNITUDE for one in held):
            complete += [folder] if sources else []
            continue
        for one in sources:
            if (why := _objection(one)) is None:
                wanted.append(one)
            else:
                left_out.setdefault(why, []).append(str(one.path))
    scans = [_found(root, one, jsons) for one in wanted]
    called = {one.participant for one, scan in zip(wanted, scans, strict=True) if _names_patient(scan)}
    return Missing(
        root=root,
        target=target,
        inputs=tuple(_inputs(root, scans)),
        complete=tuple(complete),
        left_out={why: tuple(paths) for why, paths in left_out.items()},
        named=len(called),
    )


def _objection(one: Indexed) -> str | None:
    """Why an image of the right suffix is not what a model was trained on."""
    if "ceagent" in one.entities:
        return CONTRAST_AGENT
    if one.entities.get("part") in _NOT_MAGNITUDE:
        return NO_MAGNITUDE
    if "echo" in one.entities:
        return ONE_ECHO
    return ONE_CHUNK if "chunk" in one.entities else None


def _found(root: Path, one: Indexed, jsons: _Jsons) -> Found:
    path = root / one.path
    inherited = tuple(root / json for json in _inherited(one, jsons))
    return Found(
        path=path, kind="nifti", stem=path.name.removesuffix(nifti_suffix(path)), inherited=inherited
    )


def _inherited(one: Indexed, jsons: _Jsons) -> list[PurePosixPath]:
    """The JSON files that hold for an image but the one beside it, the nearest first (BIDS, inheritance principle).

    One holds for it that lies in a folder above or beside it, and all of whose entities the image has.
    """
    own = f"{one.path.name.removesuffix(nifti_suffix(Path(one.path)))}.json"
    holding = [
        json
        for folder in one.path.parents
        for json in jsons.get(folder, ())
        if json.path != one.path.with_name(own) and json.entities.items() <= one.entities.items()
    ]
    holding.sort(key=lambda json: (len(json.path.parts), len(json.entities)), reverse=True)
    return [json.path for json in holding]


def _inputs(root: Path, scans: Iterable[Found]) -> Iterator[Input]:
    """The scans as inputs; with a refusal, where they are not there, or where results would share a name."""
    first: dict[str, Path] = {}
    for one in scans:
        refusal: MedganError | None = None
        if kind_of(one.path) != "file":
            refusal = InputRefusedError(
                "is not here: its link leads nowhere, as git-annex and DataLad have it of files that were not fetched",
                file=one.path,
                remedy="Fetch it first (datalad get, or git annex get).",
            )
        elif (other_path := first.setdefault(one.stem.casefold(), one.path)) != one.path:
            refusal = InputRefusedError(
                f"is called as {other_path.name} but for its ending or its case, and results would share a name",
                file=one.path,
                remedy="Remove or rename one of the two.",
            )
        yield Input(one.path.name, one, root, refusal=refusal)


def _names_patient(scan: Found) -> bool:
    """Whether the JSON that holds for a scan says that its participant is called after the patient."""
    beside = scan.path.with_name(f"{scan.stem}.json")
    told = told_identifiers(read_sidecars([beside, *scan.inherited])[0])
    return bool(told) and holds_any(scan.stem, told)

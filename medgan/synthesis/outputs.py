"""Writing a synthetic scan: the image in each format, and its sidecar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgan import __version__
from medgan.errors import OutputNotWrittenError, UsageError
from medgan.files import whole_folder
from medgan.preparation.stripped import is_skull_stripped
from medgan.reports.figures import MARK
from medgan.scans import build_sidecar, contact_sheet, write_nifti, write_picture, write_sidecar
from medgan.scans.marks import is_synthetic_image
from medgan.scans.scan import Scan, Source
from medgan.scans.sidecar import bids_uri
from medgan.synthesis.completed import digest_of
from medgan.synthesis.destination import Destination, Plan, extra_names
from medgan.synthesis.naming import Called
from medgan.synthesis.pictures import write_extras
from medgan.synthesis.synthesizer import Synthesizer, Synthetic
from medgan.uncertainty import Maps

if TYPE_CHECKING:
    from medgan.scans.deidentification import Deidentifier
    from medgan.scans.dicom_series import Series


@dataclass(frozen=True, kw_only=True)
class Digests:
    """What a result was made from: `completed.input_digest`, and which scan that is: `completed.origin_digest`."""

    input: str
    origin: str


def spare_what_is_there(source: Source, plan: Plan, digests: Digests) -> None:
    """Refuse to write over what is not an older result of the same scan: before it is made, and again before writing.

    Args:
        source: of the scan.
        plan: the files to be.
        digests: of what the result is made from.

    Raises:
        UsageError: a file is in the way that medgan did not make, that belongs to the input, or that is the result
            of another scan.
        OutputNotWrittenError: the sidecar is that of another image.
    """
    _spare_source(source, plan.files)
    _spare_others(plan)
    _spare_other_scans(plan, digests)
    _spare_other_images(plan)


def write_outputs(
    synthetic: Synthetic,
    by: Synthesizer,
    plan: Plan,
    destination: Destination,
    *,
    series: Series | None,
    called: Called,
    digests: Digests,
) -> None:
    """Write the image in each format, what is wanted beside it, and the sidecar last: with it, a result is complete.

    Args:
        synthetic: what to write.
        by: what made it, for the sidecar.
        plan: the files.
        destination: what it was planned for.
        series: the DICOM series that it was made from, if it was one.
        called: how the scan may be named.
        digests: of what it was made from.

    Raises:
        UsageError: as `spare_what_is_there`.
        InputRefusedError: the result does not lie on the grid of the reference.
        OutputNotWrittenError: the disk refuses.
    """
    spare_what_is_there(synthetic.scan.source, plan, digests)
    for kind, path in plan.images.items():
        if kind == "nifti":
            write_nifti(synthetic.scan, path, description=synthetic.description)
        elif kind == "png":
            _write_png(synthetic, path)
        else:
            _write_dicom(synthetic, by, path, destination.reference or series, destination.deidentifier)
    if synthetic.maps is not None:
        _write_maps(synthetic, synthetic.maps, plan)
    entries = _entries(synthetic, by, called, digests)
    if destination.raw is not None:
        entries["called"] = entries["spatial_reference"] = bids_uri(
            synthetic.scan.source.path, destination.raw
        )
    if synthetic.maps is not None:
        entries["extra"]["Uncertainty"] = _told_of(synthetic.maps, plan)
    beside = (*plan.images.values(), *plan.maps.values())
    outputs = entries["extra"]["OutputSHA256"] = {path.name: digest_of(path) for path in beside}
    write_extras(synthetic, plan, build_sidecar(**entries))
    outputs |= {path.name: digest_of(path) for path in plan.extras.values()}
    write_sidecar(plan.sidecar, **entries)


def _entries(synthetic: Synthetic, by: Synthesizer, called: Called, digests: Digests) -> dict[str, Any]:
    """What the sidecar says of how a result was made."""
    return {
        "source": synthetic.scan.source,
        "called": called.source,
        "from_contrast": synthetic.source_contrast,
        "to_contrast": by.target.key,
        "model_name": by.model.manifest.name,
        "model_sha256": by.model.digest,
        "preparation": synthetic.record,
        "device": str(by.device.device),
        "warnings": [called.in_words(text) for text in synthetic.warnings],
        "skull_stripped": _skull_stripped(synthetic.source),
        "extra": {
            "Engine": by.translator.engine,
            "IntensityRange": synthetic.range.model_dump(),
            "Notice": MARK,
            "InputSHA256": digests.input,
            "OriginSHA256": digests.origin,
        },
    }


def _skull_stripped(scan: Scan) -> bool | None:
    """What the sidecar of a scan says of it, else what its voxels show; of a slice nothing."""
    said: bool | None = scan.source.facts.get("skull_stripped")
    if said is not None or min(scan.voxels.shape) < 2:
        return said
    return is_skull_stripped(scan.voxels, spacing=scan.spacing)


def _write_maps(synthetic: Synthetic, maps: Maps, plan: Plan) -> None:
    of = synthetic.description
    write_nifti(maps.expected, plan.maps["expected"], description=f"{of}: expected absolute error")
    write_nifti(maps.bound, plan.maps["bound"], description=f"{of}: {maps.calibration.level:.0%} bound on it")


def _told_of(maps: Maps, plan: Plan) -> dict[str, Any]:
    """What the sidecar says of the maps."""
    known = maps.calibration
    return {
        "Expected": plan.maps["expected"].name,
        "Bound": plan.maps["bound"].name,
        "Level": known.level,
        "Units": "absolute error, as a share of the range between the percentiles 0.5 and 99.5 of the head",
        "MadeFrom": "left-right mirror image and cycle error",
        "Calibration": known.in_words,
    }


def _write_dicom(
    synthetic: Synthetic,
    by: Synthesizer,
    folder: Path,
    series: Series | None,
    deidentifier: Deidentifier | None,
) -> None:
    from medgan.scans.dicom_derived import Derivation, write_derived_series

    assert series is not None  # noqa: S101 - see _refuse_unfit_for_dicom
    manifest, direction = by.model.manifest, synthetic.direction.removeprefix("synthetic ")
    derivation = Derivation(
        description=f"SYNTHETIC {direction} - NOT FOR DIAGNOSIS",
        text=f"{MARK}. Made by medgan {__version__}, an image-to-image translation network, not acquired: "
        f"{direction}. Model {manifest.name}, SHA-256 {by.model.digest}.",
        contrast=by.target.key,
        version=__version__,
    )
    with whole_folder(folder) as temporary:
        write_derived_series(
            temporary, synthetic.scan, reference=series, derivation=derivation, deidentifier=deidentifier
        )


def _spare_source(source: Source, outputs: Sequence[Path]) -> None:
    """Refuse to write over the scan itself, or a sidecar that would then be taken for the scan's own."""
    inputs = [file.resolve() for file in source.files or (source.path,)]
    sidecars = [file.with_name(f"{source.stem}.json") for file in inputs]
    for output in outputs:
        if output.resolve() in (*inputs, *sidecars):
            raise UsageError(
                "would be written over what belongs to the input", file=output, remedy="Give another --out."
            )


def _spare_others(plan: Plan) -> None:
    """Refuse to write over an image that medgan did not make, whatever the sidecar beside it says."""
    said = _sidecar_of(plan.sidecar)
    strange = [path for path in plan.told if path.exists() and not _is_ours(path, said)]
    if plan.sidecar.exists() and said.get("SyntheticData") is not True:
        strange.append(plan.sidecar)
    if strange:
        raise UsageError(
            "exists already, and nothing says that medgan made it",
            file=strange[0],
            remedy="Give another --out.",
        )


def _spare_other_scans(plan: Plan, digests: Digests) -> None:
    """Refuse to write over the result of another scan of the same name: it may be another patient's."""
    said = _sidecar_of(plan.sidecar).get("Medgan")
    if not isinstance(said, dict) or "OriginSHA256" not in said:
        return
    if said["OriginSHA256"] != digests.origin and said.get("InputSHA256") != digests.input:
        raise UsageError(
            "holds the result of another scan of the same name, or of another volume or echo",
            file=plan.sidecar,
            remedy="Give another --out, or remove that result.",
        )


def _spare_other_images(plan: Plan) -> None:
    """Refuse to take the sidecar from what it also answers for, and what would not be made anew with the result.

    `t2.nii.gz`, `t2.nii` and `t2.png` share `t2.json`; so do the page and the preview of each.
    """
    said = _sidecar_of(plan.sidecar).get("Medgan")
    outputs = said.get("OutputSHA256") if isinstance(said, dict) else None
    ours = {path.name for path in plan.told}
    for name in outputs if isinstance(outputs, dict) else ():
        if name not in ours and (path := plan.sidecar.parent / Path(name).name).exists():
            raise OutputNotWrittenError(
                f"says how {path.name} was made, and the result would have to share it",
                file=plan.sidecar,
                remedy=f"Give another --out, or remove {path.name} first{_also_wanted(plan, path)}.",
            )


def _also_wanted(plan: Plan, path: Path) -> str:
    """The option by which the page or the preview of an older result would be made anew."""
    return "".join(
        f", or give --{extra} again" for extra, name in extra_names(plan).items() if name == path.name
    )


def _is_ours(path: Path, said: dict[str, Any]) -> bool:
    """Whether an image is as medgan wrote it, by its checksum or by the mark in it (in each file of a folder)."""
    try:
        return bool(said["Medgan"]["OutputSHA256"][path.name] == digest_of(path)) or is_synthetic_image(path)
    except (OSError, KeyError, TypeError):
        return is_synthetic_image(path)


def _sidecar_of(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _write_png(synthetic: Synthetic, path: Path) -> None:
    scan, learnt = synthetic.scan, synthetic.range
    if scan.source.kind == "picture":
        # Pictures of one depth have one scale; where it was learnt, it is kept, and stretched to another depth.
        low, high = (
            (0.0, 2.0**synthetic.bits - 1) if synthetic.bits else (min(0.0, learnt.background), learnt.high)
        )
        text = {
            "Description": synthetic.description,
            "Comment": MARK,
            "Scale": f"black {low:g}, white {high:g}",
        }
        write_picture(scan, path, low=low, high=high, bits=scan.source.bits or 8, text=text)
    else:
        mark = f"{synthetic.direction.upper()} | research only, not for diagnosis"
        low = min(learnt.low, learnt.background)
        contact_sheet(scan, path, low=low, high=learnt.high, mark=mark, description=synthetic.description)

"""Writing a synthetic scan: the image, its sidecar, and names for both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

from medgan.contrasts import contrast
from medgan.errors import UsageError
from medgan.reports.figures import MARK
from medgan.scans import contact_sheet, write_nifti, write_picture, write_sidecar
from medgan.scans.scan import Source
from medgan.synthesis.synthesizer import Synthesizer, Synthetic

Format = Literal["nifti", "png"]
_SUFFIX: dict[Format, str] = {"nifti": ".nii.gz", "png": ".png"}
_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_ALL_SUFFIXES = (*_NIFTI_SUFFIXES, ".png")


def output_stem(source: Source, *, source_contrast: str, target: str) -> str:
    """`<stem>_desc-medganFromT1w_T2w`; in a BIDS name the source's suffix makes way for the new one.

    `sub-01_ses-2_T1w` gives `sub-01_ses-2_desc-medganFromT1w_T2w` (BIDS derivatives).
    """
    here, there = contrast(source_contrast).label, contrast(target).label
    stem = source.stem
    if re.match(r"sub-[A-Za-z0-9]+_", stem):
        stem = stem.removesuffix(f"_{here}")
    return f"{stem}_desc-medganFrom{here}_{there}"


def write_outputs(
    synthetic: Synthetic, by: Synthesizer, *, out: Path, formats: tuple[Format, ...], exact: bool
) -> list[Path]:
    """Write the image in each format, and one sidecar.

    Args:
        synthetic: what to write.
        by: what made it, for the sidecar.
        out: a folder, or with `exact` the image file itself.
        formats: `nifti`, `png`: for a picture a picture of its size and depth, for a volume a contact sheet.
        exact: whether `out` is the file.

    Returns:
        The files, image first, sidecar last.
    """
    if exact:
        stem = next(
            (out.name[: -len(suffix)] for suffix in _ALL_SUFFIXES if out.name.lower().endswith(suffix)),
            out.stem,
        )
        folder = out.parent
    else:
        folder = out
        stem = output_stem(
            synthetic.scan.source, source_contrast=synthetic.source_contrast, target=by.target.key
        )
    sidecar = folder / f"{stem}.json"
    images = [out if exact else folder / f"{stem}{_SUFFIX[kind]}" for kind in formats]
    _spare_source(synthetic.scan.source, [*images, sidecar])
    _spare_others(images, sidecar)
    for kind, path in zip(formats, images, strict=True):
        if kind == "nifti":
            write_nifti(synthetic.scan, path, description=synthetic.description)
        else:
            _write_png(synthetic, path)
    write_sidecar(
        sidecar,
        source=synthetic.scan.source,
        from_contrast=synthetic.source_contrast,
        to_contrast=by.target.key,
        model_name=by.model.manifest.name,
        model_sha256=by.model.digest,
        preparation=synthetic.record,
        device=str(by.device.device),
        warnings=synthetic.warnings,
        extra={"IntensityRange": synthetic.range.model_dump(), "Notice": MARK},
    )
    return [*images, sidecar]


def _spare_source(source: Source, outputs: list[Path]) -> None:
    """Refuse to write over the scan itself, or a sidecar that would then be taken for the scan's own."""
    inputs = [file.resolve() for file in source.files or (source.path,)]
    sidecars = [file.with_name(f"{source.stem}.json") for file in inputs]
    for output in outputs:
        if output.resolve() in (*inputs, *sidecars):
            raise UsageError(
                "would be written over what belongs to the input", file=output, remedy="Give another --out."
            )


def _spare_others(outputs: list[Path], sidecar: Path) -> None:
    """Refuse to write over an image that medgan did not make: its sidecar does not say that it is synthetic."""
    taken = next((output for output in [*outputs, sidecar] if output.exists()), None)
    if taken is None:
        return
    try:
        ours = json.loads(sidecar.read_text(encoding="utf-8")).get("SyntheticData") is True
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise UsageError(
            "exists already, and nothing says that medgan made it", file=taken, remedy="Give another --out."
        )


def formats_for(kind: str, wanted: Format | None, out: Path | None) -> tuple[tuple[Format, ...], bool]:
    """Which formats to write, and whether `out` names the file itself.

    Raises:
        UsageError: `out` ends like a file of another format than the one asked for.
    """
    named: Format | None = None
    if out is not None and not out.is_dir():
        if out.name.lower().endswith(_NIFTI_SUFFIXES):
            named = "nifti"
        elif out.suffix.lower() == ".png":
            named = "png"
    if named is not None:
        if wanted not in (None, named):
            raise UsageError(f"--format {wanted} does not go with the name of --out", file=out)
        return (named,), True
    if wanted is not None:
        return (wanted,), False
    return (("nifti", "png") if kind == "picture" else ("nifti",)), False


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
        contact_sheet(scan, path, low=min(learnt.low, learnt.background), high=learnt.high, mark=mark)

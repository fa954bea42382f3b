"""What there is to look at of a result: the preview and the page beside it, and what notebooks show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medgan.reports.side_by_side import SideBySide, notebook_html, save_preview
from medgan.synthesis.destination import Plan

if TYPE_CHECKING:
    from medgan.preparation import IntensityRange
    from medgan.synthesis.synthesizer import Synthetic


def side_by_side(synthetic: Synthetic) -> SideBySide:
    """The source and the result, each in the range that its intensities were scaled by."""
    return SideBySide(
        synthetic.source,
        synthetic.scan,
        source_window=_window(synthetic.source_range),
        result_window=_window(synthetic.range),
        source_contrast=synthetic.source_contrast,
    )


def write_extras(synthetic: Synthetic, plan: Plan, sidecar: Mapping[str, Any]) -> None:
    """Write the preview and the page that a plan has, each whole or not at all.

    Args:
        synthetic: the result.
        plan: its files.
        sidecar: what the result's will say, as far as it is known.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    if not plan.extras:
        return
    shown = side_by_side(synthetic)
    if "preview" in plan.extras:
        save_preview(shown, plan.extras["preview"], description=synthetic.description)
    if "report" in plan.extras:
        from medgan.reports.synthesis import write_synthesis

        write_synthesis(
            shown,
            plan.extras["report"],
            sidecar=sidecar,
            description=synthetic.description,
            learnt=(synthetic.range.low, synthetic.range.high),
            uncertainty=None if synthetic.maps is None else synthetic.maps.expected,
        )


def in_notebooks(synthetic: Synthetic) -> str:
    """The piece of HTML that notebooks show for a result."""
    scan = synthetic.scan
    size = " × ".join(map(str, scan.voxels.shape))
    spacing = " × ".join(f"{mm:.3g}" for mm in scan.spacing)
    return notebook_html(
        side_by_side(synthetic).preview(),
        title=synthetic.direction[0].upper() + synthetic.direction[1:],
        facts=[f"{size} voxels"] + ([f"{spacing} mm"] if scan.source.kind != "picture" else []),
        warnings=synthetic.warnings,
    )


def _window(of: IntensityRange) -> tuple[float, float]:
    return min(of.low, of.background), of.high

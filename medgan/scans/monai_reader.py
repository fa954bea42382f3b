"""medgan's reading for MONAI pipelines: `LoadImaged(keys, reader=MedganReader())`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.data import ImageReader
from monai.utils import MetaKeys, SpaceKeys

from medgan.errors import UsageError
from medgan.scans.reading import read_scan
from medgan.scans.scan import Scan, Voxels


class MedganReader(ImageReader):  # type: ignore[misc]
    """Reads NIfTI, DICOM (a file or a folder) and pictures as medgan does, refusals included.

    The MetaTensor has the voxels (I, J, K) without a channel axis and the affine in RAS+ mm, so
    `EnsureChannelFirstd` or `ensure_channel_first=True` adds one. Its meta holds `contrast` (or an empty
    string) and `stem` besides MONAI's own entries.

    Args:
        series: as in `read_scan`, for all images.
        volume: as in `read_scan`.
        echo: as in `read_scan`.
        nan_to_zero: as in `read_scan`.
    """

    def __init__(
        self,
        *,
        series: str | None = None,
        volume: int | None = None,
        echo: float | None = None,
        nan_to_zero: bool = False,
    ) -> None:
        super().__init__()
        self.options: dict[str, Any] = {
            "series": series,
            "volume": volume,
            "echo": echo,
            "nan_to_zero": nan_to_zero,
        }

    def verify_suffix(self, filename: Sequence[str | Path] | str | Path) -> bool:
        """Always so: what a file is, its content tells."""
        return True

    def read(self, data: Sequence[str | Path] | str | Path, **options: Any) -> Scan:
        """Read one path, given alone or as a sequence of one.

        Raises:
            UsageError: several paths.
            InputRefusedError: as `read_scan`.
        """
        paths = [data] if isinstance(data, str | Path) else list(data)
        if len(paths) != 1:
            raise UsageError("a MedganReader reads one scan at a time; give each its own key")
        return read_scan(Path(paths[0]), **(self.options | options))

    def get_data(self, img: Scan) -> tuple[Voxels, dict[str, Any]]:
        """The voxels (I, J, K) and MONAI's metadata of a scan."""
        return img.voxels, {
            MetaKeys.AFFINE: img.affine.copy(),
            MetaKeys.ORIGINAL_AFFINE: img.affine.copy(),
            MetaKeys.SPATIAL_SHAPE: img.voxels.shape,
            MetaKeys.SPACE: SpaceKeys.RAS,
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),  # MONAI's way to say that there is none
            "contrast": img.contrast or "",
            "stem": img.source.stem,
        }

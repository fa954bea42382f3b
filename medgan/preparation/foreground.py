"""Where the head is: everything that the background, coming from the frame's border, cannot reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK

from medgan.preparation.rounding import whole

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Spacing = tuple[float, float, float]

_SAMPLES = 1_000_000
_SMALLEST_SHARE = 0.002  # of the frame: less than this is no head
_SMALLEST_PIECE = 0.02  # of the largest piece: a temporal lobe's slice is larger, a speck smaller
_FAINT_RIM = 1.5  # what is not exactly background may be this much more than the bright head
_LOOSE_SPECKS = 3e-4  # of the head: a background with more of them is noise that was cut off at zero
_BRIGHT_BORDER = 0.6  # of bright voxels: a border beyond it is no background
_GAP = 4.0  # mm: a gap in the skin's outline, which is closed


@dataclass(frozen=True, eq=False, kw_only=True)
class Foreground:
    """The head in a scan.

    Attributes:
        mask: bool, true in the head and all that it encloses.
        found: false where nothing sensible was found, and `mask` is therefore true everywhere.
        threshold: deviation from the background above which a voxel is clearly head.
        background: the one value that a noise-free background has, None for others.
    """

    mask: Mask
    found: bool
    threshold: float | None = None
    background: float | None = None


def foreground(voxels: Floats, *, spacing: Spacing = (1.0, 1.0, 1.0)) -> Mask:
    """The mask of `find_foreground`."""
    return find_foreground(voxels, spacing=spacing).mask


def find_foreground(voxels: Floats, *, spacing: Spacing = (1.0, 1.0, 1.0)) -> Foreground:
    """Find the head.

    Otsu's threshold (Otsu 1979), halved, or what rises above the noise at the frame's border, whichever is
    more; specks are taken away, small gaps in the outline closed, and whatever is enclosed in 3D or within a
    slice belongs to the head, however dark it is. Where the background is exactly one value (stripped or
    simulated heads) the threshold would cut a faint rim: there, the head is all that differs from that value.

    Args:
        voxels: shape (X, Y, Z), canonical axes, so that slices are axial; Z = 1 for a picture. Finite.
        spacing: voxel size in mm.
    """
    stack = np.ascontiguousarray(voxels.transpose(2, 0, 1))  # slices first: each is contiguous
    background = _flat_background(stack)
    deviation = _deviation(stack, background)
    threshold = _threshold(deviation)
    if threshold is None:
        return _everything(voxels)
    if background is not None and _on_both_sides(stack, background):
        head = _solid(deviation > _tolerance(deviation))
    else:
        bright = deviation > threshold
        head = _solid(bright, closing=_closing_radius(spacing, bright.shape))
        if background is not None:
            head = _with_faint_rim(deviation, head)
    share = float(head.mean())
    if not _SMALLEST_SHARE <= share < 1:
        return _everything(voxels)
    mask = np.ascontiguousarray(head.transpose(1, 2, 0))
    return Foreground(mask=mask, found=True, threshold=threshold, background=background)


def dilate_in_plane(mask: Mask) -> Mask:
    """Grow a mask of shape (X, Y, Z) by the four neighbours of each voxel in its slice."""
    grown: Mask = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _on_both_sides(stack: Floats, background: float) -> bool:
    """Whether a brain was normalised to zero mean within a background of zero: half of it is darker."""
    difference = _sample(stack) - np.float32(background)
    clear = np.abs(difference) > 0.05 * np.abs(difference).max()
    return bool((difference[clear] < 0).sum() > 0.1 * clear.sum())


def _with_faint_rim(deviation: Floats, head: Mask) -> Mask:
    """All that differs from a background of one value; `head` where the background has noise as well."""
    differs = deviation > _tolerance(deviation)
    if differs.sum() > _FAINT_RIM * head.sum():
        return head
    with_rim = _solid(differs)
    loose = (differs & ~with_rim).sum()
    return with_rim if loose <= _LOOSE_SPECKS * with_rim.sum() else head


def _everything(voxels: Floats) -> Foreground:
    return Foreground(mask=np.ones(voxels.shape, dtype=bool), found=False)


def _border(stack: Floats) -> Floats:
    """The values along the four edges of every slice."""
    edges = (stack[:, 0], stack[:, -1], stack[:, :, 0], stack[:, :, -1])
    return np.asarray(np.concatenate([edge.ravel() for edge in edges]))


def _flat_background(stack: Floats) -> float | None:
    """The value that more than half of the border has exactly, if there is one."""
    values, counts = np.unique(_border(stack), return_counts=True)
    most = int(counts.argmax())
    return float(values[most]) if counts[most] > counts.sum() / 2 else None


def _deviation(stack: Floats, background: float | None) -> Floats:
    """How far each voxel is from the background; normalised brains are darker than theirs in places."""
    if background is not None:
        return np.asarray(np.abs(stack - np.float32(background)))
    floor = float(np.percentile(_sample(stack), 1))
    return stack - np.float32(floor) if floor < 0 else stack


def _sample(values: Floats) -> Floats:
    flat = values.ravel()
    return flat[:: max(1, flat.size // _SAMPLES)]


def _tolerance(deviation: Floats) -> float:
    """What resampling may leave of a background's one value: a five-hundredth of a bright voxel."""
    positive = _sample(deviation)
    return float(np.percentile(positive[positive > 0], 99)) * 2e-3


def _threshold(deviation: Floats) -> float | None:
    """Half of Otsu's threshold, or the noise of the border, but never more than Otsu's threshold.

    Otsu's is that of positive voxels, or of all where that is less: in a T1w whose background is zero,
    positive voxels alone part into fat and brain. None where the border is about as bright as all the rest,
    as in a patch out of a brain.
    """
    values = _sample(deviation)
    positive = values[values > 0]
    if positive.size < 2 or positive.min() == positive.max():
        return float(positive[0]) / 2 if positive.size else None
    top = float(np.percentile(positive, 99.5))  # hot voxels would leave one bin for all the rest
    otsu = min(_otsu(positive.clip(0, top)), _otsu(values.clip(0, top)))
    border = _border(deviation)
    middle = float(np.median(border))
    if middle > _BRIGHT_BORDER * np.percentile(positive, 90):
        return None
    noise = middle + 3 * 1.4826 * float(np.median(np.abs(border - middle)))
    return min(max(otsu / 2, noise), otsu)


def _otsu(values: Floats) -> float:
    """The threshold that parts `values` into two classes of the largest variance between them (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(centres[int(np.nan_to_num(between, nan=-1.0, posinf=-1.0).argmax())])


def _closing_radius(spacing: Spacing, shape: tuple[int, ...]) -> int:
    """Half of the gap in pixels of a slice, small beside the slice itself."""
    return min(whole(_GAP / 2 / min(spacing[:2])), min(shape[1:]) // 32)


def _solid(stack: Mask, *, closing: int = 0) -> Mask:
    """The large pieces of a stack of slices with all that they enclose, in 3D and then within each slice.

    All large pieces, not the largest: a blank slice parts a head, and a slice's temporal lobes lie apart.
    Specks go by their size alone: an opening would also take skin of a single voxel.
    """
    box = tuple(_extent(np.asarray(stack.any(axis=tuple({0, 1, 2} - {axis})))) for axis in range(3))
    solid = _closed(_large_pieces(stack[box]), closing) if stack[box].size else stack[box]
    if solid.shape[0] > 2:
        solid = _filled(solid)
    filled = np.zeros_like(stack)
    filled[box] = solid
    for plane in filled[box]:
        plane[:] = _filled(plane)
    return filled


def _large_pieces(mask: Mask) -> Mask:
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    pieces = SimpleITK.RelabelComponent(SimpleITK.ConnectedComponent(image), sortByObjectSize=True)
    labels = SimpleITK.GetArrayFromImage(pieces)
    sizes = np.bincount(labels.ravel())
    kept = np.flatnonzero(sizes[1:] >= _SMALLEST_PIECE * sizes[1]).size
    return np.asarray((labels > 0) & (labels <= kept))


def _filled(mask: Mask) -> Mask:
    """A mask, of two or three dimensions, without holes: nothing unset that the border does not reach."""
    fill = SimpleITK.BinaryFillholeImageFilter()
    fill.SetForegroundValue(1)
    if mask.ndim == 2:
        fill.SetNumberOfThreads(1)  # starting threads costs more than a slice
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    return np.asarray(SimpleITK.GetArrayFromImage(fill.Execute(image)) > 0)


def _closed(stack: Mask, radius: int) -> Mask:
    """Grow each slice by `radius` pixels and shrink it again."""
    if not radius:
        return stack
    room = ((0, 0), (radius, radius), (radius, radius))
    planes = np.pad(stack, room).transpose(1, 2, 0)
    for _ in range(radius):
        planes = dilate_in_plane(planes)
    for _ in range(radius):
        planes = ~dilate_in_plane(~planes)
    return np.asarray(planes[radius:-radius, radius:-radius].transpose(2, 0, 1))


def _extent(occupied: Mask) -> slice:
    where = np.flatnonzero(occupied)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0)

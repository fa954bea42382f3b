"""One examination of one head: what a look-up of its anatomy, lesions, coils, slices and receiver make of it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from medgan.simulation.anatomy import Anatomy, brain_distance
from medgan.simulation.label_codes import BRAIN_TISSUES
from medgan.simulation.lesions import Spot, draw_spots, paint_spots, pushed_apart
from medgan.simulation.pose import Corners, Pose
from medgan.simulation.splines import SplineField
from medgan.simulation.variety import CONTRASTS, Variety, Weighting, draw_examination

_SAMPLED = 48  # voxels along each axis that a range is measured from
_TEXTURE = ((20.0, 0.65), (8.0, 0.55), (4.0, 0.5))


class Scene:
    """One examination of one anatomy in one pose, of which any slices can be rendered."""

    def __init__(
        self,
        anatomy: Anatomy,
        pose: Pose,
        variety: Variety,
        rng: np.random.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.anatomy, self.pose, self.device = anatomy, pose, device
        self.examination = draw_examination(variety, anatomy.tissue_names, rng)
        self.stripped = self.examination.strip_mm is not None or not anatomy.has_skull
        self.table = torch.from_numpy(self._table()).to(device)
        self.textures = [(self._field(rng, pitch, channels=3), weight) for pitch, weight in _TEXTURE]
        self.ragged = self._field(rng, 7.0)
        self.rim = self._field(rng, 18.0)
        self.shading = {key: _draw_shading(rng, self.examination.weightings[key].bias) for key in CONTRASTS}
        self.spots = self._draw_spots(rng)
        self.chance = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def render(self, part: slice) -> dict[str, torch.Tensor]:
        """Some slices: `t1`, `t2`, `foreground` and `lesions`, each float32 (slices, X, Y)."""
        points = self.pose.points(part, self.device)
        maps, distance = self._look_up(points)
        texture = self._texture(part)
        images = {}
        for channel, key in enumerate(CONTRASTS):
            images[key] = torch.addcmul(maps[2 * channel], texture[channel], maps[2 * channel + 1])
        lesions = torch.zeros_like(images["t1"])
        if self.spots:
            lesions = paint_spots(
                images, points, self.spots, white=maps[6], inside=maps[5], ragged=self.ragged.at(part)[0]
            )
        foreground = (maps[4] > 0.5).float()
        if distance is not None:
            foreground = self._kept(distance, maps[5], part)
        made = {
            key: self._acquired(image, points, self.shading[key], self.examination.weightings[key])
            for key, image in images.items()
        }
        if distance is not None:
            made = {key: image * foreground for key, image in made.items()}
        return made | {"foreground": foreground, "lesions": lesions * foreground}

    def range_of(self, key: str) -> tuple[float, float]:
        """Percentiles 0.5 and 99.5 of a contrast in the whole head (or brain), which slices are scaled by.

        From a sample of the anatomy's voxels, before deformation, noise and blur: of a thousandth of the time, and
        the same for all slices of an examination.
        """
        anatomy, channel = self.anatomy, CONTRASTS.index(key)
        steps = tuple(slice(None, None, max(1, size // _SAMPLED)) for size in anatomy.shape)
        rows = anatomy.codes[steps].int()
        columns = functional.embedding(rows, self.table)
        kept = columns[..., 4] > 0.5
        if self.stripped:
            reach = self.examination.strip_mm or 0.0
            kept = (columns[..., 5] > 0.5) & (brain_distance(anatomy.brain[steps].float()) < reach)
        axes = [
            origin + anatomy.spacing * torch.arange(size, device=self.device)[step]
            for origin, size, step in zip(anatomy.origin, anatomy.shape, steps, strict=True)
        ]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"))[:, kept]
        signal = columns[..., 2 * channel][kept] * _shade(points, self.shading[key], anatomy)
        low, high = torch.quantile(signal, torch.tensor([0.005, 0.995], device=self.device)).tolist()
        return low, max(high, low + 1e-3)

    def _table(self) -> np.ndarray:
        """For each row of the palette: signal and slope in T1w and in T2w, body, inside of the skull, white matter."""
        names = self.anatomy.tissue_names
        weightings = self.examination.weightings
        columns = [
            [getattr(weightings[key], what)[name] for name in names]
            for key in CONTRASTS
            for what in ("signals", "slopes")
        ]
        columns.append([float(name != "air") for name in names])
        columns.append([float(name in (*BRAIN_TISSUES, "csf")) for name in names])
        columns.append(
            [float(name in ("white_matter", "gliosis", "cerebellar_white", "brain_stem")) for name in names]
        )
        tissue = np.array(columns, np.float32).T
        first, second = self.anatomy.palette[:, :2].astype(int).T
        share = self.anatomy.palette[:, 2:]
        return np.asarray(share * tissue[first] + (1 - share) * tissue[second], np.float32)

    def _field(self, rng: np.random.Generator, pitch: float, channels: int = 1) -> SplineField:
        return SplineField.draw(
            rng, self.pose.shape, self.pose.spacing, pitch, channels=channels, device=self.device
        )

    def _draw_spots(self, rng: np.random.Generator) -> list[Spot]:
        """Lesions whose centres are in the field of view."""
        candidates, pose = self.anatomy.candidates, self.pose
        if self.examination.lesions == "none":
            return []
        offsets = (candidates[:, :3] - pose.centre) @ np.linalg.inv(pose.matrix).T
        z, x, y = (size * step / 2 for size, step in zip(pose.shape, pose.spacing, strict=True))
        seen = (np.abs(offsets) < (0.95 * x, 0.95 * y, z + 1.5)).all(axis=1)
        return draw_spots(self.examination, candidates[seen], rng, volume_share=float(seen.mean()))

    def _look_up(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The table's columns (7, ...) at points, averaged through the slice; distance to the brain if stripped."""
        points = pushed_apart(points, self.spots)
        planes = self.pose.through_slice(self.anatomy.spacing)
        codes, brain = self.anatomy.codes.view(-1), self.anatomy.brain.view(-1)
        columns = torch.zeros((points[0].numel(), self.table.shape[1]), device=self.device)
        distance = None
        for index, offset in enumerate(planes):
            shift = torch.as_tensor(offset, dtype=torch.float32, device=self.device).view(3, 1, 1, 1)
            corners = Corners(self.anatomy, points + shift)
            rows = codes.index_select(0, corners.indices.view(-1)).int().view(corners.indices.shape)
            columns += functional.embedding_bag(
                rows, self.table, per_sample_weights=corners.weights, mode="sum"
            )
            if self.stripped and index == len(planes) // 2:
                steps = brain.index_select(0, corners.indices.view(-1)).view(corners.indices.shape)
                beyond = 255 * (1 - corners.weights.sum(1))
                distance = brain_distance((steps * corners.weights).sum(1) + beyond).view(points.shape[1:])
        maps = (columns / len(planes)).T.contiguous()
        return maps.view(-1, *points.shape[1:]), distance

    def _texture(self, part: slice) -> torch.Tensor:
        """How T1 and T2 vary within tissues, (2, slices, X, Y): for the most part together, as water content."""
        total = torch.stack([field.at(part) * weight for field, weight in self.textures]).sum(0)
        both = (total[:1] + 0.35 * total[1:]).clamp_(-2.5, 2.5)
        return both * self.examination.texture

    def _kept(self, distance: torch.Tensor, inside: torch.Tensor, part: slice) -> torch.Tensor:
        """What a brain extraction keeps, with errors of a few millimetres here and there."""
        reach = self.examination.strip_mm
        if reach is None:
            return (inside > 0.5).float()
        rim = self.rim.at(part)[0]
        allowed = (inside > 0.4) | (distance < -2)
        if self.examination.strip_leaks:
            allowed |= rim > 1.2  # in patches
        kept = (distance < reach + 0.7 * rim) & allowed
        return kept.float()

    def _acquired(
        self, image: torch.Tensor, points: torch.Tensor, shading: np.ndarray, weighting: Weighting
    ) -> torch.Tensor:
        """Through coil, point spread and receiver."""
        image = image * _shade(points, shading, self.anatomy)
        size = image.shape[-2:]
        image = _spread_points(image, weighting.blur)
        if weighting.coarse < 1:
            small = [max(4, round(side * weighting.coarse)) for side in size]
            image = functional.interpolate(image[None], small, mode="bilinear", antialias=True)[0]
        image = self._rician(image, weighting.noise)
        if weighting.coarse < 1:
            image = functional.interpolate(image[None], size, mode="bicubic")[0].clamp_min_(0)
        return image

    def _rician(self, image: torch.Tensor, sigma: float) -> torch.Tensor:
        """The magnitude of the signal with noise in its real and imaginary part (Gudbjartsson 1995)."""
        noise = torch.randn((2, *image.shape), generator=self.chance, device=image.device) * sigma
        return torch.hypot(image + noise[0], noise[1])


def _draw_shading(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Coefficients of a polynomial of second order that rather rises towards the surface, where the coils are."""
    linear = rng.normal(0, 0.6, 3)
    square = rng.normal(0, 0.4, 3) + rng.uniform(0, 0.6)
    return np.concatenate([linear, square, rng.normal(0, 0.4, 3)]) * strength


def _shade(points: torch.Tensor, shading: np.ndarray, anatomy: Anatomy) -> torch.Tensor:
    """exp of a polynomial over the head, as MONAI's RandBiasField, but with its place in the head and on any crop."""
    centre = [(low + high) / 2 for low, high in zip(anatomy.low, anatomy.high, strict=True)]
    x, y, z = (((at - middle) / 90.0) for at, middle in zip(points, centre, strict=True))
    a = [float(value) for value in shading]
    total: torch.Tensor = x * (a[0] + a[3] * x + a[6] * y)
    total += y * (a[1] + a[4] * y + a[7] * z)
    total += z * (a[2] + a[5] * z + a[8] * x)
    return total.exp_()


def _spread_points(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blurred within its slices by a Gaussian of `sigma` pixels; borders repeat."""
    if sigma < 0.2 or min(image.shape[-2:]) < 4:
        return image
    at = torch.arange(-2, 3, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    weights = [float(weight) for weight in kernel / kernel.sum()]
    for axis in (-2, -1):
        padding = (0, 0, 2, 2) if axis == -2 else (2, 2, 0, 0)
        padded = functional.pad(image[None], padding, mode="replicate")[0]
        length = image.shape[axis]
        image = padded.narrow(axis, 2, length) * weights[2]
        for step in (1, 2):
            image.add_(padded.narrow(axis, 2 - step, length), alpha=weights[2 - step])
            image.add_(padded.narrow(axis, 2 + step, length), alpha=weights[2 + step])
    return image

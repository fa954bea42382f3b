"""The brain and what it floats in: folded cortex, deep nuclei, ventricles, cerebellum, brain stem, CSF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgan.simulation.canvas import Canvas
from medgan.simulation.fields import Field
from medgan.simulation.folding import Folding, surface_points
from medgan.simulation.shapes import (
    Coordinates,
    both,
    chain,
    ellipsoid,
    f32,
    ramp,
    smooth_max,
    smooth_min,
    smooth_step,
)


@dataclass(frozen=True, eq=False)
class Cavity:
    """The inside of the skull.

    Attributes:
        distance: signed distance in mm to the inner table of the skull, negative inside.
        tentorium: height in mm, in anatomical coordinates, of the sheet between cerebrum and cerebellum.
    """

    distance: Field
    tentorium: Field


def cavity(canvas: Canvas) -> Cavity:
    """The cranial cavity: vault, stepped base (anterior, middle, posterior fossa) and the spinal canal."""
    x, y, z = canvas.at
    side = np.abs(x)
    egg = f32(x / (1 - canvas.person.egg * (y + 16) / 82))
    vault = ellipsoid((egg, y, z), (0, -16, 8), (67, 82, 60))
    fossa = ellipsoid(canvas.at, (0, -50, -28), (50, 36, 31))
    sella = (1 - smooth_step(side, 8, 22)) * smooth_step(y, -14, 0)
    front = smooth_step(y, 16, 32)
    # The roofs of the orbits bulge up into the anterior fossa beside a lower midline.
    roofs = 4 * np.exp(-(((side - 30) / 14) ** 2))
    floor = (-41 + 19 * sella) * (1 - front) + (-18 + roofs) * front
    ahead = smooth_step(y - _petrous_ridge(side), -9, 5)
    floor = floor * ahead - 75 * (1 - ahead)
    inside = smooth_max(smooth_min(vault, fossa, 8), np.asarray(floor - z, np.float32), 8)
    inside = inside + np.float32(1.1) * canvas.noise(45.0)
    canal = chain(canvas.at, ((0, -34, -45, 12), (0, -41, -62, 10), (0, -46, -150, 10)))
    tentorium = np.maximum(-5 - 0.38 * side, -22) - 0.15 * np.maximum(-48 - y, 0)
    return Cavity(smooth_min(inside, canal, 5), np.asarray(tentorium, np.float32))


def paint_brain(canvas: Canvas, skull: Cavity) -> None:
    """Paint everything within the cavity."""
    _paint_deep(canvas)
    _paint_hindbrain(canvas, skull)
    _paint_cerebrum(canvas, skull)
    _paint_vessels_and_dura(canvas, skull)
    canvas.paint("csf", ramp(skull.distance, canvas.grid.spacing))


def _paint_deep(canvas: Canvas) -> None:
    """Ventricles, nuclei and callosum; mirrored at the midline, which the warped coordinates bend."""
    region = canvas.region((-50, -85, -40), (50, 45, 40))
    x, y, z = canvas.coordinates(region)
    at: Coordinates = (np.abs(x), y, z)
    width = canvas.grid.spacing
    v = canvas.person.ventricles
    lateral = chain(
        at,
        (
            (10 + 2.5 * v, 30, 2, 2.2 * v),
            (8 + 2.5 * v, 21, 9, 4.6 * v),
            (5.5 + 2.5 * v, 9, 14, 4.6 * v),
            (5 + 3 * v, -8, 18.5, 4.2 * v),
            (9 + 3 * v, -26, 18, 4.6 * v),
            (20 + 2 * v, -42, 11, 5.2 * v),
            (22 + v, -58, 5, 2.6 * v),
            (21 + v, -68, 4, 0.6),
        ),
    )
    temporal = chain(at, ((23, -42, 8, 4 * v), (31, -28, -9, 2.0 * v), (30, -8, -18, 1.4 * v)))
    third = ellipsoid(at, (0, -9, -3), (1.2 + 1.2 * v, 14, 9))
    aqueduct = chain(at, ((0, -22, -6, 1.6), (0, -31, -16, 1.2), (0, -36, -23, 2.0)))
    fourth = ellipsoid(at, (0, -38, -30), (6.5, 3.2 + v, 8))
    septum = 0.6 - at[0]
    horns = np.maximum(smooth_min(lateral, temporal, 3), septum)
    for fluid in (horns, third, aqueduct, fourth):
        canvas.paint("csf", ramp(fluid, width), region)

    caudate = smooth_min(
        ellipsoid(at, (12 + 3 * v, 13, 5), (5, 9, 9)),
        chain(at, ((13 + 3 * v, 8, 11, 4), (14 + 3 * v, -8, 18, 3), (19 + 3 * v, -26, 18, 2))),
        4,
    )
    lean = np.float32(0.35) * (y - 2)
    striatum: Coordinates = (np.asarray(at[0] + lean, np.float32), y, z)
    putamen = ellipsoid(striatum, (26.5, 2, 1), (5.2, 17, 10))
    pallidum = ellipsoid(striatum, (20.5, -2, -1), (4.2, 10, 6.5))
    turned: Coordinates = (np.asarray(at[0] + np.float32(0.3) * (y + 18), np.float32), y, z)
    thalamus = ellipsoid(turned, (10.5 + v, -18, 5), (8.2, 14, 8.5))
    canvas.paint("deep_grey", ramp(thalamus, width), region)
    canvas.paint("deep_grey", ramp(caudate, width), region)
    canvas.paint("pallidum", ramp(pallidum, width), region)
    canvas.paint("deep_grey", ramp(putamen, width), region)
    hippocampus = chain(at, ((22, -8, -18, 6), (26, -20, -14, 4.5), (24, -34, -5, 3)))
    canvas.paint("grey_matter", np.float32(0.9) * ramp(hippocampus, width), region)

    callosum = chain(
        (np.maximum(at[0] - 14, 0), y, z),
        ((0, 22, 1, 2), (0, 32, 8, 5), (0, 24, 20, 3.5), (0, 0, 25, 3), (0, -24, 23, 3), (0, -38, 13, 5.5)),
    )
    canvas.paint("white_matter", ramp(callosum, width), region)


def _paint_hindbrain(canvas: Canvas, skull: Cavity) -> None:
    """Brain stem, cerebellum with its folia, and the cord."""
    region = canvas.region((-58, -100, -160), (58, 5, 8))
    x, y, z = canvas.coordinates(region)
    at: Coordinates = (np.abs(x), y, z)
    width = canvas.grid.spacing
    stem = smooth_min(
        smooth_min(
            chain((at[0] * np.float32(0.85), y, z), ((0, -19, -4, 9), (0, -20, -15, 11.5))),
            ellipsoid(at, (0, -20, -27), (17, 12.5, 13)),
            5,
        ),
        chain(at, ((0, -27, -38, 8.5), (0, -36, -57, 6.5), (0, -44, -75, 5.5), (0, -46, -150, 5.5))),
        5,
    )
    body = smooth_min(
        ellipsoid(at, (24, -62, -33), (33, 35, 27)), ellipsoid(at, (0, -58, -28), (13, 27, 25)), 5
    )
    inner = skull.distance[region] + np.float32(1.2)
    below = z - skull.tentorium[region] + np.float32(0.8)
    body = smooth_max(smooth_max(body, inner, 3), np.asarray(below, np.float32), 3)
    stem = smooth_max(stem, inner, 2)
    gutter = smooth_min(stem, ellipsoid(at, (0, -38, -30), (7, 6, 9)), 2) - np.float32(1.5)
    body = smooth_max(body, -gutter, 2)

    depth = -body
    cerebellum = Folding(canvas, spacing=5.0, anisotropy=0.25)
    lobules = Folding(canvas, spacing=13.0, anisotropy=0.25)
    mask = depth > -2 * width
    surface, _ = surface_points(canvas, depth, region, mask, reach=0.9)
    seen = depth[mask]
    fissures = np.minimum(
        both(lobules.distance(surface) - np.float32(0.35), seen - 14),
        both(cerebellum.distance(surface) - np.float32(0.2), seen - 6.5),
    )
    pial = np.full(depth.shape, -99, np.float32)
    pial[mask] = np.minimum(seen, fissures)
    peduncles = chain(at, ((11, -26, -27, 6), (24, -46, -32, 6.5), (26, -56, -34, 6)))
    dentate = ellipsoid(at, (15, -52, -34), (5, 7, 4))
    canvas.paint("deep_grey", np.float32(0.5) * ramp(dentate, width), region)
    canvas.paint("white_matter", np.float32(0.7) * ramp(stem, width), region)
    canvas.paint("deep_grey", ramp(stem, width), region)
    canvas.paint("white_matter", ramp(peduncles, width) * ramp(inner, width), region)
    canvas.paint("white_matter", ramp(np.float32(1.7) - pial, width), region)
    canvas.paint("grey_matter", ramp(-pial, width), region)


def _paint_cerebrum(canvas: Canvas, skull: Cavity) -> None:
    """The hemispheres: a hull with its clefts, and sulci folded into it; cortex follows the pial surface."""
    x, y, z = canvas.at
    person = canvas.person
    width = canvas.grid.spacing
    shell = 1.3 + 1.6 * person.atrophy + 0.5 * canvas.noise(30.0)
    frontal = 1.2 * person.atrophy * smooth_step(y, 0, 50)
    depth = -skull.distance - np.maximum(shell + frontal, 0.6)
    over_tentorium = np.maximum(
        (z - skull.tentorium) * np.float32(0.92) - 0.5, (y - _petrous_ridge(np.abs(x))) * np.float32(0.85)
    )
    stem_cistern = ellipsoid(canvas.at, (0, -20, -34), (19, 22, 25))
    chiasm_cistern = ellipsoid(canvas.at, (0, 5, -20), (12, 12, 8))
    depth = -smooth_max(np.asarray(-depth, np.float32), np.asarray(-over_tentorium, np.float32), 2.5)
    depth = -smooth_max(-depth, -smooth_min(stem_cistern, chiasm_cistern, 4), 4)

    bend = np.float32(0.6) * canvas.noise(18.0)
    gap = np.float32(0.7 + 0.8 * person.atrophy)
    callosal = -ellipsoid((np.zeros_like(x), y, z), (0, -4, 0), (1e3, 37, 27))
    fissure = both(np.asarray(np.abs(x + bend) - gap, np.float32), callosal)
    hull = -smooth_max(-depth, -fissure, 3.5)

    clefts = _lateral_clefts(canvas, hull)
    mask = (hull > -1.5 * width) & (hull < 34)
    # Rounding the hull widely turns its normals gently where the surfaces of two sides are equally near; the
    # slope of what is left tells how near, and the sulci of neither side go there.
    rounded = -smooth_max(-depth, -fissure, 18)
    surface, steepness = surface_points(canvas, rounded, canvas.everywhere, mask, reach=0.85)
    sulci = _sulci(canvas, surface, hull[mask], steepness, mask)
    pial = hull.copy()
    pial[mask] = smooth_min(hull[mask], sulci, 2.5)
    pial = np.minimum(pial, clefts)
    canvas.paint("white_matter", ramp(f32(person.cortex * (1 + 0.1 * canvas.noise(25.0)) - pial), width))
    canvas.paint("grey_matter", ramp(-pial, width))


def _sulci(canvas: Canvas, surface: Field, seen: Field, steepness: Field, mask: np.ndarray) -> Field:
    """Distance in mm to the CSF of the sulci for masked voxels at depth `seen` under points `surface`."""
    bends = np.stack([canvas.noise(20.0)[mask] for _ in range(3)], axis=1)
    surface = f32(surface + 3.5 * bends)
    main = Folding(canvas, spacing=canvas.person.gyrus)
    fine = Folding(canvas, spacing=0.62 * canvas.person.gyrus)
    # Shallow on the medial wall, none around the diencephalon.
    calm = smooth_step(ellipsoid(canvas.at, (0, -12, -2), (32, 36, 22))[mask], 0, 10)
    calm = (
        calm
        * (0.45 + 0.55 * smooth_step(np.abs(canvas.at[0])[mask], 10, 28))
        * smooth_step(steepness, 0.32, 0.7)
    )
    deepest = canvas.person.sulcus_depth * calm * np.clip(1 + 0.35 * canvas.noise(24.0)[mask], 0.35, 1.35)
    dimple = 0.3 * canvas.person.sulcus_depth * calm * np.clip(1 + 0.9 * canvas.noise(16.0)[mask], -0.5, 2.2)
    openness = np.clip(1 + 0.45 * canvas.noise(14.0)[mask], 0.1, 2.5)
    half_gap = (
        (0.35 + 0.6 * canvas.person.atrophy)
        * openness
        * np.clip(1.35 - seen / np.maximum(deepest, 1), 0.4, 1.35)
    )
    # Towards the depth the walls of neighbouring sulci converge.
    narrowing = 1 - np.clip(seen, 0, 30) / 75
    return np.minimum(
        both(np.asarray(main.distance(surface) * narrowing - half_gap, np.float32), f32(seen - deepest)),
        both(np.asarray(fine.distance(surface) * narrowing - 0.4 * half_gap, np.float32), f32(seen - dimple)),
    )


def _lateral_clefts(canvas: Canvas, hull: Field) -> Field:
    """Distance to the Sylvian fissures and the CSF over the insulae they open into."""
    x, y, z = canvas.at
    side = np.abs(x)
    open_by = np.float32(0.4 + 0.8 * canvas.person.atrophy)
    height = -6 - np.float32(0.42) * y + np.float32(0.2) * (side - 50) + np.float32(2.2) * canvas.noise(20.0)
    sheet = np.abs(z - height) * np.float32(0.92) - open_by
    lateral = np.maximum(np.float32(37) - side, np.abs(y + 8) - 31)
    sylvian = both(f32(sheet), f32(lateral))
    bowl = 38.5 - 0.012 * (y - 2) ** 2 - 0.008 * (z + 1) ** 2
    insula = both(
        f32(np.abs(side - bowl) - open_by * np.float32(0.8)),
        ellipsoid((np.zeros_like(x), y, z), (0, 1, -1), (1e3, 20, 14)),
    )
    return np.minimum(sylvian, insula)


def _paint_vessels_and_dura(canvas: Canvas, skull: Cavity) -> None:
    """Venous sinuses, the arteries at the base, falx and tentorium (dark as bone: collagen)."""
    x, y, z = canvas.at
    side = np.abs(x)
    width = canvas.grid.spacing
    d = skull.distance
    sagittal = np.maximum(side - (np.float32(4.6) + np.float32(0.7) * d), f32(-6.5 - d))
    sagittal = np.maximum(sagittal, f32(np.maximum(-12 - z, y - 50)))
    transverse = np.maximum(np.hypot(z - skull.tentorium + 2, d + 2.5) - 3.4, y + 45)
    for sinus in (sagittal, transverse):
        canvas.paint("blood", ramp(f32(sinus), width) * ramp(d, width))
    region = canvas.region((-40, -25, -60), (40, 15, 0))
    at: Coordinates = (np.abs(x[region]), y[region], z[region])
    basilar = chain(at, ((0, -6.5, -12, 1.7), (0, -6, -34, 1.7)))
    carotid = chain(at, ((13, 2, -55, 2.4), (11, 6, -22, 2.2), (12, 4, -14, 2.0), (30, 6, -14, 1.3)))
    canvas.paint("blood", ramp(np.minimum(basilar, carotid), width), region)
    falx = np.maximum(
        side - np.float32(0.45), f32(-ellipsoid((np.zeros_like(x), y, z), (0, -4, 0), (1e3, 43, 33)))
    )
    sheet = np.maximum(np.abs(z - skull.tentorium + np.float32(0.2)) - np.float32(0.45), f32(14 - side))
    sheet = np.maximum(sheet, f32(y + 24))
    falx = np.maximum(falx, f32(skull.tentorium - z))
    for dura in (falx, sheet):
        canvas.paint("bone", ramp(f32(dura), width) * ramp(d, width))


def _petrous_ridge(side: Field) -> Field:
    """Where (y in mm) the middle fossa ends and the posterior one begins, `side` mm from the midline."""
    return np.asarray(-12 - np.float32(0.5) * np.minimum(side, 55), np.float32)

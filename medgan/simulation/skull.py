"""What is around the brain: skull, scalp, face, orbits, sinuses, neck."""

from __future__ import annotations

import numpy as np

from medgan.simulation.brain import Cavity
from medgan.simulation.canvas import Canvas
from medgan.simulation.fields import Field
from medgan.simulation.shapes import Coordinates, chain, ellipsoid, ramp, smooth_min, smooth_step


def paint_skull_and_scalp(canvas: Canvas, skull: Cavity) -> None:
    """Paint everything between the cavity and the air."""
    bone = _bone_thickness(canvas)
    surface = _head_surface(canvas, skull, bone)
    _paint_ears(canvas, surface)
    _paint_face(canvas, surface)
    _paint_bone(canvas, skull, bone)
    _paint_soft(canvas, surface)
    canvas.paint("air", np.ones(canvas.grid.shape, np.float32))


def _bone_thickness(canvas: Canvas) -> Field:
    """Thickness of the skull in mm: thin at the temples, thick at the back and where the frontal sinus is."""
    x, y, z = canvas.at
    side = np.abs(x)
    temple = smooth_step(side, 40, 58) * smooth_step(z, 28, 8) * smooth_step(y, -45, -20)
    occiput = smooth_step(y, -70, -92) * smooth_step(z, 30, 0)
    brow = np.exp(-((side / 22) ** 2) - ((z + 8) / 14) ** 2) * smooth_step(y, 45, 60)
    thickness = (
        canvas.person.skull * (1 + 0.16 * canvas.noise(35.0) + 0.3 * occiput - 0.5 * temple) + 4 * brow
    )
    return np.asarray(np.maximum(thickness, 2.2), np.float32)


def _head_surface(canvas: Canvas, skull: Cavity, bone: Field) -> Field:
    """Signed distance in mm to the skin."""
    person = canvas.person
    x, y, z = canvas.at
    at: Coordinates = (np.abs(x), y, z)
    scalp = person.skin + person.fat * (1 + 0.18 * canvas.noise(40.0)) + 0.8
    vault = np.asarray(skull.distance - bone - scalp, np.float32)
    temples = ellipsoid(at, (49, 17, -18), (10 + 6 * person.muscle, 32, 36)) - np.float32(person.fat)
    face = ellipsoid(at, (0, 17, -66), (62, 58, 62)) - np.float32(person.fat)
    jowl = np.float32(0.8) * canvas.noise(30.0)
    neck = chain(at, ((0, -36, -62, 50), (0, -34, -160, 52))) - np.float32(person.fat)
    nose = chain(at, ((0, 70, -30, 5), (0, 88, -56, 9), (0, 80, -62, 12)))
    head = smooth_min(smooth_min(vault, temples, 16), np.asarray(face + jowl, np.float32), 14)
    brow = ellipsoid(at, (0, 34, -36), (57, 32, 34))
    lids = ellipsoid(at, (31, 46.5, -32), (13.5, 14, 12.5))
    head = smooth_min(smooth_min(head, brow, 8), lids, 8)
    return smooth_min(smooth_min(head, neck, 14), nose, 7)


def _paint_ears(canvas: Canvas, surface: Field) -> None:
    """The auricles, which stand off the head, and the canals that lead into it."""
    region = canvas.region((-90, -50, -70), (90, 10, 10))
    x, y, z = canvas.coordinates(region)
    at: Coordinates = (np.abs(x), y, z)
    width = canvas.grid.spacing
    canal = chain(at, ((44, -16, -33, 2.6), (60, -17, -33, 3.2), (90, -17, -33, 3.6)))
    auricle = ellipsoid((at[0] + np.float32(0.35) * (y + 24), y, z), (76, -24, -26), (3, 14, 26))
    shell = np.maximum(auricle, -surface[region])
    canvas.paint("air", ramp(canal, width), region)
    canvas.paint("skin", ramp(np.asarray(shell, np.float32), width), region)


def _paint_face(canvas: Canvas, surface: Field) -> None:
    """Orbits with their globes, the nose and its sinuses, the throat."""
    region = canvas.region((-62, -12, -170), (62, 100, 14))
    x, y, z = canvas.coordinates(region)
    at: Coordinates = (np.abs(x), y, z)
    width = canvas.grid.spacing
    skin = ramp(np.asarray(surface[region] + 1.5, np.float32), width)
    _paint_orbits(canvas, at, region, skin)

    air_size = canvas.person.pneumatisation
    rough = canvas.noise(9.0)[region]
    fine = canvas.noise(5.0)[region]
    nasal = ellipsoid(at, (0, 44, -48), (14, 30, 21))
    septum = np.float32(1.2) - at[0]
    turbinates = (
        np.float32(2.6) * np.sin(z * np.float32(0.42) + at[0] * np.float32(0.25) + rough * np.float32(0.4))
        + rough
    )
    passage = np.maximum(np.maximum(nasal + np.float32(2), turbinates), septum)
    canvas.paint("air", ramp(np.asarray(passage, np.float32), width) * skin, region)
    canvas.paint("mucosa", ramp(nasal, width) * skin, region)
    cells = ellipsoid(at, (0, 36, -29), (11, 20, 9))
    canvas.paint(
        "air", ramp(np.asarray(np.maximum(cells + 1, 1.4 - 1.6 * np.abs(fine)), np.float32), width), region
    )
    sphenoid = ellipsoid(at, (6, 10, -32), (8 * air_size, 11 * air_size, 7 * air_size))
    maxillary = ellipsoid(at, (30, 40, -61), (13 * air_size, 16, 15)) + np.float32(0.7) * rough
    frontal = ellipsoid(at, (9, 70, -5), (11 * air_size, 2.6, 9 * air_size)) + np.float32(0.5) * rough
    for sinus, lining in ((sphenoid, 0.8), (maxillary, 1.0), (frontal, 0.5)):
        canvas.paint("air", ramp(sinus + np.float32(lining), width) * skin, region)
        canvas.paint("mucosa", ramp(sinus, width) * skin, region)
        canvas.paint("bone", ramp(sinus - np.float32(1.6), width) * skin, region)
    canvas.paint("bone", ramp(cells, width) * skin, region)
    throat = chain(at, ((0, 12, -56, 8), (0, 4, -80, 9), (0, 6, -170, 8)))
    canvas.paint("air", ramp(throat, width), region)
    canvas.paint("mucosa", ramp(throat - np.float32(2), width), region)


def _paint_orbits(canvas: Canvas, at: Coordinates, region: tuple[slice, slice, slice], skin: Field) -> None:
    width = canvas.grid.spacing
    centre = (31.0, 48.0, -32.0)
    globe = ellipsoid(at, centre, (12, 12, 12))
    lens = ellipsoid(at, (31, 56.5, -32), (4.6, 2.0, 4.6))
    nerve = chain(at, ((30, 37, -32, 1.9), (17, 16, -25, 1.9), (6, 4, -18, 1.9)))
    canvas.paint("muscle", ramp(lens, width), region)
    canvas.paint("vitreous", ramp(globe + np.float32(0.9), width), region)
    canvas.paint("skin", ramp(globe, width), region)
    canvas.paint("white_matter", ramp(nerve, width), region)
    apex = (19.0, 20.0, -27.0)
    for x, z in ((43.0, -32.0), (19.5, -32.0), (31.0, -20.5), (31.0, -43.5)):
        belly = ((x + apex[0]) / 2 + (x - centre[0]) * 0.25, 34.0, (z + apex[2]) / 2 + (z - centre[2]) * 0.25)
        rectus = chain(at, ((x, 49, z, 0.8), (*belly, 2.1), (*apex, 1.2)))
        canvas.paint("muscle", ramp(rectus, width), region)
    cone = smooth_min(
        ellipsoid(at, (31, 46, -32), (17, 15, 16)), chain(at, ((30, 42, -32, 13), (20, 18, -27, 3))), 5
    )
    canvas.paint("fat", ramp(cone, width) * skin, region)
    behind = np.asarray(np.maximum(cone - np.float32(1.5), at[1] - 54), np.float32)
    canvas.paint("bone", ramp(behind, width) * skin, region)


def _paint_bone(canvas: Canvas, skull: Cavity, bone: Field) -> None:
    """Tables and diploe of the vault, the mastoids, the clivus and the vertebrae around the canal."""
    x, y, z = canvas.at
    at: Coordinates = (np.abs(x), y, z)
    width = canvas.grid.spacing
    d = skull.distance
    patches = smooth_step(canvas.noise(12.0), -1.6, 0.2) * smooth_step(bone, 3.5, 5.0)
    diploe = np.abs(d - bone * np.float32(0.5)) - bone * np.float32(0.22)
    canvas.paint("marrow", ramp(np.asarray(diploe, np.float32), width) * patches)
    canvas.paint("bone", ramp(d - bone, width))

    region = canvas.region((-75, -75, -170), (75, 20, -10))
    at = (at[0][region], y[region], z[region])
    fine = canvas.noise(5.0)[region]
    mastoid = ellipsoid(at, (50, -32, -38), (13, 15, 18))
    cells = np.asarray(np.maximum(mastoid + 3, 1.2 - 2.2 * np.abs(fine)), np.float32)
    canvas.paint("air", np.float32(0.8) * ramp(cells, width), region)
    clivus = ellipsoid(at, (0, -1, -44), (14, 11, 18))
    spine = chain(at, ((0, -44, -76, 17), (0, -44, -170, 17)))
    condyles = ellipsoid(at, (19, -34, -68), (9, 12, 9))
    petrous = chain(at, ((48, -32, -34, 10), (16, -8, -34, 6)))
    for body, table in ((clivus, 2.0), (spine, 2.5), (condyles, 2.0), (petrous, 5.0), (mastoid, 9.0)):
        canvas.paint("marrow", ramp(body + np.float32(table), width), region)
        canvas.paint("bone", ramp(body, width), region)


def _paint_soft(canvas: Canvas, surface: Field) -> None:
    """Skin, the fat under it, and muscle with fat between its bellies."""
    person = canvas.person
    width = canvas.grid.spacing
    low = smooth_step(canvas.at[2], -25, -60)
    fat = person.fat * (1 + 0.9 * low + 0.15 * canvas.noise(25.0))
    inner = np.asarray(surface + person.skin + fat, np.float32)
    region = canvas.region((-70, -40, -170), (70, 80, -20))
    x, y, z = canvas.coordinates(region)
    at: Coordinates = (np.abs(x), y, z)
    inside = ramp(inner[region] + np.float32(1), width)
    ramus = ellipsoid(at, (47, 6, -84), (4, 15, 36))
    arch = chain(at, ((34, 58, -50, 4), (47, 48, -50, 4.5), (55, 26, -47, 2.6), (56, 0, -43, 2.6)))
    for body, table in ((ramus, 1.8), (arch, 1.6)):
        canvas.paint("marrow", ramp(body + np.float32(table), width) * inside, region)
        canvas.paint("bone", ramp(body, width) * inside, region)
    pad = smooth_min(
        ellipsoid(at, (42, 36, -64), (8, 9, 16)),
        chain(at, ((38, 28, -52, 4), (30, 14, -50, 3), (34, 6, -70, 3))),
        4,
    )
    parotid = ellipsoid(at, (54, -10, -62), (9, 14, 20)) + np.float32(1.5) * canvas.noise(6.0)[region]
    canvas.paint("fat", np.float32(0.95) * ramp(pad, width) * inside, region)
    canvas.paint("fat", np.float32(0.45) * ramp(parotid, width) * inside, region)
    planes = np.abs(canvas.noise(16.0)) - 0.16 * low * smooth_step(canvas.noise(11.0), -0.8, 0.8)
    between = ramp(np.asarray(planes, np.float32), 0.12 * width) * low
    canvas.paint("fat", between * ramp(inner + np.float32(1), width) * np.float32(0.9))
    canvas.paint("muscle", ramp(inner, width))
    canvas.paint("fat", ramp(surface + np.float32(person.skin), width))
    canvas.paint("skin", ramp(surface, width))

"""Write the pictures of the documentation: python docs/make_figures.py [NAME ...] [--demo FOLDER].

Without a name it writes architecture.svg, cycle.svg and first-synthesis.png; with `--demo` also demo.png, from the
folder that `medgan demo` left. `make figures` does all of it. memory.png is written by `make soak`.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import random
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from diagrams import INK, PALE, SYNTHESIS, TRAINING, Box, Diagram

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
_WIDTH, _MARGIN = 900, 14
_NEVER_TOOLS = ("networks", "simulation")
"""Rooms of the ground floor that have a box; the others serve all, and their lines would hide all."""
_FLOOR_HEIGHT, _BOX_HEIGHT, _LEFT, _SLOTS = 76, 34, 44.0, 5
_SYNTHESIS_FLOW = (
    "path",
    "scans\nread it",
    "preparation",
    "networks:\na generator",
    "preparation\nundone",
    "scans\nwrite it",
)
_TRAINING_FLOW = (
    "two folders",
    "scans\nread them",
    "preparation,\nonce",
    "training\nsamples",
    "cyclegan:\na step",
    "models:\na folder",
)


def _rules() -> Any:
    """tests/test_architecture.py, which knows the floors and who imports whom."""
    spec = importlib.util.spec_from_file_location("floors", ROOT / "tests" / "test_architecture.py")
    if spec is None or spec.loader is None:
        raise ImportError("tests/test_architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imports() -> dict[str, set[str]]:
    """Room -> the rooms that it imports, from the code."""
    rules = _rules()
    found: dict[str, set[str]] = {room: set() for floor in rules.FLOORS for room in floor}
    for path in rules.MODULES:
        room = rules.room(path)
        found[room] |= set(rules.imported_rooms(path)) - {room}
    return found


def direct(edges: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """The imports that do not follow from others: a -> c is left out where a -> b -> c."""

    def reached(room: str, seen: set[str]) -> set[str]:
        for one in edges.get(room, ()):
            if one not in seen:
                seen.add(one)
                reached(one, seen)
        return seen

    beyond = {room: set().union(*(reached(one, set()) for one in targets)) for room, targets in edges.items()}
    return [
        (room, one)
        for room, targets in sorted(edges.items())
        for one in sorted(targets)
        if one not in beyond[room]
    ]


def drawn() -> tuple[list[list[str]], list[str], list[tuple[str, str]]]:
    """What the picture of the architecture shows: rooms by floor from above, those that serve all, and imports."""
    floors = _rules().FLOORS
    tools = sorted(floors[0] - set(_NEVER_TOOLS))
    edges = direct({room: found - set(tools) for room, found in imports().items() if room not in tools})
    return [sorted(floor - set(tools)) for floor in floors[::-1]], tools, edges


def in_words() -> str:
    """The same as text, which the picture carries."""
    floors, tools, edges = drawn()
    lines = [
        *(" ".join(floor) for floor in floors),
        " ".join(tools),
        *(" > ".join(edge) for edge in sorted(edges)),
    ]
    return "; ".join(lines)


def architecture(path: Path) -> None:
    """Rooms by floor with the imports between them, and the two flows below."""
    floors, tools, edges = drawn()
    diagram = Diagram(_WIDTH, len(floors) * _FLOOR_HEIGHT + 250)
    for level in range(len(floors), 0, -1):
        top = (len(floors) - level) * _FLOOR_HEIGHT
        diagram.band(top, _FLOOR_HEIGHT, _WIDTH, fill="#f4f4f1" if level % 2 else "#ffffff")
        diagram.text(_MARGIN, top + _FLOOR_HEIGHT / 2, str(level), size=20, colour=PALE, bold=True)
    placed = arranged(floors, edges)
    for upper, lower in edges:
        diagram.arrow(*_line(placed[upper], placed[lower]), colour=PALE, width=1.2, behind=True)
    fill, edge = (
        {"synthesis": "#fbe9dd", "training": "#dfeaf5"},
        {"synthesis": SYNTHESIS, "training": TRAINING},
    )
    for room, box in placed.items():
        look = {"edge": edge.get(room, INK), "fill": fill.get(room, "#ffffff"), "bold": room in fill}
        diagram.box(box.x, box.y, box.width, box.height, room, **look)  # type: ignore[arg-type]
    top = len(floors) * _FLOOR_HEIGHT
    diagram.text(_MARGIN, top + 18, "On floor 1, too, for all:", size=14, bold=True)
    diagram.text(_MARGIN + 190, top + 18, _wrapped(tools, 78), size=14)
    said = "An arrow leads from a room to one that it imports, by the code; what follows from other arrows is left out."
    diagram.text(_MARGIN, top + 54, said, size=13, colour="#666666")
    _flow(diagram, top + 84, "A scan being synthesised", _SYNTHESIS_FLOW, SYNTHESIS)
    _flow(diagram, top + 168, "Training", _TRAINING_FLOW, TRAINING)
    diagram.save(path, said=in_words())


def _wrapped(words: list[str], width: int) -> str:
    return textwrap.fill(", ".join(words), width)


def arranged(floors: list[list[str]], edges: list[tuple[str, str]], *, starts: int = 12) -> dict[str, Box]:
    """Where each room is drawn, so that few lines run behind boxes or cross.

    From several arrangements drawn at random (always the same) each floor in turn takes its best order, until none
    gains by another; the best end of all is taken.

    Args:
        floors: the rooms of each, the uppermost first.
        edges: importing and imported room.
        starts: arrangements to begin with.
    """
    slots = max(_SLOTS, *(len(floor) for floor in floors))
    chance = random.Random(0)  # noqa: S311 - a picture, no secret
    ends = [
        _improved(floors, edges, [tuple(chance.sample(range(slots), len(floor))) for floor in floors], slots)
        for _ in range(starts)
    ]
    return _boxes(floors, min(ends)[1], slots)


Orders = list[tuple[int, ...]]


def _improved(
    floors: list[list[str]], edges: list[tuple[str, str]], orders: Orders, slots: int
) -> tuple[float, Orders]:
    best, improved = _cost(_boxes(floors, orders, slots), edges), True
    while improved:
        improved = False
        for level, floor in enumerate(floors):
            for order in itertools.permutations(range(slots), len(floor)):
                tried = [*orders[:level], order, *orders[level + 1 :]]
                cost = _cost(_boxes(floors, tried, slots), edges)
                if cost < best - 1e-9:
                    best, orders, improved = cost, tried, True
    return best, orders


def _boxes(floors: list[list[str]], orders: Orders, slots: int) -> dict[str, Box]:
    share = (_WIDTH - _LEFT - _MARGIN) / slots
    return {
        room: Box(
            _LEFT + share * slot + 10,
            level * _FLOOR_HEIGHT + (_FLOOR_HEIGHT - _BOX_HEIGHT) / 2,
            share - 20,
            _BOX_HEIGHT,
        )
        for level, floor in enumerate(floors)
        for room, slot in zip(floor, orders[level], strict=True)
    }


Point = tuple[float, float]


def _line(upper: Box, lower: Box) -> tuple[Point, Point]:
    """Where the arrow of an import begins and ends."""
    if upper.y == lower.y:  # the same floor: side to side
        sides = ("right", "left") if upper.x < lower.x else ("left", "right")
        return upper.side(sides[0]), lower.side(sides[1])
    lean = min(max((lower.x - upper.x) / _WIDTH, -0.35), 0.35)
    return upper.side("bottom", 0.5 + lean), lower.side("top", 0.5 - lean)


def _cost(boxes: dict[str, Box], edges: list[tuple[str, str]]) -> float:
    """Lines behind boxes count most, then lines that cross, then their length."""
    lines = [(upper, lower, *_line(boxes[upper], boxes[lower])) for upper, lower in edges]
    behind = sum(
        _meets(box, start, end)
        for upper, lower, start, end in lines
        for room, box in boxes.items()
        if room not in (upper, lower)
    )
    crossing = sum(_cross(one[2:], other[2:]) for one, other in itertools.combinations(lines, 2))
    length = sum(abs(end[0] - start[0]) for _, _, start, end in lines)
    return 20 * behind + 2 * crossing + length / _WIDTH


def _meets(box: Box, start: Point, end: Point) -> bool:
    """Whether a line comes within some pixels of a box."""
    room = 5.0
    low, high = 0.0, 1.0
    for at, by, least, most in (
        (start[0], end[0] - start[0], box.x - room, box.x + box.width + room),
        (start[1], end[1] - start[1], box.y - room, box.y + box.height + room),
    ):
        if by == 0:
            if not least < at < most:
                return False
            continue
        first, last = sorted(((least - at) / by, (most - at) / by))
        low, high = max(low, first), min(high, last)
    return low < high


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    def side(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    return side(*one, other[0]) * side(*one, other[1]) < 0 and side(*other, one[0]) * side(*other, one[1]) < 0


def _flow(diagram: Diagram, top: float, name: str, steps: tuple[str, ...], colour: str) -> None:
    diagram.text(_MARGIN, top + 8, name, size=14, colour=colour, bold=True)
    width, gap = 122, (_WIDTH - 2 * _MARGIN - len(steps) * 122) / (len(steps) - 1)
    boxes = [
        diagram.box(_MARGIN + number * (width + gap), top + 22, width, 42, step, edge=colour, size=13)
        for number, step in enumerate(steps)
    ]
    diagram.chain(boxes, colour=colour)


def cycle(path: Path) -> None:
    """What a CycleGAN does with one unpaired image of each contrast."""
    diagram = Diagram(_WIDTH, 255)
    for top, names, colour in (
        (30, ("T1w, person A", "T2w made of it", "T1w found again"), SYNTHESIS),
        (160, ("T2w, person B", "T1w made of it", "T2w found again"), TRAINING),
    ):
        boxes = [
            diagram.box(20 + 340 * number, top, 180, 44, name, edge=colour)
            for number, name in enumerate(names)
        ]
        diagram.chain(boxes, colour=colour)
        first, second = ("to T2w", "to T1w") if top < 100 else ("to T1w", "to T2w")
        for number, said in enumerate((first, second)):
            diagram.text(285 + 340 * number, top + 8, said, size=13, colour=colour, align="center")
        diagram.arrow(boxes[2].side("bottom", 0.3), boxes[0].side("bottom", 0.7), colour=PALE, bend=-0.14)
        diagram.text(450, top + 60, "must be equal: the cycle", size=13, colour=INK, align="center")
        judge = "is it like an acquired T2w?" if top < 100 else "is it like an acquired T1w?"
        diagram.text(450, top - 14, f"a discriminator asks: {judge}", size=13, colour=INK, align="center")
    diagram.save(path)


def first_synthesis(path: Path) -> None:
    """What the first tutorial's reader sees: its commands, with the model that comes with medgan."""
    with tempfile.TemporaryDirectory() as folder:
        for line in (
            "simulate -q -o person --seed 3 --spacing 2 --thick 4",
            "synthesize -q person/T1/sub-0001_T1w.nii.gz --target t2 --model brain -o made --preview",
        ):
            subprocess.run([sys.executable, "-m", "medgan", *line.split()], cwd=folder, check=True)
        (made,) = Path(folder, "made").glob("*_preview.png")
        shutil.copyfile(made, path)


FIGURES: dict[str, Callable[[Path], None]] = {
    "architecture.svg": architecture,
    "cycle.svg": cycle,
    "first-synthesis.png": first_synthesis,
}


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--demo", type=Path, help="the folder of `medgan demo`, for demo.png")
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    for name in options.names or FIGURES:
        FIGURES[name](options.out / name)
    if options.demo is not None:
        shutil.copyfile(options.demo / "comparison.png", options.out / "demo.png")


if __name__ == "__main__":
    main()

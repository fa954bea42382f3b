"""Which images of a batch fall to whom: to a process, and in it to each of the parts that it takes one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medgan.cyclegan.cyclegan import Images

Counts = tuple[int, int, int]
"""Of real images, simulated pairs and acquired pairs."""


def share_of(count: int, *, index: int = 0, parts: int = 1) -> slice:
    """The images that fall to one of several parts, of which none has more than one more than another."""
    return slice(count * index // parts, count * (index + 1) // parts)


@dataclass(frozen=True)
class Part:
    """Images that go through the networks together; of what there is none, the weight is 0.

    Attributes:
        real, simulated, paired: by contrast.
        weights: how large a share of all such images of the step each of the three is.
    """

    real: Images
    simulated: Images
    paired: Images
    weights: tuple[float, float, float]


def divided(real: Images, simulated: Images, paired: Images, *, parts: int, of: Counts) -> Iterator[Part]:
    """A process's share of a step, in parts.

    Args:
        real, simulated, paired: by contrast.
        parts: how many.
        of: images of each of the three that all processes show together.
    """
    for index in range(parts):
        a, b, c = (_some(images, index, parts) for images in (real, simulated, paired))
        if a or b or c:
            yield Part(a, b, c, (_weight(a, of[0]), _weight(b, of[1]), _weight(c, of[2])))


def number_of(images: Images) -> int:
    """How many images of each contrast there are."""
    return len(next(iter(images.values()))) if images else 0


def _weight(images: Images, of: int) -> float:
    return number_of(images) / of if images else 0.0


def _some(images: Images, index: int, parts: int) -> Images:
    where = share_of(number_of(images), index=index, parts=parts)
    return {key: image[where] for key, image in images.items()} if where.stop > where.start else {}

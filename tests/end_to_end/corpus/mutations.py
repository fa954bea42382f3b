"""Damage of every kind, drawn by hypothesis: small plain operations on the bytes of a file."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

Operation = tuple[str, int, int, bytes]
"""What is done, where, how far, and with which bytes; any number is good for a file of any length."""

_WORDS = (
    b"nan", b"NaN", b"inf", b"-Infinity", b"1e999", b"-1", b"0", b"1e-300", b"null", b"true", b"[]", b"{}", b'""',
    b"9" * 20, b"9" * 5000, b"[" * 3000, b"../../x", b"/etc/passwd", b"\0\0\0\0", b"\n", b"\xff\xfe", b": ", b"&a *a",
    b"!!python/name:os.system ", b"0.0\\0.0", b"1\\1\\1\\1\\1\\1\\1",
)  # fmt: skip


def _extreme() -> Iterator[bytes]:
    """Numbers at the ends of what a header's field can hold, in both byte orders."""
    for order in "<>":
        for kind in "bBhHiIqQfd":
            for value in (
                0, 1, -1, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1,
                1e-30, 1e30, float("nan"), float("inf"),
            ):  # fmt: skip
                with contextlib.suppress(struct.error, OverflowError):
                    yield struct.pack(order + kind, value)


EXTREME = (*dict.fromkeys(_extreme()), *_WORDS)

_place = st.integers(0, 2**20)
_bytes = st.one_of(st.sampled_from(EXTREME), st.binary(min_size=1, max_size=16))


def operations(count: int = 3) -> st.SearchStrategy[list[Operation]]:
    """One to `count` operations; the commonest first, since what is drawn shrinks towards it."""
    return st.lists(
        st.one_of(
            st.tuples(st.just("flip"), _place, st.integers(0, 7), st.just(b"")),
            st.tuples(st.sampled_from(("put", "put hot", "insert")), _place, st.integers(-4, 16), _bytes),
            st.tuples(st.sampled_from(("cut", "delete", "duplicate", "swap", "zero")), _place, _place, st.just(b"")),
            st.tuples(st.just("extend"), _place, st.integers(0, 4096), _bytes),
            st.tuples(st.sampled_from(("splice", "replace")), _place, _place, st.just(b"")),
        ),
        min_size=1,
        max_size=count,
    )  # fmt: skip


def damaged(
    content: bytes, done: Sequence[Operation], *, hot: Sequence[int], others: Sequence[bytes]
) -> bytes:
    """The content after all operations.

    Args:
        content: of a sound file.
        done: the operations, in turn.
        hot: offsets of fields that steer a reader; `put hot` writes to or near one of these.
        others: contents of other files, of the same kind and of others, to splice in.
    """
    data = bytearray(content)
    for name, at, extent, value in done:
        place = at % (len(data) + 1)
        length = 1 + extent % 64 if extent % 3 else 1 + extent % max(len(data), 1)
        if name == "flip" and data:
            data[at % len(data)] ^= 1 << extent
        elif name == "put hot" and hot:
            place = max(0, hot[at % len(hot)] + extent)
            data[place : place + len(value)] = value
        elif name == "put":
            data[place : place + len(value)] = value
        elif name == "insert":
            data[place:place] = value
        elif name == "cut":
            del data[place:]
        elif name == "delete":
            del data[place : place + length]
        elif name == "duplicate":
            data[place:place] = data[place : place + length]
        elif name == "swap":
            width = (2, 4, 8)[extent % 3]
            data[place : place + width] = data[place : place + width][::-1]
        elif name == "zero":
            data[place : place + length] = bytes(len(data[place : place + length]))
        elif name == "extend":
            data += (value * extent)[: 1 << 16]
        elif name in ("splice", "replace") and others:
            other = others[extent % len(others)]
            data[place:] = other[place if name == "splice" else 0 :]
    return bytes(data[: 1 << 20])

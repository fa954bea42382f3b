"""ITK-SNAP itself opens a scan with its result and the map of expected errors, in a window that is looked at."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

_SIZE = (1280, 900)
_PATIENCE = 60  # seconds that ITK-SNAP may take to show something
_GREYS = 60
"""Levels of grey that a head has (200) and ITK-SNAP's own window, which is of a few plain colours, has not (7)."""


def greys(frame: Path) -> int:
    """How many levels of grey fill at least 30 pixels of the screen (an X window dump, XWDFile.h version 7)."""
    content = frame.read_bytes()
    (header, *_rest) = struct.unpack(">25I", content[:100])
    width, height, line, colours = _rest[3], _rest[4], _rest[11], _rest[18]
    pixels: npt.NDArray[np.uint8] = np.frombuffer(
        content, np.uint8, count=height * line, offset=header + 12 * colours
    )
    blue, green, red = np.moveaxis(
        pixels.reshape(height, line)[:, : width * 4].reshape(height, width, 4), 2, 0
    )[:3]
    counts = np.bincount(red[(red == green) & (green == blue)], minlength=256)
    return int((counts[20:235] > 30).sum())


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """The environment of a screen that no one sees, and the file that holds what is on it."""
    shown, number = tmp_path / "screen", tmp_path / "number"
    shown.mkdir()
    with number.open("wb") as told:
        command = ["Xvfb", "-displayfd", str(told.fileno()), "-screen", "0", f"{_SIZE[0]}x{_SIZE[1]}x24"]
        command += ["-nolisten", "tcp", "-fbdir", str(shown)]
        server = subprocess.Popen(command, pass_fds=[told.fileno()], stderr=subprocess.DEVNULL)
    try:
        wait(lambda: number.read_bytes().endswith(b"\n"), server)
        home = tmp_path / "home"
        home.mkdir()
        given = {"DISPLAY": f":{number.read_text().strip()}", "HOME": str(home), "LIBGL_ALWAYS_SOFTWARE": "1"}
        yield os.environ | given, shown / "Xvfb_screen0"
    finally:
        server.terminate()
        server.wait(10)


def wait(until: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while not until():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < end
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(shutil.which, ("itksnap", "Xvfb"))), reason="itksnap or Xvfb is not installed"
)
def test_itk_snap_shows_a_scan_and_its_result(
    screen: tuple[dict[str, str], Path],
    head: Callable[..., Path],
    calibrated: Path,
    medgan: Any,
    tmp_path: Path,
) -> None:
    environment, frame = screen
    scan = head(tmp_path / "scan.nii.gz", "t1", 1)
    options = ("--target", "t2", "--model", calibrated, "--uncertainty", "-o", tmp_path / "t2.nii.gz")
    assert medgan("synthesize", scan, *options, "--device", "cpu").code == 0
    assert greys(frame) < _GREYS
    more = [tmp_path / "t2.nii.gz", tmp_path / "t2_desc-medganUncertainty.nii.gz"]
    command = ["itksnap", "-g", str(scan), "-o", *map(str, more)]
    viewer = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: greys(frame) >= _GREYS, viewer)
    finally:
        os.killpg(viewer.pid, signal.SIGKILL)
        viewer.wait(10)

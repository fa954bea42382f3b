"""What docs/how-to/orthanc.md says works, word for word, with an Orthanc in a network of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source

ROOT = Path(__file__).parents[2]
SESSION = Path(__file__).with_name("orthanc_page_session.py")
PAGE = ROOT / "docs" / "how-to" / "orthanc.md"
DCMTK = ("findscu", "getscu", "storescu", "dcmdump")
SETTLED = """
ORTHANC=http://localhost:8042
until curl -sf $ORTHANC/studies?expand | jq -e 'all(.[]; .IsStable)' >all-stable; do sleep 0.2; done
"""


def section(title: str) -> str:
    """The blocks of a section of the page, as one script."""
    (text,) = re.findall(rf"^## {title}.*?\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    blocks = re.findall(r"^```(bash|python)\n(.*?)^```$", text, re.M | re.S)
    assert blocks
    return "\n".join(block if kind == "bash" else f"python - <<'END'\n{block}END\n" for kind, block in blocks)


def needed(script: str) -> None:
    """Skip where a program is missing that a script takes."""
    for command in ("curl", "jq"):
        if command in script and shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    for command in DCMTK:
        if command in script and dcmtk(command) is None:
            pytest.skip(f"DCMTK's {command} is not installed (Debian: dcmtk)")
    if "dicomweb_client" in script and importlib.util.find_spec("dicomweb_client") is None:
        pytest.skip("dicomweb-client is not installed (pip install dicomweb-client)")


def dcmtk(command: str) -> str | None:
    """Where DCMTK's program is: pynetdicom brings others of the same names."""
    for folder in os.get_exec_path():
        found = shutil.which(command, path=folder)
        if (
            found
            and b"dcmtk" in subprocess.run([found, "--version"], capture_output=True, check=False).stdout
        ):
            return found
    return None


@dataclass(frozen=True)
class Archive:
    """Runs scripts beside an archive.

    Attributes:
        folder: where they run.
        start: the command that does it.
        environment: has `medgan` and this Python.
        plugin: Orthanc's.
    """

    folder: Path
    start: list[str]
    environment: dict[str, str]
    plugin: Path

    def run(self, script: str, *series: Path) -> tuple[str, list[Any]]:
        """What a script prints, and all images that the archive holds in the end."""
        needed(script)
        (self.folder / "page.sh").write_text(script, encoding="utf-8")
        work = self.folder.parent / "work"
        work.mkdir()
        command = [*self.start, sys.executable, SESSION, self.folder / "page.sh", work, self.plugin, *series]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout, [pydicom.dcmread(file) for file in (work / "held").iterdir()]


@pytest.fixture
def archive(private_network: list[str], plugin: Path, tiny_run: Path, tmp_path: Path) -> Archive:
    """An archive; beside it, scripts find medgan, with the tiny model as the user's last training, and pipelines."""
    folder, commands = tmp_path / "page", tmp_path / "commands"
    for made in (folder, commands):
        made.mkdir()
    for name, runs in (("medgan", "-m medgan"), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {runs} "$@"\n', encoding="utf-8")
        (commands / name).chmod(0o755)
    for name, there in ((name, dcmtk(name)) for name in DCMTK):
        if there is not None:
            (commands / name).symlink_to(there)
    (folder / "medgan-run").symlink_to(tiny_run)
    (folder / "pipelines").symlink_to(ROOT / "pipelines")
    environment = os.environ | {
        "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
    }
    return Archive(folder, private_network, environment, plugin)


@pytest.fixture
def series(tmp_path: Path, head: Callable[..., Path]) -> Callable[..., Path]:
    """Write a series of a head, a study to itself unless `study` is one's of another."""

    def write(
        name: str, description: str, *, person: int = 1, slices: int = 12, study: str | None = None
    ) -> Path:
        contrast = "t2" if "T2" in description else "t1"
        file = head(tmp_path / "nifti" / f"{name}.nii.gz", contrast, person)
        voxels = nibabel.load(file).get_fdata(dtype=np.float32)[::-1, :, :slices]
        grid = np.diag([-5.0, 5, 5, 1])
        facts = {"echo_time": 90.0 if contrast == "t2" else 12.0, "repetition_time": 500.0}
        scan = Scan(
            voxels=np.ascontiguousarray(voxels), affine=grid, source=Source(path=file, kind="array", stem="x")
        )
        folder = tmp_path / "series" / name
        number = 5 if contrast == "t2" else 4
        write_series(
            folder, scan, description=description, series_number=number, facts=facts, entropy=study or name
        )
        return folder

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "made"),
    [
        ("By Orthanc's REST interface", "made"),
        ("By DICOM: findscu, getscu, storescu", "by-dicom"),
        ("By DICOMweb, from Python", "by-web"),
    ],
)
def test_a_series_goes_out_and_its_missing_contrast_comes_back_into_the_same_study(
    title: str, made: str, archive: Archive, series: Callable[..., Path]
) -> None:
    source = {
        image.SOPInstanceUID: image for image in map(pydicom.dcmread, series("a", "T1w brain").iterdir())
    }
    said, held = archive.run(section(title), series("a", "T1w brain"))
    derived = {image.SOPInstanceUID: image for image in held if image.SOPInstanceUID not in source}
    assert len(derived) == len(source) == 12
    sent = {i.SOPInstanceUID: i for i in map(pydicom.dcmread, archive.folder.glob(f"{made}/*/*.dcm"))}
    assert derived.keys() == sent.keys()
    for uid, image in derived.items():
        np.testing.assert_array_equal(image.pixel_array, sent[uid].pixel_array)
        assert image.SyntheticData == "YES" and image.SeriesNumber == 920004
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert len({image[keyword].value for image in held}) == 1
    places = [
        sorted(map(str, (tuple(i.ImagePositionPatient) for i in s.values()))) for s in (source, derived)
    ]
    assert places[0] == places[1]
    if made == "made":
        assert "4\tT1w brain\t12\n" in said
        assert "920004\tSYNTHETIC T2w from T1w - NOT FOR DIAGNOSIS\t12\n" in said


@pytest.mark.slow
def test_each_study_that_arrives_is_completed_once_and_one_that_cannot_be_holds_up_no_other(
    archive: Archive, series: Callable[..., Path]
) -> None:
    there = series("there", "T1w before")
    gap = series("gap", "T1w", person=3)
    (gap / "0005.dcm").unlink()
    arriving = [
        gap,
        series("few", "T1w localizer", slices=4),
        series("both-2", "T2w", study="both"),
        series("both-1", "T1w", study="both"),
        series("lone", "T1w brain", person=2),
    ]
    run = section("Every study that arrives")
    store = "".join(
        f"for file in {folder}/*.dcm; do curl -sf $ORTHANC/instances --data-binary @$file -o answer; done\n"
        for folder in arriving
    )
    script = (
        f"{SETTLED}{run}\necho arrived\n{store}{SETTLED}{run}\necho again\n{SETTLED}{run}\nls -A medgan-state"
    )
    said, held = archive.run(script, there)
    before, after = said.split("arrived\n")
    after, again = after.split("again\n")
    assert before == ""  # what was there already is left alone
    told = {line.split(" ", 1)[1] for line in after.splitlines()}
    assert told == {
        "got a synthetic T2w of 12 slices",
        "has a T1w that medgan refuses, as said above",
        "has a T2w",
        "has no acquired T1w",
    }
    assert {line.split(" ", 1)[-1] for line in again.splitlines()} == {"has a T2w", ".lock", "state.json"}
    synthetic = [image for image in held if image.get("SyntheticData") == "YES"]
    assert len(synthetic) == 12
    lone = pydicom.dcmread(next((arriving[-1]).iterdir()))
    assert {image.StudyInstanceUID for image in synthetic} == {lone.StudyInstanceUID}

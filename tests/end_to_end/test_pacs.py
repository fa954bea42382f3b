"""An archive takes a derived series by C-STORE and gives it back by DICOMweb, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from medgan.scans.deidentification import Deidentifier
from medgan.scans.dicom_derived import Derivation, write_derived_series
from medgan.scans.dicom_reading import list_series, read_series
from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source

SESSION = Path(__file__).with_name("orthanc_session.py")
DESCRIPTION = "SYNTHETIC T2w from T1w - NOT FOR DIAGNOSIS"


def derived(folder: Path, deidentifier: Deidentifier | None) -> list[Path]:
    voxels = np.random.default_rng(1).integers(1, 900, (24, 20, 4)).astype(np.float32)
    source = Source(path=folder, kind="array", stem="x")
    scan = Scan(voxels=voxels, affine=np.diag([-1.0, 1.1, 2.5, 1]), source=source)
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    files = write_series(folder / "source", scan, description="T1w", series_number=2, facts=facts)
    (reference,) = list_series(files)
    read = read_series(reference, path=folder, stem="x")
    synthetic = Scan(voxels=read.voxels * np.float32(1.7) - 5, affine=read.affine, source=read.source)
    (folder / "out").mkdir()
    derivation = Derivation(description=DESCRIPTION, text="By a model.", contrast="t2", version="1.0")
    return write_derived_series(
        folder / "out", synthetic, reference=reference, derivation=derivation, deidentifier=deidentifier
    )


def split(file: Path) -> tuple[pydicom.Dataset, bytes]:
    """The file meta information of a DICOM file (PS3.10 7.1), and the bytes of the data set behind it."""
    content = file.read_bytes()
    assert content[128:140] == b"DICM\2\0\0\0UL\4\0"
    end = 144 + int.from_bytes(content[140:144], "little")
    return pydicom.filereader.read_file_meta_info(file), content[end:]


@pytest.mark.robustness("dicom-out-pacs")
@pytest.mark.parametrize("deidentified", [False, True])
def test_orthanc_takes_the_series_and_gives_it_back_byte_for_byte(
    deidentified: bool, private_network: list[str], plugin: Path, tmp_path: Path
) -> None:
    files = derived(tmp_path, Deidentifier() if deidentified else None)
    work = tmp_path / "work"
    work.mkdir()
    pytest.importorskip("pynetdicom")
    command = [*private_network, sys.executable, SESSION, tmp_path / "out", work, plugin]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads((work / "answers.json").read_text())
    assert answers["stranger"] is False
    assert answers["stored"] == [0] * len(files)
    (found,) = answers["series"]
    assert found["0008103E"]["Value"] == [DESCRIPTION]
    assert found["0020000E"]["Value"] == [pydicom.dcmread(files[0]).SeriesInstanceUID]
    for file in files:
        meta, data_set = split(file)
        for way in ("wado", "file"):
            their_meta, their_data_set = split(work / f"{file.name}.{way}")
            assert their_data_set == data_set
            # C-STORE sends the data set alone (PS3.7 9.1.1), so the archive's own name stands in its file meta.
            for keyword in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID"):
                assert their_meta[keyword] == meta[keyword]

"""Sends a DICOM series to an Orthanc of its own and fetches it back; run inside a private network namespace.

    unshare -rnp --fork --kill-child python orthanc_session.py SERIES WORK PLUGIN

Orthanc listens on all addresses, which here are the namespace's loopback alone. What came back lies in WORK as
`NAME.wado` and `NAME.file`, and what was answered in `answers.json`.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import fcntl
import json
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

HTTP, DICOM, SECONDS = 8042, 4242, 30
ROOT = f"http://127.0.0.1:{HTTP}"


def main(series: Path, work: Path, plugin: str) -> None:
    with orthanc(work, plugin):
        answers = exchange(sorted(series.glob("*.dcm")), work)
    (work / "answers.json").write_text(json.dumps(answers))


@contextlib.contextmanager
def orthanc(work: Path, plugin: str) -> Iterator[None]:
    """An Orthanc that is reached on the loopback of this namespace, and knows `MEDGAN` alone."""
    raise_loopback()
    (work / "storage").mkdir()
    configuration = {
        "StorageDirectory": str(work / "storage"), "IndexDirectory": str(work / "storage"),
        "HttpPort": HTTP, "RemoteAccessAllowed": False, "DicomPort": DICOM, "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True, "DicomAlwaysAllowEcho": False, "DicomAlwaysAllowStore": False,
        "DicomModalities": {"known": ["MEDGAN", "127.0.0.1", 11112]}, "DicomCheckModalityHost": True,
        "Plugins": [plugin], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}, "StableAge": 1,
    }  # fmt: skip
    (work / "orthanc.json").write_text(json.dumps(configuration))
    with (work / "orthanc.log").open("wb") as log:
        program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
        server = subprocess.Popen([program, work / "orthanc.json"], stdout=log, stderr=log, cwd=work)
        try:
            wait_for(server)
            yield
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def raise_loopback() -> None:
    """`ip link set lo up`: SIOCSIFFLAGS with IFF_UP (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 1))


def wait_for(server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            get("/system")
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)


def exchange(files: list[Path], work: Path) -> dict[str, Any]:
    answers: dict[str, Any] = {"stranger": accepted("STRANGER"), "stored": store(files)}
    heads = {file: dcmread(file, stop_before_pixels=True) for file in files}
    first = heads[files[0]]
    answers["series"] = json.loads(get("/dicom-web/series?" + urllib.parse.urlencode({
        "SeriesInstanceUID": first.SeriesInstanceUID, "includefield": "0008103E"
    }), accept="application/dicom+json"))  # fmt: skip
    for file, head in heads.items():
        place = (
            f"studies/{head.StudyInstanceUID}/series/{head.SeriesInstanceUID}/instances/{head.SOPInstanceUID}"
        )
        wanted = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        (work / f"{file.name}.wado").write_bytes(only_part(get(f"/dicom-web/{place}", accept=wanted)))
        (found,) = json.loads(get("/tools/lookup", data=head.SOPInstanceUID.encode()))
        (work / f"{file.name}.file").write_bytes(get(found["Path"] + "/file"))
    return answers


def associate(title: str) -> Any:
    from pynetdicom import AE

    entity = AE(ae_title=title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = SECONDS
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    return entity.associate("127.0.0.1", DICOM, ae_title="ORTHANC")


def accepted(title: str) -> bool:
    """Whether Orthanc takes an image of this caller."""
    association = associate(title)
    established = bool(association.is_established)
    if established:
        association.release()
    return established


def store(files: list[Path]) -> list[int]:
    association = associate("MEDGAN")
    try:
        return [int(association.send_c_store(file).Status) for file in files]
    finally:
        association.release()


def get(path: str, *, accept: str = "*/*", data: bytes | None = None) -> bytes:
    request = urllib.request.Request(ROOT + path, data=data, headers={"Accept": accept})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        content: bytes = answer.read()
        kind = answer.headers["Content-Type"]
    return f"Content-Type: {kind}\r\n\r\n".encode() + content if "multipart" in (kind or "") else content


def only_part(message: bytes) -> bytes:
    (part,) = email.message_from_bytes(message, policy=email.policy.HTTP).iter_parts()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

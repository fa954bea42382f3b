"""Gives each study that arrives in an Orthanc its missing contrast: fetches its T1w, sends a synthetic T2w back.

It looks once and ends, so it is for cron or a systemd timer; nothing listens, and Orthanc needs no plugin. What is new
is read from Orthanc's own list (`/changes`): studies to which nothing was added for a while (its `StableAge`).

    python pipelines/orthanc/complete_studies.py --orthanc http://localhost:8042 --state medgan-state

The first run notes where the list ends, and does nothing with what is there already (`--all` does). Of a study that has
no scan of the target contrast, acquired or synthetic, the acquired scan of the other contrast with the most slices is
taken; one without a contrast agent goes first. Series of few slices (localisers), derived ones and those of other
contrasts are passed over. What is made and not sent yet lies in the state folder, which its owner alone may read, and
is sent by the next run under the same UIDs. Orthanc's user and password are taken from ORTHANC_USER and
ORTHANC_PASSWORD.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from medgan.contrasts import CONTRASTS, guess_contrast, other
from medgan.errors import InputRefusedError, MedganError, OutputNotWrittenError, ResourceError, UsageError
from medgan.files import locked, whole_file, write_json

_SECONDS = 60.0
_STATE = "state.json"
_TRIES = 3
"""Runs in which a study's synthesis may crash or be killed (its memory ran out) before it is passed over."""
_CRASHES = [getattr(signal, name, None) for name in ("SIGKILL", "SIGSEGV", "SIGBUS", "SIGABRT")]


@dataclass(frozen=True)
class Server:
    """An Orthanc, by its REST interface."""

    url: str

    def get(self, path: str) -> Any:
        """A JSON document; None of what is there no more."""
        try:
            return json.loads(self._answer(path))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def download(self, path: str, file: Path) -> None:
        """Write an answer's bytes."""
        content = self._answer(path)
        with whole_file(file) as temporary:
            temporary.write_bytes(content)

    def send(self, file: Path) -> dict[str, Any]:
        """Store a DICOM file."""
        answer: dict[str, Any] = json.loads(self._answer("/instances", file.read_bytes()))
        return answer

    def _answer(self, path: str, data: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.url.rstrip("/") + path, data=data)  # noqa: S310 - see `command`
        user = os.environ.get("ORTHANC_USER")
        if user is not None:
            known = f"{user}:{os.environ.get('ORTHANC_PASSWORD', '')}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(known).decode()}")
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content


@dataclass(frozen=True)
class Series:
    """What decides about a series; `number` is Orthanc's own, which names no one."""

    number: str
    contrast: str | None
    slices: int
    acquired: bool
    agent: bool


def series_of(server: Server, number: str) -> Series | None:
    """A series by its tags, or None where it is no MR, or gone."""
    tags = server.get(f"/series/{number}/shared-tags?short")
    about = server.get(f"/series/{number}")
    if tags is None or about is None or tags.get("0008,0060") != "MR":
        return None

    def time(tag: str) -> float | None:
        try:
            return float(tags[tag])
        except (LookupError, TypeError, ValueError):
            return None

    names = [str(tags[tag]) for tag in ("0008,103e", "0018,1030") if tags.get(tag)]
    found = guess_contrast(
        names,
        echo_time=time("0018,0081"),
        repetition_time=time("0018,0080"),
        inversion_time=time("0018,0082"),
    )
    kind = str(tags.get("0008,0008") or "ORIGINAL")
    return Series(
        number=number,
        contrast=found.key if found else None,
        slices=max(len(about["Instances"]), int(time("0028,0008") or 0)),  # an enhanced one holds frames
        acquired=kind.startswith("ORIGINAL") and tags.get("0008,001c") != "YES",
        agent=bool(tags.get("0018,0010")),
    )


def choose(series: list[Series], target: str, slices: int) -> Series | str:
    """The series to make `target` of, or why there is none."""
    scans = [each for each in series if each.slices >= slices]
    if any(each.contrast == target for each in scans):
        return f"has a {CONTRASTS[target].label}"
    sources = [each for each in scans if each.contrast == other(target).key and each.acquired]
    if not sources:
        return f"has no acquired {other(target).label}"
    return min(sources, key=lambda each: (each.agent, -each.slices))


@dataclass(frozen=True)
class Completion:
    """How studies are completed."""

    server: Server
    state: Path
    target: str
    slices: int
    options: tuple[str, ...]
    dry_run: bool

    def complete(self, study: str) -> str:
        """Give one study its missing contrast; what was done, in a few words.

        Raises:
            MedganError: medgan ended with another error than that it refuses the scan, or not all was stored.
        """
        members = self.server.get(f"/studies/{study}/series")
        if members is None:
            return "is gone"
        series = [found for each in members if (found := series_of(self.server, each["ID"]))]
        ready = self.state / f"{study}-{self.target}"
        if ready.is_dir() and not self.dry_run:  # a run ended before all was sent
            return self._send(study, ready)
        chosen = choose(series, self.target, self.slices)
        if isinstance(chosen, str):
            return chosen
        if self.dry_run:
            return f"would get a synthetic {CONTRASTS[self.target].label}"
        if not self._make(chosen, ready):
            return f"has a {CONTRASTS[other(self.target).key].label} that medgan refuses, as said above"
        return self._send(study, ready)

    def _make(self, source: Series, ready: Path) -> bool:
        """Fill a folder with the derived series, whole or not at all; False where medgan refuses the scan."""
        work, archive = self.state / "work", self.state / "work" / "series.zip"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        self.server.download(f"/series/{source.number}/archive", archive)
        asked = ("--target", self.target, "--format", "dicom", "--out", str(work / "out"), *self.options)
        command = [sys.executable, "-m", "medgan", "synthesize", str(archive), *asked]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode == 1 or -done.returncode in _CRASHES:
            raise CrashError(f"crashed medgan (exit code {done.returncode})")
        if done.returncode not in (0, InputRefusedError.exit_code):
            raise ResourceError(
                f"medgan synthesize ended with exit code {done.returncode}, as said above",
                remedy="Mend it; the next run begins with this study.",
            )
        if done.returncode == 0:
            (work / "out").chmod(0o700)
            (work / "out").rename(ready)
        shutil.rmtree(work)
        return done.returncode == 0

    def _send(self, study: str, ready: Path) -> str:
        """Store what is ready; what is stored already, Orthanc passes over."""
        files = sorted(ready.glob("*/*.dcm"))
        for file in files:
            answer = self.server.send(file)
            if answer.get("Status") not in ("Success", "AlreadyStored") or answer.get("ParentStudy") != study:
                raise OutputNotWrittenError(
                    f"was not stored in its study ({answer.get('Status')})",
                    file=file,
                    remedy="See Orthanc's log; the next run sends it again.",
                )
        shutil.rmtree(ready)
        return f"got a synthetic {CONTRASTS[self.target].label} of {len(files)} slices"


class CrashError(Exception):
    """A synthesis crashed, or was killed, for lack of memory as a rule: it may go well another time."""


def try_one(completion: Completion, study: str, crashed: dict[str, int]) -> None:
    """Complete a study; one whose synthesis crashes is tried in the next runs again, but not for ever."""
    try:
        said = completion.complete(study)
        crashed.pop(study, None)
    except CrashError as error:
        crashed[study] = crashed.get(study, 0) + 1
        said = f"{error} in run {crashed[study]} of {_TRIES}"
        if crashed[study] == _TRIES:
            del crashed[study]
            said += ", and is passed over"
    click.echo(f"{study} {said}")


def _note(file: Path, since: int, crashed: dict[str, int]) -> None:
    write_json(file, {"Since": since, **({"Crashed": crashed} if crashed else {})})


def run(completion: Completion, *, everything: bool) -> None:
    """Complete what has arrived since the last run, and note where the list ends."""
    server, file = completion.server, completion.state / _STATE
    crashed: dict[str, int] = {}
    if file.exists():
        known = json.loads(file.read_text(encoding="utf-8"))
        since, crashed = int(known["Since"]), dict(known.get("Crashed", {}))
    else:
        since = 0 if everything else int(server.get("/changes?last")["Last"])
    for study in [] if completion.dry_run else list(crashed):
        try_one(completion, study, crashed)
        _note(file, since, crashed)
    while True:
        changes = server.get(f"/changes?since={since}&limit=100")
        for change in changes["Changes"]:
            if change["ChangeType"] == "StableStudy":
                try_one(completion, change["ID"], crashed)
            since = int(change["Seq"])
            if not completion.dry_run and change["ChangeType"] == "StableStudy":
                _note(file, since, crashed)
        if changes["Done"]:
            break
    if not completion.dry_run:
        _note(file, since, crashed)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--orthanc", "url", default="http://localhost:8042", show_default=True, metavar="URL")
@click.option(
    "--state", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where to remember."
)
@click.option("--target", type=click.Choice(list(CONTRASTS)), default="t2", show_default=True)
@click.option("--slices", default=10, show_default=True, help="A series with fewer is no scan of the head.")
@click.option("--model", metavar="NAME|DIR", help="As for medgan synthesize.")
@click.option("--device", default="auto", show_default=True, metavar="D", help="As for medgan synthesize.")
@click.option("--all", "everything", is_flag=True, help="At the first run: take what is there already, too.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do and remember nothing.")
def command(
    url: str,
    state: Path,
    target: str,
    slices: int,
    model: str | None,
    device: str,
    everything: bool,
    dry_run: bool,
) -> None:
    """Give each study that has arrived in an Orthanc since the last run its missing contrast."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no address of an Orthanc", remedy="Such as http://localhost:8042.")
    options = ("--device", device, *(("--model", model) if model else ()))
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(state):
        completion = Completion(Server(url), state, target, slices, options, dry_run)
        try:
            run(completion, everything=everything)
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
        ) as error:  # or an answer that is none of Orthanc's
            raise ResourceError(
                f"{url} does not answer as an Orthanc does: {error}",
                remedy="Check the address, ORTHANC_USER and ORTHANC_PASSWORD; the next run goes on from here.",
            ) from error


def main() -> None:
    """Run the command, and exit with medgan's codes."""
    try:
        command()
    except MedganError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

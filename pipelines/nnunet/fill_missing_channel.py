"""Fills the T1w or T2w channel that cases of an nnU-Net (v2) data set lack, with one that medgan makes of the other.

nnU-Net trains and predicts on cases that have every channel of `dataset.json`. Of each case in imagesTr and imagesTs
that has one of the two channels and not the other, this writes the other under nnU-Net's name for it
(`CASE_0001.nii.gz`), on the same grid, and nothing else: no file is written over. `medgan_filled.json`, beside
`dataset.json`, lists what is synthetic, of what and by which model, so that it can be told apart for ever; a channel is
in that list before it is in the data set.

    python pipelines/nnunet/fill_missing_channel.py "$nnUNet_raw/Dataset001_Heads" --dry-run
    python pipelines/nnunet/fill_missing_channel.py "$nnUNet_raw/Dataset001_Heads"

Exit codes are medgan's: 3 where a case stays without a channel (the others are filled).
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import medgan
from medgan.contrasts import CONTRASTS, other
from medgan.errors import InputRefusedError, MedganError, UsageError
from medgan.files import locked, sha256, whole_file, write_json

FOLDERS, RECORD = ("imagesTr", "imagesTs"), "medgan_filled.json"
_ENDINGS = (".nii.gz", ".nii")
_ABOUT = (
    "Channels that medgan made of another channel. They are synthetic: research only, not for diagnosis. They hold "
    "nothing that their source does not, and can show what is not there."
)


@dataclass(frozen=True)
class Missing:
    """A channel that a case lacks.

    Attributes:
        path: where nnU-Net looks for it.
        target: the contrast that it is of, such as `t2`.
        source: the other contrast's channel of the case; None where that is missing, too.
    """

    path: Path
    target: str
    source: Path | None


@dataclass(frozen=True)
class DataSet:
    """A raw data set of nnU-Net.

    Attributes:
        folder: such as `Dataset001_Heads`.
        ending: of all its images.
        channels: how many a case must have.
        numbers: of the channels that are T1w and T2w, by their contrast's key.
    """

    folder: Path
    ending: str
    channels: int
    numbers: dict[str, int]

    def cases(self, name: str) -> Iterator[tuple[str, set[int]]]:
        """Each case of a folder of images, and the numbers of the channels that it has."""
        spelling = re.compile(rf"(.+)_(\d{{4}}){re.escape(self.ending)}")
        found: dict[str, set[int]] = {}
        for file in sorted((self.folder / name).glob(f"*{self.ending}")):
            if spelled := spelling.fullmatch(file.name):
                found.setdefault(spelled[1], set()).add(int(spelled[2]))
        yield from found.items()

    def path(self, name: str, case: str, channel: int) -> Path:
        """Of an image."""
        return self.folder / name / f"{case}_{channel:04d}{self.ending}"

    def missing(self, name: str) -> Iterator[Missing]:
        """What the cases of a folder of images lack of T1w and T2w."""
        for case, present in self.cases(name):
            for key, number in self.numbers.items():
                if number not in present:
                    source = self.numbers[other(key).key]
                    has_source = source in present
                    yield Missing(
                        self.path(name, case, number),
                        key,
                        self.path(name, case, source) if has_source else None,
                    )

    def others_missing(self, name: str) -> list[Path]:
        """What the cases lack that is neither T1w nor T2w, which medgan cannot make."""
        kinds = set(range(self.channels)) - set(self.numbers.values())
        return [
            self.path(name, case, n) for case, present in self.cases(name) for n in sorted(kinds - present)
        ]


def read_data_set(folder: Path, t1: int | None = None, t2: int | None = None) -> DataSet:
    """Read `dataset.json`.

    Args:
        folder: that it lies in.
        t1: the number of the T1w channel, where its name does not tell.
        t2: of the T2w channel.

    Raises:
        InputRefusedError: it is missing or no data set of nnU-Net v2, or its images are not NIfTI.
        UsageError: its channels' names do not tell which are T1w and T2w.
    """
    file = folder / "dataset.json"
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        names = {int(number): str(name) for number, name in said["channel_names"].items()}
        ending = str(said["file_ending"])
    except FileNotFoundError:
        raise InputRefusedError(
            "is missing",
            file=file,
            remedy="Give a raw data set of nnU-Net, such as $nnUNet_raw/Dataset001_X.",
        ) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputRefusedError(
            f"is no dataset.json of nnU-Net v2 ({type(error).__name__}: {error})", file=file
        ) from error
    if "dataset" in said:
        raise InputRefusedError(
            "lists its images one by one ('dataset'), so a new file would not be seen",
            file=file,
            remedy="Put the images into imagesTr and imagesTs under nnU-Net's names.",
        )
    if ending not in _ENDINGS:
        raise InputRefusedError(
            f"says that images end in {ending!r}; medgan reads and writes {' and '.join(_ENDINGS)}",
            file=file,
            remedy="Convert the images, all of them: nnU-Net wants one file_ending.",
        )
    numbers = {
        "t1": _number("t1", names, t1, file),
        "t2": _number("t2", names, t2, file),
    }
    if numbers["t1"] == numbers["t2"]:
        raise UsageError("one channel cannot be both T1w and T2w", file=file)
    return DataSet(folder, ending, len(names), numbers)


def _number(key: str, names: dict[int, str], chosen: int | None, file: Path) -> int:
    """Which channel is of a contrast: as the user says, or the only one of its name; `T1-Gd` is not T1w."""
    known = CONTRASTS[key]
    spelled = [n for n, name in names.items() if known.pattern.fullmatch(name.replace("_", " ").strip())]
    if chosen is None and len(spelled) != 1:
        listed = ", ".join(f"{number} is {name!r}" for number, name in names.items())
        raise UsageError(
            f"{'no' if not spelled else 'more than one'} channel is called {known.label} ({listed})",
            file=file,
            remedy=f"Say which it is with --{key}-channel NUMBER.",
        )
    if chosen is not None and chosen not in names:
        raise UsageError(
            f"has no channel {chosen}", file=file, remedy=f"It has {', '.join(map(str, names))}."
        )
    return spelled[0] if chosen is None else chosen


class Filler:
    """Makes channels with one model, and keeps the list of them."""

    def __init__(self, data_set: DataSet, model: str | None, device: str) -> None:
        self.data_set, self.device = data_set, device
        self.model = medgan.load_model(model)
        self.list = data_set.folder / RECORD
        self.filled: dict[str, Any] = {}
        if self.list.exists():
            try:
                self.filled = dict(json.loads(self.list.read_text(encoding="utf-8"))["Channels"])
            except (ValueError, LookupError, TypeError) as error:
                raise InputRefusedError(
                    "cannot be read, and must not be written over: it says what is synthetic",
                    file=self.list,
                    remedy="Mend it, or put it elsewhere.",
                ) from error

    def fill(self, missing: Missing) -> list[str]:
        """Make one channel; gives what speaks against it."""
        assert missing.source is not None  # noqa: S101 - of the caller
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always", UserWarning)
            image = medgan.synthesize(
                missing.source, target=missing.target, model=self.model, device=self.device
            )
        told = [str(doubt.message) for doubt in doubts if doubt.category is UserWarning]
        with whole_file(missing.path) as temporary:
            image.to_filename(temporary)
            if missing.path.exists():  # since it was looked for
                raise UsageError("has appeared meanwhile, and is not written over", file=missing.path)
            self._list(missing, sha256(temporary), told)
        return told

    def _list(self, missing: Missing, digest: str, warned: list[str]) -> None:
        assert missing.source is not None  # noqa: S101
        folder = self.data_set.folder
        self.filled[missing.path.relative_to(folder).as_posix()] = {
            "Contrast": CONTRASTS[missing.target].label,
            "Source": missing.source.relative_to(folder).as_posix(),
            "SHA256": digest,
            "SourceSHA256": sha256(missing.source),
            "Model": self.model.manifest.name,
            "ModelSHA256": self.model.digest,
            "MedganVersion": medgan.__version__,
            "Warnings": warned,
        }
        write_json(self.list, {"Description": _ABOUT, "Channels": self.filled})


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(path_type=Path), metavar="DATASET")
@click.option("--only", type=click.Choice(FOLDERS), help="This folder alone; both where not given.")
@click.option("--t1-channel", type=int, metavar="NUMBER", help="Which channel is T1w, where no name tells.")
@click.option("--t2-channel", type=int, metavar="NUMBER", help="Which channel is T2w.")
@click.option("--model", metavar="NAME|DIR", help="As for medgan synthesize; if not given, medgan's own.")
@click.option(
    "--device", default="auto", show_default=True, metavar="D", help="auto, cpu, cuda, cuda:N or mps."
)
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
def command(
    folder: Path,
    only: str | None,
    t1_channel: int | None,
    t2_channel: int | None,
    model: str | None,
    device: str,
    dry_run: bool,
) -> None:
    """Fill the T1w or T2w channel that cases of the nnU-Net data set DATASET lack."""
    data_set = read_data_set(folder, t1_channel, t2_channel)
    names = [only] if only else [name for name in FOLDERS if (folder / name).is_dir()]
    with contextlib.nullcontext() if dry_run else locked(folder):  # the list is written whole
        left = _fill(data_set, names, None if dry_run else functools.partial(Filler, data_set, model, device))
    sys.exit(InputRefusedError.exit_code if left else 0)


def _fill(data_set: DataSet, names: Sequence[str], filler_of: Callable[[], Filler] | None) -> int:
    """Make what can be made, or say what would be; gives how many channels stay missing."""
    folder = data_set.folder
    missing = [each for name in names for each in data_set.missing(name)]
    possible = [each for each in missing if each.source is not None]
    left = [each.path for each in missing if each.source is None]
    left += [path for name in names for path in data_set.others_missing(name)]
    made = 0
    filler = filler_of() if filler_of and possible else None
    for each in possible:
        shown = each.path.relative_to(folder).as_posix()
        assert each.source is not None  # noqa: S101
        if filler is None:
            click.echo(f"would make {shown} of {each.source.name}")
            continue
        try:
            doubts = filler.fill(each)
        except InputRefusedError as error:
            click.echo(f"Refused: {error}", err=True)
            left.append(each.path)
            continue
        made += 1
        click.echo(f"{shown}, synthetic {CONTRASTS[each.target].label} of {each.source.name}")
        for doubt in doubts:
            click.echo(f"Warning: {shown}: {doubt}", err=True)
    for path in left:
        click.echo(f"Still missing: {path.relative_to(folder).as_posix()}", err=True)
    click.echo(_summary(len(possible), made, len(left), filler_of is None))
    return len(left)


def _summary(possible: int, made: int, left: int, dry_run: bool) -> str:
    if dry_run:
        return f"{possible} channels to make, {left} that medgan cannot; nothing was written."
    listed = f"; {RECORD} lists what is synthetic" if made else ""
    return f"{made} channels made, {left} still missing{listed}."


def main() -> None:
    """Run the command, and exit with medgan's codes."""
    try:
        command()
    except MedganError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

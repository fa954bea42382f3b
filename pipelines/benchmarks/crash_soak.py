"""Kill -9 at random moments of trainings, syntheses and exports, and what is found after each.

Every command is tiny and runs in a process of its own, on one thread. It is killed once: at a moment drawn over the
whole of an uninterrupted run, or right before one of its changes to its folder, drawn over all of them (kills by the
clock seldom meet the microseconds between two renames). Then:

- every file under a final name must be whole;
- the command is given again, as a user would: a training with --resume, and without it where it says so;
- its end must be that of the uninterrupted run: the same weights bit for bit, the same images, nothing left over.

    python pipelines/benchmarks/crash_soak.py [--training 100] [--synthesis 50] [--export 50] [--seed 0] [--json FILE]

The exit code is 1 where one of them failed. Needs a system with `fork` and `waitid`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import tiny
import whole
from warm import Child, Ended, Server, start, warm_up, writes  # noqa: F401 - tests take `Server` from here

SETTINGS = (
    *tiny.SETTINGS,
    "generator.dropout=0.1",
    "losses.history=5",
    "training.steps_per_epoch=4",
    "training.epochs=3",
    "training.coarse=[{scale: 2, share: 0.3}]",
    "training.checkpoint_seconds=0",
    "training.preview_seconds=0",
    "simulation.heads=1",
    "simulation.warmup=0.2",
)


class Trials:
    """Runs a command often, kills it each time, and counts what comes out.

    Args:
        name: of the command, for the table.
        folder: to work in.
        command: its arguments, for an output folder.
        again: gives it again, until it is done.
        digest: what must come out the same.
        phase: says of a killed run's folder how far it was.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        command: Callable[[Path], list[object]],
        again: Callable[[Path, Path], list[Ended]],
        digest: Callable[[Path], Any],
        phase: Callable[[Path], str],
    ) -> None:
        self.name, self.folder, self.command, self.again = name, folder, command, again
        self.digest, self.phase = digest, phase
        self.failures: list[str] = []
        self.phases: Counter[str] = Counter()
        self.unhurt = self.leftovers = self.killed = 0
        started = time.monotonic()
        child = self.begin(folder / "uninterrupted")
        ended = child.wait()
        if ended.code != 0:
            raise RuntimeError(f"{name} fails even where nothing kills it:\n{ended.said}")
        self.seconds = time.monotonic() - started
        self.writes = writes(child)
        self.expected = digest(folder / "uninterrupted")

    def begin(self, out: Path, die_at: int | None = None) -> Child:
        """Begin the command."""
        return start(self.command(out), self.folder / "log.txt", watched=out, die_at=die_at)

    def kill(self, number: int, chance: random.Random) -> None:
        """One trial; every second one is killed by the clock, the others at a change to the folder."""
        out = self.folder / str(number)
        if number % 2:
            at = f"change {(change := chance.randint(1, self.writes))} of {self.writes}"
            ended = self.begin(out, die_at=change).wait()
        else:
            at = f"{(moment := chance.uniform(0, 1.05 * self.seconds)):.3f} s of {self.seconds:.3f} s"
            started = time.monotonic()
            ended = self.begin(out).kill_after(moment)
            if ended.code == 0:
                self.seconds = time.monotonic() - started  # the machine has become faster
        self.killed += ended.code != 0
        self.unhurt += ended.code == 0
        self.phases[self.phase(out)] += 1
        self.leftovers += bool(list(out.rglob(".medgan-*")))
        problems = [f"{problem} after the kill" for problem in whole.problems(out)]
        last = self.again(out, self.folder / "log.txt")
        if last[-1].code != 0:
            problems.append(f"cannot be gone on with: {[(one.code, one.said) for one in last]}")
        elif self.digest(out) != self.expected:
            problems.append("ends otherwise than an uninterrupted run")
        problems += [f"{problem} at the end" for problem in whole.problems(out)]
        problems += [f"{path.name} is left over" for path in out.rglob(".medgan-*")]
        self.failures += [f"{self.name} {number}, killed at {at}: {problem}" for problem in problems]
        shutil.rmtree(out, ignore_errors=True)

    def result(self) -> dict[str, Any]:
        """What `--json` writes."""
        return {
            "command": self.name,
            "kills": self.killed,
            "ended_before_the_kill": self.unhurt,
            "phases": dict(self.phases),
            "with_leftovers": self.leftovers,
            "changes_to_the_folder": self.writes,
            "seconds": round(self.seconds, 2),
            "failures": self.failures,
        }


def write_inputs(folder: Path) -> None:
    """Two heads of each contrast for training, three to synthesise."""
    for place, contrast, people in (("t1", "t1", (1, 2)), ("t2", "t2", (3, 4)), ("cohort", "t1", (5, 6, 7))):
        tiny.write_heads(folder / place, contrast, people)


def write_dicom(folder: Path) -> None:
    """A series to export from."""
    import numpy as np

    from medgan.scans.dicom_writing import write_series
    from medgan.scans.scan import Scan, Source

    source = Source(path=Path("head"), kind="array", stem="head")
    scan = Scan(
        voxels=np.round(tiny.head_voxels("t1", 8)), affine=np.diag([-5.0, 5.0, 5.0, 1.0]), source=source
    )
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    write_series(folder, scan, description="T1w", series_number=4, facts=facts)


def training(folder: Path, inputs: Path) -> Trials:
    """`medgan train`."""
    changes = [part for change in SETTINGS for part in ("--set", change)]

    def command(out: Path) -> list[object]:
        return [
            "train",
            "--t1-dir",
            inputs / "t1",
            "--t2-dir",
            inputs / "t2",
            "-o",
            out,
            "--device",
            "cpu",
            *changes,
        ]

    def again(out: Path, log: Path) -> list[Ended]:
        ended = [start([*command(out), "--resume"], log).wait()]
        if ended[-1].code == 2 and "Leave out --resume" in ended[-1].said:
            ended.append(start(command(out), log).wait())
        return ended

    def phase(out: Path) -> str:
        if not (out / "run.json").exists():
            return "preparing the scans"
        if not list(out.glob("checkpoints/*.safetensors")):
            return "before the first checkpoint"
        return "ending" if (out / "losses.png").exists() else "training"

    return Trials("train", folder, command, again, whole.weights, phase)


def synthesis(folder: Path, inputs: Path, model: Path, *, export: bool) -> Trials:
    """`medgan synthesize` of three scans as NIfTI, or of a series as DICOM."""
    more = ["--format", "dicom"] if export else []
    source = inputs / ("series" if export else "cohort")

    def command(out: Path) -> list[object]:
        return ["synthesize", source, "--target", "t2", "--model", model, "-o", out, "--device", "cpu", *more]

    def again(out: Path, log: Path) -> list[Ended]:
        return [start(command(out), log).wait()]

    def phase(out: Path) -> str:
        made = sum(1 for path in out.glob("[!.]*") if path.is_dir() or path.name.endswith(".nii.gz"))
        return f"{made} of {1 if export else 3} images there"

    name = "synthesize --format dicom" if export else "synthesize"
    return Trials(name, folder, command, again, whole.images, phase)


def can_export(folder: Path) -> bool:
    """Whether this medgan writes DICOM."""
    return (
        "dicom"
        in start(["synthesize", "--help"], folder / "help.txt").wait().said.partition("--format")[2][:60]
    )


def soak(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All trials asked for."""
    inputs = folder / "inputs"
    write_inputs(inputs)
    (folder / "train").mkdir()
    trials = [(training(folder / "train", inputs), options.training)]
    model = folder / "train" / "uninterrupted" / "model"
    for name, number in (("synthesis", options.synthesis), ("export", options.export)):
        if number and (name == "synthesis" or can_export(folder)):
            (folder / name).mkdir()
            if name == "export":
                write_dicom(inputs / "series")
            trials.append((synthesis(folder / name, inputs, model, export=name == "export"), number))
    results = []
    for trial, number in trials:
        chance = random.Random(f"{options.seed} {trial.name}")  # noqa: S311 - moments of kills
        for index in itertools.count():
            if trial.killed >= number:
                break
            trial.kill(index, chance)
            if options.verbose:
                print(
                    f"{trial.name} {trial.killed} of {number}, {len(trial.failures)} failures",
                    file=sys.stderr,
                )
        results.append(trial.result())
    return results


def table(results: Sequence[dict[str, Any]]) -> str:
    """For people."""
    lines = ["command                    kills  ended before  with leftovers  failures  where they fell"]
    for row in results:
        phases = ", ".join(f"{count} {phase}" for phase, count in sorted(row["phases"].items()))
        lines.append(
            f"{row['command']:25s}  {row['kills']:5d}  {row['ended_before_the_kill']:12d}  "
            f"{row['with_leftovers']:14d}  {len(row['failures']):8d}  {phases}"
        )
    return "\n".join([*lines, *(failure for row in results for failure in row["failures"])])


def main() -> None:
    """Run the trials, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("training", 100), ("synthesis", 50), ("export", 50), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    warm_up()
    with tempfile.TemporaryDirectory(prefix="crash-soak-") as folder:
        results = soak(Path(folder), options)
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    sys.exit(any(row["failures"] for row in results))


if __name__ == "__main__":
    main()

"""Damage small sound inputs at random and read them: medgan's own errors or a correct result, nothing else.

`python tests/end_to_end/corpus nifti --examples 500 --seed 1 --scratch FOLDER` prints one line of JSON with what
came out. It is a process of its own, because a codec may take the interpreter down with it: the example that
was at work then lies in the scratch folder, and is written out in `example.txt`. Memory is bounded twice: what
Python and numpy hold at once during one example, and the address space of the process, which codecs share.
Following each allocation makes everything five times as slow, so it is done where the address space grew.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import shutil
import signal
import sys
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import samples
from found import FOUND
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st
from mutations import Operation, damaged, operations

MEMORY = 64 << 20
"""Bytes that Python and numpy may hold at once for one example; the inputs have a few KiB."""
ADDRESS_SPACE = 1 << 30
"""Bytes that the process may map beyond what it has mapped after its imports."""
SECONDS = 5
KINDS = ("nifti", "dicom", "pictures", "zip", "models")


class TooLongError(BaseException):
    """An example took longer than `SECONDS`; no handler for errors may catch it."""


class Watch:
    """Bounds what one example may take, in time and memory, and keeps the most that one took."""

    def __init__(self) -> None:
        self.slowest, self.largest = 0.0, 0
        self._follow = not Path("/proc/self/status").exists()

    def over(self, act: Callable[[], str]) -> str:
        """Do it; what it holds is measured by the address space first, and then exactly if that was much."""
        size, peak = _mapped()
        begun = time.monotonic()
        signal.alarm(SECONDS)
        try:
            outcome = act()
        finally:
            signal.alarm(0)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        after = _mapped()[1]
        if after > peak:
            self.largest = max(self.largest, after - size)
        if self._follow or (after > peak and after - size > MEMORY):
            self._follow = True  # the peak never falls, so from here on it tells nothing
            held = _held(act)
            assert held <= MEMORY, f"{held >> 20} MiB at once"
        return outcome


def _mapped() -> tuple[int, int]:
    """Bytes of address space now, and the most there ever were (Linux; else 0)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0, 0
    words = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(words["VmSize"].split()[0]) << 10, int(words["VmPeak"].split()[0]) << 10


def _held(act: Callable[[], object]) -> int:
    """The most bytes that Python and numpy hold at once."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def run(kind: str, *, examples: int, number: int, scratch: Path) -> dict[str, Any]:
    """Read so many damaged inputs of a kind; return how many gave what."""
    if kind == "models":
        import models

        corpus, examine = models.model_samples(), models.examine
    else:
        import scans

        corpus, examine = getattr(samples, f"{kind.removesuffix('s')}_samples")(), scans.examine
    if not corpus:
        return {"kind": kind, "examples": 0}
    by_name = {sample.name: sample for sample in corpus}
    everything = [data for sample in corpus for data in sample.files.values()] + samples.strangers()
    outcomes: Counter[str] = Counter()
    watch = Watch()

    def one(name: str, which: int, done: list[Operation]) -> None:
        sample = by_name[name]
        content, names = dict(sample.files), list(sample.files)
        victim = names[which % len(names)]
        content[victim] = damaged(content[victim], done, hot=sample.hot.get(victim, []), others=everything)
        exact = sample.exact and not any(operation in ("splice", "replace") for operation, *_ in done)
        folder = scratch / "input"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        samples.write(sample.seal(content), folder)
        (scratch / "example.txt").write_text(f"({name!r}, {which}, {done!r})\n")
        outcomes[watch.over(lambda: examine(sample, folder, exact=exact))] += 1

    for sample in corpus:  # undamaged, each is read as what it is
        one(sample.name, 0, [])
    assert outcomes == {"same": len(corpus)}, outcomes
    test = given(name=st.sampled_from(sorted(by_name)), which=st.integers(0, 7), done=operations())(one)
    for name, which, done in FOUND.get(kind, ()):
        test = example(name=name, which=which, done=done)(test)
    test = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )(seed(number)(test))
    begun = time.monotonic()
    test()
    return {
        "kind": kind,
        "examples": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
        "seconds": round(time.monotonic() - begun, 1),
        "slowest_ms": round(1000 * watch.slowest),
        "largest_MiB": round(watch.largest / 2**20, 1),
    }


def _bound_memory() -> None:
    """Let the address space grow no further than `ADDRESS_SPACE` from here (Linux)."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_mapped()[0] + ADDRESS_SPACE, resource.RLIM_INFINITY))


def _too_long(*_: object) -> None:
    raise TooLongError


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", type=Path, required=True)
    chosen = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)  # of ignite
    signal.signal(signal.SIGALRM, _too_long)
    if chosen.kind == "models":
        import models  # noqa: F401 - before the address space is bounded
    else:
        import scans  # noqa: F401
    _bound_memory()
    result = run(chosen.kind, examples=chosen.examples, number=chosen.seed, scratch=chosen.scratch)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()

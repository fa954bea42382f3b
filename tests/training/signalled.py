"""A process of `medgan train` under torchrun, of which the first one signals the second after a step.

Usage: torchrun ... signalled.py STEP SIGNAL FILE train ...; FILE is for the second one's number.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from medgan.cli import main
from medgan.cli.train import TrainingScreen
from medgan.training import Status

step, name, file, *arguments = sys.argv[1:]
if os.environ["RANK"] == "1":
    Path(file).write_text(str(os.getpid()))
stepped = TrainingScreen.stepped


def stepped_and_signalled(screen: TrainingScreen, status: Status) -> None:
    """As it is, and then the signal."""
    stepped(screen, status)
    if status.step == int(step):
        os.kill(int(Path(file).read_text()), signal.Signals[name])


TrainingScreen.stepped = stepped_and_signalled  # type: ignore[method-assign]
sys.argv = ["medgan", *arguments]
main()

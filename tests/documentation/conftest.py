"""The snippets of the documentation: how they are found, what they are given, and how their commands are run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).parent)
)  # snippets, made_inputs, warm_shell: the helpers beside this file

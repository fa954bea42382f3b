"""The command line: one file per command; the only room that prints and exits."""

from __future__ import annotations

from medgan.cli.main import main

__all__ = ["main"]

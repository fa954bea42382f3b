"""Thin adapters between the public API and other systems; nothing else of medgan imports them but the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names

if TYPE_CHECKING:
    from medgan.integrations.exporting import export_model

__all__ = ["export_model"]

__getattr__ = lazy_names(__name__, {"export_model": "medgan.integrations.exporting"})

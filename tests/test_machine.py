"""What was measured of this machine is found again under the same facts, and never stands in the way."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from medgan.machine import cache_folder, keep, recall

FACTS = {"device": "cpu", "threads": 2}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_kept_comes_back_under_the_same_facts_alone(cache: Path) -> None:
    assert recall("pace", FACTS) is None
    keep("pace", FACTS, {"float32": 0.5})
    assert recall("pace", FACTS) == {"float32": 0.5}
    assert recall("pace", {**FACTS, "threads": 4}) is None
    assert recall("other", FACTS) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"facts": 1, "found": {}}', "[" * 100_000])
def test_a_damaged_file_is_as_if_nothing_had_been_kept(content: str, cache: Path) -> None:
    keep("pace", FACTS, {"float32": 0.5})
    (file,) = cache.iterdir()
    file.write_text(content, encoding="utf-8")
    assert recall("pace", FACTS) is None


def test_a_file_of_other_facts_is_not_taken_for_these(cache: Path) -> None:
    keep("pace", FACTS, {"float32": 0.5})
    (file,) = cache.iterdir()
    kept = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**kept, "facts": {"device": "cuda"}}), encoding="utf-8")
    assert recall("pace", FACTS) is None


def test_where_nothing_can_be_kept_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("MEDGAN_CACHE", str(tmp_path / "file" / "cache"))
    keep("pace", FACTS, {"float32": 0.5})
    assert recall("pace", FACTS) is None


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [("linux", "XDG_CACHE_HOME", "medgan"), ("win32", "LOCALAPPDATA", "medgan/Cache")],
)
def test_it_lies_where_the_system_keeps_caches(
    platform: str, variable: str, tail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEDGAN_CACHE")
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert cache_folder() == tmp_path / tail

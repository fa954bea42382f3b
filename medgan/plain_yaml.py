"""YAML as data alone: no code, nothing that grows in reading, nothing said twice."""

from __future__ import annotations

from typing import Any

import yaml
from yaml import YAMLError

__all__ = ["YAMLError", "parse"]

LIMIT = 64 << 10
"""Bytes that a document may have; the longest recipe has 4 KiB."""
DEPTH = 32
"""Brackets that may be open at once."""


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases, which a few lines can nest into billions of nodes, and repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise YAMLError(f"line {event.start_mark.line + 1} has an alias (*{event.anchor}); write it out")
        return super().compose_node(parent, index)

    def fetch_flow_collection_start(self, token: Any) -> None:
        if self.flow_level >= DEPTH:  # the scanner takes quadratic time before anyone else sees the depth
            raise YAMLError("it is nested too deeply")
        super().fetch_flow_collection_start(token)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise YAMLError(f"says {min(twice)!r} twice")
        return super().construct_mapping(node, deep)


def parse(content: bytes) -> Any:
    """What a YAML document holds: mappings, lists, texts, numbers, dates.

    Raises:
        YAMLError: not UTF-8, beyond `LIMIT`, no YAML, a tag that makes Python objects, an alias, a key that is
            there twice, or nested too deeply.
    """
    if len(content) > LIMIT:
        raise YAMLError(f"it has more than {LIMIT >> 10} KiB")
    try:
        return yaml.load(content.decode("utf-8-sig"), _Loader)  # noqa: S506 - a subclass of the safe loader
    except YAMLError as error:
        raise YAMLError(str(error)[:1000]) from error
    except RecursionError as error:
        raise YAMLError("it is nested too deeply") from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # what the safe loader raises for a number of 5,000 digits, a 40th of May or a tag that does not fit
        raise YAMLError(f"a value is not what it claims to be ({str(error)[:200]})") from error

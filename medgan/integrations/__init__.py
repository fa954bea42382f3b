"""Thin adapters between the public API and other systems; nothing else of medgan imports them but the command line."""

"""Ours and others' tools on the same clips, each in a process of its own."""

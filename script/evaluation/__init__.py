"""Measures detector, tracker and node on material whose truth is known, and writes docs/accuracy.md."""

"""Recorded junctions whose truth is known exactly, and the code that renders them."""

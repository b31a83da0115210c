"""Proposals for a site file, made from a recording: what an installer confirms instead of drawing. Pure, numpy only."""

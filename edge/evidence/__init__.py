"""The case file of a violation: what was seen around it, masked, bundled and sealed."""

"""Trains, exports and evaluates the embedded detector."""

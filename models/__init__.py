"""The embedded detector: its files, its card and the code that trains it."""

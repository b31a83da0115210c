"""Adapters at the hardware's edge: pictures and lamp edges come in here, recorded or live."""

"""Renders junctions with exactly known truth: procedural meshes, own traffic, moderngl on EGL (software suffices)."""

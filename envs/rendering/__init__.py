"""Depth, labels and colours of a MuJoCo scene, with and without OpenGL."""

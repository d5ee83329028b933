"""Doors: other projects' data formats, in and out."""

"""Shapes and types, checked while tests run."""

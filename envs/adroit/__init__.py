"""Adroit's door, hammer and pen."""

"""Zarr as other projects write it: its descriptions checked, its chunks read, looked through."""

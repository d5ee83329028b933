"""The Zarr store: episodes that are wholly there or not at all."""

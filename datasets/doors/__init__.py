"""Doors between this project's store and other people's data: `from_*` leads in, `to_*` out."""

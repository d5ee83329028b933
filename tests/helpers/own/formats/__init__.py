"""A format of one's own: one file reads it, one writes it."""

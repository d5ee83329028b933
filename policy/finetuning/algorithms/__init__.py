"""Ways to learn from one's own episodes, one file each: `kind: NAME` is the module NAME here."""

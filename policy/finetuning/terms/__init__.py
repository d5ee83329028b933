"""The terms of Eq. 15, one file each: `kind: NAME` is the module NAME here."""

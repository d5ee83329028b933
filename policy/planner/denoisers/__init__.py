"""Networks that denoise an action chunk: one file for each."""

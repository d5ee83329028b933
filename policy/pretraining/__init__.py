"""Pre-training on recorded data (SODP, Section 3.1)."""

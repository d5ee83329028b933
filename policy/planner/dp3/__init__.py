"""Checkpoints of DP3 (Ze et al., RSS 2024), read without running anything of them."""

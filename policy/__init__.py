"""Deciding: the diffusion planner, the two ways it learns, and how it is judged."""

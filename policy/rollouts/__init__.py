"""Playing episodes with a planner, and judging it by them."""

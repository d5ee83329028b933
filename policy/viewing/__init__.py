"""Episodes of a planner to look at."""

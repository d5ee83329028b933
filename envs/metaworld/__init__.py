"""Meta-World's fifty tasks."""

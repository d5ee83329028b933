"""Making stores: collect, render again, merge."""

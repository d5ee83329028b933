"""Results into tables, curves and one page."""

"""A page that shows what a recording is: pictures, depth, clouds, and shares along the steps."""

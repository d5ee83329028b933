"""Seeing: pinhole geometry, point clouds, farthest-point sampling and encoders."""

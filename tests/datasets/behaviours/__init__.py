"""Tests of what acts while data is collected."""

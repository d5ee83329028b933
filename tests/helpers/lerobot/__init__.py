"""LeRobot datasets: a checker of ours, and those that others write."""

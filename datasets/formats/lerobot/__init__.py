"""The files of LeRobot v3.0."""

"""What a robot with ROS 2 recorded: its cameras' depth, frames of reference, and joints."""

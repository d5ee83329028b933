"""From a point cloud and the robot's state to one feature vector: one file for each encoder."""

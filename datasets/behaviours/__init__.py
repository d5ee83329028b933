"""What acts while data is collected: one file for each behaviour."""

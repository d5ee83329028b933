"""What results say, as tables."""

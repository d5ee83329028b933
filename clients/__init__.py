"""What runs in other people's processes: it imports nothing of this project."""

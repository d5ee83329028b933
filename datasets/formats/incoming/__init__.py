"""What becomes of other people's episodes: looked through, described, written into a store."""

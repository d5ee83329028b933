"""Many episodes at once, in chunks of actions, on several processes."""

"""What a history can be turned into plans by: one file for each policy that is compared."""

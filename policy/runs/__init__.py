"""The folder of a run, its device, and several processes that learn together."""

"""Other projects' data formats, read into a store and written from one."""

"""Values in YAML, and the schema that turns them into frozen, typed dataclasses."""

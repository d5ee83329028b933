"""From a command line to a configuration, and to a script's `main`."""

from configs.command.composing import compose, compose_part, compose_values
from configs.command.groups import options
from configs.command.running import MACHINE_ERRORS, script

__all__ = ["MACHINE_ERRORS", "compose", "compose_part", "compose_values", "options", "script"]

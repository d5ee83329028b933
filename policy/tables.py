"""Turn the files under results/ into the README's tables and into plots.

    python policy/tables.py

Nothing is measured here: every figure comes from a committed file that says how it was made.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.schema import script
from policy.tabulating import TablesConfig, tabulate


@script("tables", TablesConfig)
def main(config: TablesConfig) -> None:
    """Tabulate and plot."""
    tabulate(config)


if __name__ == "__main__":
    main()

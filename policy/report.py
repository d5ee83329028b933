"""Turn the files under results/ into tables beside the paper's, figures and one page.

    python policy/report.py

Writes results/report.html, which holds everything it shows; PNG figures beside each task's runs;
and the tables of docs/ between their marks. Nothing is measured here: every number comes from a
file that says how it was made, and an experiment without files is not on the page.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from policy.reports.report_builder import ReportConfig, report


@script("report", ReportConfig)
def main(config: ReportConfig) -> None:
    """Report."""
    report(config)


if __name__ == "__main__":
    main()

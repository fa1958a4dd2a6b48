"""`python -m grafana.generator`: write grafana/dashboards/*.json.

Exit status: 0 unless a file cannot be written; `git diff` shows the changes.
"""

import sys

from grafana.generator.writing import FOLDER, files


def main() -> None:
    """Write every dashboard."""
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()

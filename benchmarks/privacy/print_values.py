"""Fill the templates whose recall a build prints, once each, and store the values beside them.

    python benchmarks/privacy/print_values.py [OUT]

Writes `src/lmworks/data/privacy/printed_values.json`, or the file OUT. A build then needs neither time nor
the makers of values.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from audit import PRINTED, rendered

SEED = 1
VALUES = PRINTED.with_name("printed_values.json")


def main() -> None:
    """Values stand backwards: a scanner of repositories is not to take made-up keys for true ones."""
    cells = {
        cell: [[value[::-1] for _, _, value in spans] for _, spans in rows]
        for cell, rows in rendered(PRINTED, SEED).items()
    }
    lines = [f"{json.dumps(cell)}: {json.dumps(values, ensure_ascii=False)}" for cell, values in cells.items()]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else VALUES
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(json.dumps({"cells": len(cells), "values": sum(len(row) for rows in cells.values() for row in rows)}))


if __name__ == "__main__":
    main()

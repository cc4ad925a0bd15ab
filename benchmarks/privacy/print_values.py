"""Fill the templates whose recall a build prints, once each, and store the values beside them.

    python benchmarks/privacy/print_values.py

Writes `src/lmworks/data/privacy/printed_values.json`, so that a build needs neither the makers of values nor time.
"""

from __future__ import annotations

import json

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
    VALUES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(json.dumps({"cells": len(cells), "values": sum(len(row) for rows in cells.values() for row in rows)}))


if __name__ == "__main__":
    main()

"""Rewrites a Chroma database so that nothing of what was deleted is left in its files; prints the segments in use.

python -m tutor.compacting FILE
"""

import sqlite3
import sys
from contextlib import closing


def compact(file: str) -> list[str]:
    """Leaves no freed page in the database and no text in the file that it writes ahead to; the segments in use."""
    with closing(sqlite3.connect(file, timeout=30)) as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return [row[0] for row in database.execute("SELECT id FROM segments")]


if __name__ == "__main__":
    print(*compact(sys.argv[1]), sep="\n")

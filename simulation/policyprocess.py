"""One run of a policy in a process of its own: ``python -m simulation.policyprocess FOLDER``.

Reads the pickled ``job`` in the folder and leaves the pickled ``result`` there. A failure is one
line on standard error and code 1.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from models.errors import XanhError
from simulation.policyrun import simulate_policy


def main(folder: Path) -> int:
    """Run the job of a folder; the exit code."""
    job = pickle.loads((folder / "job").read_bytes())
    try:
        result = simulate_policy(job).run
    except XanhError as error:
        print(str(error).partition(" failed: ")[2] or error, file=sys.stderr)
        return 1
    (folder / "result").write_bytes(pickle.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""`xanh site check` as a person meets it: exit codes and one line."""

from __future__ import annotations

import subprocess
import sys

SITE = """\
schema: 1
id: x
name: X
junctions:
  - {id: J, movements: [{id: "J:a>b"}]}
cameras: [{id: c, junction: K, approach: a, kind: stream}]
"""


def _check(folder) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "traffic.cli", "site", "check", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_sound_site_says_what_it_holds(pho_hue):
    done = _check(pho_hue)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pho-hue: 8 junctions")


def test_a_wrong_site_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "site.yaml").write_text(SITE)
    done = _check(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "site.yaml:6: cameras[0].junction: 'K'; valid is J" in done.stderr

"""How fast the virtual street and its projected cameras run, and what they cost.

    python benchmarks/street_speed.py [SECONDS] [SITE]

Figures are of processor time, so that a busy machine does not change them much.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from models.camera import CameraPose
from models.counts import counts_from_csv
from simulation.camera import PinholeCamera
from simulation.projection import Projection
from simulation.states import interpolate
from simulation.street import Street
from traffic.planfiles import read_plan
from traffic.sites import load_site

FRAMES_A_SECOND = 6
SIGHT_M = 120.0


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 900
    root = Path(__file__).resolve().parent.parent
    site = load_site(Path(sys.argv[2]) if len(sys.argv) > 2 else root / "sites" / "pho-hue")
    options = site.street
    if options is None:
        sys.exit(f"site {site.id} has no virtual street")
    eyes = [
        (pose, Projection(PinholeCamera(pose), seed=1))
        for camera in site.cameras
        if isinstance(pose := camera.options.get("pose"), CameraPose)
    ]
    with Street(
        site,
        read_plan(site.current_plan_path),
        seed=options.seed,
        counts=counts_from_csv(site.counts_path.read_text(encoding="utf-8"), "counts.csv"),
        options=options,
        pedestrians_ph=options.pedestrians_ph,
    ) as street:
        steps_s = cameras_s = 0.0
        boxes = looks = red = against = 0
        for second in range(1, seconds + 1):
            began = time.process_time()
            frame = street.step()
            steps_s += time.process_time() - began
            red += sum(crossing.red_light for crossing in frame.crossings)
            against += len(frame.wrong_way)
            if second % 10 == 0:  # the cameras' cost is the same every second
                began = time.process_time()
                for pose, eye in eyes:
                    previous, current = frame.near(pose.x_m, pose.y_m, SIGHT_M)
                    for step in range(FRAMES_A_SECOND):
                        states = interpolate(previous, current, step / FRAMES_A_SECOND)
                        boxes += len(eye.observe(states))
                        looks += 1
                cameras_s += time.process_time() - began
            if second % 300 == 0:
                print(
                    f"{second} s: {frame.running} vehicles, {1000 * steps_s / 300:.1f} ms a "
                    f"second ({300 / steps_s:.0f} times real time), camera frame "
                    f"{1000 * cameras_s / max(looks, 1):.2f} ms with {boxes / max(looks, 1):.0f} "
                    f"boxes; an hour: {red * 3600 / second:.0f} red lights run, "
                    f"{against * 3600 / second:.0f} against the one-way",
                    flush=True,
                )
                steps_s = cameras_s = 0.0
                boxes = looks = 0


if __name__ == "__main__":
    main()

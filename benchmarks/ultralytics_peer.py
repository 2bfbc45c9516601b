"""What ultralytics' own tracker and ObjectCounter make of a clip; run by real_footage.py.

    python ultralytics_peer.py CLIP WEIGHTS_FOLDER TRACKER.yaml

Prints one line of JSON: the frame and place of each counted crossing of the stop line, and the
processor time. Defaults throughout; the line is given as the example site has it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import cv2
from ultralytics import solutions

LINE = [(40, 337), (515, 365)]
VEHICLES = [1, 2, 3, 5, 7]


def main() -> None:
    clip, weights, tracker = sys.argv[1:4]
    model = str(Path(weights) / "yolov8n_int8_openvino_model")
    cv2.setNumThreads(1)
    counter = solutions.ObjectCounter(
        show=False, region=LINE, model=model, classes=VEHICLES, tracker=tracker, verbose=False
    )
    capture = cv2.VideoCapture(clip)
    crossings: list[tuple[int, float]] = []
    known: set[int] = set()
    frame = 0
    began = time.process_time()
    while True:
        done, image = capture.read()
        if not done:
            break
        counter.process(image)
        places = dict(zip(counter.track_ids, counter.boxes, strict=False))
        for track in set(counter.counted_ids) - known:
            box = places.get(track)
            if box is not None:
                crossings.append((frame, float(box[0] + box[2]) / 2))
        known |= set(counter.counted_ids)
        frame += 1
    spent_ms = (time.process_time() - began) / max(frame, 1) * 1000
    print(json.dumps({"crossings": crossings, "cpu_ms": spent_ms}))


if __name__ == "__main__":
    main()

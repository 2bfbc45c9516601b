"""One run of each network for all frames that are due, whichever cameras they come from."""

from __future__ import annotations

from collections.abc import Sequence

from detection.ports import Detections, Detector, Image
from detection.tiling import TiledDetector


def detect_due(due: Sequence[tuple[Detector, Image]]) -> list[Detections]:
    """What each detector finds in its frame, in the same order.

    Cameras that share a detector share one run of its network; those that look at tiles have
    theirs in the same run.
    """
    images: dict[int, tuple[Detector, list[Image]]] = {}
    places: list[tuple[int, slice]] = []
    for detector, image in due:
        inner, parts = detector, [image]
        if isinstance(detector, TiledDetector):
            inner, parts = detector.within, detector.parts(image)
        _, batch = images.setdefault(id(inner), (inner, []))
        places.append((id(inner), slice(len(batch), len(batch) + len(parts))))
        batch += parts
    found = {key: detector.detect(batch) for key, (detector, batch) in images.items()}
    return [
        detector.join(image, found[key][span])
        if isinstance(detector, TiledDetector)
        else found[key][span][0]
        for (detector, image), (key, span) in zip(due, places, strict=True)
    ]

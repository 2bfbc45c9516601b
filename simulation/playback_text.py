"""Texts of the playback page, in English and Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping

from simulation.wording import Language

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "Playback",
        "before": "In force",
        "after": "Candidate",
        "play": "Play",
        "pause": "Pause",
        "speed": "Speed",
        "time": "Time",
        "whole": "Whole site",
        "theme": "Dark / light",
        "language": "Tiếng Việt",
        "vehicles": "vehicles",
        "standing": "standing",
        "curve": "Standing vehicles over time; click to go there",
        "seed": "seed {seed}, from second {begin} of the simulation",
        "help": "Space plays · ← → one second, with Shift ten · ↑ ↓ speed · 0 whole site, 1–9 "
        "junction · + − zoom · drag and wheel move the map · D theme · V language",
        "motorcycle": "motorcycle",
        "bicycle": "bicycle",
        "car": "car",
        "bus": "bus",
        "truck": "truck",
        "pedestrian": "pedestrian",
        "green": "G green",
        "permissive": "g gives way",
        "yellow": "Y yellow",
        "red": "R red",
        "letters": "GgYRs",
        "old": "This browser cannot unpack the film; a current one can.",
    },
    "vi": {
        "title": "Xem lại",
        "before": "Đang dùng",
        "after": "Đề xuất",
        "play": "Chạy",
        "pause": "Dừng",
        "speed": "Tốc độ",
        "time": "Thời gian",
        "whole": "Toàn tuyến",
        "theme": "Tối / sáng",
        "language": "English",
        "vehicles": "xe",
        "standing": "đang đứng",
        "curve": "Số xe đang đứng theo thời gian; bấm để tới đó",
        "seed": "hạt giống {seed}, từ giây {begin} của mô phỏng",
        "help": "Phím cách: chạy · ← → một giây, với Shift mười giây · ↑ ↓ tốc độ · 0 toàn tuyến, "
        "1–9 nút · + − thu phóng · kéo và lăn chuột để dời bản đồ · D tối/sáng · V ngôn ngữ",
        "motorcycle": "xe máy",
        "bicycle": "xe đạp",
        "car": "ô tô",
        "bus": "xe buýt",
        "truck": "xe tải",
        "pedestrian": "người đi bộ",
        "green": "X xanh",
        "permissive": "N nhường",
        "yellow": "V vàng",
        "red": "Đ đỏ",
        "letters": "XNVĐs",
        "old": "Trình duyệt này không mở được đoạn phim; hãy dùng bản mới hơn.",
    },
}

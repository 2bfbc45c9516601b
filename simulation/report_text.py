"""Texts of the validation report, in English and Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping

from models.validation import Verdict
from simulation.wording import Language

VERDICTS: Mapping[Language, Mapping[Verdict, tuple[str, str]]] = {
    "en": {
        Verdict.PASS: ("✓", "passes"),
        Verdict.FAIL: ("✕", "fails"),
        Verdict.UNDECIDED: ("?", "undecided"),
    },
    "vi": {
        Verdict.PASS: ("✓", "đạt"),
        Verdict.FAIL: ("✕", "không đạt"),
        Verdict.UNDECIDED: ("?", "chưa kết luận"),
    },
}

MEASURES: Mapping[Language, Mapping[str, tuple[str, str]]] = {
    "en": {
        "delay_s": ("Delay, all vehicles", "s per vehicle"),
        "trip_time_s": ("Trip time", "s"),
        "time_loss_s": ("Time loss on the road", "s"),
        "waiting_time_s": ("Waiting time", "s"),
        "stops": ("Stops", "per vehicle"),
        "trips": ("Vehicles", ""),
        "finished": ("Arrived", ""),
        "running": ("Still on the road", ""),
        "undeparted": ("Never inserted", ""),
    },
    "vi": {
        "delay_s": ("Độ trễ, mọi xe", "giây mỗi xe"),
        "trip_time_s": ("Thời gian đi", "giây"),
        "time_loss_s": ("Thời gian mất trên đường", "giây"),
        "waiting_time_s": ("Thời gian chờ", "giây"),
        "stops": ("Số lần dừng", "mỗi xe"),
        "trips": ("Số xe", ""),
        "finished": ("Đã đến", ""),
        "running": ("Còn trên đường", ""),
        "undeparted": ("Chưa vào được", ""),
    },
}

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "Validation",
        "headline": "change of delay per vehicle, mean of {pairs} pairs, 95 % interval",
        "measure": "Measure",
        "unit": "Unit",
        "before": "In force",
        "after": "Candidate",
        "change": "Change",
        "changes": "Change of each measure",
        "changes_note": "Left of 0 is less than now. Short marks are single pairs.",
        "movements": "Delay by movement, now and with the candidate",
        "movements_note": (
            "What vehicles lose between one signal and the next belongs to the movement at the "
            "next; waiting to enter belongs to their first."
        ),
        "movements_some": "The {shown} of {all} movements that change most are shown.",
        "worst": "Worst movement",
        "worst_line": (
            "{movement} at {junction}: {before} → {after} s per vehicle ({change} s) for "
            "{vehicles} vehicles a run."
        ),
        "why_worse": "Its signal:",
        "why_better": "No movement with enough vehicles loses; this one gains least.",
        "green_share": "green {before} of {cycle_before} s ({share_before} %) → {after} of "
        "{cycle_after} s ({share_after} %), longest wait for green {red_before} → {red_after} s",
        "same_green": (
            "Its own green is hardly less: the rest is when its vehicles arrive and to whom they "
            "give way."
        ),
        "timing": "Timing",
        "timing_note": (
            "Strips start with each plan's first stage. Changed values are marked with ● and set "
            "in bold. G green, g green but gives way, Y yellow, R red."
        ),
        "cycle": "Cycle",
        "offset": "Offset",
        "stage": "Stage",
        "shows": "Green for",
        "green": "Green",
        "yellow": "Yellow",
        "red": "Red",
        "as_found": "taken as found in the network, for comparison only",
        "corridor": "Time and space along the corridor",
        "corridor_note": (
            "From {first} to {last}, {length} m. Thick is red, thin is green; the band is every "
            "start from which one steady speed meets green all along."
        ),
        "all_movements": "All movements",
        "movement": "Movement",
        "vehicles": "Vehicles",
        "crossing": "crossing",
        "proof": "What was run",
        "site": "Site",
        "plan_digest": "Candidate",
        "baseline_digest": "In force",
        "scenario_digest": "Scenario",
        "seeds": "Seeds",
        "sumo": "SUMO",
        "created": "Made",
        "expires": "Valid until",
        "limits": "Limits of the site",
        "limits_line": (
            "The interval of delay lies below {limit} %; no movement with at least {enough} "
            "vehicles is worse by more than both {pct} % and {worse} s."
        ),
        "method": (
            "Both plans ran on the same demand with the same seed in each pair. Delay is time "
            "lost on the road and before entering, over all vehicles: those still running count "
            "with their loss so far, those never inserted with their wait to the end."
        ),
        "theme": "Dark / light",
        "unchanged": "unchanged",
    },
    "vi": {
        "title": "Kiểm chứng",
        "headline": "thay đổi độ trễ mỗi xe, trung bình {pairs} cặp, khoảng tin cậy 95 %",
        "measure": "Chỉ số",
        "unit": "Đơn vị",
        "before": "Đang dùng",
        "after": "Đề xuất",
        "change": "Thay đổi",
        "changes": "Thay đổi của từng chỉ số",
        "changes_note": "Bên trái số 0 là ít hơn hiện nay. Vạch ngắn là từng cặp mô phỏng.",
        "movements": "Độ trễ theo hướng đi, hiện nay và với đề xuất",
        "movements_note": (
            "Thời gian xe mất giữa hai đèn tính cho hướng đi tại đèn sau; thời gian chờ để vào "
            "mạng tính cho hướng đi đầu tiên của xe."
        ),
        "movements_some": "Hiển thị {shown} trong {all} hướng đi thay đổi nhiều nhất.",
        "worst": "Hướng đi bất lợi nhất",
        "worst_line": (
            "{movement} tại {junction}: {before} → {after} giây mỗi xe ({change} giây), "
            "{vehicles} xe mỗi lần chạy."
        ),
        "why_worse": "Đèn của hướng này:",
        "why_better": "Không hướng đi nào đủ xe bị thiệt; hướng này được lợi ít nhất.",
        "green_share": "xanh {before} trên {cycle_before} giây ({share_before} %) → {after} trên "
        "{cycle_after} giây ({share_after} %), chờ xanh lâu nhất {red_before} → {red_after} giây",
        "same_green": (
            "Thời gian xanh của hướng này hầu như không giảm: phần còn lại do lúc xe tới đèn và "
            "do phải nhường dòng xe khác."
        ),
        "timing": "Thời gian đèn",
        "timing_note": (
            "Mỗi dải bắt đầu từ pha đầu tiên của phương án. Giá trị thay đổi có dấu ● và in đậm. "
            "X xanh, N xanh nhưng phải nhường, V vàng, Đ đỏ."
        ),
        "cycle": "Chu kỳ",
        "offset": "Độ lệch",
        "stage": "Pha",
        "shows": "Xanh cho",
        "green": "Xanh",
        "yellow": "Vàng",
        "red": "Đỏ toàn phần",
        "as_found": "lấy nguyên từ mạng lưới, chỉ để so sánh",
        "corridor": "Thời gian và khoảng cách dọc tuyến",
        "corridor_note": (
            "Từ {first} đến {last}, {length} m. Nét dày là đỏ, nét mảnh là xanh; dải sáng là mọi "
            "thời điểm xuất phát mà với một tốc độ đều sẽ gặp xanh suốt tuyến."
        ),
        "all_movements": "Tất cả hướng đi",
        "movement": "Hướng đi",
        "vehicles": "Số xe",
        "crossing": "lối qua đường",
        "proof": "Những gì đã chạy",
        "site": "Địa điểm",
        "plan_digest": "Đề xuất",
        "baseline_digest": "Đang dùng",
        "scenario_digest": "Kịch bản",
        "seeds": "Hạt giống",
        "sumo": "SUMO",
        "created": "Lập lúc",
        "expires": "Có giá trị đến",
        "limits": "Giới hạn của địa điểm",
        "limits_line": (
            "Khoảng tin cậy của độ trễ nằm dưới {limit} %; không hướng đi nào có ít nhất {enough} "
            "xe xấu đi quá cả {pct} % và {worse} giây."
        ),
        "method": (
            "Trong mỗi cặp, hai phương án chạy cùng nhu cầu và cùng hạt giống. Độ trễ là thời "
            "gian mất trên đường và trước khi vào mạng, tính trên mọi xe: xe còn đang chạy tính "
            "phần đã mất, xe chưa vào được tính thời gian chờ đến hết."
        ),
        "theme": "Tối / sáng",
        "unchanged": "không đổi",
    },
}

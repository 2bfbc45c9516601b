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
        "control_delay_s": ("Control delay", "s per signal passed"),
        "bus_delay_s": ("Delay of buses", "s per bus"),
        "pedestrian_delay_s": ("Delay of pedestrians", "s per person"),
        "stops": ("Stops", "per vehicle"),
        "trip_time_s": ("Trip time", "s"),
        "time_loss_s": ("Time loss on the road", "s"),
        "waiting_time_s": ("Waiting time", "s"),
        "throughput_vph": ("Throughput", "vehicles an hour"),
        "spillback_pct": ("A queue reaches the junction before it", "% of the time"),
        "fuel_g": ("Fuel", "g per vehicle"),
        "co2_g": ("CO₂", "g per vehicle"),
        "ttc_conflicts": ("Time to collision ≤ 1.5 s", "per 1,000 vehicles"),
        "pet_conflicts": ("Post-encroachment ≤ 2 s", "per 1,000 vehicles"),
        "red_light_conflicts": ("Conflicts with entries on red", "per 1,000 vehicles"),
        "trips": ("Vehicles", ""),
        "finished": ("Arrived", ""),
        "running": ("Still on the road", ""),
        "undeparted": ("Never inserted", ""),
    },
    "vi": {
        "delay_s": ("Độ trễ, mọi xe", "giây mỗi xe"),
        "control_delay_s": ("Độ trễ tại đèn", "giây mỗi lần qua đèn"),
        "bus_delay_s": ("Độ trễ xe buýt", "giây mỗi xe buýt"),
        "pedestrian_delay_s": ("Độ trễ người đi bộ", "giây mỗi người"),
        "stops": ("Số lần dừng", "mỗi xe"),
        "trip_time_s": ("Thời gian đi", "giây"),
        "time_loss_s": ("Thời gian mất trên đường", "giây"),
        "waiting_time_s": ("Thời gian chờ", "giây"),
        "throughput_vph": ("Lưu lượng thông qua", "xe mỗi giờ"),
        "spillback_pct": ("Hàng chờ lùi tới nút phía trước", "% thời gian"),
        "fuel_g": ("Nhiên liệu", "g mỗi xe"),
        "co2_g": ("CO₂", "g mỗi xe"),
        "ttc_conflicts": ("Thời gian tới va chạm ≤ 1,5 giây", "trên 1.000 xe"),
        "pet_conflicts": ("Cắt sau xe khác ≤ 2 giây", "trên 1.000 xe"),
        "red_light_conflicts": ("Xung đột với xe vào khi đèn đỏ", "trên 1.000 xe"),
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
        "corridor_ways": " Fine lines are vehicles of one pair, in the minutes with most queues.",
        "queues": "Queues over time",
        "queues_note": (
            "Vehicles that would have reached the stop line and have not crossed it, mean of the "
            "pairs, at the approaches with the longest queues. Those that wait to enter count."
        ),
        "cumulative": "Vehicles that set out and arrived",
        "cumulative_note": (
            "Mean of the pairs. The space between the dotted line and a curve are the vehicles on "
            "the way, from those that the warm-up left onward."
        ),
        "splits": "Use of the green",
        "splits_note": (
            "Seconds of green in which vehicles crossed, of all seconds of green. Near 100 % the "
            "movement needs more, far below it could give some away."
        ),
        "spillback": "Queues that reach the junction before",
        "spillback_note": "Share of the time measured, where either plan has any.",
        "approach": "Approach",
        "playback": "Playback: both runs side by side in the browser",
        "problems": "Runs that gave no number",
        "growth": "Demand",
        "growth_line": "from counts, within what they leave open; changed by {growth} %",
        "growth_none": "the site's own trips, verbatim",
        "limit": "Pairs at most",
        "policy_note": (
            "The candidate is the policy {policy}. It decides while traffic flows; timings shown "
            "are those of the plan whose stages it uses."
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
            "vehicles is worse by more than both {pct} % and {worse} s; no queue newly reaches the "
            "junction before for more than {spill} % of the time; no safety measure is worse where "
            "it is measured."
        ),
        "method": (
            "Both ran on the same demand with the same seed in each pair; from the fifth pair on "
            "the verdict was looked at after each, and the intervals hold for all looks together "
            "(repeated confidence intervals). Delay is time "
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
        "corridor_ways": " Nét mảnh là đường đi của xe trong một cặp, vào những phút đông nhất.",
        "queues": "Hàng chờ theo thời gian",
        "queues_note": (
            "Số xe lẽ ra đã tới vạch dừng mà chưa qua, trung bình các cặp, tại những nhánh có hàng "
            "chờ dài nhất. Xe đang chờ vào mạng cũng được tính."
        ),
        "cumulative": "Số xe khởi hành và số xe đã đến",
        "cumulative_note": (
            "Trung bình các cặp. Khoảng giữa đường chấm và đường liền là số xe đang trên đường, kể "
            "từ số xe còn lại sau phần khởi động."
        ),
        "splits": "Mức sử dụng đèn xanh",
        "splits_note": (
            "Số giây xanh có xe qua trên tổng số giây xanh. Gần 100 % là hướng đó cần thêm xanh, "
            "thấp hơn nhiều là có thể nhường bớt."
        ),
        "spillback": "Hàng chờ lùi tới nút phía trước",
        "spillback_note": "Phần thời gian đã đo, ở những nhánh có hàng chờ như vậy.",
        "approach": "Nhánh",
        "playback": "Xem lại: hai lần chạy cạnh nhau trong trình duyệt",
        "problems": "Những lần chạy không có số liệu",
        "growth": "Nhu cầu",
        "growth_line": "từ số đếm, trong phạm vi số đếm cho phép; thay đổi {growth} %",
        "growth_none": "các chuyến đi của địa điểm, giữ nguyên",
        "limit": "Số cặp tối đa",
        "policy_note": (
            "Đề xuất là chính sách {policy}. Nó quyết định khi xe đang chạy; thời gian đèn nêu ở "
            "đây là của phương án mà nó dùng các pha."
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
            "xe xấu đi quá cả {pct} % và {worse} giây; không hàng chờ nào mới lùi tới nút phía "
            "trước quá {spill} % thời gian; không chỉ số an toàn nào kém đi khi được đo."
        ),
        "method": (
            "Trong mỗi cặp, hai bên chạy cùng nhu cầu và cùng hạt giống; từ cặp thứ năm, kết quả "
            "được xem sau mỗi cặp và các khoảng tin cậy đúng cho mọi lần xem. Độ trễ là thời "
            "gian mất trên đường và trước khi vào mạng, tính trên mọi xe: xe còn đang chạy tính "
            "phần đã mất, xe chưa vào được tính thời gian chờ đến hết."
        ),
        "theme": "Tối / sáng",
        "unchanged": "không đổi",
    },
}

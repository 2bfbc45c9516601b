import { connect, level, onSnapshot, onStanding, setText, about, queued } from "/static/js/live.js";
import { t } from "/static/js/words.js";

const names = JSON.parse(document.getElementById("approach-names").textContent);
const order = ["observing", "retiming", "validating", "waiting_for_approval", "applying", "comparing"];
const stepOf = { starting: 0, observing: 0, retiming: 1, validating: 2, waiting_for_approval: 3, applying: 4, settling: 4, comparing: 5, done: 6, stopped: -1 };

onSnapshot((now) => {
  const worst = [];
  for (const [junction, state] of Object.entries(now.junctions)) {
    for (const [edge, approach] of Object.entries(state.approaches)) {
      const known = names[`${junction}|${edge}`];
      if (known) worst.push({ junction, approach, part: known.length_m ? approach.queue_m / known.length_m : 0, label: known.label });
    }
  }
  worst.sort((a, b) => b.approach.queue_m - a.approach.queue_m);
  document.querySelectorAll("#worst li").forEach((row, index) => {
    const item = worst[index];
    const link = row.querySelector("a");
    setText(link, item ? item.label : "–");
    if (item) link.href = `/junctions/${encodeURIComponent(item.junction)}`;
    setText(row.querySelector(".num"), item ? `${queued(item.approach)} m` : "");
    const bar = row.querySelector(".meter i");
    bar.style.width = item ? `${Math.min(100, item.part * 100)}%` : "0";
    bar.dataset.level = item ? level(item.part) : 0;
    row.title = item ? about(item.approach, t("live.source_age", { age: now.age_s.toFixed(1) })) : "";
  });
  for (const row of document.querySelectorAll("#cameras li")) {
    const camera = now.cameras[row.dataset.camera];
    if (!camera) continue;
    row.dataset.ok = camera.ok;
    row.dataset.kind = camera.kind;
    setText(row.querySelector(".num"), camera.ok ? `${camera.age_s.toFixed(1)} s` : t("camera.lost"));
    row.title = t("camera.about", { kind: t("camera.kind." + camera.kind), fps: camera.fps.toFixed(1), coverage: (camera.coverage * 100).toFixed(1), dropped: camera.dropped });
  }
  for (const tile of document.querySelectorAll("#tiles .tile")) show(tile, now);
  thread(now.progress);
});

// A still a second: streams of many cameras would take every connection of the browser.
function show(tile, now) {
  const camera = now.cameras[tile.dataset.camera];
  const picture = tile.querySelector("img");
  const live = Boolean(camera && camera.ok && camera.fps > 0);
  tile.querySelector(".nothing").hidden = live && !picture.hidden;
  if (!live) { picture.hidden = true; return; }
  if (picture.complete) picture.src = `/api/v1/cameras/${encodeURIComponent(tile.dataset.camera)}/frame.jpg?${Date.now()}`;
  const [junction, edge] = tile.dataset.approach.split("|");
  const approach = now.junctions[junction]?.approaches[edge];
  const queue = approach ? t("city.tile", { queue: queued(approach, approach.queue_veh), flow: Math.round(approach.flow_vph) }) : "";
  setText(tile.querySelector(".num"), queue);
}

for (const picture of document.querySelectorAll("#tiles img")) {
  picture.addEventListener("load", () => { picture.hidden = false; picture.nextElementSibling.hidden = true; });
}

function thread(progress) {
  const list = document.getElementById("thread");
  if (!list) return;
  list.hidden = !progress;
  if (!progress) return;
  const at = stepOf[progress.phase];
  order.forEach((name, index) => {
    const row = list.querySelector(`[data-phase="${name}"]`);
    row.dataset.state = at < 0 ? "todo" : index < at ? "done" : index === at ? "now" : "todo";
    row.querySelector(".bar").style.width = index === at ? `${progress.fraction * 100}%` : "0";
    setText(row.querySelector("span"), index === at ? progress.detail || t("phase." + progress.phase) : "");
  });
}

// It was seen; it stays pinned until its cause is gone.
function acknowledge(alarm, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button small";
  button.textContent = label;
  button.addEventListener("click", async () => {
    button.disabled = true;
    const token = document.querySelector("meta[name=csrf]").content;
    const response = await fetch(`/api/v1/alarms/${alarm.id}/acknowledge`, { method: "POST", headers: { "X-CSRF-Token": token } });
    if (response.ok) button.remove();
    else button.disabled = false;
  });
  return button;
}

onStanding((standing) => {
  const list = document.getElementById("alarms");
  list.replaceChildren(...standing.alarms.map((alarm) => {
    const item = document.createElement("li");
    const what = document.createElement("b");
    what.textContent = `${alarm.title} `;
    const detail = document.createElement("span");
    detail.textContent = alarm.message;
    const since = document.createElement("div");
    since.className = "small muted";
    since.textContent = alarm.seen_by ? `${alarm.since} · ${alarm.seen_by}` : alarm.since;
    item.append(what, since, detail);
    if (list.dataset.acknowledge && !alarm.seen_by) item.append(acknowledge(alarm, list.dataset.acknowledge));
    return item;
  }));
  document.getElementById("no-alarms").hidden = standing.alarms.length > 0;
  const subjects = new Set(standing.alarms.map((alarm) => alarm.subject));
  for (const label of document.querySelectorAll(".map-label")) label.dataset.alarm = subjects.has(label.dataset.junction);
  const waiting = document.getElementById("waiting-plan");
  if (waiting) {
    waiting.hidden = !standing.waiting_plan;
    if (standing.waiting_plan) waiting.href = `/plans/${standing.waiting_plan}`;
  }
});

connect("?corridor=1");

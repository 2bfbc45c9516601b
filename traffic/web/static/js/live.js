// One stream of snapshots per page. Values are patched in place; nothing is laid out again.
import { t } from "/static/js/words.js";

const STALE_S = 5;
const listeners = [];
const standingListeners = [];
let source = null;
let snapshot = null;
let receivedAt = 0;
let query = "";

export function onSnapshot(listener) { listeners.push(listener); if (snapshot) listener(snapshot); }
export function ageSeconds() { return snapshot ? snapshot.age_s + (performance.now() - receivedAt) / 1000 : null; }

export function connect(parameters = "") {
  query = parameters;
  open();
  setInterval(freshness, 500);
  // A hidden tab holds no connection: a browser allows six to one server.
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  addEventListener("pagehide", close);
}

function open() {
  if (source) return;
  source = new EventSource(`/live${query}`);
  source.addEventListener("snapshot", (event) => {
    snapshot = JSON.parse(event.data);
    receivedAt = performance.now();
    patch(snapshot);
    for (const listener of listeners) listener(snapshot);
    freshness();
  });
  source.addEventListener("drawing", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) {
      const place = document.getElementById(id);
      // The server escapes every text in these drawings; they are its own SVG.
      if (place) place.innerHTML = html;
    }
  });
  source.addEventListener("standing", (event) => {
    const standing = JSON.parse(event.data);
    for (const [id, value] of Object.entries(standing.counts)) {
      const place = document.getElementById(id);
      if (place) setText(place, value ? String(value) : "");
    }
    for (const listener of standingListeners) listener(standing);
  });
}

export function onStanding(listener) { standingListeners.push(listener); }

function close() { if (source) { source.close(); source = null; } }

function freshness() {
  const age = ageSeconds();
  const stale = age === null || age > STALE_S;
  document.body.classList.toggle("stale", stale);
  const place = document.getElementById("freshness");
  if (place) place.textContent = age === null ? t("live.none") : t(stale ? "live.stale" : "live.age", { age: age.toFixed(1) });
}

export function level(part) { return part <= 0.02 ? 0 : part < 0.12 ? 1 : part < 0.3 ? 2 : part < 0.5 ? 3 : part < 0.75 ? 4 : 5; }

const FORMATS = {
  s1: (value) => value.toFixed(1),
  s0: (value) => value.toFixed(0),
  count: (value) => value.toLocaleString("en").replaceAll(",", " "),
  percent: (value) => `${(value * 100).toFixed(1)} %`,
  text: (value) => String(value),
};

export function setText(element, text) { if (element.textContent !== text) element.textContent = text; }

function patch(now) {
  for (const element of document.querySelectorAll("[data-live]")) {
    let value = now;
    for (const part of element.dataset.live.split("/")) value = value?.[part];
    setText(element, value === null || value === undefined ? "–" : FORMATS[element.dataset.format ?? "text"](value));
  }
  const clock = document.getElementById("clock");
  if (clock) setText(clock, new Date(now.at).toLocaleTimeString("en-GB", { timeZone: "Asia/Ho_Chi_Minh" }));
  const speed = document.getElementById("speed");
  if (speed) setText(speed, now.virtual ? t("live.speed", { speed: now.speed.toFixed(now.speed < 9.95 ? 1 : 0) }) : "");
  const states = {};
  // A controller that does not answer shows nothing that is known.
  for (const junction of Object.values(now.junctions)) if (junction.reachable) Object.assign(states, junction.states);
  for (const element of document.querySelectorAll("[data-junction]")) element.dataset.lost = now.junctions[element.dataset.junction]?.reachable === false;
  for (const lamp of document.querySelectorAll("[data-signal]")) {
    const state = states[lamp.dataset.signal] ?? "unknown";
    if (lamp.dataset.state !== state) lamp.dataset.state = state;
  }
  const age = t("live.source_age", { age: now.age_s.toFixed(1) });
  for (const line of document.querySelectorAll("[data-queue]")) {
    const [junction, edge] = line.dataset.queue.split("|");
    const approach = now.junctions[junction]?.approaches[edge];
    const length = approach ? approach.queue_m : 0;
    line.setAttribute("stroke-dasharray", `${length} 9999`);
    line.dataset.level = level(length / Number(line.dataset.length));
    if (approach) setText(line.querySelector("title"), about(approach, age));
  }
  for (const text of document.querySelectorAll("[data-queue-text]")) {
    const [junction, edge] = text.dataset.queueText.split("|");
    const approach = now.junctions[junction]?.approaches[edge];
    setText(text, approach ? `${queued(approach)} m · ${Math.round(approach.queue_veh)} ${t("unit.veh")}` : "–");
    text.classList.toggle("busy", Boolean(approach) && approach.queue_m > 30);
  }
  for (const band of document.querySelectorAll("[data-flow]")) {
    const id = band.dataset.flow;
    const flow = now.junctions[id.split(":")[0]]?.flows_vph[id] ?? 0;
    band.setAttribute("stroke-width", Math.max(0.4, Math.min(flow / 700, 8)).toFixed(2));
    band.dataset.moving = states[id] === "green";
    setText(band.querySelector("title"), `${id}: ${flow} ${t("unit.vph")}`);
  }
}

// A figure of a queue; one that fills what its camera sees may be longer.
export function queued(approach, figure = Math.round(approach.queue_m)) {
  return `${approach.queue_at_least ? "≥ " : ""}${figure}`;
}

export function about(approach, age) {
  const from = approach.camera ? `${t("source." + approach.source)} ${approach.camera}` : t("source." + approach.source);
  return `${t("live.queue", { m: queued(approach), veh: Math.round(approach.queue_veh) })} · ${approach.flow_vph} ${t("unit.vph")} · ${from} · ${age}`;
}

import { connect, onSnapshot, setText } from "/static/js/live.js";
import { t } from "/static/js/words.js";

const page = document.getElementById("junction-page");
const { junction, camera } = page.dataset;

let plan = null;

// The picture comes once the camera has one, after the page, and rests with a hidden tab.
const picture = document.getElementById("video");
const nothing = document.getElementById("no-video");

function watch() { if (!document.hidden && !picture.getAttribute("src")) picture.src = picture.dataset.src; }
function rest() { picture.removeAttribute("src"); picture.hidden = true; nothing.hidden = false; }

if (picture) {
  picture.addEventListener("load", () => { picture.hidden = false; nothing.hidden = true; });
  picture.addEventListener("error", () => { if (picture.getAttribute("src")) rest(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden) rest(); });
}

onSnapshot((now) => {
  const state = now.junctions[junction];
  if (!state) return;
  document.getElementById("lost").hidden = state.reachable;
  for (const row of document.querySelectorAll("[data-movement]")) {
    const flow = state.flows_vph[row.dataset.movement];
    setText(row.querySelector(".flow-now"), flow === undefined ? "–" : String(Math.round(flow)));
  }
  const seen = now.cameras[camera];
  if (seen) {
    if (picture && seen.ok && seen.fps > 0) watch();
    setText(document.getElementById("camera-figures"), t("camera.figures", { fps: seen.fps.toFixed(1), age: seen.age_s.toFixed(1), coverage: (seen.coverage * 100).toFixed(1) }));
    for (const cell of document.querySelectorAll("[data-class]")) setText(cell, String(seen.counts[cell.dataset.class] ?? 0));
  }
  // A junction that cameras alone watch has no cycle to show.
  if (!state.cycle_s) return;
  // Another plan runs since the page came: its stages and splits are drawn by the server.
  if (plan !== null && state.plan_digest !== plan) { location.reload(); return; }
  plan = state.plan_digest;
  for (const bar of document.querySelectorAll(".stage-bar, .cycle .strip-svg")) {
    const cursor = bar.querySelector(".cursor");
    const x = `${(100 * state.second_in_cycle) / state.cycle_s}%`;
    cursor?.setAttribute("x1", x);
    cursor?.setAttribute("x2", x);
  }
  for (const segment of document.querySelectorAll(".stage-seg")) segment.dataset.running = segment.dataset.stage === state.stage;
  const second = document.getElementById("second");
  if (second) setText(second, state.second_in_cycle.toFixed(0));
});

connect(`?junction=${encodeURIComponent(junction)}&camera=${encodeURIComponent(camera ?? "")}`);

// A case is decided by keyboard: A accept, R and a digit reject, E escalate, C confirm, X export,
// arrows step.
import { t } from "/static/js/words.js";

const page = document.getElementById("case-page");
const { id, previous, next, allowed } = page.dataset;
const reasons = document.getElementById("reasons");
const frames = [...document.querySelectorAll(".frames figure")];
const may = new Set(allowed.split(" "));
let chosen = -1;
let busy = false;

function rejecting() { return !reasons.hidden; }

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const writing = event.target.closest("input, textarea");
  if (writing) {
    if (event.key === "Escape") { writing.blur(); event.stopPropagation(); }
    if (event.key === "Enter" && writing.id === "escalate-text") { event.preventDefault(); decide("escalate", { comment: writing.value }); }
    if (event.key === "Enter" && writing.id === "other-text") { event.preventDefault(); decide("reject", { reason: "other", comment: writing.value }); }
    if (event.key === "Enter" && writing.id === "export-text") { event.preventDefault(); hand(writing.value); }
    return;
  }
  const key = event.key.toLowerCase();
  if (rejecting() && /^[0-9]$/.test(key)) { pick(document.querySelector(`[data-key="${key}"]`)); event.preventDefault(); return; }
  if (rejecting() && event.key === "Escape") { reasons.hidden = true; event.preventDefault(); event.stopImmediatePropagation(); return; }
  if (key === "a") act("accept");
  else if (key === "r" && may.has("reject")) { reasons.hidden = false; reasons.querySelector("button").focus(); }
  else if (key === "e") escalate();
  else if (key === "c") act("confirm");
  else if (key === "x") document.getElementById("export-text")?.focus();
  else if (key === "arrowright" && next) location.assign(`/cases/${next}`);
  else if (key === "arrowleft" && previous) location.assign(`/cases/${previous}`);
  else if (key === " ") { const clip = document.querySelector("video"); if (clip) { clip.paused ? clip.play() : clip.pause(); } }
  else if (key === "," || key === ".") step(key === "." ? 1 : -1);
  else return;
  event.preventDefault();
});

function escalate() {
  if (!may.has("escalate")) return;
  const text = document.getElementById("escalate-text");
  text.hidden = false;
  text.focus();
}

function act(action) { if (may.has(action)) decide(action, { comment: "" }); }

function pick(button) {
  if (!button) return;
  if (button.dataset.reason === "other") { const text = document.getElementById("other-text"); text.hidden = false; text.focus(); return; }
  decide("reject", { reason: button.dataset.reason, comment: "" });
}

function step(by) {
  const clip = document.querySelector("video");
  if (clip) { clip.pause(); clip.currentTime = Math.max(0, clip.currentTime + by / 6); return; }
  if (!frames.length) return;
  frames[chosen]?.classList.remove("chosen");
  chosen = (chosen + by + frames.length) % frames.length;
  frames[chosen].classList.add("chosen");
}

function post(action, body) {
  return fetch(`/api/v1/cases/${id}/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector("meta[name=csrf]").content },
    body: JSON.stringify(body),
  });
}

async function hand(purpose) {
  if (busy) return;
  busy = true;
  const state = document.getElementById("export-state");
  state.hidden = false;
  state.textContent = t("case.exporting");
  const response = await post("export", { purpose });
  busy = false;
  if (!response.ok) {
    const problem = await response.json().catch(() => ({ error: t("error.server") }));
    state.textContent = problem.error;
    return;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = response.headers.get("Content-Disposition").split('"')[1];
  link.click();
  URL.revokeObjectURL(link.href);
  state.textContent = t("case.exported", { name: link.download });
}

async function decide(action, body) {
  if (busy) return;
  busy = true;
  const response = await post(action, body);
  busy = false;
  if (response.ok) { location.assign(next ? `/cases/${next}` : "/cases"); return; }
  const problem = await response.json().catch(() => ({ error: t("error.server") }));
  const place = document.getElementById("case-error");
  place.textContent = problem.error;
  place.hidden = false;
}

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => {
    if (button.dataset.act === "reject") { reasons.hidden = !reasons.hidden; return; }
    if (button.dataset.act === "escalate") { escalate(); return; }
    act(button.dataset.act);
  });
}
for (const button of document.querySelectorAll("[data-reason]")) button.addEventListener("click", () => pick(button));

// The next case is fetched while this one is looked at.
if (next) {
  const files = JSON.parse(document.getElementById("next-files").textContent);
  for (const file of files) { const image = new Image(); image.src = file; }
}

// From here on the keys work: whoever drives the page by program waits for this.
document.documentElement.dataset.ready = id;

// Pairs of a pixel and a place on the ground, marked by mouse or keys; the server judges them.
import { connect } from "/static/js/live.js";
import { t } from "/static/js/words.js";

const root = document.getElementById("calibrate");
const { camera } = root.dataset;
const width = Number(root.dataset.width), height = Number(root.dataset.height);
const picture = document.getElementById("marks");
const map = document.querySelector("#map svg");
const rows = document.getElementById("pairs");
const problem = document.getElementById("problem");
const SVG = picture.namespaceURI;
const FIELDS = [t("calibrate.x_px"), t("calibrate.y_px"), t("calibrate.x_m"), t("calibrate.y_m")];
const base = `/api/v1/cameras/${encodeURIComponent(camera)}`;
let pairs = JSON.parse(root.dataset.pairs).map((pair) => [...pair.px, ...pair.m]);
let chosen = -1;
let still = "";
let cursor = [Math.round(width / 2), Math.round(height / 2)];
let waiting = null;
let asked = 0;

async function post(path, body) {
  const response = await fetch(base + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector("meta[name=csrf]").content },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({ error: t("error.server") }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function say(text) { problem.textContent = text; problem.hidden = !text; }

async function takeStill() {
  const note = document.getElementById("no-still");
  note.hidden = false;
  note.textContent = t("calibrate.fetching");
  try {
    still = (await post("/still", {})).picture;
    document.getElementById("still").setAttribute("href", `${base}/still/${still}.jpg`);
    note.hidden = true;
  } catch (error) { note.textContent = error.message; }
}

function complete(pair) { return pair.every((value) => Number.isFinite(value)); }

function add(x, y) {
  pairs.push([x, y, NaN, NaN]);
  chosen = pairs.length - 1;
  draw();
  rows.querySelector(`tr:last-child input[data-field="${x === undefined || !Number.isFinite(x) ? 0 : 2}"]`).focus({ preventScroll: true });
}

function draw() {
  rows.replaceChildren(...pairs.map((pair, index) => {
    const row = document.createElement("tr");
    row.classList.toggle("selected", index === chosen);
    const cell = document.createElement("td");
    cell.className = "num";
    cell.textContent = String(index + 1);
    row.append(cell);
    FIELDS.forEach((name, at) => {
      const place = document.createElement("td");
      const input = document.createElement("input");
      place.className = "num";
      Object.assign(input, { type: "number", step: at < 2 ? "1" : "0.01", value: Number.isFinite(pair[at]) ? String(pair[at]) : "" });
      input.dataset.field = String(at);
      input.setAttribute("aria-label", `${index + 1} ${name}`);
      input.addEventListener("input", () => { pair[at] = input.value === "" ? NaN : Number(input.value); marks(); judge(); });
      input.addEventListener("focus", () => choose(index));
      place.append(input);
      row.append(place);
    });
    const error = document.createElement("td");
    error.className = "num error";
    error.textContent = "–";
    const end = document.createElement("td");
    const remove = document.createElement("button");
    Object.assign(remove, { type: "button", className: "button", textContent: "×" });
    remove.setAttribute("aria-label", t("calibrate.remove", { number: index + 1 }));
    remove.addEventListener("click", () => { pairs.splice(index, 1); chosen = -1; draw(); });
    end.append(remove);
    row.append(error, end);
    return row;
  }));
  marks();
  judge();
}

function choose(index) {
  chosen = index;
  [...rows.children].forEach((row, at) => row.classList.toggle("selected", at === index));
  marks();
}

function mark(group, x, y, size, index) {
  const place = document.createElementNS(SVG, "g");
  place.setAttribute("class", index === chosen ? "mark chosen" : "mark");
  place.setAttribute("transform", `translate(${x} ${y}) scale(${size})`);
  place.innerHTML = '<path d="M-9 0H-3M3 0H9M0 -9V-3M0 3V9"/><circle r="6"/>';
  const text = document.createElementNS(SVG, "text");
  text.setAttribute("x", "9"); text.setAttribute("y", "-6");
  text.textContent = String(index + 1);
  place.append(text);
  group.append(place);
}

function marks() {
  const points = document.getElementById("points");
  points.replaceChildren();
  const scale = width / 640;
  pairs.forEach((pair, index) => { if (Number.isFinite(pair[0]) && Number.isFinite(pair[1])) mark(points, pair[0], pair[1], scale, index); });
  if (!map) return;
  let group = map.querySelector("g.calibration");
  if (!group) { group = document.createElementNS(SVG, "g"); group.setAttribute("class", "calibration"); map.append(group); }
  group.replaceChildren();
  pairs.forEach((pair, index) => { if (Number.isFinite(pair[2]) && Number.isFinite(pair[3])) mark(group, pair[2], -pair[3], 0.22, index); });
}

function judge() {
  clearTimeout(waiting);
  waiting = setTimeout(ask, 250);
}

function body() { return { pairs: pairs.filter(complete).map(([x, y, u, v]) => ({ px: [x, y], m: [u, v] })) }; }

async function ask() {
  const whole = pairs.map((pair, index) => [pair, index]).filter(([pair]) => complete(pair));
  const save = document.getElementById("save");
  document.getElementById("saved").textContent = "";
  asked += 1;
  const mine = asked;
  save.disabled = true;
  if (whole.length < 4) { show(null, t("calibrate.more", { n: 4 - whole.length })); say(""); return; }
  try {
    const found = await post("/calibration/check", body());
    if (mine !== asked) return;
    show(found, t("calibrate.fit", { rms: found.rms_m.toFixed(2), worst: found.worst_m.toFixed(2) }));
    whole.forEach(([, index], at) => {
      const cell = rows.children[index].querySelector(".error");
      cell.textContent = `${found.error_m[at].toFixed(2)} m`;
      cell.classList.toggle("doubtful", found.suspect === at || found.error_m[at] > 0.5);
    });
    if (found.suspect !== null) warn(t("calibrate.suspect", { number: whole[found.suspect][1] + 1 }));
    say("");
    save.disabled = whole.length !== pairs.length;
  } catch (error) {
    if (mine !== asked) return;
    show(null, "–");
    say(error.message);
  }
}

function warn(text) {
  const item = document.createElement("li");
  item.textContent = text;
  document.getElementById("warnings").append(item);
}

const WARNINGS = { four: t("calibrate.warning_four"), error: t("calibrate.warning_error"), part: t("calibrate.warning_part") };

function show(found, text) {
  document.getElementById("fit").textContent = text;
  document.getElementById("warnings").replaceChildren();
  for (const cell of rows.querySelectorAll(".error")) { cell.textContent = "–"; cell.classList.remove("doubtful"); }
  const grid = document.getElementById("grid");
  grid.replaceChildren();
  if (!found) return;
  for (const key of found.warnings) warn(WARNINGS[key]);
  const lines = found.grid.map((line) => `M${line.map(([x, y]) => `${x} ${y}`).join("L")}`);
  if (found.horizon_px !== null && found.horizon_px > 0 && found.horizon_px < height) lines.push(`M0 ${found.horizon_px}H${width}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", lines.join(""));
  grid.append(path);
}

function place(svg, event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}

function showCursor() {
  const [x, y] = cursor;
  document.getElementById("cursor").setAttribute("d", `M${x} 0V${height}M0 ${y}H${width}`);
  document.getElementById("cursor-at").textContent = `${x}, ${y}`;
}

function moveTo(x, y) {
  cursor = [Math.max(0, Math.min(width, Math.round(x))), Math.max(0, Math.min(height, Math.round(y)))];
  showCursor();
}

function markHere() {
  // A chosen pair without a pixel takes it; else it is a new pair.
  if (chosen >= 0 && !Number.isFinite(pairs[chosen][0])) { [pairs[chosen][0], pairs[chosen][1]] = cursor; draw(); }
  else add(...cursor);
}

picture.addEventListener("pointermove", (event) => moveTo(...place(picture, event)));
picture.addEventListener("click", (event) => { moveTo(...place(picture, event)); markHere(); });
picture.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 10 : 1;
  const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (by) { event.preventDefault(); moveTo(cursor[0] + by[0], cursor[1] + by[1]); }
  else if (event.key === "Enter" || event.key === " ") { event.preventDefault(); markHere(); }
});
map?.addEventListener("click", (event) => {
  const [x, y] = place(map, event);
  const at = chosen >= 0 ? chosen : pairs.findIndex((pair) => !Number.isFinite(pair[2]));
  if (at < 0) return;
  pairs[at][2] = Math.round(x * 100) / 100;
  pairs[at][3] = Math.round(-y * 100) / 100;
  chosen = at;
  draw();
});
document.getElementById("add").addEventListener("click", () => add(NaN, NaN));
document.getElementById("retake").addEventListener("click", takeStill);
document.getElementById("save").addEventListener("click", async () => {
  const button = document.getElementById("save");
  button.disabled = true;
  try {
    const answer = await post("/calibration", { ...body(), picture: still });
    document.getElementById("saved").textContent = t("calibrate.saved", { version: answer.version });
    say("");
  } catch (error) { say(error.message); button.disabled = false; }
});

showCursor();
draw();
takeStill();
connect();

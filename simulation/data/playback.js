// Plays a film that simulation/playback.py wrote: two runs on one map, one clock, one view.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const TEXTS = read("texts");
const scene = read("scene");
const $ = (id) => document.getElementById(id);
const KINDS = ["motorcycle", "bicycle", "car", "bus", "truck", "pedestrian"];
const SIZES = [[1.9, 0.7], [1.7, 0.6], [4.4, 1.8], [11, 2.5], [7, 2.2], [0.5, 0.5]]; // length, width in m
const SPEEDS = [1, 2, 5, 10, 20];
const STANDING_M = 0.3; // per second
const LEAST_PX = 1.6;

let t = TEXTS[document.documentElement.lang];
let now = 0; // seconds of the film
let playing = false;
let speed = 5;
let view = null; // {x, y: middle in m, scale: px per m}
let colors = {};

// Unpacking -------------------------------------------------------------------------------

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const values = [];
  for (let i = 0; i < raw.length; ) {
    let value = 0, shift = 0, byte;
    do { byte = raw[i++]; value |= (byte & 127) << shift; shift += 7; } while (byte & 128);
    values.push((value >>> 1) ^ -(value & 1));
  }
  return values;
}

async function openSide(side) {
  const [heads, xs, ys, turns] = await Promise.all([side.vehicles, side.x, side.y, side.turn].map(unpack));
  const [x0, y0] = scene.map.bounds;
  const vehicles = [];
  let at = 0;
  for (let v = 0; v < side.count; v++) {
    const [kind, first, count] = heads.slice(3 * v, 3 * v + 3);
    const x = new Float32Array(count), y = new Float32Array(count), turn = new Float32Array(count);
    let sx = 0, sy = 0, st = 0;
    for (let i = 0; i < count; i++, at++) {
      sx += xs[at]; sy += ys[at]; st += turns[at];
      x[i] = x0 + sx * side.finest; y[i] = y0 + sy * side.finest; turn[i] = (st * 2 * Math.PI) / 256;
    }
    vehicles.push({ kind, first, last: first + count - 1, x, y, turn });
  }
  const standing = new Array(scene.seconds + 1).fill(0);
  for (const car of vehicles) {
    if (car.kind === 5) continue;
    for (let i = 1; i < car.x.length; i++) {
      const second = car.first + i;
      if (second <= scene.seconds && Math.hypot(car.x[i] - car.x[i - 1], car.y[i] - car.y[i - 1]) < STANDING_M) standing[second]++;
    }
  }
  standing[0] = standing[1] || 0;
  standing[scene.seconds] ||= standing[scene.seconds - 1]; // the last second is not filmed
  return { vehicles, standing, states: side.states };
}

// Drawing ---------------------------------------------------------------------------------

function readColors() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  colors = {
    text: color("--text"), muted: color("--muted"), line: color("--line"), surface: color("--surface"),
    road: color("--road"), foot: color("--foot"), accent: color("--accent"), before: color("--before"),
    red: color("--lamp-red"), yellow: color("--lamp-yellow"), green: color("--lamp-green"),
  };
  // Red, yellow and green mean lamps: vehicles are told apart by size and by these.
  colors.kinds = [colors.text, colors.muted, colors.accent, "#a05ad0", "#2a93a8", colors.muted];
}

function fit(canvas) {
  const ratio = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  return ratio;
}

function wholeSite() {
  const [x0, y0, x1, y1] = scene.map.bounds;
  const box = $("map-0").getBoundingClientRect();
  const scale = 0.96 * Math.min(box.width / Math.max(1, x1 - x0), box.height / Math.max(1, y1 - y0));
  view = { x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale };
}

function toJunction(index) {
  const signal = scene.map.signals[index];
  if (!signal) return;
  const box = $("map-0").getBoundingClientRect();
  view = { x: signal.at[0], y: signal.at[1], scale: Math.min(box.width, box.height) / 110 };
}

function path(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
}

function lettersAt(changes, second) {
  let low = 0, high = changes.length - 1, found = "";
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (changes[middle][0] <= second) { found = changes[middle][1]; low = middle + 1; } else high = middle - 1;
  }
  return found;
}

// What a lane's head shows: the best of its links, as SUMO's letter.
const shown = (letters, links) => ["G", "g", "y", "Y", "s"].find((c) => links.some((i) => letters[i] === c)) || (letters ? "r" : "");

function drawHead(context, head, letter, scale) {
  const width = head.width * 0.92, lampColor = { G: colors.green, g: colors.green, y: colors.yellow, Y: colors.yellow }[letter] || colors.red;
  context.save();
  context.translate(head.at[0], head.at[1]);
  context.rotate(-head.heading);
  context.fillStyle = context.strokeStyle = lampColor;
  const thick = Math.max(0.9, 2.4 / scale);
  if (letter === "G" || letter === "g") {
    // An arrowhead points onward; hollow where it gives way.
    const size = Math.max(width * 0.75, 5 / scale);
    context.beginPath();
    context.moveTo(-size / 2, 0); context.lineTo(0, size * 0.9); context.lineTo(size / 2, 0); context.closePath();
    if (letter === "G") context.fill();
    else { context.lineWidth = thick / 1.6; context.stroke(); }
  } else if (letter === "y" || letter === "Y") {
    context.fillRect((-width * 0.64) / 2, -thick / 2, width * 0.64, thick);
  } else if (letter) {
    context.fillRect(-width / 2, -thick / 2, width, thick);
  }
  if (letter && scale > 4.5) {
    context.rotate(head.heading);
    context.scale(1, -1);
    const place = ["G", "g", "y", "r", "s"].indexOf(letter.toLowerCase() === "y" ? "y" : letter);
    context.font = `600 ${11 / scale}px system-ui`;
    context.textAlign = "center";
    context.fillStyle = colors.text;
    const back = 2.6, x = -Math.sin(head.heading) * back, y = Math.cos(head.heading) * back + 4 / scale;
    context.strokeStyle = colors.surface; // a halo: queues stand here
    context.lineWidth = 4 / scale;
    context.strokeText(t.letters[Math.max(0, place)], x, y);
    context.fillText(t.letters[Math.max(0, place)], x, y);
  }
  context.restore();
}

function drawMap(canvas, side) {
  const ratio = fit(canvas), context = canvas.getContext("2d"), scale = view.scale * ratio;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = colors.surface;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, -scale, canvas.width / 2 - view.x * scale, canvas.height / 2 + view.y * scale);
  const reachX = canvas.width / 2 / scale + 30, reachY = canvas.height / 2 / scale + 30;
  const visible = (x, y) => Math.abs(x - view.x) < reachX && Math.abs(y - view.y) < reachY;

  context.lineJoin = "round";
  context.fillStyle = colors.road;
  for (const area of scene.map.areas) { path(context, area); context.closePath(); context.fill(); }
  for (const foot of [true, false]) {
    context.strokeStyle = foot ? colors.foot : colors.road;
    for (const lane of scene.map.lanes) {
      if (lane.foot !== foot) continue;
      context.lineWidth = lane.width;
      path(context, lane.way);
      context.stroke();
    }
  }
  if (view.scale > 2) {
    context.strokeStyle = colors.surface;
    for (const zebra of scene.map.zebras) {
      context.lineWidth = zebra.width;
      context.setLineDash([0.6, 0.6]);
      path(context, zebra.way);
      context.stroke();
    }
    context.setLineDash([]);
  }

  const second = Math.floor(now), part = now - second;
  let count = 0;
  const least = (LEAST_PX * ratio) / scale;
  for (const car of side.vehicles) {
    if (second < car.first || second > car.last) continue;
    const i = second - car.first, j = Math.min(i + 1, car.x.length - 1);
    count += car.kind !== 5;
    const x = car.x[i] + (car.x[j] - car.x[i]) * part, y = car.y[i] + (car.y[j] - car.y[i]) * part;
    if (!visible(x, y)) continue;
    const turn = car.turn[i] + (car.turn[j] - car.turn[i]) * part;
    const length = Math.max(SIZES[car.kind][0], 1.6 * least), width = Math.max(SIZES[car.kind][1], least);
    const sin = Math.sin(turn), cos = Math.cos(turn);
    context.fillStyle = colors.kinds[car.kind];
    context.beginPath();
    for (const [ahead, aside] of [[0, -width / 2], [0, width / 2], [-length, width / 2], [-length, -width / 2]]) {
      context.lineTo(x + sin * ahead + cos * aside, y + cos * ahead - sin * aside);
    }
    context.fill();
  }
  for (const signal of scene.map.signals) {
    const letters = lettersAt(side.states[signal.id] || [], scene.begin_s + now);
    for (const head of signal.heads) drawHead(context, head, shown(letters, head.links), view.scale);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = "12px system-ui";
  context.fillStyle = colors.muted;
  if (view.scale < 4) {
    for (const signal of scene.map.signals) {
      const x = canvas.width / ratio / 2 + (signal.at[0] - view.x) * view.scale + 12;
      const y = canvas.height / ratio / 2 - (signal.at[1] - view.y) * view.scale - 8;
      context.fillText(signal.id.length > 14 ? `${signal.id.slice(0, 13)}…` : signal.id, x, y);
    }
  }
  return count;
}

function drawCurve(sides) {
  const canvas = $("curve"), ratio = fit(canvas), context = canvas.getContext("2d");
  const width = canvas.width / ratio, height = canvas.height / ratio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const most = Math.max(1, ...sides[0].standing, ...sides[1].standing);
  const x = (second) => (second / scene.seconds) * width, y = (value) => height - 3 - (value / most) * (height - 18);
  context.font = "11px system-ui";
  context.fillStyle = colors.muted;
  context.fillText(`${t.curve} (0–${most})`, 0, 10);
  sides.forEach((side, index) => {
    context.strokeStyle = index ? colors.accent : colors.before;
    context.lineWidth = index ? 2 : 1.5;
    context.beginPath();
    side.standing.forEach((value, second) => context.lineTo(x(second), y(value)));
    context.stroke();
  });
  context.strokeStyle = colors.text;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x(now), 12);
  context.lineTo(x(now), height);
  context.stroke();
}

// The page --------------------------------------------------------------------------------

const clock = (seconds) => {
  const whole = Math.floor(scene.begin_s + seconds), pad = (n) => String(n).padStart(2, "0");
  return `${pad(Math.floor(whole / 3600))}:${pad(Math.floor((whole % 3600) / 60))}:${pad(whole % 60)}`;
};

function words() {
  t = TEXTS[document.documentElement.lang];
  document.querySelectorAll("[data-t]").forEach((element) => { element.textContent = t[element.dataset.t]; });
  $("play").textContent = playing ? t.pause : t.play;
  $("seed").textContent = t.seed.replace("{seed}", scene.seed).replace("{begin}", scene.begin_s);
  const chosen = $("place").value;
  $("place").replaceChildren(new Option(t.whole, "-1"), ...scene.map.signals.map((s, i) => new Option(s.name, String(i))));
  $("place").value = chosen || "-1";
  const lamp = (color, drawing, name) => `<span><svg viewBox="0 0 16 12" aria-hidden="true"><g fill="${color}" stroke="${color}">${drawing}</g></svg>${name}</span>`;
  $("legend").innerHTML =
    KINDS.map((kind, i) => `<span><i style="background:${colors.kinds[i]};width:${SIZES[i][0] * 2 + 2}px;height:${SIZES[i][1] * 2 + 2}px"></i>${t[kind]}</span>`).join("") +
    lamp(colors.green, '<path stroke="none" d="M3 11 8 2l5 9z"/>', t.green) +
    lamp(colors.green, '<path fill="none" stroke-width="1.6" d="M3 11 8 3l5 8z"/>', t.permissive) +
    lamp(colors.yellow, '<path stroke="none" d="M4 5h8v3H4z"/>', t.yellow) +
    lamp(colors.red, '<path stroke="none" d="M0 5h16v3H0z"/>', t.red);
}

async function start() {
  readColors();
  words();
  if (!("DecompressionStream" in window)) { document.querySelector("main").textContent = t.old; return; }
  const sides = await Promise.all(scene.sides.map(openSide));
  $("scrub").max = scene.seconds;
  SPEEDS.forEach((value) => $("speed").append(new Option(`${value}×`, value)));
  $("speed").value = speed;
  wholeSite();

  let dirty = true, before = performance.now();
  const redraw = () => { dirty = true; };
  const go = (second) => { now = Math.min(scene.seconds, Math.max(0, second)); redraw(); };
  const play = (on) => {
    if (on && now >= scene.seconds) now = 0;
    playing = on;
    $("play").textContent = on ? t.pause : t.play;
    redraw();
  };
  const hurry = (by) => {
    speed = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(speed) + by))];
    $("speed").value = speed;
  };
  const visit = (index) => {
    if (index < 0) wholeSite(); else toJunction(index);
    $("place").value = String(Math.min(index, scene.map.signals.length - 1));
    redraw();
  };
  const zoom = (factor, x = view.x, y = view.y) => {
    const scale = Math.min(60, Math.max(0.05, view.scale * factor)), real = scale / view.scale;
    view = { x: x + (view.x - x) / real, y: y + (view.y - y) / real, scale };
    redraw();
  };
  const theme = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    readColors(); words(); redraw();
  };
  const language = () => {
    document.documentElement.lang = document.documentElement.lang === "vi" ? "en" : "vi";
    words(); redraw();
  };

  function frame(at) {
    const passed = Math.min(0.25, (at - before) / 1000);
    before = at;
    if (playing) {
      now += passed * speed;
      if (now >= scene.seconds) { now = scene.seconds; play(false); }
      dirty = true;
    }
    if (dirty) {
      dirty = false;
      sides.forEach((side, index) => {
        const count = drawMap($(`map-${index}`), side);
        $(`count-${index}`).textContent = `${count} ${t.vehicles}, ${side.standing[Math.floor(now)]} ${t.standing}`;
      });
      drawCurve(sides);
      $("scrub").value = now;
      $("clock").textContent = `${clock(now)}`;
    }
    requestAnimationFrame(frame);
  }
  requestAnimationFrame(frame);

  $("play").addEventListener("click", () => play(!playing));
  $("scrub").addEventListener("input", (event) => go(Number(event.target.value)));
  $("speed").addEventListener("change", (event) => { speed = Number(event.target.value); });
  $("place").addEventListener("change", (event) => visit(Number(event.target.value)));
  $("theme").addEventListener("click", theme);
  $("language").addEventListener("click", language);
  $("curve").addEventListener("click", (event) => go((event.offsetX / $("curve").clientWidth) * scene.seconds));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); words(); redraw(); });
  new ResizeObserver(redraw).observe($("map-0"));

  for (const canvas of [$("map-0"), $("map-1")]) {
    let held = null;
    canvas.addEventListener("pointerdown", (event) => { held = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", () => { held = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return;
      view = { ...view, x: view.x - (event.clientX - held[0]) / view.scale, y: view.y + (event.clientY - held[1]) / view.scale };
      held = [event.clientX, event.clientY];
      redraw();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const x = view.x + (event.offsetX - canvas.clientWidth / 2) / view.scale;
      const y = view.y - (event.offsetY - canvas.clientHeight / 2) / view.scale;
      zoom(Math.exp(-event.deltaY / 400), x, y);
    }, { passive: false });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT") return;
    const step = event.shiftKey ? 10 : 1;
    const keys = {
      " ": () => play(!playing), ArrowLeft: () => go(now - step), ArrowRight: () => go(now + step),
      ArrowUp: () => hurry(1), ArrowDown: () => hurry(-1), "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4),
      d: theme, v: language, Home: () => go(0), End: () => go(scene.seconds),
    };
    const act = /^[0-9]$/.test(event.key) ? () => visit(Number(event.key) - 1) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.documentElement.dataset.ready = "yes";
}

start();

// Keyboard, help and search: the same on every page.
const GO = { c: "/", j: "/junctions", p: "/plans", v: "/cases", h: "/health", d: "/docs" };
const help = document.getElementById("help");
const search = document.getElementById("search");
const input = search?.querySelector("input");
const results = search?.querySelector("ul");
let going = false;

function typing(event) {
  return event.target.closest("input, textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
  if (going) {
    going = false;
    const place = GO[event.key.toLowerCase()];
    if (place) { event.preventDefault(); event.stopImmediatePropagation(); location.assign(place); }
    return;
  }
  if (event.key === "g") { going = true; setTimeout(() => { going = false; }, 1500); event.stopImmediatePropagation(); }
  else if (event.key === "?") { event.preventDefault(); help?.showModal(); }
  else if (event.key === "/") { event.preventDefault(); openSearch(); }
  else if (event.key === "w") document.body.classList.toggle("wall");
  else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    const up = document.querySelector("[data-up]");
    if (up) location.assign(up.href);
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event);
  else if (event.key === "Enter") {
    const chosen = document.querySelector("tr.selected[data-href]");
    if (chosen && !event.target.closest("a, button")) location.assign(chosen.dataset.href);
  }
}, { capture: true });

function move(event) {
  const rows = [...document.querySelectorAll("main tr[data-href]")];
  if (!rows.length) return;
  event.preventDefault();
  const at = rows.findIndex((row) => row.classList.contains("selected"));
  rows[at]?.classList.remove("selected");
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))];
  next.classList.add("selected");
  next.scrollIntoView({ block: "nearest" });
}

for (const row of document.querySelectorAll("tr[data-href]")) {
  row.addEventListener("click", (event) => { if (!event.target.closest("a, button")) location.assign(row.dataset.href); });
}
for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
document.getElementById("open-help")?.addEventListener("click", () => help.showModal());
document.getElementById("open-search")?.addEventListener("click", () => openSearch());

let pages = [];
async function openSearch() {
  if (!search) return;
  search.showModal();
  input.value = "";
  input.focus();
  if (!pages.length) pages = await (await fetch("/search-index")).json();
  show();
}

function plain(text) { return text.normalize("NFD").replace(/\p{M}/gu, "").replace(/đ/gi, "d").toLowerCase(); }

function show() {
  const wanted = plain(input.value);
  results.replaceChildren(...pages.filter((page) => plain(page.title).includes(wanted)).slice(0, 9).map((page) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = page.href;
    link.textContent = page.title;
    item.append(link);
    return item;
  }));
}
input?.addEventListener("input", show);
input?.addEventListener("keydown", (event) => {
  const first = results.querySelector("a");
  if (event.key === "Enter" && first) { event.preventDefault(); location.assign(first.href); }
});

// Figures are built in Python; figures.js, which reports use too, draws them in the page's colours.
// The drawing library is large: it comes when a figure comes into view, after all that is live.
const SOURCES = ["/static/plotly.min.js", "/static/figures.js"];
let library = null;

function fetched(source) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = source;
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    document.head.append(script);
  });
}

async function draw(place) {
  library ??= SOURCES.reduce((before, source) => before.then(() => fetched(source)), Promise.resolve());
  await library;
  window.xanhFigure(place, JSON.parse(document.getElementById(place.dataset.figure).textContent));
}

const watched = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watched.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "300px" });

function begin() { for (const place of document.querySelectorAll("[data-figure]")) watched.observe(place); }
if (document.readyState === "complete") begin(); else addEventListener("load", begin);

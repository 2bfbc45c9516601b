// Figures are built in Python; figures.js, which reports use too, draws them in the page's colours.
for (const place of document.querySelectorAll("[data-figure]")) {
  window.xanhFigure(place, JSON.parse(document.getElementById(place.dataset.figure).textContent));
}

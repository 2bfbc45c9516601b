// Draws the figures that simulation/figures.py makes, in the colours of the page's theme.
"use strict";
(() => {
  const drawn = new Map();

  const themed = (value, style) => {
    if (typeof value === "string") {
      return value.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
    }
    if (Array.isArray(value)) return value.map((item) => themed(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, style)]));
    }
    return value;
  };

  // Where there is little room a junction is called by its id alone: "Name (C3) · left" -> "C3 · left".
  const NARROW_PX = 520;
  const short = (label) => label.replace(/^.*\(([^()]{1,16})\)(?= ·|$)/, "$1");

  const draw = (element, figure) => {
    drawn.set(element, figure);
    const { data, layout } = themed(figure, getComputedStyle(document.documentElement));
    if (element.clientWidth < NARROW_PX && layout.yaxis?.ticktext) {
      layout.yaxis.ticktext = layout.yaxis.ticktext.map(short);
    }
    return Plotly.react(element, data, layout, { displayModeBar: false, responsive: true });
  };

  const redraw = () => drawn.forEach((figure, element) => draw(element, figure));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme"],
  });

  window.xanhFigure = draw;
})();

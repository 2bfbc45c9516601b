// Words of the page's language; the catalog is the one that the templates use.
const language = document.documentElement.lang;
const response = await fetch(`/static/i18n/${language}.json`);
const catalog = await response.json();

export function t(key, values = {}) {
  const text = catalog[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

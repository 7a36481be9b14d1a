/* Long tables: a filter, and headings that sort. Without it nothing is missing. */
"use strict";
const NUMBER = /^(?:(?:at least|at most|above|below|over|under) )?([-−]?)(\d[\d,]*(?:\.\d+)?|infinite)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?( ?%)?(?![\w-])/;
const make = (tag, text, name) => {
  const one = document.createElement(tag);
  one.textContent = text;
  if (name) one.className = name;
  return one;
};
const textOf = (cell) => (cell.querySelector(".rd-mark")?.lastChild.textContent || cell.innerText).trim();
const valueOf = (text) => {
  const found = NUMBER.exec(text);
  if (!found) return NaN;
  const [, sign, digits, power, percent] = found;
  const exponent = power ? Number([...power].map((c) => (c === "⁻" ? "-" : "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(c))).join("")) : 0;
  const size = digits === "infinite" ? Infinity : Number(digits.replaceAll(",", "")) * 10 ** exponent;
  return (sign ? -size : size) / (percent ? 100 : 1);
};
const isAbsent = (text) => /^(none|no rows|not known|not declared|beyond .*)?$/.test(text);
const ordered = (rows, place, turn) => {
  const keys = rows.map((row) => [textOf(row.cells[place]), row]).map(([text, row]) => [text, valueOf(text), row]);
  const given = keys.filter(([text]) => !isAbsent(text));
  const isNumeric = given.filter(([, value]) => !Number.isNaN(value)).length * 2 > given.length;
  const isLast = ([text, value]) => isAbsent(text) || (isNumeric && Number.isNaN(value));
  const byKey = (a, b) => isNumeric ? (a[1] === b[1] ? 0 : a[1] - b[1]) : a[0].localeCompare(b[0], "en");
  return keys.sort((a, b) => isLast(a) - isLast(b) || (isLast(a) ? 0 : turn * byKey(a, b))).map((key) => key[2]);
};
for (const table of document.querySelectorAll("table.rd-table")) {
  const body = table.tBodies[0];
  const rows = [...(body ? body.rows : [])];
  const heads = [...(table.tHead ? table.tHead.rows[0].cells : [])];
  if (rows.length < 5 || rows.some((row) => row.cells.length !== heads.length)) continue;
  heads.forEach((head, place) => {
    const button = make("button", "", "rd-sort");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      const now = was ? (was === "ascending" ? "descending" : "") : "ascending";
      if (now) head.setAttribute("aria-sort", now);
      body.append(...(now ? ordered(rows, place, now === "ascending" ? 1 : -1) : rows));
    });
  });
  if (rows.length < 10) continue;
  const line = make("p", "", "rd-filter");
  const label = make("label", "Filter rows ");
  label.append(make("span", `of ${table.caption?.textContent || "this table"} `, "rd-unseen"));
  const field = make("input", "");
  field.type = "search";
  field.autocomplete = "off";
  const told = make("span", "");
  told.setAttribute("role", "status");
  label.append(field);
  line.append(label, told);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    rows.forEach((row) => { row.hidden = !row.textContent.toLowerCase().includes(wanted); });
    const shown = rows.filter((row) => !row.hidden).length;
    told.textContent = wanted ? `${shown} of the ${rows.length} rows on this page` : "";
  });
  (table.closest(".rd-scroll") || table).before(line);
}

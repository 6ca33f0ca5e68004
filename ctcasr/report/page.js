"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const isWord = data.unit === "word";
const rateName = isWord ? "word error rate" : "character error rate";
const tokenName = isWord ? "words" : "characters";
const kinds = { s: "sub", d: "del", i: "ins" };

// Elements are made from text only: nothing in the data is ever read as HTML.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "style") element.style.cssText = value;
    else element.setAttribute(name, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}
const byId = (id) => document.getElementById(id);
const percent = (rate, digits = 2) => (rate === null ? "∞" : (100 * rate).toFixed(digits));
const whole = (number) => number.toLocaleString("en");

const utterances = data.utterances.map(([id, reference, systems, speaker, seconds, ratio, speed, unknown], place) => {
  const split = (text) => (text === "" ? [] : isWord ? text.split(" ") : Array.from(text));
  const parsed = systems.map(([operations, text]) => {
    const errors = operations.length - operations.split("=").length + 1;
    return { operations, text, errors };
  });
  return { id, reference, systems: parsed, speaker, seconds, ratio, speed, unknown, place, split,
    length: isWord ? (reference === "" ? 0 : reference.split(" ").length) : Array.from(reference).length,
    errors: parsed[0].errors, key: [id, speaker || "", reference, ...parsed.map((s) => s.text)].join("\n").toLowerCase() };
});
utterances.forEach((u) => { u.rate = u.length ? u.errors / u.length : u.errors ? Infinity : 0; });

function fact(value, label) {
  return make("div", { class: "fact" }, make("b", { class: "number" }, value), make("span", {}, label));
}

function drawHeadline() {
  const head = data.headline, first = head.systems[0], errors = first.sub + first.del + first.ins;
  const total = Math.max(first.length + first.ins, 1);
  const interval = head.interval
    ? `${percent(head.interval[0])} to ${percent(head.interval[1])} with 95 % confidence, bootstrap over ${whole(head.interval[3])} ${head.interval[2]}s`
    : "too few utterances for a confidence interval";
  const facts = [fact(`${percent(first.sentences ? first.wrong / first.sentences : 0)} %`, "utterances with an error"),
    ...head.others.map((o) => fact(`${percent(o.rate)} %`, o.unit === "char" ? "character error rate" : "word error rate")),
    fact(`${percent(first.mer)} %`, "match error rate"), fact(whole(first.length), `${tokenName} in ${whole(first.sentences)} utterances`)];
  byId("headline").append(
    make("div", { class: "hero" },
      make("div", {}, make("div", { class: "big number" }, percent(first.rate), make("small", {}, " %")),
        make("div", { class: "soft" }, `${rateName}${data.systems.length > 1 ? ", " + data.systems[0] : ""}`)),
      make("div", { class: "facts" }, facts)),
    make("div", { class: "soft", style: "margin-top:14px" }, interval),
    make("div", { class: "bar", role: "img", "aria-label": `${errors} errors of ${total} steps` },
      ["s", "d", "i"].map((k) => make("i", { class: k, style: `width:${(100 * first[kinds[k]]) / total}%` }))),
    make("div", { class: "legend" },
      [["s", "substituted"], ["d", "deleted"], ["i", "inserted"]].map(([k, name]) =>
        make("span", {}, make("i", { class: k }), `${whole(first[kinds[k]])} ${name}`))),
    make("div", { class: "soft", style: "font-size:13px;margin-top:14px" },
      head.rules.length ? `normalized: ${head.normalizer} (${head.rules.join(", ").replaceAll("_", " ")})` : "texts compared as they are",
      head.missing ? `; ${head.missing} hypotheses are missing and count as empty` : ""));
}

function drawComparison() {
  if (data.systems.length < 2) return;
  const section = byId("comparison"), [first, second] = data.headline.systems;
  section.hidden = false;
  const top = Math.max(first.rate || 0, second.rate || 0, 1e-9);
  const row = (name, counts) => make("tr", {}, make("td", {}, name),
    make("td", { class: "number" }, `${percent(counts.rate)} %`),
    make("td", { class: "wide" }, make("div", { class: "bar", style: "margin:0" },
      ["s", "d", "i"].map((k) => make("i", { class: k, style: `width:${(100 * counts[kinds[k]]) / Math.max(counts.length, 1) / top}%` })))),
    ...["sub", "del", "ins"].map((k) => make("td", { class: "number optional" }, whole(counts[k]))),
    make("td", { class: "number" }, `${percent(counts.wrong / counts.sentences, 1)} %`));
  const better = utterances.filter((u) => u.systems[0].errors < u.systems[1].errors).length;
  const worse = utterances.filter((u) => u.systems[0].errors > u.systems[1].errors).length;
  section.append(make("table", {},
      make("tr", {}, make("th"), make("th", { class: "number" }, "rate"), make("th"),
        ...["sub", "del", "ins"].map((k) => make("th", { class: "number optional" }, k)), make("th", { class: "number" }, "wrong utterances")),
      row(data.systems[0], first), row(data.systems[1], second)),
    make("p", { class: "verdict" }, `${data.systems[0]} is better in ${whole(better)} utterances, ${data.systems[1]} in ${whole(worse)}; the other ${whole(utterances.length - better - worse)} have as many errors.`),
    ...data.headline.comparison.map((line) => make("p", { class: "verdict soft" }, line)));
}

function confusionColumn(title, letter, entries, write) {
  const most = Math.max(1, ...entries.map((entry) => entry[2]));
  const rows = entries.flatMap((entry) => [make("span", { class: "name", title: write(entry).textContent }, write(entry)),
    make("span", { class: "track" }, make("i", { class: letter, style: `width:${(100 * entry[2]) / most}%` })),
    make("span", { class: "number" }, whole(entry[2]))]);
  return make("div", {}, make("h3", {}, title), entries.length ? make("div", { class: "rows" }, rows) : make("span", { class: "soft" }, "none"));
}

function drawConfusions() {
  const shown = (token) => (token === " " ? "space" : token);
  data.confusions.forEach((found, system) => {
    const most = data.systems.length > 1 ? 10 : 20;
    if (data.systems.length > 1) byId("confusions").append(make("h3", { style: "font-size:15px;color:var(--ink);margin-top:20px" }, data.systems[system]));
    byId("confusions").append(make("div", { class: "columns" },
      confusionColumn("substituted", "s", found.substitute.slice(0, most), (e) =>
        make("span", {}, shown(e[0]), make("span", { class: "arrow" }, "→"), shown(e[1]))),
      confusionColumn("deleted", "d", found.delete.slice(0, most), (e) => make("span", {}, shown(e[0]))),
      confusionColumn("inserted", "i", found.insert.slice(0, most), (e) => make("span", {}, shown(e[1])))));
  });
}

function drawSlices() {
  if (!data.slices.length) return;
  byId("slices").hidden = false;
  const finite = data.slices.filter((s) => s.rate !== null);
  const top = Math.max(1e-9, ...finite.map((s) => Math.min(s.interval ? s.interval[1] : s.rate, 2 * Math.max(...finite.map((t) => t.rate)))));
  const at = (rate) => Math.min(100, (100 * rate) / top);
  const table = make("table", {}, make("tr", {}, make("th", {}, ""), make("th", { class: "number" }, "rate"), make("th"),
    make("th", { class: "number optional" }, "errors"), make("th", { class: "number optional" }, tokenName), make("th", { class: "number" }, "utterances")));
  let kind = "";
  for (const slice of data.slices) {
    if (slice.kind !== kind) table.append(make("tr", { class: "kind" }, make("td", { colspan: 6 }, `by ${(kind = slice.kind)}`)));
    const plot = make("div", { class: "plot" }, make("s", { style: `left:${at(data.headline.systems[0].rate || 0)}%` }));
    if (slice.interval) plot.append(make("u", { style: `left:${at(slice.interval[0])}%;width:${at(slice.interval[1]) - at(slice.interval[0])}%` }));
    if (slice.rate !== null) plot.append(make("b", { style: `left:${at(slice.rate)}%` }));
    table.append(make("tr", {}, make("td", {}, slice.name), make("td", { class: "number" }, `${percent(slice.rate, 1)} %`), make("td", { class: "wide" }, plot),
      make("td", { class: "number optional" }, whole(slice.errors)), make("td", { class: "number optional" }, whole(slice.length)), make("td", { class: "number" }, whole(slice.utterances))));
  }
  byId("slices").append(table, make("p", { class: "soft", style: "font-size:13px" },
    "Lines are 95 % intervals of the slice, the thin upright line is the whole corpus. Many slices are shown: some will look bad by chance."));
}

// Steps of every system as columns below the same reference: what one inserts is a column of its own.
function columns(utterance) {
  const reference = utterance.split(utterance.reference), count = utterance.systems.length;
  const gaps = [], words = reference.map((token) => ({ token, heard: new Array(count).fill(null) }));
  utterance.systems.forEach((system, number) => {
    const heard = utterance.split(system.text);
    let at = 0, spoken = 0, inserted = 0;
    for (const operation of system.operations) {
      if (operation === "i") {
        const gap = (gaps[at] = gaps[at] || []);
        (gap[inserted] = gap[inserted] || { token: null, heard: new Array(count).fill(null) }).heard[number] = ["ins", heard[spoken++]];
        inserted += 1;
      } else {
        words[at].heard[number] = operation === "d" ? ["del", "∅"] : [operation === "s" ? "sub" : "ok", heard[spoken++]];
        at += 1; inserted = 0;
      }
    }
  });
  return [...words.flatMap((word, place) => [...(gaps[place] || []), word]), ...(gaps[words.length] || [])];
}

function aligned(utterance) {
  const box = make("div", { class: isWord ? "aligned" : "aligned char" });
  box.append(make("span", { class: "names" }, make("span", {}, "said"),
    data.systems.map((name) => make("span", {}, data.systems.length > 1 ? name : "heard"))));
  for (const { token, heard } of columns(utterance)) {
    const single = heard.length === 1;
    box.append(make("span", { class: "step" }, make("span", {}, token === null ? "" : token),
      heard.map((entry) => entry === null ? make("span") : make("span", { class: entry[0] }, entry[0] === "ok" && single ? "" : entry[1]))));
  }
  return box;
}

function card(utterance, withSound) {
  const counts = utterance.systems.map((s, n) => `${data.systems.length > 1 ? data.systems[n] + ": " : ""}${s.errors} of ${utterance.length}`);
  const facts = [utterance.speaker, utterance.seconds === null ? null : `${utterance.seconds.toFixed(1)} s`,
    utterance.ratio === null ? null : `${utterance.ratio.toFixed(0)} dB`, utterance.speed === null ? null : `${utterance.speed.toFixed(1)} ${tokenName}/s`,
    utterance.unknown ? `${utterance.unknown} unknown` : null].filter((f) => f);
  return make("article", { class: "card" },
    make("div", { class: "meta" }, make("b", {}, utterance.id), counts.map((c) => make("span", { class: "number" }, c)), facts.map((f) => make("span", { class: "number" }, f))),
    withSound && data.clips[utterance.id] ? sound(data.clips[utterance.id]) : null, aligned(utterance));
}

function sound(clip) {
  const canvas = make("canvas", { width: clip.columns, height: 64, role: "img", "aria-label": "spectrogram" });
  const cursor = make("u"), picture = make("div", { class: "picture" }, canvas, cursor);
  const player = make("audio", { controls: "", preload: "none", src: `data:audio/mpeg;base64,${clip.mp3}` });
  const bytes = Uint8Array.from(atob(clip.picture), (c) => c.charCodeAt(0));
  const context = canvas.getContext("2d");
  // Paper is silence and ink is sound, in either theme.
  canvas.paint = () => {
    const dark = document.documentElement.classList.contains("dark");
    const from = dark ? [24, 28, 33] : [246, 244, 239], middle = dark ? [38, 94, 104] : [122, 168, 160], to = dark ? [246, 226, 160] : [22, 52, 66];
    const image = context.createImageData(clip.columns, 64);
    for (let x = 0; x < clip.columns; x++) for (let y = 0; y < 64; y++) {
      const value = bytes[x * 64 + y] / 255, place = 4 * ((63 - y) * clip.columns + x);
      const [low, high, share] = value < 0.6 ? [from, middle, value / 0.6] : [middle, to, (value - 0.6) / 0.4];
      for (let c = 0; c < 3; c++) image.data[place + c] = low[c] + share * (high[c] - low[c]);
      image.data[place + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };
  canvas.paint();
  picture.addEventListener("click", (event) => {
    player.currentTime = (clip.seconds * event.offsetX) / picture.clientWidth;
    player.play();
  });
  player.addEventListener("timeupdate", () => {
    cursor.style.opacity = 1;
    cursor.style.left = `${Math.min(100, (100 * player.currentTime) / clip.seconds)}%`;
  });
  return make("div", { class: "sound" }, picture, player);
}

function drawWorst() {
  if (!data.worst.length) return;
  byId("worst").hidden = false;
  byId("worst").append(...data.worst.map((place) => card(utterances[place], true)));
}

const orders = [["most errors", (a, b) => b.errors - a.errors || b.rate - a.rate], ["highest rate", (a, b) => b.rate - a.rate || b.errors - a.errors],
  ["as listed", (a, b) => a.place - b.place], ["longest", (a, b) => b.length - a.length], ["noisiest", (a, b) => (a.ratio ?? 999) - (b.ratio ?? 999)]];
const filters = [["all", () => true], ["with errors", (u) => u.errors > 0], ["without errors", (u) => u.errors === 0]];
if (data.systems.length > 1) {
  orders.unshift(["largest difference", (a, b) => Math.abs(b.systems[0].errors - b.systems[1].errors) - Math.abs(a.systems[0].errors - a.systems[1].errors)]);
  filters.push([`${data.systems[0]} is better`, (u) => u.systems[0].errors < u.systems[1].errors], [`${data.systems[1]} is better`, (u) => u.systems[0].errors > u.systems[1].errors]);
}
let chosen = [], drawn = 0;

// Forty at a time as the reader scrolls: the page opens as fast with five thousand utterances as with fifty.
function drawMore() {
  byId("list").append(...chosen.slice(drawn, drawn + 40).map((u) => card(u, false)));
  drawn = Math.min(chosen.length, drawn + 40);
}

function choose() {
  const words = byId("search").value.toLowerCase();
  chosen = utterances.filter((u) => filters[byId("show").value][1](u) && u.key.includes(words)).sort(orders[byId("order").value][1]);
  byId("list").replaceChildren();
  drawn = 0;
  drawMore();
  byId("count").textContent = `${whole(chosen.length)} of ${whole(utterances.length)}`;
}

function setTheme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  document.querySelectorAll("canvas").forEach((canvas) => canvas.paint());
}

const preference = window.matchMedia("(prefers-color-scheme: dark)");
setTheme(preference.matches);
preference.addEventListener("change", (event) => setTheme(event.matches));
byId("theme").addEventListener("click", () => setTheme(!document.documentElement.classList.contains("dark")));
orders.forEach(([name], value) => byId("order").append(make("option", { value }, name)));
filters.forEach(([name], value) => byId("show").append(make("option", { value }, name)));
for (const control of ["search", "order", "show"]) byId(control).addEventListener("input", choose);
[drawHeadline, drawComparison, drawConfusions, drawSlices, drawWorst, choose].forEach((draw) => draw());
new IntersectionObserver((entries) => { if (entries[0].isIntersecting) drawMore(); }, { rootMargin: "1200px" }).observe(byId("more"));
document.documentElement.dataset.ready = String(Math.round(performance.now()));

// Asks for the state and the picture again and again, and shows them. Nothing is kept.
"use strict";

const words = JSON.parse(document.body.dataset.words);
const lang = document.documentElement.lang;
const title = document.title;
const at = (id) => document.getElementById(id);

const STATE_MS = 500;
const PICTURE_MS = 200;
const HIDDEN_MS = 2000; // while the page cannot be seen
const ANSWER_MS = 3000;
const CALM_MS = 1500; // a state is told to a screen reader once it has lasted so long
const TELL_MS = 5000; // and not more often than this

// Where the page stands, and how it asks: never from a cache, never with anything but the path.
const asked = (path, options) =>
  fetch(path, {
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(ANSWER_MS),
    ...options,
  });

const wait = (ms) => new Promise((done) => setTimeout(done, document.hidden ? HIDDEN_MS : ms));

function write(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

// Figures, in the page's language, as the browser's own country writes them.

const locale = navigator.languages.find((one) => one.split("-")[0] === lang) ?? lang;
const whole = new Intl.NumberFormat(locale);
const inUnit = (value, unit, digits) =>
  new Intl.NumberFormat(locale, {
    style: "unit",
    unit,
    unitDisplay: unit === "byte" ? "long" : "short",
    maximumFractionDigits: digits,
  }).format(value);

function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 3600), "hour"],
    [Math.floor(seconds / 60) % 60, "minute"],
    [Math.floor(seconds) % 60, "second"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const shown = first < 0 ? parts.slice(2) : parts.slice(first);
  return shown.map(([value, unit]) => inUnit(value, unit, 0)).join(" ");
}

function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return inUnit(bytes / 1000 ** power, units[power], power ? 1 : 0);
}

const clock = (date) => date.toLocaleTimeString(locale, { timeStyle: "medium" });

// Tables. Each cell carries its column's name, for windows too narrow for columns.

function fill(id, rows) {
  const columns = [...at(id).querySelectorAll("thead th")];
  const lines = rows.map((texts) => {
    const line = document.createElement("tr");
    for (const [place, text] of texts.entries()) {
      const cell = document.createElement(place === 0 ? "th" : "td");
      if (place === 0) cell.scope = "row";
      cell.className = columns[place].className;
      cell.dataset.column = columns[place].textContent;
      cell.textContent = text;
      line.append(cell);
    }
    return line;
  });
  at(id).querySelector("tbody").replaceChildren(...lines);
  at(id).hidden = lines.length === 0;
  at(`${id}-none`).hidden = lines.length > 0;
}

// The state.

let state = "";
let covered = false;
let seenEvents = "";
let seenOutputs = "";

function show(now) {
  state = now.state;
  covered = now.paused;
  at("now").dataset.state = now.state;
  write("word", now.word);
  write("text", now.text);
  write("since", now.since ? `${words.since} ${clock(new Date(now.since * 1000))}` : "");
  write("detail", now.detail);
  at("detail").hidden = !now.detail;
  document.title = `${now.word} · ${title}`;
  at("cover").disabled = false;
  at("cover").setAttribute("aria-pressed", String(covered));
  write("hint", covered ? words.uncover_hint : words.cover_hint);
  tell(`${now.word}. ${now.text}`, now.state === "paused");
  showSound(now);
  showSent("sent-time", duration(now.today.seconds), inUnit(now.today.seconds, "second", 0));
  showSent("sent-size", size(now.today.bytes), inUnit(now.today.bytes, "byte", 0));
  showOutputs(now.outputs);
  if (now.events !== seenEvents) showEvents(now.events);
}

function showSent(id, rounded, exact) {
  write(id, rounded);
  write(`${id}-exact`, exact === rounded ? "" : exact);
}

function showSound(now) {
  const silent = now.sound_db === null;
  at("level").value = silent ? -60 : now.sound_db;
  const level = silent ? words.sound_silent : inDecibels(now.sound_db);
  const text = now.sound_any ? level : words.sound_none;
  at("level").textContent = text;
  write("level-text", text);
}

const inDecibels = (db) => `${whole.format(Math.round(db))} dB`;

function showOutputs(outputs) {
  const told = JSON.stringify(outputs);
  if (told === seenOutputs) return;
  seenOutputs = told;
  const rows = outputs.map((output) => {
    const going = output.going ? words.output_going : words.output_stopped;
    return [
      output.name,
      output.trouble ? `${going}: ${output.trouble}` : going,
      size(output.bytes),
      whole.format(output.dropped),
    ];
  });
  fill("outputs", rows);
}

async function showEvents(mark) {
  seenEvents = mark;
  try {
    const answer = await asked("events");
    const lines = (await answer.text()).split("\n").filter(Boolean);
    fill("events", lines.map((line) => eventRow(JSON.parse(line))).reverse());
    at("events-note").hidden = lines.length === 0;
  } catch {
    seenEvents = ""; // asked for again with the next state
  }
}

function eventRow(event) {
  const change = event.type.split(".").pop();
  const item = words[`item_${event.data.class}`];
  const offset = event.data.offset_seconds;
  return [
    words[`event_${change}`].replace("{item}", item),
    event.time ? clock(new Date(event.time)) : `+${inUnit(offset, "second", 0)}`,
    event.data.zone,
    words[`confidence_${event.data.confidence}`],
    words[`severity_${event.data.severity}`],
  ];
}

function lost() {
  state = "lost";
  at("now").dataset.state = "lost";
  write("word", words.state_lost);
  write("text", words.cause_lost);
  write("since", "");
  at("detail").hidden = true;
  at("level").value = -60;
  write("level-text", "");
  document.title = `${words.state_lost} · ${title}`;
  tell(`${words.state_lost}. ${words.cause_lost}`, true);
}

// What a screen reader is told: a state that has lasted, not each flicker of it.

let told = "";
let toldAt = -TELL_MS;
let next = "";
let nextAt = 0;

function tell(text, atOnce) {
  const now = performance.now();
  if (text !== next) [next, nextAt] = [text, now];
  if (text === told) return;
  if (atOnce || (now - nextAt >= CALM_MS && now - toldAt >= TELL_MS)) {
    [told, toldAt] = [text, now];
    write("told", text);
  }
}

// Covering the camera.

async function cover(paused) {
  write("failed", "");
  try {
    const answer = await asked(`pause?lang=${lang}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ paused }),
    });
    if (!answer.ok) throw new Error();
    show(await answer.json());
  } catch {
    write("failed", words.failed);
  }
}

at("cover").addEventListener("click", () => cover(!covered));
document.addEventListener("keydown", (event) => {
  const plain = !(event.ctrlKey || event.altKey || event.metaKey || event.repeat);
  if (plain && event.key.toLowerCase() === "p" && at("key").checked) cover(true);
});
at("key").addEventListener("change", keyShown);
function keyShown() {
  if (at("key").checked) at("cover").setAttribute("aria-keyshortcuts", "P");
  else at("cover").removeAttribute("aria-keyshortcuts");
}

// The picture.

let shown = "";

async function drawNext() {
  const answer = await asked(`picture?after=${shown}`);
  if (answer.status === 200) {
    const bitmap = await createImageBitmap(await answer.blob());
    const canvas = at("picture");
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    }
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    shown = answer.headers.get("X-Picture");
  }
}

// An old picture is never left standing as if it left now.
function blank() {
  const old = state === "still" || state === "lost" || !shown;
  at("no-picture").hidden = !old;
  at("frame").classList.toggle("old", old);
}

async function pictures() {
  for (;;) {
    try {
      if (!document.hidden) await drawNext();
    } catch {
      // The state says so if nothing answers.
    }
    blank();
    await wait(PICTURE_MS);
  }
}

async function states() {
  for (;;) {
    try {
      const answer = await asked(`state?lang=${lang}`);
      if (!answer.ok) throw new Error();
      show(await answer.json());
    } catch {
      lost();
    }
    blank();
    await wait(STATE_MS);
  }
}

keyShown();
states();
pictures();

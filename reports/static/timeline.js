// The timeline of a report: one range of time for all drawings, a cursor through all panels, and ways to
// change the range: by brush, by keys, by buttons; back by double click, Escape, or "Whole run".

const LEAST_PIXELS = 4; // of a brush that means it
const KEY_ZOOM = 2;
const KEY_PAN = 0.2; // of the range in view

class Timeline {
  constructor(figure) {
    this.figure = figure;
    this.data = JSON.parse(document.getElementById(figure.dataset.source).textContent);
    this.stage = figure.querySelector(".stage");
    this.tip = figure.querySelector(".tip");
    this.said = figure.querySelector(".said");
    this.drawings = [...figure.querySelectorAll("svg.timeline")].map((svg) => new Drawing(svg, this.data));
    [this.low, this.high] = [this.drawings[0].low, this.drawings[0].high];
    const finest = this.data.levels[this.data.levels.length - 1];
    this.least = Math.min(this.high - this.low, finest.width * 5);
    this.brushing = null;
    this.cursor = null; // a moment
    [this.from, this.to] = [this.low, this.high];
    for (const drawing of this.drawings) [drawing.from, drawing.to] = [this.low, this.high];
    Object.assign(this.stage, { tabIndex: 0, role: "group", ariaLabel: KEYS_IN_WORDS });
    this.listen();
    this.tell();
    figure.classList.add("zoomable");
    figure.querySelector(".zoom").hidden = false;
  }

  get whole() {
    return this.from <= this.low && this.to >= this.high;
  }

  get level() {
    return levelFor(this.data.levels, this.to - this.from, this.whole);
  }

  // --- The range ---

  show(from, to) {
    const length = Math.min(this.high - this.low, Math.max(this.least, to - from));
    const start = Math.min(this.high - length, Math.max(this.low, (from + to - length) / 2));
    [this.from, this.to] = [start, start + length];
    for (const drawing of this.drawings) drawing.show(this.from, this.to);
    this.tell();
    this.point(null);
  }

  reset() {
    this.show(this.low, this.high);
  }

  zoom(factor) {
    const about = this.cursor ?? (this.from + this.to) / 2;
    const share = (about - this.from) / (this.to - this.from);
    const length = Math.min(this.high - this.low, Math.max(this.least, (this.to - this.from) / factor));
    this.show(about - share * length, about + (1 - share) * length);
  }

  pan(share) {
    const way = share * (this.to - this.from);
    const bounded = Math.min(this.high - this.to, Math.max(this.low - this.from, way));
    this.show(this.from + bounded, this.to + bounded);
  }

  tell() {
    const range = `${seconds(this.from, 2)} to ${seconds(this.to, 2)}`;
    const step = `steps of ${milliseconds(this.level.width * 1000)}`;
    this.figure.querySelector(".range").textContent = this.whole ? `Whole run, ${step}` : `${range}, ${step}`;
    for (const button of this.figure.querySelectorAll(".zoom button")) {
      button.setAttribute("aria-disabled", String(button.dataset.does !== "in" && this.whole));
    }
  }

  // --- The cursor ---

  // Point at a moment, or at none; `place` is where in the drawing the pointer is.
  point(t, place = null) {
    this.cursor = t;
    for (const drawing of this.drawings) {
      const x = t === null ? null : px(drawing.x(t));
      drawing.set(drawing.cursor, { display: t === null ? "none" : null, x1: x, x2: x });
    }
    this.tip.hidden = t === null;
    if (t !== null) this.read(t, place);
  }

  read(t, place) {
    const lane = place === null ? null : laneAt(place.drawing, place.y);
    const rows = reading(this.data, this.level, t, lane);
    const table = document.createElement("table");
    for (const [name, value] of rows) {
      const row = table.insertRow();
      const cell = row.appendChild(document.createElement("th"));
      cell.textContent = name;
      if (value === undefined) cell.colSpan = 2;
      else row.insertCell().textContent = value;
    }
    table.createCaption().textContent = title(this.level, t);
    this.tip.replaceChildren(table);
    this.place(t, place);
  }

  // Beside the cursor, on the side with more room, within the drawing.
  place(t, place) {
    const drawing = place?.drawing ?? this.drawings.find((each) => each.svg.getBoundingClientRect().width > 0);
    const box = drawing.svg.getBoundingClientRect();
    const scale = box.width / drawing.svg.viewBox.baseVal.width;
    const [x, y] = [drawing.x(t) * scale, (place?.y ?? drawing.top) * scale];
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = x + 14 + width <= box.width ? x + 14 : Math.max(0, x - 14 - width);
    this.tip.style.left = `${left}px`;
    this.tip.style.top = `${Math.max(0, Math.min(y - height / 3, box.height - height))}px`;
  }

  step(bins) {
    const { width, start } = this.level;
    const t = this.cursor ?? this.from;
    const next = this.cursor === null ? t : t + bins * width;
    const middle = start + (Math.floor((next - start) / width) + 0.5) * width;
    this.point(Math.min(this.to, Math.max(this.from, middle)));
    const words = reading(this.data, this.level, this.cursor, null).map((row) => row.join(" ").trim());
    this.said.textContent = `${title(this.level, this.cursor)}: ${words.join(", ")}`;
  }

  // --- What the reader does ---

  listen() {
    for (const drawing of this.drawings) {
      const { sheet } = drawing;
      sheet.addEventListener("pointermove", (event) => this.move(drawing, event));
      sheet.addEventListener("pointerleave", () => this.brushing || this.point(null));
      sheet.addEventListener("pointerdown", (event) => this.press(drawing, event));
      sheet.addEventListener("pointerup", () => this.release());
      sheet.addEventListener("pointercancel", () => this.drop());
      sheet.addEventListener("dblclick", () => this.reset());
    }
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("blur", () => {
      this.stage.classList.remove("pressed");
      this.point(null);
    });
    this.figure.querySelector(".zoom").addEventListener("click", (event) => this.pressButton(event.target));
    let before = null; // Printed is the whole run.
    window.addEventListener("beforeprint", () => {
      before = [this.from, this.to];
      this.reset();
    });
    window.addEventListener("afterprint", () => before && this.show(...before));
  }

  press(drawing, event) {
    if (event.button !== 0) return;
    drawing.sheet.setPointerCapture(event.pointerId);
    this.stage.classList.add("pressed"); // Focused for the keys, without a ring around what was clicked.
    this.stage.focus({ preventScroll: true });
    const { t, x } = drawing.at(event);
    this.brushing = { drawing, start: t, end: t, x, width: 0 };
  }

  move(drawing, event) {
    const { t, x, y } = drawing.at(event);
    if (this.brushing) {
      this.brushing.end = t;
      this.brushing.width = Math.abs(x - this.brushing.x);
      this.brush();
    }
    this.point(t, { drawing, y });
  }

  brush() {
    const { start, end } = this.brushing;
    for (const drawing of this.drawings) {
      const [x0, x1] = [drawing.x(Math.min(start, end)), drawing.x(Math.max(start, end))];
      drawing.set(drawing.brush, { x: px(x0), width: px(x1 - x0), display: null });
    }
  }

  release() {
    const done = this.brushing;
    this.drop();
    if (done && done.width >= LEAST_PIXELS) {
      this.show(Math.min(done.start, done.end), Math.max(done.start, done.end));
    }
  }

  drop() {
    this.brushing = null;
    for (const drawing of this.drawings) drawing.set(drawing.brush, { display: "none" });
  }

  pressButton(button) {
    const does = button.dataset?.does;
    if (does && button.getAttribute("aria-disabled") !== "true") this.act(does);
  }

  act(does) {
    const acts = {
      in: () => this.zoom(KEY_ZOOM),
      out: () => this.zoom(1 / KEY_ZOOM),
      earlier: () => this.pan(-KEY_PAN),
      later: () => this.pan(KEY_PAN),
      whole: () => this.reset(),
      before: () => this.step(-1),
      after: () => this.step(1),
    };
    acts[does]();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const does = (event.shiftKey && SHIFTED[event.key]) || KEYS[event.key];
    if (!does) return;
    event.preventDefault();
    this.stage.classList.remove("pressed");
    this.drop();
    this.act(does);
  }
}

const KEYS_IN_WORDS = "Timeline. Plus and minus zoom, arrows move, Shift with an arrow reads values, Escape leads back.";
const KEYS = {
  "+": "in",
  "=": "in",
  "-": "out",
  _: "out",
  ArrowLeft: "earlier",
  ArrowRight: "later",
  Escape: "whole",
};
const SHIFTED = { ArrowLeft: "before", ArrowRight: "after" };

function laneAt(drawing, y) {
  const lanes = [...drawing.svg.querySelectorAll("[data-lane]")];
  const below = lanes.filter((lane) => Number(lane.dataset.top) <= y);
  const first = drawing.panels.length ? drawing.panels[0].getBBox().y : Infinity;
  return below.length && y < first ? Number(below[below.length - 1].dataset.lane) : null;
}

for (const figure of document.querySelectorAll("figure[data-source]")) new Timeline(figure);

// One drawing of the picture, moved to a range of time.
//
// Python has drawn the whole run (reports/timeline.py); here the same elements get other coordinates, and the
// series are drawn again from the level of the data whose bins are fine enough. Nothing is laid out anew.

const SVG = "http://www.w3.org/2000/svg";
const MOST_BINS = 90; // in view at once

class Drawing {
  constructor(svg, data) {
    this.svg = svg;
    this.data = data;
    for (const name of ["left", "right", "low", "high", "top", "bottom"]) this[name] = Number(svg.dataset[name]);
    this.moments = [...svg.querySelectorAll("[data-t]")].map((element) => [element, Number(element.dataset.t)]);
    this.spans = [...svg.querySelectorAll("[data-t0]")].map((element) => [
      element,
      Number(element.dataset.t0),
      Number(element.dataset.t1),
    ]);
    this.panels = [...svg.querySelectorAll("[data-panel]")];
    this.cursor = this.add(svg, "line", { class: "cursor", y1: this.top, y2: this.bottom, display: "none" });
    this.brush = this.add(svg, "rect", { class: "brush", y: this.top, height: this.bottom - this.top, display: "none" });
    this.sheet = this.add(svg, "rect", { class: "sheet", x: this.left, y: this.top });
    this.set(this.sheet, { width: this.right - this.left, height: this.bottom - this.top });
  }

  // --- Time and pixels ---

  x(t) {
    return this.left + ((this.right - this.left) * (t - this.from)) / (this.to - this.from);
  }

  clamped(t) {
    return Math.min(this.right, Math.max(this.left, this.x(t)));
  }

  whole(t) {
    const x = this.left + ((this.right - this.left) * (t - this.low)) / (this.high - this.low);
    return Math.min(this.right, Math.max(this.left, x));
  }

  // The moment and the y, in the drawing's own pixels, of a pointer.
  at(event) {
    const box = this.svg.getBoundingClientRect();
    const scale = this.svg.viewBox.baseVal.width / box.width;
    const x = Math.min(this.right, Math.max(this.left, (event.clientX - box.left) * scale));
    const t = this.from + ((x - this.left) / (this.right - this.left)) * (this.to - this.from);
    return { t, x: x / scale, y: (event.clientY - box.top) * scale, scale };
  }

  // --- Moving ---

  show(from, to) {
    [this.from, this.to] = [from, to];
    for (const [element, t] of this.moments) this.moveMoment(element, t);
    for (const [element, t0, t1] of this.spans) this.moveSpan(element, t0, t1);
    this.moveNames();
    this.drawTimes();
    const level = levelFor(this.data.levels, to - from, from <= this.low && to >= this.high);
    for (const panel of this.panels) this.drawPanel(panel, level);
  }

  moveMoment(element, t) {
    const inside = t >= this.from && t <= this.to;
    this.set(element, { display: inside ? null : "none" });
    if (inside) this.set(element, { transform: `translate(${px(this.x(t) - this.whole(t))} 0)` });
  }

  moveSpan(element, t0, t1) {
    const [x0, x1] = [this.clamped(t0), this.clamped(t1)];
    const seen = t1 >= this.from && t0 <= this.to;
    if (element.tagName === "rect") {
      this.set(element, { x: px(x0), width: px(Math.max(x1 - x0, 1)), display: seen ? null : "none" });
    } else if (element.dataset.name === undefined) {
      const fits = seen && x1 - x0 >= Number(element.dataset.length);
      const middle = element.getAttribute("text-anchor") === "middle";
      this.set(element, { x: px(middle ? (x0 + x1) / 2 : x0), display: fits ? null : "none" });
    }
  }

  // Faults' names stay in their rows; one that would cover another's is left out.
  moveNames() {
    const free = [];
    for (const [element, t0, t1] of this.spans) {
      if (element.dataset.name === undefined) continue;
      const [row, length] = [Number(element.dataset.name), Number(element.dataset.length)];
      const x = Math.max(this.left, Math.min(this.clamped(t0), this.right - length));
      const seen = t1 >= this.from && t0 <= this.to && x >= (free[row] ?? 0);
      if (seen) free[row] = x + length;
      this.set(element, { x: px(x - 4), display: seen ? null : "none" });
    }
  }

  drawTimes() {
    const group = this.svg.querySelector("[data-y]");
    const y = Number(group.dataset.y);
    group.replaceChildren();
    for (const t of ticks(this.from, this.to, Number(group.dataset.most), TIMES)) {
      const x = px(this.x(t));
      this.add(group, "line", { x1: x, x2: x, y1: y, y2: y + 5, class: "axis" });
      this.add(group, "text", { x, y: y + 17, "text-anchor": "middle", class: "soft" }).textContent = number(t);
    }
  }

  // --- Panels ---

  drawPanel(panel, level) {
    const [top, bottom] = [Number(panel.dataset.top), Number(panel.dataset.bottom)];
    const paths = [...panel.querySelectorAll("[data-series]")];
    const kind = KINDS[panel.dataset.kind];
    const stretches = new Map();
    for (const path of paths) {
      for (const name of path.dataset.series.split(" ")) {
        if (!stretches.has(name)) stretches.set(name, kind.stretches(this, name, level, path));
      }
    }
    const { y, marks } = kind.scale(stretches, top, bottom);
    this.drawValues(panel.querySelector(".values"), y, marks);
    kind.name?.(panel, paths, this, level);
    const drawn = new Map([...stretches].map(([name, all]) => [name, this.segments(all, y)]));
    const lower = kind.stacked ? stacked(stretches) : null;
    for (const path of paths) {
      const [name, upper] = path.dataset.series.split(" ");
      const own = drawn.get(name);
      let outline = path.classList.contains("area") ? stepArea(own, bottom) : stepLine(own);
      if (lower) outline = stepBand(this.segments(lower.get(name), y), own);
      else if (upper) outline = stepBand(own, drawn.get(upper));
      path.setAttribute("d", outline);
    }
  }

  drawValues(group, y, marks) {
    group.replaceChildren();
    for (const [value, words] of marks) {
      const at = px(y(value));
      this.add(group, "line", { x1: this.left, x2: this.right, y1: at, y2: at, class: "hair" });
      const label = { x: this.left - 6, y: px(y(value) + 3.5), "text-anchor": "end", class: "soft" };
      this.add(group, "text", label).textContent = words;
    }
  }

  segments(stretches, y) {
    return stretches.map(([t0, t1, value]) => [this.clamped(t0), this.clamped(t1), value === null ? null : y(value)]);
  }

  // --- Elements ---

  add(parent, name, attributes) {
    const element = document.createElementNS(SVG, name);
    this.set(element, attributes);
    return parent.appendChild(element);
  }

  set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null) element.removeAttribute(name);
      else element.setAttribute(name, value);
    }
  }
}

// The finest level of which not too many bins are in view; for the whole run the one that Python drew.
function levelFor(levels, length, whole) {
  const fine = levels.filter((level) => length / level.width <= MOST_BINS);
  return whole || !fine.length ? levels[0] : fine[fine.length - 1];
}

// --- Kinds of panel: how a series becomes stretches [from, to, value], and values become pixels ---

function binned(drawing, level, value) {
  const first = Math.max(0, Math.floor((drawing.from - level.start) / level.width));
  const end = Math.min(level.count, Math.ceil((drawing.to - level.start) / level.width));
  const found = [];
  for (let i = first; i < end; i++) {
    found.push([level.start + i * level.width, level.start + (i + 1) * level.width, value(i)]);
  }
  return found;
}

function lasting(drawing, name) {
  const table = drawing.data.populations.find((each) => Object.hasOwn(each.series, name));
  const [moments, values] = table ? [table.moments, table.series[name]] : [[], []];
  const found = [[-Infinity, moments[0] ?? Infinity, 0]];
  moments.forEach((t, i) => found.push([t, moments[i + 1] ?? Infinity, values[i]]));
  return found.filter(([t0, t1]) => t1 > drawing.from && t0 < drawing.to);
}

function peak(stretches) {
  let most = 0;
  for (const all of stretches.values()) for (const [, , value] of all) most = Math.max(most, value ?? 0);
  return most;
}

function fromZero(most, top, bottom) {
  const step = niceStep(Math.max(most, 1), 3, VALUES);
  const high = step * Math.max(1, Math.ceil(most / step - ALMOST));
  const marks = ticks(0, high, Math.round(high / step), VALUES).map((value) => [value, number(value)]);
  return { y: (value) => bottom + (top - bottom) * Math.min(1, value / high), marks };
}

// What lies below each band of a stack, whose own stretches become sums.
function stacked(stretches) {
  const lower = new Map();
  let before = null;
  for (const [name, all] of stretches) {
    lower.set(name, before ?? all.map(([t0, t1]) => [t0, t1, 0]));
    before = all;
  }
  return lower;
}

function summed(stretches) {
  let before = null;
  for (const all of stretches.values()) {
    if (before) all.forEach((stretch, i) => (stretch[2] += before[i][2]));
    before = all;
  }
}

const KINDS = {
  rate: {
    stretches(drawing, name, level, path) {
      const column = level.series[name];
      const rare = path.dataset.rare !== undefined;
      return binned(drawing, level, (i) => (rare && !column?.[i] ? null : (column?.[i] ?? 0) / level.width));
    },
    scale: (stretches, top, bottom) => fromZero(peak(stretches), top, bottom),
  },
  latency: {
    stretches: (drawing, name, level) => binned(drawing, level, (i) => level.series[name]?.[i] ?? null),
    scale(stretches, top, bottom) {
      const known = [...stretches.values()].flat().map((stretch) => stretch[2]).filter((value) => value !== null);
      const least = known.reduce((a, b) => Math.min(a, b), Infinity);
      const most = known.reduce((a, b) => Math.max(a, b), 0);
      const [low, high] = decades(known.length ? Math.max(least, 0.01) : 1, Math.max(most, 0.02));
      const y = (value) => bottom + (top - bottom) * (Math.log10(Math.max(value, low) / low) / Math.log10(high / low));
      const marks = [];
      for (let value = low; value <= high * 1.001; value *= 10) marks.push([value, number(value)]);
      return { y, marks };
    },
    // A p99 needs 100 samples in its bin: whether it has them depends on the level.
    name(panel, paths, drawing, level) {
      const counts = level.series[`${paths[0].dataset.series.split(".")[0]}.count`];
      const samples = binned(drawing, level, (i) => counts?.[i] ?? 0).map((stretch) => stretch[2]);
      const kinds = new Set(samples.filter(Boolean).map((count) => (count >= 100 ? "p99" : "slowest")));
      if (kinds.size) panel.querySelector(".key-high").textContent = [...kinds].sort().join(" or ");
    },
  },
  stack: {
    stretches: (drawing, name) => lasting(drawing, name),
    scale(stretches, top, bottom) {
      summed(stretches);
      return fromZero(peak(stretches), top, bottom);
    },
    stacked: true,
  },
  steps: {
    stretches: (drawing, name) => lasting(drawing, name).map(([t0, t1, value]) => [t0, t1, value || null]),
    scale: (stretches, top, bottom) => fromZero(peak(stretches), top, bottom),
  },
};

// Round values, paths of steps, and numbers in words: the rules of reports/svg.py and reports/sentence.py.

const VALUES = [1, 2, 2.5, 5, 10];
const TIMES = [1, 2, 5, 10];
const ALMOST = 1e-9;

function niceStep(length, most, factors) {
  const raw = Math.max(length, ALMOST) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * factors.find((factor) => factor * power >= raw * (1 - ALMOST));
}

function ticks(low, high, most, factors) {
  const step = niceStep(high - low, most, factors);
  const found = [];
  for (let i = Math.ceil(low / step - ALMOST); i * step <= high + step * ALMOST; i++) found.push(i * step || 0);
  return found;
}

function decades(low, high) {
  const bottom = Math.floor(Math.log10(low));
  return [10 ** bottom, 10 ** Math.max(Math.ceil(Math.log10(high)), bottom + 1)];
}

// A segment is [from x, to x, y], or null for y where there is nothing.

function stepLine(segments) {
  let path = "";
  let broken = true;
  for (const [x0, x1, y] of segments) {
    if (y !== null) path += (broken ? `M${px(x0)} ${px(y)}` : `V${px(y)}`) + `H${px(x1)}`;
    broken = y === null;
  }
  return path;
}

function stepArea(segments, base) {
  if (!segments.length) return "";
  const start = segments[0][0];
  const known = segments.map(([x0, x1, y]) => [x0, x1, y === null ? base : y]);
  return `${stepLine([[start, start, base], ...known])}V${px(base)}Z`;
}

function stepBand(lower, upper) {
  return lower
    .map(([x0, x1, low], i) => [x0, x1, low, upper[i][2]])
    .filter(([, , low, high]) => low !== null && high !== null && low !== high)
    .map(([x0, x1, low, high]) => `M${px(x0)} ${px(low)}H${px(x1)}V${px(high)}H${px(x0)}Z`)
    .join("");
}

function px(value) {
  return String(Math.round(value * 10) / 10);
}

function number(value, decimals = 3) {
  return value.toLocaleString("en", { maximumFractionDigits: decimals }).replace("-", "−");
}

function seconds(value, decimals = 3) {
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return `${value.toLocaleString("en", options).replace("-", "−")} s`;
}

function milliseconds(value) {
  if (value >= 9950) return `${number(value / 1000, 1)} s`;
  if (value >= 99.5) return `${number(value / 1000, 2)} s`;
  return `${number(value, value >= 9.95 ? 0 : value >= 0.95 ? 1 : 2)} ms`;
}

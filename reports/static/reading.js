// Exact values at a moment, as rows of [name, value]; a row of one word is a heading.

function reading(data, level, t, lane) {
  const i = Math.floor((t - level.start) / level.width);
  return [
    ...(lane === null ? [] : member(data.lanes[lane], t)),
    ...active(data.faults, t),
    ...(i >= 0 && i < level.count ? happened(level, i) : [["Before the load"]]),
    ...connected(data, t),
  ];
}

function title(level, t) {
  const i = Math.floor((t - level.start) / level.width);
  if (i < 0 || i >= level.count) return seconds(t);
  const decimals = level.width < 0.1 ? 2 : level.width < 1 ? 1 : 0;
  const [from, to] = [level.start + i * level.width, level.start + (i + 1) * level.width];
  return `${number(from, 3)} to ${number(to, Math.max(decimals, 3))} s`;
}

function member(lane, t) {
  const span = lane.spans.find((each) => each.from <= t && t < each.to);
  if (!span) return [[lane.member, "not seen"]];
  const since = `${seconds(span.from)} to ${seconds(span.to)}`;
  return [[lane.member, span.state], ["", since], ...[span.identity, span.note].filter(Boolean).map((w) => ["", w])];
}

function active(faults, t) {
  return faults
    .filter((fault) => fault.from <= t && (fault.to === null || t <= fault.to))
    .map((fault) => ["fault", fault.name]);
}

function happened(level, i) {
  const count = (name) => level.series[name]?.[i] ?? 0;
  const rate = (name) => `${number(count(name))}  (${number(count(name) / level.width, 1)}/s)`;
  const rare = (name, words) => (count(name) ? [[words, number(count(name))]] : []);
  return [
    ["Sends"],
    ["attempted", rate("attempted")],
    ["acknowledged", rate("acked")],
    ["rejected", number(count("rejected"))],
    ["indeterminate", number(count("indeterminate"))],
    ...rare("resent", "resent"),
    ["Deliveries"],
    ["live", rate("live")],
    ...rare("resumed", "from history"),
    ...latency(level, i, "ack", "Send to acknowledgement"),
    ...latency(level, i, "delivery", "Send to live delivery"),
    ...(count("lost") + count("back") ? [["Connections"]] : []),
    ...rare("lost", "lost"),
    ...rare("back", "back again"),
  ];
}

function latency(level, i, name, words) {
  const samples = level.series[`${name}.count`]?.[i] ?? 0;
  if (!samples) return [[words], ["no sample", ""]];
  const value = (part) => milliseconds(level.series[`${name}.${part}`]?.[i] ?? 0);
  return [
    [words],
    ["median", value("p50")],
    ["p90", value("p90")],
    [samples >= 100 ? "p99" : "slowest", value("high")],
  ];
}

function connected(data, t) {
  const [nodes, away] = data.populations;
  const at = nodes.moments.findLastIndex((moment) => moment <= t);
  const cut = away.moments.findLastIndex((moment) => moment <= t);
  const rows = data.nodes.map((name, i) => [name, number(at < 0 ? 0 : nodes.series[`connected-${i}`][at])]);
  const gone = cut < 0 ? 0 : away.series["cut-off"][cut];
  return [...(rows.length ? [["Connected bots"], ...rows] : []), ...(gone ? [["cut off", number(gone)]] : [])];
}

"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const runs = data.runs, NS = "http://www.w3.org/2000/svg";
  const $ = (id) => document.getElementById(id);
  const el = (tag, props = {}, ...kids) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(props)) key in node && key !== "style" ? (node[key] = value) : node.setAttribute(key, value);
    node.append(...kids.filter((kid) => kid !== null && kid !== undefined));
    return node;
  };
  const svg = (tag, props = {}, ...kids) => {
    const node = document.createElementNS(NS, tag);
    for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
    node.append(...kids);
    return node;
  };

  // What numbers look like.
  const plain = (v) => (Math.abs(v) >= 1e6 ? v.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 }) : v.toLocaleString("en", { maximumFractionDigits: Math.abs(v) < 10 ? 2 : Math.abs(v) < 100 ? 1 : 0 }));
  const percent = (v) => `${+(v * 100).toFixed(v > 0.99 && v < 1 ? 3 : v > 0.9 && v < 1 ? 2 : 1)}%`;
  const span = (s) => {
    if (s === 0) return "0s";
    if (s < 60) return `${+s.toFixed(s < 10 ? 1 : 0)}s`;
    const t = Math.round(s), h = Math.floor(t / 3600), m = Math.floor((t % 3600) / 60), r = t % 60;
    return [h && `${h}h`, m && `${m}m`, r && h < 10 && `${r}s`].filter(Boolean).join(" ");
  };
  const inUnit = (unit, v) => (unit === "ratio" ? percent(v) : unit === "seconds" ? span(v) : plain(v));
  const bound = (o) => [o.atLeast !== undefined && `≥ ${inUnit(o.unit, o.atLeast)}`, o.atMost !== undefined && `≤ ${inUnit(o.unit, o.atMost)}`].filter(Boolean).join(", ");

  // A chart of values over time. All charts of a run share one cursor.
  let charts = [], cursor = null;
  const pad = { left: 46, right: 12, top: 18, bottom: 24 };
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  const nice = (top) => {
    if (top <= 0) return 1;
    const power = 10 ** Math.floor(Math.log10(top));
    return [1, 1.5, 2, 3, 4, 5, 8, 10].map((f) => f * power).find((v) => v >= top * 1.02) || 10 * power;
  };

  function chart(host, run, spec) {
    const box = el("div", { className: "chart" }), legend = el("span", { className: "legend" });
    for (const entry of spec.legend || []) {
      const swatch = el("i", entry.dash ? { className: "dash" } : { style: `background:${entry.color}` });
      legend.append(el("span", {}, swatch, entry.name));
    }
    box.append(el("h3", {}, el("span", {}, spec.title), legend));
    host.append(box);
    const c = { box, run, spec };
    c.draw = () => draw(c);
    charts.push(c);
    c.draw();
  }

  function draw(c) {
    const { box, run, spec } = c, width = Math.max(box.clientWidth, 260), height = spec.height || 190;
    const inner = width - pad.left - pad.right, tall = height - pad.top - pad.bottom;
    const x = (s) => pad.left + (run.duration ? s / run.duration : 0) * inner;
    const y = (v) => pad.top + tall - ((v - spec.low) / (spec.high - spec.low)) * tall;
    c.x = x;
    c.inner = inner;
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, tabindex: 0, role: "img", "aria-label": `${spec.title}. ${spec.summary || ""} Left and right arrow keys move along time.` });
    if (!spec.rows) {
      for (let i = 0; i <= 4; i++) {
        const v = spec.low + ((spec.high - spec.low) * i) / 4;
        root.append(svg("line", { x1: pad.left, x2: width - pad.right, y1: y(v), y2: y(v), stroke: "var(--grid)" }), svg("text", { x: pad.left - 7, y: y(v) + 4, "text-anchor": "end" }, spec.format(v)));
      }
    }
    const step = steps.find((s) => run.duration / s <= Math.max(3, inner / 90)) || 604800;
    for (let t = 0; t <= run.duration; t += step) root.append(svg("text", { x: x(t), y: height - 7, "text-anchor": t === 0 ? "start" : run.duration - t < step / 3 ? "end" : "middle" }, span(t)));
    spec.paint(root, x, y, { width, height, inner });
    for (const [i, mark] of run.marks.entries()) {
      if (run.marks.length > 400) break;
      root.append(svg("line", { x1: x(mark.at), x2: x(mark.at), y1: pad.top - 4, y2: height - pad.bottom, stroke: "var(--mark)", "stroke-width": 1, "stroke-dasharray": "2 3", opacity: run.marks.length > 40 ? 0.35 : 0.75 }));
      const last = i && x(mark.at) - x(run.marks[i - 1].at) < 15;
      if (spec.numbers && run.marks.length <= 40 && !last) root.append(svg("circle", { cx: x(mark.at), cy: 8, r: 8, class: "mk" }), svg("text", { x: x(mark.at), y: 12, "text-anchor": "middle", style: "fill:var(--card);font-size:10px;font-weight:700" }, `${i + 1}`));
    }
    const line = svg("line", { y1: pad.top - 4, y2: height - pad.bottom, stroke: "var(--ink)", "stroke-width": 1.2, visibility: "hidden" });
    root.append(line);
    c.line = line;
    const at = (event) => {
      const box = root.getBoundingClientRect();
      return Math.min(run.duration, Math.max(0, ((event.clientX - box.left - pad.left) / inner) * run.duration));
    };
    root.addEventListener("pointermove", (event) => move(c, at(event), event.clientX, event.clientY));
    root.addEventListener("pointerdown", (event) => move(c, at(event), event.clientX, event.clientY));
    root.addEventListener("pointerleave", hide);
    root.addEventListener("blur", hide);
    root.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (event.key === "Escape") return hide();
      if (!way) return;
      event.preventDefault();
      const width = run.timeline.width;
      const to = Math.min(run.duration, Math.max(0, (cursor === null ? 0 : cursor) + way * Math.max(width, run.duration / 200)));
      const box = root.getBoundingClientRect();
      move(c, to, box.left + x(to), box.top + 40);
    });
    const old = box.querySelector("svg");
    old ? old.replaceWith(root) : box.append(root);
  }

  function move(c, time, left, top) {
    cursor = time;
    for (const other of charts) {
      if (time > other.run.duration) continue;
      other.line.setAttribute("visibility", "visible");
      other.line.setAttribute("x1", other.x(time));
      other.line.setAttribute("x2", other.x(time));
    }
    const tip = $("tip"), near = c.run.duration / Math.max(c.inner / 8, 1);
    tip.replaceChildren(el("b", {}, span(time)));
    for (const row of c.spec.tell(time)) tip.append(el("div", {}, el("span", {}, row.color ? el("i", { style: `background:${row.color}` }) : "", row.name), el("span", {}, row.value)));
    for (const mark of c.run.marks.filter((m) => Math.abs(m.at - time) <= near).slice(0, 5)) tip.append(el("p", {}, `${span(mark.at)}  ${mark.text}`));
    tip.style.display = "block";
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, left + 16 + box.width > innerWidth ? left - box.width - 16 : left + 16)}px`;
    tip.style.top = `${Math.min(innerHeight - box.height - 6, Math.max(6, top - 20))}px`;
  }

  function hide() {
    cursor = null;
    $("tip").style.display = "none";
    for (const c of charts) c.line.setAttribute("visibility", "hidden");
  }

  // Paths over the points of a line.
  const path = (points, width, end, x, y) => points.map((v, i) => `${i ? "L" : "M"}${x(Math.min(i * width, end)).toFixed(1)} ${y(v).toFixed(1)}L${x(Math.min((i + 1) * width, end)).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  const area = (tops, bottoms, width, end, x, y) => {
    const back = bottoms.map((v, i) => `L${x(Math.min((i + 1) * width, end)).toFixed(1)} ${y(v).toFixed(1)}L${x(Math.min(i * width, end)).toFixed(1)} ${y(v).toFixed(1)}`).reverse().join("");
    return path(tops, width, end, x, y) + back + "Z";
  };

  function availability(host, run) {
    const t = run.timeline, n = t.ready.length;
    const part = (missing, i) => (t.promised[i] > 0 ? Math.max(0, 1 - missing[i] / t.promised[i]) : 1);
    const mean = [...Array(n)].map((_, i) => part(t.missing, i)), worst = [...Array(n)].map((_, i) => part(t.peakMissing, i));
    const lowest = Math.min(1, ...worst), low = lowest > 0.99 ? 0.98 : lowest > 0.8 ? Math.floor(lowest * 20 - 0.5) / 20 : lowest > 0.5 ? 0.4 : 0;
    chart(host, run, {
      title: "Availability", low, high: 1, format: percent, numbers: true, height: 200, summary: `Lowest ${percent(lowest)}.`,
      legend: [{ name: "ready part of what was promised", color: "var(--c0)" }, { name: "lowest within a point", color: "color-mix(in srgb,var(--bad) 35%,transparent)" }],
      paint: (root, x, y) => {
        root.append(svg("path", { d: area(mean, worst, t.width, run.duration, x, y), fill: "var(--bad)", opacity: 0.28 }));
        root.append(svg("path", { d: path(mean, t.width, run.duration, x, y), fill: "none", stroke: "var(--c0)", "stroke-width": 2 }));
        for (const o of run.objectives || []) {
          if (!o.breach) continue;
          root.append(svg("path", { d: `M${x(o.breach.at)} ${y(1)}l5 -8h-10z`, fill: "var(--bad)" }, svg("title", {}, `${o.name} broken at ${span(o.breach.at)}`)));
        }
      },
      tell: (time) => {
        const i = Math.min(n - 1, Math.floor(time / t.width));
        return n ? [{ name: "ready", value: percent(mean[i]), color: "var(--c0)" }, { name: "lowest", value: percent(worst[i]), color: "var(--bad)" }, { name: "missing replicas", value: plain(t.missing[i]) }] : [];
      },
    });
  }

  function replicas(host, run, title, clusters, width, desired) {
    const n = Math.max(0, ...clusters.map((line) => (line.ready || []).length)), sum = (line) => line.ready.reduce((a, b) => a + b, 0);
    const lines = clusters.map((line) => ({ name: line.cluster, points: [...Array(n)].map((_, i) => line.ready[i] || 0), sum: sum(line) }));
    lines.sort((a, b) => b.sum - a.sum || (a.name < b.name ? -1 : 1));
    const shown = lines.length > 8 ? lines.slice(0, 7) : lines, rest = lines.slice(shown.length);
    shown.sort((a, b) => (a.name < b.name ? -1 : 1));
    if (rest.length) shown.push({ name: `${rest.length} more clusters`, points: [...Array(n)].map((_, i) => rest.reduce((a, line) => a + line.points[i], 0)) });
    const color = (i) => `var(--c${rest.length && i === shown.length - 1 ? 7 : i % 8})`;
    const high = nice(Math.max(...desired, ...[...Array(n)].map((_, i) => shown.reduce((a, line) => a + line.points[i], 0)), 1));
    chart(host, run, {
      title, low: 0, high, format: plain, height: 230,
      legend: [...shown.map((line, i) => ({ name: line.name, color: color(i) })), ...(desired.length ? [{ name: "desired", dash: true }] : [])],
      paint: (root, x, y) => {
        let base = Array(n).fill(0);
        for (const [i, line] of shown.entries()) {
          const top = base.map((v, k) => v + line.points[k]);
          root.append(svg("path", { d: area(top, base, width, run.duration, x, y), fill: color(i), opacity: 0.82 }));
          base = top;
        }
        root.append(svg("path", { d: path(desired, width, run.duration, x, y), fill: "none", stroke: "var(--ink)", "stroke-width": 1.4, "stroke-dasharray": "5 4" }));
      },
      tell: (time) => {
        const i = Math.min(n - 1, Math.floor(time / width)), wanted = desired.length ? [{ name: "desired", value: plain(desired[i]) }] : [];
        return n ? [...wanted, ...shown.map((line, k) => ({ name: line.name, value: plain(line.points[i]), color: color(k) })).reverse()] : [];
      },
    });
  }

  function pending(host, run) {
    const t = run.timeline, n = t.pending.length;
    if (!Math.max(0, ...t.pending, ...t.missing)) return;
    chart(host, run, {
      title: "Pending and missing replicas", low: 0, high: nice(Math.max(...t.pending, ...t.missing)), format: plain, height: 140,
      legend: [{ name: "pending", color: "var(--c1)" }, { name: "missing", color: "var(--bad)" }],
      paint: (root, x, y) => {
        root.append(svg("path", { d: area(t.pending, t.pending.map(() => 0), t.width, run.duration, x, y), fill: "var(--c1)", opacity: 0.45 }));
        root.append(svg("path", { d: path(t.missing, t.width, run.duration, x, y), fill: "none", stroke: "var(--bad)", "stroke-width": 1.6 }));
      },
      tell: (time) => {
        const i = Math.min(n - 1, Math.floor(time / t.width));
        return n ? [{ name: "pending", value: plain(t.pending[i]), color: "var(--c1)" }, { name: "missing", value: plain(t.missing[i]), color: "var(--bad)" }] : [];
      },
    });
  }

  function states(host, run) {
    const troubled = run.clusters.filter((c) => c.states.length > 1), rows = (run.clusters.length <= 14 ? run.clusters : troubled).slice(0, 24);
    if (!rows.length || !troubled.length) return;
    const tall = 18, used = [...new Set(rows.flatMap((c) => c.states.map((s) => s.state)))];
    const tint = { ready: "var(--c2)", failed: "var(--bad)", partitioned: "var(--warn)", degraded: "var(--c5)", removed: "var(--c7)" };
    chart(host, run, {
      title: "State of clusters", rows: true, low: 0, high: 1, height: rows.length * tall + pad.top + pad.bottom, legend: used.map((s) => ({ name: s, color: tint[s] })),
      paint: (root, x) => {
        for (const [i, c] of rows.entries()) {
          const top = pad.top + i * tall;
          root.append(svg("text", { x: pad.left - 6, y: top + 12, "text-anchor": "end" }, c.name.length > 7 ? `${c.name.slice(0, 6)}…` : c.name, svg("title", {}, c.name)));
          for (const s of c.states) root.append(svg("rect", { x: x(s.from), y: top + 2, width: Math.max(1, x(s.to) - x(s.from)), height: tall - 5, class: s.state, opacity: s.state === "ready" ? 0.45 : 0.9 }));
        }
      },
      tell: (time) => rows.map((c) => ({ c, s: c.states.find((s) => time >= s.from && time <= s.to) })).filter(({ s }) => s && s.state !== "ready").slice(0, 8).map(({ c, s }) => ({ name: c.name, value: s.state, color: tint[s.state] })),
    });
  }

  function card(title, note, ...kids) {
    return el("section", { className: "card" }, el("div", { className: "head" }, el("h2", {}, title), note ? el("small", {}, note) : null), ...kids);
  }

  function table(heads, rows) {
    const head = el("tr", {}, ...heads.map((h) => el("th", { className: `${h.n ? "n" : ""} ${h.wide ? "wide" : ""}`, scope: "col" }, h.name)));
    const body = rows.map((cells) => el("tr", {}, ...cells.map((cell, i) => el("td", { className: `${heads[i].n ? "n" : ""} ${heads[i].wide ? "wide" : ""} ${i === 0 ? "name" : ""}` }, cell))));
    return el("div", { className: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
  }

  function objectives(host, run) {
    const list = run.objectives || [], box = card("Objectives", `${list.filter((o) => o.passed).length} of ${list.length} kept`);
    for (const o of list) {
      let why = "";
      if (o.breach) {
        why = el("button", { title: "Show this moment in the charts" }, `at ${span(o.breach.at)}${o.breach.cause ? `, after ${o.breach.cause.text} (${span(o.breach.cause.at)})` : ", with nothing done before"}`);
        why.onclick = () => {
          const c = charts.find((other) => other.run === run), svg = c.box.querySelector("svg");
          c.box.scrollIntoView({ block: "center" });
          svg.focus({ preventScroll: true });
          const rect = svg.getBoundingClientRect();
          move(c, o.breach.at, rect.left + c.x(o.breach.at), rect.top + 40);
        };
      }
      const badge = el("span", { className: `badge ${o.passed ? "" : "bad"}`, title: o.passed ? "kept" : "broken" }, o.passed ? "✓" : "✕");
      box.append(el("div", { className: "objective" }, badge, el("b", { style: "font-weight:500;overflow-wrap:anywhere" }, o.name), el("span", { className: "soft" }, bound(o)), el("span", { className: o.passed ? "" : "fail" }, o.unmeasured ? "none" : inUnit(o.unit, o.value)), el("span", {}, why)));
    }
    for (const v of run.violations || []) box.append(el("p", { className: "fail" }, `Invariant ${v.invariant} violated at ${span(v.at)}: ${v.text}`));
    if (list.length || (run.violations || []).length) host.append(box);
  }

  function tiles(host, run) {
    const t = run.total, list = [
      [percent(t.availability), "availability"], [percent(t.lowestAvailability), "lowest of a workload"],
      [t.recovery.count ? span(t.recovery.p90) : "none", t.recovery.count ? `recovery P90, longest ${span(t.recovery.max)}` : "incidents"],
      [span(t.secondsBelowFloor), "below the floor, summed"], [plain(t.moves), `moves, surge up to ${plain(t.peakSurge)}`],
      [plain(t.pending), `pending at the end, peak ${plain(t.peakPending)}`], [plain(t.evictions), `evictions, ${plain(t.podsLost)} pods lost`], [plain(t.cost), `cost, ${percent(t.utilisation)} used`],
    ];
    host.append(el("div", { className: "tiles" }, ...list.map(([value, name]) => el("div", { className: "tile" }, el("b", {}, value), el("span", {}, name)))));
  }

  function events(run) {
    if (!run.marks.length) return el("p", { className: "soft" }, "Nothing was done to the fleet.");
    const item = (mark, i) => el("li", {}, el("span", { className: "num" }, `${i + 1}`), el("span", { className: "t" }, span(mark.at)), el("span", {}, mark.text));
    const list = el("ol", { className: "events" }, ...run.marks.slice(0, 12).map(item));
    if (run.marks.length <= 12) return list;
    const more = el("button", { className: "more" }, `Show all ${run.marks.length} events`);
    more.onclick = () => { list.append(...run.marks.slice(12).map((mark, i) => item(mark, i + 12))); more.remove(); };
    return el("div", {}, list, more);
  }

  function spark(line, duration) {
    const w = 150, h = 26, points = line.points || [], low = Math.min(0.5, ...points);
    const y = (v) => 3 + (1 - (v - low) / (1 - low || 1)) * (h - 6), x = (s) => (duration ? s / duration : 0) * w;
    return svg("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `availability over time, lowest ${percent(Math.min(1, ...points))}` },
      svg("path", { d: points.length ? area(points.map(() => 1), points, line.width, duration, x, y) : "", fill: "var(--bad)", opacity: 0.3 }), svg("path", { d: path(points, line.width, duration, x, y), fill: "none", stroke: "var(--c0)", "stroke-width": 1.5 }));
  }

  function workloads(host, run) {
    const all = [...(run.workloads || [])].sort((a, b) => a.lowestAvailability - b.lowestAvailability || b.unavailableReplicaSeconds - a.unavailableReplicaSeconds);
    const input = el("input", { type: "search", placeholder: "Filter by name", ariaLabel: "Filter workloads by name" }), body = el("div");
    const heads = [{ name: "Workload" }, { name: "Over time", wide: true }, { name: "Lowest", n: true }, { name: "Availability", n: true }, { name: "Recovery", n: true }, { name: "Below floor", n: true, wide: true }, { name: "Min ready", n: true, wide: true }, { name: "Ready", n: true, wide: true }, { name: "Moves", n: true, wide: true }];
    let limit = 15;
    const detail = el("div", { style: "margin-top:14px" });
    const open = (w) => {
      charts = charts.filter((c) => !detail.contains(c.box));
      detail.replaceChildren();
      replicas(detail, run, `Ready replicas of ${w.namespace}/${w.name} by cluster`, w.clusters, w.clusters[0].width, []);
      detail.scrollIntoView({ block: "nearest" });
    };
    const title = (w) => {
      const name = `${w.namespace}/${w.name}${w.deleted ? " (deleted)" : ""}`;
      if (!w.clusters) return name;
      const button = el("button", { className: "link", title: "Show its clusters over time" }, name);
      button.onclick = () => open(w);
      return button;
    };
    const fill = () => {
      const found = all.filter((w) => `${w.namespace}/${w.name}`.includes(input.value));
      const rows = found.slice(0, limit).map((w) => [title(w), spark(w.line, run.duration), percent(w.lowestAvailability), percent(w.availability), w.recovery.count ? span(w.recovery.max) : "–", span(w.secondsBelowFloor), plain(w.minReady), `${w.ready}/${w.desired}`, plain(w.moves)]);
      const more = el("button", { className: "more" }, `Show more of ${found.length}`);
      more.onclick = () => { limit *= 4; fill(); };
      body.replaceChildren(table(heads, rows), found.length > limit ? more : "");
    };
    input.oninput = fill;
    fill();
    const box = card("Workloads", all.length < run.total.workloads ? `the ${all.length} worst of ${run.total.workloads}` : `${all.length}, the worst first`, body, detail);
    if (all.length > 15) box.querySelector(".head").append(input);
    host.append(box);
  }

  function clusters(host, run) {
    const bar = (v) => el("span", {}, el("span", { className: "bar" }, el("i", { style: `width:${Math.min(100, v * 100)}%` })), percent(v));
    const where = (c) => [c.provider, c.region].filter(Boolean).join(" / ");
    const rows = run.clusters.map((c) => [c.name, where(c), plain(c.nodes), bar(c.utilisation), percent(c.peakUtilisation), plain(c.ready), plain(c.peakPending), plain(c.podsLost), plain(c.evictions), plain(c.cost)]);
    const shown = rows.slice(0, 100);
    host.append(card("Clusters", rows.length > shown.length ? `the first 100 of ${rows.length}` : `${rows.length}`, table([{ name: "Cluster" }, { name: "Where", wide: true }, { name: "Nodes", n: true, wide: true }, { name: "CPU in use" }, { name: "Peak", n: true, wide: true }, { name: "Ready", n: true }, { name: "Peak pending", n: true, wide: true }, { name: "Lost", n: true }, { name: "Evictions", n: true }, { name: "Cost", n: true, wide: true }], shown)));
  }

  function plane(host, run) {
    const p = run.controlPlane, q = p.queueTime;
    const rows = [["Decisions", plain(p.decisions)], ["without a result", plain(p.failedDecisions)], ["Time in the queue", q.count ? `P50 ${span(q.p50)}, P99 ${span(q.p99)}, longest ${span(q.max)}` : "–"], ["Writes", plain(p.writes)], ["Pods started", plain(p.podStarts)], ...(p.reconciles || []).map((r) => [`Turns of ${r.controller}`, plain(r.count)])];
    host.append(card("Control plane", "", table([{ name: "" }, { name: "", n: true }], rows)));
  }

  // Runs in one chart, over the time of the longest.
  function overlay(host) {
    const shown = runs.slice(0, 8), longest = shown.reduce((a, b) => (b.report.duration > a.report.duration ? b : a)).report;
    const lines = shown.map((run) => {
      const t = run.report.timeline;
      return { name: run.name, width: t.width, end: run.report.duration, points: t.ready.map((_, i) => (t.promised[i] > 0 ? Math.max(0, 1 - t.missing[i] / t.promised[i]) : 1)) };
    });
    const lowest = Math.min(1, ...lines.flatMap((line) => line.points));
    chart(host, { duration: longest.duration, timeline: longest.timeline, marks: [] }, {
      fixed: true, title: "Ready part of what was promised", low: lowest > 0.98 ? 0.98 : lowest > 0.8 ? 0.8 : lowest > 0.5 ? 0.4 : 0, high: 1, format: percent, height: 200,
      legend: lines.map((line, i) => ({ name: line.name, color: `var(--c${i})` })),
      paint: (root, x, y) => lines.forEach((line, i) => root.append(svg("path", { d: path(line.points, line.width, line.end, x, y), fill: "none", stroke: `var(--c${i})`, "stroke-width": 1.8 }))),
      tell: (time) => lines.map((line, i) => ({ ...line, color: `var(--c${i})` })).filter((line) => time <= line.end).map((line) => ({ name: line.name, color: line.color, value: percent(line.points[Math.min(line.points.length - 1, Math.floor(time / line.width))] ?? 1) })),
    });
  }

  function compare(host) {
    const rows = data.metrics.map((m) => [m.name, ...m.values.map((v, i) => {
      const change = v - m.values[0];
      return el("span", {}, inUnit(m.unit, v), i && Math.abs(change) > 1e-9 ? el("small", {}, ` ${change > 0 ? "+" : "−"}${inUnit(m.unit, Math.abs(change))}`) : "");
    })]);
    const box = card("Availability side by side", "");
    host.append(box);
    overlay(box);
    host.append(card("Side by side", "differences to the first run", table([{ name: "Measure" }, ...runs.map((r) => ({ name: r.name, n: true }))], rows)));
  }

  function intervals(host) {
    const r = data.replications, rows = r.intervals.map((i) => [i.measure.replaceAll("_", " "), inUnit(i.unit, i.mean), `${inUnit(i.unit, Math.max(0, i.low))} … ${inUnit(i.unit, i.high)}`, inUnit(i.unit, i.min), inUnit(i.unit, i.max)]);
    host.append(card("Replications", `${r.runs} runs, ${r.passed} kept every objective`, table([{ name: "Measure" }, { name: "Mean", n: true }, { name: `${percent(r.confidence)} confidence`, n: true }, { name: "Min", n: true, wide: true }, { name: "Max", n: true, wide: true }], rows)));
  }

  function show(index) {
    const run = runs[index].report, host = $("run");
    hide();
    charts = charts.filter((c) => c.spec.fixed);
    host.replaceChildren();
    const verdict = el("span", { className: `verdict ${run.passed ? "" : "bad"}` }, `${run.passed ? "✓" : "✕"} ${runs[index].verdict}`);
    host.append(verdict);
    tiles(host, run);
    objectives(host, run);
    const box = card("Timeline", "point at a chart, or focus it and use the arrow keys");
    host.append(box);
    availability(box, run);
    replicas(box, run, "Ready replicas by cluster", run.timeline.clusters || [], run.timeline.width, run.timeline.desired);
    pending(box, run);
    states(box, run);
    host.append(card("Events", run.droppedMarks ? `and ${run.droppedMarks} more that are not told` : "", events(run)));
    workloads(host, run);
    clusters(host, run);
    plane(host, run);
    for (const [i, tab] of [...$("tabs").children].entries()) tab.setAttribute("aria-selected", i === index);
  }

  $("theme").onclick = () => {
    const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme:dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };
  const first = runs[0].report;
  $("about").textContent = `${runs.length > 1 ? `${runs.length} runs · ` : `seed ${first.seed} · `}${span(first.duration)} of virtual time from ${first.start.replace("T", " ").replace("Z", " UTC")}`;
  if (runs.length > 1) {
    compare($("compare"));
    for (const [i, run] of runs.entries()) {
      const tab = el("button", { role: "tab" }, `${run.report.passed ? "✓" : "✕"} ${run.name}`);
      tab.onclick = () => show(i);
      $("tabs").append(tab);
    }
  }
  if (data.replications) intervals($("compare"));
  show(0);
  let timer = 0;
  addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(() => charts.forEach((c) => c.draw()), 120); });
})();

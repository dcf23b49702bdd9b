// The part of a report's page that moves: curves, confusion matrices and, on a live page, newer data.
// All else is HTML that is there without this script.
"use strict";
(() => {
  const METRICS = {
    test_error: { name: "test", dash: [] },
    train_error: { name: "training", dash: [7, 4] },
    validation_error: { name: "validation", dash: [2, 3] },
  };
  const COLORS = 10;
  const find = (selector) => document.querySelector(selector);
  const choose = find("#choose"), chart = find("#chart"), confused = find("#confused");
  const numbers = new Intl.NumberFormat("en");
  let data, plot, curves, shown = {};
  // What a user has zoomed to, in iterations.
  let range = null;

  // Shows this data in place of what is there; a live page is sent the sections with it. Curves that are the
  // same are left alone, so that one who reads or chooses is not disturbed.
  function show(newer) {
    data = newer;
    for (const [id, html] of Object.entries(data.sections ?? {})) replace(id, html);
    const before = curves;
    curves = JSON.stringify([data.runs, data.iterations]);
    if (curves === before) return;
    offer();
    draw();
    confuse();
  }

  // Replaces a section if it has changed; what is open stays open, and the focus stays where it is.
  function replace(id, html) {
    if (shown[id] === html) return;
    shown[id] = html;
    const section = document.getElementById(id);
    const open = [...section.querySelectorAll("details[open][id]")].map((it) => it.id);
    const focus = section.contains(document.activeElement) && document.activeElement.closest("[id]");
    section.innerHTML = html;
    for (const it of open) document.getElementById(it)?.setAttribute("open", "");
    if (focus) document.getElementById(focus.id)?.querySelector("summary, a")?.focus();
  }

  const models = () => [...new Map(data.runs.map((run) => [run.model, run.label]))];
  const seeds = () => [...new Set(data.runs.map((run) => run.seed))].sort((one, other) => one - other);

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // Fills a choice; what was chosen stays so as long as it is there.
  function options(select, choices) {
    const before = select.value;
    select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
    if (choices.some(([value]) => String(value) === before)) select.value = before;
  }

  // Offers the models and seeds that there are.
  function offer() {
    const field = find("#models");
    const hidden = new Set([...field.querySelectorAll("input:not(:checked)")].map((it) => it.value));
    const labels = models().map(([model, label], place) => {
      const swatch = element("i", { className: "swatch" });
      swatch.style.background = `var(--c${place % COLORS})`;
      const box = element("input", { type: "checkbox", name: "model", value: model, checked: !hidden.has(model) });
      return element("label", {}, box, swatch, ` ${label}`);
    });
    field.replaceChildren(field.querySelector("legend"), ...labels);
    const each = seeds().map((seed) => [seed, `seed ${seed}`]);
    options(choose.seed, [["mean", "mean of all seeds"], ["all", "each seed"], ...each]);
    options(confused.model, models());
    options(confused.seed, [["all", "all seeds"], ...each]);
  }

  // The lines to draw: name, colour, dashes, iterations and errors of each.
  function lines() {
    const metrics = [...choose.querySelectorAll("[name=metric]:checked")].map((it) => it.value);
    const chosen = new Set([...choose.querySelectorAll("[name=model]:checked")].map((it) => it.value));
    const seed = choose.seed.value;
    return models().flatMap(([model, label], place) => {
      if (!chosen.has(model)) return [];
      const runs = data.runs.filter((run) => run.model === model && (isNaN(seed) || run.seed === Number(seed)));
      return metrics.flatMap((metric) => {
        const line = { color: place % COLORS, dash: METRICS[metric].dash };
        const name = `${label}, ${METRICS[metric].name}`;
        if (seed === "mean") return runs.length ? [{ ...line, name, ...mean(runs, metric) }] : [];
        return runs.map((run) => {
          const own = seed === "all" ? `${name}, seed ${run.seed}` : name;
          return { ...line, name: own, thin: seed === "all", x: run.curve.iteration, y: run.curve[metric] };
        });
      });
    });
  }

  // The mean over runs, as far as all of them have come.
  function mean(runs, metric) {
    const x = runs.map((run) => run.curve.iteration).reduce((one, other) => (other.length < one.length ? other : one));
    const y = x.map((_, at) => {
      const values = runs.map((run) => run.curve[metric][at]);
      return values.includes(null) ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
    });
    return { x, y };
  }

  const percent = (value) => (value == null ? "–" : value.toFixed(2));

  function draw() {
    const log = choose.log.checked;
    const drawn = lines();
    const style = getComputedStyle(document.documentElement);
    const pixels = 0.8 * parseFloat(style.fontSize);
    const font = `${pixels}px ${getComputedStyle(document.body).fontFamily}`;
    const color = (name) => style.getPropertyValue(name).trim();
    // A logarithm of zero is nowhere.
    const visible = (values) => (log ? values.map((value) => (value > 0 ? value : null)) : values);
    const tables = drawn.map((line) => [line.x, visible(line.y)]);
    const axis = {
      stroke: color("--soft"),
      font,
      labelFont: font,
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line"), width: 1 },
    };
    const series = drawn.map((line) => ({
      label: line.name,
      stroke: color(`--c${line.color}`),
      width: line.thin ? 1 : 2,
      dash: line.dash,
      spanGaps: true,
      points: { show: line.x.length < 3 },
      value: (_, value) => percent(value),
    }));
    plot?.destroy();
    chart.replaceChildren();
    plot = null;
    if (!drawn.length) {
      chart.append(element("p", { className: "note" }, data.runs.length ? "Nothing is chosen." : "No curves yet."));
      return;
    }
    plot = new uPlot(
      {
        ...size(),
        scales: {
          x: { time: false, range: (_, low, high) => range ?? [Math.min(0, low), Math.max(high, data.iterations)] },
          y: { distr: log ? 3 : 1, range: log ? undefined : (_, low, high) => uPlot.rangeNum(0, Math.max(high, 1), 0.05, true) },
        },
        axes: [
          { ...axis, label: "iteration", labelSize: 1.8 * pixels, space: 6 * pixels, size: 3 * pixels, values: (_, ticks) => ticks.map((it) => numbers.format(it)) },
          { ...axis, label: "error, %", labelSize: 1.8 * pixels, space: 3 * pixels, size: 4 * pixels },
        ],
        series: [{ label: "iteration", value: (_, value) => (value == null ? "–" : numbers.format(value)) }, ...series],
        focus: { alpha: 0.3 },
        cursor: { focus: { prox: 24 }, drag: { x: true, y: false, setScale: false } },
        hooks: {
          ready: [rest, () => performance.mark("curves")],
          setSelect: [
            (it) => {
              if (it.select.width < 3) return;
              const [low, high] = [it.select.left, it.select.left + it.select.width].map((at) => it.posToVal(at, "x"));
              it.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
              zoom([low, high]);
            },
          ],
        },
      },
      tables.length > 1 ? uPlot.join(tables) : tables[0],
      chart,
    );
    plot.over.addEventListener("dblclick", () => zoom(null));
    plot.over.addEventListener("mouseleave", () => rest(plot));
  }

  // Where no cursor is, the legend has the numbers at the end.
  function rest(it) {
    it.setLegend({ idx: it.data[0].length - 1 }, false);
  }

  function size() {
    const width = Math.floor(chart.clientWidth);
    return { width, height: Math.round(Math.min(Math.max(width * 0.46, 260), 640)) };
  }

  // Shows these iterations, or all.
  function zoom(to) {
    const least = data.iterations / 1000;
    if (to && to[1] - to[0] < least) return;
    range = to && to[0] <= 0 && to[1] >= data.iterations ? null : to;
    plot?.setData(plot.data);
  }

  // Moves the cursor by so many points, and says what is there.
  function move(by) {
    const x = plot.data[0];
    const last = x.length - 1;
    const from = plot.cursor.idx ?? (by > 0 ? -1 : last + 1);
    const at = Math.min(Math.max(from + by, 0), last);
    plot.setCursor({ left: plot.valToPos(x[at], "x"), top: plot.over.clientHeight / 2 });
    const values = plot.series.slice(1).map((it, place) => `${it.label} ${percent(plot.data[place + 1][at])}`);
    find("#chart-values").textContent = `iteration ${numbers.format(x[at])}: ${values.join("; ")}`;
  }

  chart.addEventListener("keydown", (event) => {
    if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = plot.scales.x;
    const middle = plot.cursor.idx == null ? (min + max) / 2 : plot.data[0][plot.cursor.idx];
    const around = (width) => [Math.max(middle - width / 2, 0), Math.min(middle + width / 2, data.iterations)];
    const keys = {
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      "+": () => zoom(around((max - min) / 2)),
      "-": () => zoom(around((max - min) * 2)),
      0: () => zoom(null),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // A confusion matrix: images of a class (row) by what they were taken for (column).
  function confuse() {
    const { model, seed } = Object.fromEntries(new FormData(confused));
    const runs = data.runs.filter((run) => run.model === model && run.evaluation && (seed === "all" || run.seed === Number(seed)));
    const place = find("#confusion");
    if (!runs.length) {
      place.replaceChildren(element("p", { className: "note" }, "Nothing is evaluated yet."));
      return;
    }
    const classes = runs[0].evaluation.classes.map((it) => it.class);
    const head = classes.map((name) => element("th", { scope: "col" }, name));
    const rows = classes.map((name, row) => {
      const counts = classes.map((_, column) => runs.reduce((sum, run) => sum + run.evaluation.confusion[row][column], 0));
      const all = Math.max(counts.reduce((sum, count) => sum + count, 0), 1);
      const cells = counts.map((count) => element("td", { className: `h${Math.ceil((count / all) * 10)}` }, numbers.format(count)));
      return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
    });
    const again = seed === "all" ? model : `${model}/seed${seed}`;
    const caption = element("caption", {}, "Images of a class (row) by what they were taken for (column). From the weights again: ");
    caption.append(element("code", {}, `fig6 verify --rebuild evaluate/${again} --profile ${data.profile}`));
    place.replaceChildren(
      element("table", { className: "matrix" }, caption, element("thead", {}, element("tr", {}, element("td"), ...head)), element("tbody", {}, ...rows)),
    );
  }

  // A link to a step opens it.
  function open() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.tagName === "DETAILS") target.open = true;
  }

  function listen(url) {
    const said = find("#connection");
    const events = new EventSource(url);
    events.onopen = () => (said.textContent = "live");
    events.onerror = () => (said.textContent = "not connected, trying again");
    events.onmessage = (event) => show(JSON.parse(event.data));
  }

  document.documentElement.classList.add("js");
  choose.addEventListener("change", draw);
  choose.whole.addEventListener("click", () => zoom(null));
  confused.addEventListener("change", confuse);
  for (const form of [choose, confused]) form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", open);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  show(JSON.parse(find("#data").textContent));
  open();
  let width = chart.clientWidth;
  new ResizeObserver(() => {
    if (chart.clientWidth === width) return;
    width = chart.clientWidth;
    plot?.setSize(size());
  }).observe(chart);
  if (document.body.dataset.events) listen(document.body.dataset.events);
})();

// What tools/report-page does in the browser. Exits with 1 if the page does not hold.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const [report, shots] = process.argv.slice(2);
const axe = fs.readFileSync(require.resolve("axe-core"), "utf8");
const results = JSON.parse(fs.readFileSync(path.join(report, "results.json"), "utf8"));
const url = pathToFileURL(path.join(report, "report.html")).href;
let failed = 0;

function check(what, holds, found = "") {
  if (!holds) failed += 1;
  console.log(`${holds ? "ok    " : "FAILED"} ${what}${holds || found === "" ? "" : `: ${found}`}`);
}

// The numbers of the legend, by name of the line.
const legend = (page) =>
  page.$$eval("#chart .u-legend .u-series", (rows) => Object.fromEntries(rows.map((row) => [...row.children].map((it) => it.textContent.trim()))));

async function violations(page, what) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const said = found.violations.map((it) => `${it.id} (${it.nodes.length}) ${it.nodes[0].target} ${it.nodes[0].failureSummary}`);
  check(`axe-core finds nothing, ${what}`, said.length === 0, said.join("\n  "));
  await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = false)));
}

async function open(browser, options) {
  const context = await browser.newContext({ offline: true, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => request.url() !== url && errors.push(`asks for ${request.url()}`));
  await page.goto(url);
  return { context, page, errors };
}

const within = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

async function uses(page) {
  const data = JSON.parse(await page.textContent("#data"));
  const [row] = results.rows;
  const run = data.runs.find((it) => it.model === row.model && it.seed === row.runs[0].seed);
  const name = (kind, seed = "") => `${row.label}, ${kind}${seed}`;

  // Reads the last point with the mouse.
  const over = await page.locator("#chart .u-over");
  const hover = async (part) => {
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * part, box.y + box.height / 2);
    await page.mouse.move(box.x + box.width * part - 1, box.y + box.height / 2);
  };
  await hover(0.999);
  let read = await legend(page);
  check("the mean at the end is that of results.json", read[name("test")] === row.test_error.mean.toFixed(2), JSON.stringify(read));
  await page.selectOption("#choose [name=seed]", String(run.seed));
  await hover(0.999);
  read = await legend(page);
  check("a seed's error at the end is that of results.json", read[name("test")] === row.runs[0].test_error.toFixed(2), JSON.stringify(read));
  await hover(0.4);
  read = await legend(page);
  const at = run.curve.iteration.findIndex((it) => it.toLocaleString("en") === read.iteration);
  check("what a curve reads amid a training is that of its metrics", at >= 0 && read[name("training")] === run.curve.train_error[at].toFixed(2), JSON.stringify(read));
  await page.selectOption("#choose [name=seed]", "all");
  read = await legend(page);
  check("each seed has a line", row.runs.every((it) => name("test", `, seed ${it.seed}`) in read));
  await page.uncheck(`#choose [name=model][value="${row.model}"]`);
  read = await legend(page);
  check("a model that is not chosen has no line", !Object.keys(read).some((it) => it.startsWith(`${row.label},`)));
  await page.check(`#choose [name=model][value="${row.model}"]`);
  await page.selectOption("#choose [name=seed]", "mean");
  await page.check("#choose [value=validation_error]");
  read = await legend(page);
  check("validation errors have lines", name("validation") in read);
  await page.uncheck("#choose [value=validation_error]");

  const pixels = () => page.$eval("#chart canvas", (it) => it.toDataURL());
  const linear = await pixels();
  await page.check("#choose [name=log]");
  check("the logarithmic scale draws something else", (await pixels()) !== linear);
  await page.uncheck("#choose [name=log]");

  // By keyboard: to the first point, then closer, then back.
  await page.focus("#chart");
  await page.mouse.move(0, 0);
  await page.keyboard.press("ArrowRight");
  const said = await page.textContent("#chart-values");
  check("the keyboard reads the curves", said.startsWith(`iteration ${run.curve.iteration[0].toLocaleString("en")}`) || /^iteration \d/.test(said), said);
  const before = await pixels();
  await page.keyboard.press("+");
  check("the keyboard zooms", (await pixels()) !== before);
  await page.keyboard.press("0");
  await page.mouse.move(0, 0);
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.mouse.move(0, 0);
  const zoomed = await pixels();
  check("the mouse zooms", zoomed !== before);
  await page.click("#choose [name=whole]");
  check("the button shows the whole range again", (await pixels()) !== zoomed);

  // Every number of the table.
  const table = await page.textContent("#results");
  const wanted = results.rows.flatMap((it) => [it.test_error.mean, it.train_error.mean, ...it.runs.flatMap((run) => [run.test_error, run.train_error])]);
  // What lies just between two numbers of two digits may be rounded to either.
  const digits = (it) => [it - 1e-9, it + 1e-9].map((near) => near.toFixed(2));
  const missing = wanted.filter((it) => !digits(it).some((text) => table.includes(text)));
  check(`the tables have all ${wanted.length} errors of results.json`, missing.length === 0, missing.join(" "));
  check("the page carries results.json", JSON.stringify(data.results) === JSON.stringify(results));

  const evaluation = run.evaluation;
  await page.selectOption("#confused [name=model]", row.model);
  await page.selectOption("#confused [name=seed]", String(run.seed));
  const cells = await page.$$eval("#confusion td[class]", (all) => all.map((it) => Number(it.textContent.replaceAll(",", ""))));
  check("the confusion matrix is that of the evaluation", JSON.stringify(cells) === JSON.stringify(evaluation.confusion.flat()));
  await page.click(".graph .cell >> nth=2");
  check("a step of the graph opens its record", (await page.locator(".steplist details[open]").count()) === 1);
  await page.evaluate(() => (history.replaceState(null, "", "#"), scrollTo(0, 0)));
}

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.BROWSER,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    const started = Date.now();
    for (const [name, options] of [
      ["light", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
      ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 900 } }],
      ["phone", { colorScheme: "light", viewport: { width: 400, height: 800 }, deviceScaleFactor: 2 }],
      ["4k", { colorScheme: "light", viewport: { width: 3840, height: 2160 } }],
      ["no-script", { javaScriptEnabled: false, viewport: { width: 1280, height: 900 } }],
    ]) {
      const { context, page, errors } = await open(browser, options);
      if (name === "light") {
        const drawn = await page.evaluate(() => performance.getEntriesByName("curves").map((it) => it.startTime)[0]);
        console.log(`       curves after ${Math.round(drawn)} ms, ${fs.statSync(path.join(report, "report.html")).size} bytes`);
        await uses(page);
        await page.emulateMedia({ media: "print" });
        await page.pdf({ path: path.join(shots, "print.pdf"), format: "A4" });
        await page.setViewportSize({ width: 794, height: 1123 });
        await page.screenshot({ path: path.join(shots, "print.png"), fullPage: true });
        await page.setViewportSize(options.viewport);
        await page.emulateMedia({ media: "screen" });
      }
      if (name !== "no-script") {
        check(`nothing is wider than the window, ${name}`, await within(page));
        await violations(page, name);
      } else {
        const text = await page.textContent("main");
        check("without scripts the numbers are there", results.rows.every((it) => text.includes(it.test_error.mean.toFixed(2))));
        check("without scripts the figures are there", await page.locator("figure svg").first().isVisible());
      }
      await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
      check(`no errors, and nothing is asked for, ${name}`, errors.length === 0, errors.join("; "));
      await context.close();
    }
    console.log(`       screenshots in ${shots}, after ${Date.now() - started} ms`);
  } finally {
    await browser.close();
  }
  process.exit(failed ? 1 : 0);
}

main();

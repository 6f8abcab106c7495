// Looks at the picture of a lab as people do: wide and narrow, light and dark, with the keyboard; `lab_command.py` starts it.

import assert from "node:assert";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.RUMLINE_NPM, "package.json"));
const puppeteer = require("puppeteer-core");
const axe = require("axe-core");

const [url, killed] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  headless: true,
});
try {
  const page = await browser.newPage();
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("request", (request) => new URL(request.url()).host !== new URL(url).host && request.url() !== "data:," && troubles.push(request.url()));
  // The page's own policy is tried first, then axe has to come in.
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById("fresh").textContent.includes("every 2 seconds"));
  await page.evaluate((name) => document.querySelector(`.narrow a[href="#${name}"], .wide a[href="#${name}"]`).id = "mark", killed);
  for (const width of [400, 800, 1280, 1920]) {
    for (const scheme of ["light", "dark"]) {
      await page.setViewport({ width, height: 900 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const broad = await page.evaluate(() => document.documentElement.scrollWidth);
      assert(broad <= width, `${width}: the page is ${broad} wide`);
      const seen = await page.$$eval("svg", (all) => all.filter((svg) => svg.getBoundingClientRect().width > 0).length);
      assert.equal(seen, 1, `${width}: pictures that are seen`);
      const small = await page.$$eval("svg text", (all) =>
        Math.min(...all.map((text) => text.getBoundingClientRect().height).filter((height) => height > 0)));
      assert(small >= 11, `${width}: letters ${small} high`);
    }
  }
  // Who is on a box with the keyboard stays there while the lab changes.
  const shape = ".wide";
  await page.evaluate((selector) => document.querySelector(selector).focus(), `${shape} a[href="#${killed}"]`);
  await page.waitForFunction(() => !document.getElementById("mark"), { timeout: 10_000 });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), `#${killed}`);
  assert.deepEqual(troubles, []);
  const judged = await browser.newPage();
  await judged.setBypassCSP(true);
  for (const [width, scheme] of [[400, "dark"], [1280, "light"], [1280, "dark"]]) {
    await judged.setViewport({ width, height: 900 });
    await judged.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await judged.goto(url);
    await judged.evaluate(axe.source);
    const { violations } = await judged.evaluate(() => window.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), []);
  }
  // Without a script all is there too.
  const plain = await browser.newPage();
  await plain.setJavaScriptEnabled(false);
  await plain.goto(url);
  assert((await plain.content()).includes(`id="${killed}"`));
} finally {
  await browser.close();
}

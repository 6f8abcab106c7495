// Goes through all pages of some servers and says what of their look is wrong; `pages.py` starts it.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.RUMLINE_NPM, "package.json"));
const puppeteer = require("puppeteer-core");
const axe = require("axe-core");

const HERE = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const LOOK = readFileSync(path.join(HERE, "look.js"), "utf8");
const WIDTHS = [320, 400, 1280, 1920];
// Where columns begin, and a tablet: looked at in one scheme.
const BETWEEN = [769, 1024];
const SCHEMES = ["light", "dark"];
const AXE_WIDTHS = [400, 1280];
const PICTURES = [
  [320, "light"],
  [1280, "light"],
  [1280, "dark"],
];
const TABS = 3;
const SAME_KIND_MAX = 2;
const TOLD_MAX = 3;
const SECONDS = 30;

// What is got but is no page.
const NO_PAGE =
  /^\/(api|as|backend|oauth|oauth2|services|v1|licservice|cslu|SmartTransport|Transportgateway)\/|^\/login\/provider(\/back)?$|^\/(healthz|readyz|metrics|openapi\.json|root\.pem|SmartTransport)$|\.(css|js|csv|txt|xml|pem|zip|gz)$/;

/// Kinds of pages that need not be visited, and why.
const NOT_VISITED = { "/software/smart-licensing/alerts": "the entry page of the guide, which only leads on" };

/// The paths of pages in a golden list of routes.
function kindsOf(file) {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("get "));
  return lines.map((line) => line.split(" ")[1]).filter((kind) => !NO_PAGE.test(kind));
}

/// The kind of page that a path is of; the most exact one.
function kindOf(pathname, kinds) {
  const parts = pathname.split("/");
  const fits = kinds.filter((kind) => {
    const wanted = kind.split("/");
    return (
      wanted.length === parts.length &&
      wanted.every((word, at) => (word.startsWith("{") ? parts[at] : word === parts[at]))
    );
  });
  fits.sort((a, b) => a.split("{").length - b.split("{").length);
  return fits[0] ?? pathname.replace(/\/\d+(?=\/|$)/g, "/{}");
}

const height = (width) => (width >= 1280 ? 900 : 800);

/// What went wrong, told once for all widths, schemes and states it was found in.
class Findings {
  constructor() {
    this.found = new Map();
  }

  add(where, check, element, figure) {
    const key = [where.server, where.kind, check, element].join("\n");
    const known = this.found.get(key) ?? { ...where, check, element, figure, at: new Map() };
    const at = known.at.get(where.state) ?? [new Set(), new Set()];
    if (where.width) {
      at[0].add(where.width);
      at[1].add(where.scheme);
    }
    known.at.set(where.state, at);
    this.found.set(key, known);
  }

  tell() {
    const told = new Map();
    let left = 0;
    for (const one of this.found.values()) {
      const kind = [one.server, one.kind, one.check].join("\n");
      told.set(kind, (told.get(kind) ?? 0) + 1);
      if (told.get(kind) > TOLD_MAX) {
        left += 1;
        continue;
      }
      const at = [...one.at].map(([state, sets]) => [state, ...sets.map((set) => [...set].join(","))].join(" ").trim());
      console.log(`WRONG: ${one.server} ${one.path} (${at.join("; ")}): ${one.check}: ${one.element}: ${one.figure}`);
    }
    if (left) console.log(`and ${left} more of the same kinds on the same pages`);
  }
}

/// A tab that notes what its pages complain about.
class Tab {
  constructor(page) {
    this.page = page;
    this.said = [];
    page.on("console", (line) => {
      if (line.type() === "error") this.said.push(["error in the console", line.location()?.url ?? "", line.text()]);
    });
    page.on("pageerror", (error) => this.said.push(["error in the console", "", String(error)]));
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText;
      // What was on its way when another page came.
      if (why !== "net::ERR_ABORTED") this.said.push(["failed request", request.url(), why]);
    });
    page.on("response", (answer) => {
      if (answer.status() >= 400) this.said.push(["failed request", answer.url(), String(answer.status())]);
    });
  }

  static async open(context) {
    const page = await context.newPage();
    page.setDefaultTimeout(SECONDS * 1000);
    await page.evaluateOnNewDocument(LOOK);
    return new Tab(page);
  }

  async see(width, scheme) {
    if (this.width !== width) {
      await this.page.setViewport({ width, height: height(width) });
      await this.page.waitForFunction((wanted) => innerWidth === wanted, { polling: 5 }, width);
      this.width = width;
    }
    if (this.scheme !== scheme) {
      await this.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      this.scheme = scheme;
    }
  }

  /// The answer, or nothing where it is a file.
  async go(url) {
    this.said.length = 0;
    try {
      return await this.page.goto(url, { waitUntil: "load" });
    } catch (error) {
      if (/ERR_ABORTED/.test(error.message)) return null;
      throw error;
    }
  }

  async axe(scheme) {
    if (!(await this.page.evaluate(() => "axe" in window))) await this.page.evaluate(axe.source);
    // Only colours differ in the other scheme.
    const options = {
      resultTypes: ["violations"],
      ...(scheme === "dark" && { runOnly: ["color-contrast", "link-in-text-block"] }),
    };
    return this.page.evaluate(async (wanted) => {
      const { violations } = await axe.run(document, wanted);
      return violations.flatMap(({ id, nodes }) =>
        nodes.map((node) => [
          `axe ${id}`,
          node.target.join(" "),
          (node.failureSummary ?? "").split("\n").slice(0, 2).join(" "),
        ]),
      );
    }, options);
  }

  /// All that is wrong with the page that is shown, told to `say(check, element, figure, width, scheme)`.
  async check(say, { picture } = {}) {
    for (const scheme of SCHEMES) {
      for (const width of scheme === "light" ? [...WIDTHS, ...BETWEEN] : WIDTHS) {
        await this.see(width, scheme);
        const found = await this.page.evaluate((high) => look({ height: high }), height(width));
        if (scheme === "light" || width === 1280) found.push(...(await this.page.evaluate(() => lookInto())));
        if (AXE_WIDTHS.includes(width)) found.push(...(await this.axe(scheme)));
        for (const [check, element, figure] of found) say(check, element, figure, width, scheme);
        if (picture && PICTURES.some(([wide, which]) => wide === width && which === scheme))
          await this.picture(`${picture}-${width}-${scheme}`);
      }
    }
    for (const [check, element, figure] of this.said.splice(0)) say(check, element, figure);
  }

  async picture(name) {
    const high = await this.page.evaluate(() => document.documentElement.scrollHeight);
    const clip = { x: 0, y: 0, width: this.width, height: Math.min(high, 2000) };
    await this.page.screenshot({
      path: path.join(process.env.RUMLINE_ARTEFACTS, `${name}.png`),
      clip,
      captureBeyondViewport: true,
    });
  }

  async logIn({ url, login, password }) {
    await this.go(`${url}/login`);
    await this.page.type("input[name=login]", login);
    await this.page.type("input[name=password]", password);
    await Promise.all([this.page.waitForNavigation(), this.page.keyboard.press("Enter")]);
  }
}

/// Addresses that a page leads to: those of links, and of its forms that only ask.
const leadsTo = (page) =>
  page.evaluate(() => {
    const links = [...document.querySelectorAll("a[href]")]
      .filter((link) => !link.hasAttribute("download"))
      .map((link) => link.href);
    const forms = [...document.querySelectorAll("form[method=get]")].map((form) => {
      const asked = new URL(form.getAttribute("action") ?? location.href, location.href);
      const words = [...document.querySelectorAll("tbody td")].map((cell) => cell.innerText.trim()).filter(Boolean);
      for (const field of form.elements) {
        if (!field.name || field.disabled) continue;
        const isTyped = /^(search|text)$/.test(field.type);
        asked.searchParams.set(field.name, isTyped && !field.value ? (words[0] ?? "nothing").slice(0, 4) : field.value);
      }
      return asked.href;
    });
    const nav = [...document.querySelectorAll("nav a[href]")].map((link) => link.href);
    return { links: [...links, ...forms], nav };
  });

/// All pages of a server in a state.
class Crawl {
  constructor(site, findings) {
    Object.assign(this, site, { findings });
    this.kinds = kindsOf(site.routes);
    this.visited = new Map();
    this.times = new Map();
    this.seen = new Set();
    this.queue = [];
    this.asked = new Map();
    this.pictured = new Set();
  }

  /// Takes an address for a visit, unless enough of its kind were.
  take(address) {
    const url = new URL(address);
    if (url.origin !== this.url) return;
    url.hash = "";
    for (const [name, value] of [...url.searchParams]) if (!value) url.searchParams.delete(name);
    if (this.seen.has(url.href)) return;
    this.seen.add(url.href);
    const kind = kindOf(url.pathname, this.kinds);
    if (NO_PAGE.test(url.pathname)) {
      this.visited.set(kind, "file");
      return;
    }
    const names = [...url.searchParams.keys()].sort().join("&");
    const key = names ? `${kind}?${names}` : kind;
    const times = this.times.get(key) ?? 0;
    if (times >= (names ? 1 : SAME_KIND_MAX)) return;
    this.times.set(key, times + 1);
    this.queue.push({ url, kind, key });
  }

  note(kind, key) {
    if (this.visited.get(kind) !== "file") this.visited.set(kind, (this.visited.get(kind) ?? 0) + 1);
    if (key !== kind) this.visited.set(key, (this.visited.get(key) ?? 0) + 1);
  }

  async visit(tab, { url, kind, key }, expected = 200) {
    const answer = await tab.go(url.href);
    if (!answer) {
      this.visited.set(kind, "file");
      return;
    }
    const came = new URL(tab.page.url());
    const where = { server: this.server, state: this.state, kind, path: came.pathname + came.search };
    const say = (check, element, figure, width, scheme) =>
      this.findings.add({ ...where, width, scheme }, check, element, figure);
    if (answer.status() !== expected) say("status", "", String(answer.status()));
    this.note(kind, key);
    const shown = kindOf(came.pathname, this.kinds);
    if (shown !== kind) {
      this.note(shown, shown);
      const known = this.times.get(shown) ?? 0;
      if (this.seen.has(came.href) && known) return;
      this.seen.add(came.href);
      this.times.set(shown, known + 1);
    }
    const name = `pages-${this.server}-${shown.replace(/[^a-z]+/gi, "-").replace(/^-|-$/g, "") || "root"}`;
    // The browser tells of a page that is not there too.
    if (expected !== 200) tab.said = tab.said.filter(([, at]) => at !== url.href);
    const isPictured =
      process.env.RUMLINE_ARTEFACTS && this.state === "full" && key === kind && !this.pictured.has(shown);
    this.pictured.add(shown);
    await tab.check(say, { picture: isPictured && name });
    const { links, nav } = await leadsTo(tab.page);
    for (const link of links) this.take(link);
    for (const link of nav) await this.ask(tab, link, say);
    await this.bring(tab, shown);
  }

  /// Brings a file where one leads to another page, once.
  async bring(tab, kind) {
    const file = this.uploads?.[kind];
    if (!file) return;
    delete this.uploads[kind];
    const field = await tab.page.$("main input[type=file]");
    await field.uploadFile(file);
    const button = "form:has(input[type=file]) button:not([type=button])";
    await Promise.all([tab.page.waitForNavigation(), tab.page.$eval(button, (found) => found.click())]);
    this.take(tab.page.url());
  }

  /// Whether a link of the navigation leads somewhere.
  async ask(tab, link, say) {
    if (!this.asked.has(link)) {
      this.asked.set(link, await tab.page.evaluate((to) => fetch(to).then((answer) => answer.status, String), link));
    }
    if (this.asked.get(link) !== 200)
      say("link of the navigation", new URL(link).pathname, String(this.asked.get(link)));
    tab.said.length = 0;
  }

  async run(browser) {
    this.context = await browser.createBrowserContext();
    const tab = await Tab.open(this.context);
    const own = (at) => {
      const url = new URL(at, this.url);
      this.seen.add(url.href);
      return { url, kind: kindOf(at, this.kinds), key: kindOf(at, this.kinds) };
    };
    await this.visit(tab, own("/login"));
    await tab.logIn(this);
    await this.visit(tab, own("/there-is-no-such-page"), 404);
    this.take(`${this.url}/`);
    await this.drain(tab);
  }

  async drain(tab) {
    for (let next = this.queue.shift(); next; next = this.queue.shift()) await this.visit(tab, next);
    await tab.page.close();
  }

  /// Another tab for what waits.
  async help() {
    await this.drain(await Tab.open(this.context));
  }
}

/// What is done to a page so that a check has to find something, each with the check that has to.
const FAULTS = [
  ["page scrolls sideways", "<div style='width: 3000px; height: 1px'></div>"],
  [
    "beyond the right edge",
    "<button type='button' style='position: absolute; left: calc(100vw - 20px); width: 60px'>Go</button>",
  ],
  [
    "overlap",
    "<p style='position: relative'>Words that stand here<span style='position: absolute; left: 10px; top: 3px'>and others</span></p>",
  ],
  ["overlap", "<p><input aria-label='a'><span style='margin-left: -60px; position: relative'>beside it</span></p>"],
  [
    "outside its box",
    "<p style='width: 60px; border: 1px solid #888; white-space: nowrap'>More than its box has room for</p>",
  ],
  ["cut", "<p style='width: 60px; overflow: hidden; white-space: nowrap'>More than there is room for</p>"],
  ["cut", "<p style='height: 20px; width: 60px; overflow: hidden'>More than there is room for</p>"],
  ["cut", "<input aria-label='b' placeholder='More than there is room for' style='width: 60px'>"],
  [
    "scrolls sideways",
    "<div style='width: 60px; overflow-x: auto; white-space: nowrap'>More than there is room for</div>",
  ],
  [
    "broken word",
    "<span class='badge' style='width: 40px; white-space: normal; overflow-wrap: anywhere'>acknowledged</span>",
  ],
  [
    "contrast of text (opened)",
    "<dialog style='background: #fff'><h2 style='color: #000'>More</h2><p style='color: #999'>Hardly seen</p></dialog>",
  ],
  ["broken word", "<div class='whole' style='width: 60px'>N9K-C93180YC-FX3</div>"],
  [
    "broken word",
    "<table><tr><td><div style='width: 60px; overflow-wrap: anywhere'>LAN_ENTERPRISE_SERVICES_PKG</div></td></tr></table>",
  ],
  ["broken word", "<dl><dt>Name</dt><dd style='width: 60px; overflow-wrap: anywhere'>acknowledged</dd></dl>"],
  ["broken word", "<p style='width: 60px'><span class='ago' style='white-space: normal'>(3 minutes ago)</span></p>"],
  ["contrast of text", "<p style='background: #fff; color: #999'>Hardly seen</p>"],
  ["contrast of text", "<p style='background: #fff; color: #000'><span style='opacity: .4'>Hardly seen</span></p>"],
  ["contrast of text", "<p style='background: #222; color: #111'>Hardly seen</p>"],
  [
    "contrast of border",
    "<div style='background: #fff'><input aria-label='c' style='background: #fff; border: 1px solid #ddd'></div>",
  ],
  [
    "contrast of border",
    "<div style='background: #fff'><span class='badge' style='background: #fff; color: #000; border: 1px solid #ddd'>new</span></div>",
  ],
  ["axe button-name", "<button type='button'></button>"],
  ["axe color-contrast", "<p style='background: #fff; color: #999'>Hardly seen</p>"],
  ["error in the console", "<script>setTimeout(() => console.error('on purpose'))</script>"],
  ["failed request", "<img alt='none' src='/no-such-picture'>"],
  ["primary action below the first screen", "<p style='height: 3000px'></p><button class='first'>Save</button>"],
  ["link of the navigation", "<nav aria-label='Faulty'><a href='/no-such-page'>Nowhere</a></nav>"],
  [
    "beyond the right edge (opened)",
    "<details style='position: absolute; right: 0'><summary>More</summary><div style='position: absolute; left: 0; width: 500px'>A menu to the right</div></details>",
  ],
];

/// Each check finds what it is for, and nothing once that is gone.
async function selfTest(browser, site) {
  const context = await browser.createBrowserContext();
  const tab = await Tab.open(context);
  const crawl = new Crawl(site, new Findings());
  // The pages allow no styles but their own.
  await tab.page.setBypassCSP(true);
  await tab.go(`${site.url}/login`);
  await tab.see(1280, "light");
  const found = async () => {
    const all = await tab.page.evaluate(() => look({ height: 900 }));
    const opened = await tab.page.evaluate(() => lookInto());
    all.push(...opened.map(([check, ...rest]) => [`${check} (opened)`, ...rest]), ...(await tab.axe("light")));
    const { nav } = await leadsTo(tab.page);
    const said = tab.said.splice(0);
    for (const link of nav) await crawl.ask(tab, link, (...one) => all.push(one));
    return [...all, ...said].map(([check]) => check);
  };
  const before = await found();
  const missed = [];
  for (const [check, html] of FAULTS) {
    await tab.page.evaluate(async (added) => {
      const part = document.createElement("div");
      part.id = "fault";
      // A script that is parsed with a fragment does not run.
      part.append(document.createRange().createContextualFragment(added));
      // Before the page's own, so that it is seen whatever the page's own does.
      document.querySelector("main").prepend(part);
      await new Promise((go) => setTimeout(go, 50));
      await Promise.all(
        [...part.querySelectorAll("img")].map(
          (image) =>
            image.complete ||
            new Promise((go) => {
              image.onerror = go;
            }),
        ),
      );
    }, html);
    const now = await found();
    const count = (list) => list.filter((one) => one === check).length;
    if (count(now) <= count(before)) missed.push(`${check}: ${html}`);
    await tab.page.evaluate(() => document.querySelector("#fault").remove());
  }
  const after = await found();
  if (after.join() !== before.join()) missed.push(`found after all faults were gone: ${after} instead of ${before}`);
  await context.close();
  for (const one of missed) console.log(`NOT FOUND: ${one}`);
  return missed.length;
}

/// Which kinds of pages were visited how often, and which of those there are never were.
function coverage(crawls) {
  const servers = [...new Set(crawls.map((crawl) => crawl.server))];
  for (const server of servers) {
    const own = crawls.filter((crawl) => crawl.server === server);
    console.log(`\n${server}: pages visited when ${own.map((crawl) => crawl.state).join(", ")}`);
    const kinds = [...new Set(own.flatMap((crawl) => [...crawl.visited.keys()]))].sort();
    for (const kind of kinds)
      console.log(`  ${own.map((crawl) => String(crawl.visited.get(kind) ?? "-").padStart(4)).join(" ")}  ${kind}`);
  }
  const missing = [];
  for (const routes of new Set(crawls.map((crawl) => crawl.routes))) {
    const own = crawls.filter((crawl) => crawl.routes === routes);
    const never = kindsOf(routes).filter(
      (kind) => !(kind in NOT_VISITED) && !own.some((crawl) => crawl.visited.has(kind)),
    );
    missing.push(...never.map((kind) => `${path.basename(routes)}: ${kind}`));
  }
  for (const kind of missing) console.log(`NEVER VISITED: ${kind}`);
  return missing.length;
}

const sites = JSON.parse(readFileSync(process.argv[2], "utf8"));
if (process.env.RUMLINE_ARTEFACTS) mkdirSync(process.env.RUMLINE_ARTEFACTS, { recursive: true });
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"],
  acceptInsecureCerts: true,
  headless: true,
});
let wrong = 0;
try {
  wrong += await selfTest(browser, sites[0]);
  if (!process.env.RUMLINE_PAGES_SELFTEST && !wrong) {
    const findings = new Findings();
    const crawls = sites.map((site) => new Crawl(site, findings));
    const waiting = [...crawls];
    await Promise.all(
      Array.from({ length: TABS }, async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const began = Date.now();
          await next.run(browser);
          console.log(
            `${next.server} ${next.state}: ${next.seen.size} addresses, ${((Date.now() - began) / 1000).toFixed(0)} s`,
          );
        }
        // One server may have more pages than all others.
        const busiest = () => crawls.reduce((most, crawl) => (crawl.queue.length > most.queue.length ? crawl : most));
        while (busiest().queue.length) await busiest().help();
      }),
    );
    wrong += coverage(crawls) + findings.found.size;
    console.log("");
    findings.tell();
  }
} finally {
  await browser.close();
}
if (wrong) {
  console.log(`\n${wrong} things are wrong`);
  process.exitCode = 1;
}

// Every page in every view: nothing is said on the console, nothing is cut off, and it is whole without a script.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { Demo, ROUTES, VIEWS, browser, example, shots } from "./lib.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** What a page about something that is not there answers. */
const STATUS = { nothing: 404 };

let lab, demo, chrome;
/** The links of all pages, each with the pages that have it. */
const links = new Map();

before(async () => {
  lab = await example();
  [demo, chrome] = await Promise.all([Demo.of(lab.path, lab.at("10.10.50.13")), browser()]);
});

after(async () => {
  await chrome?.close();
  await demo?.end();
  await lab?.end();
});

/** Fails with all that is wrong, each in its line. */
function none(wrong) {
  if (wrong.length > 0) assert.fail(wrong.join("\n"));
}

/** Opens a page and keeps what it complains of. */
async function open(context, name) {
  const page = await context.newPage();
  const url = demo.url + ROUTES[name];
  const said = [];
  page.on("console", (message) => {
    const isOfThePage = STATUS[name] && message.location().url === url && message.text().includes(STATUS[name]);
    if (["error", "warning"].includes(message.type()) && !isOfThePage) said.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => said.push(`error: ${error.message}`));
  page.on("requestfailed", (failed) => said.push(`failed: ${failed.url()} ${failed.failure()?.errorText}`));
  page.on("response", (answer) => {
    if (answer.url() !== url && answer.status() >= 400) said.push(`${answer.status()}: ${answer.url()}`);
  });
  const answer = await page.goto(url);
  assert.equal(answer.status(), STATUS[name] ?? 200);
  return { page, said, html: await answer.text() };
}

/** What axe has against a page. Its source is run by the debugger, which the policy of the page does not keep from it. */
async function axe(page) {
  const debug = await page.context().newCDPSession(page);
  const run = `${AXE};axe.run(document, { runOnly: ${JSON.stringify(TAGS)}, resultTypes: ["violations"] })
    .then((found) => JSON.stringify(found.violations.map((one) => one.id + ", " + one.nodes.length + " times: " +
      one.nodes.slice(0, 3).map((node) => node.target.join(" ") + ": " + node.failureSummary.replace(/^.*\\s+/, "").replace(/\\s+/g, " ")).join("; "))))`;
  const { result, exceptionDetails } = await debug.send("Runtime.evaluate", {
    expression: run,
    awaitPromise: true,
    returnByValue: true,
  });
  await debug.detach();
  assert.equal(exceptionDetails, undefined);
  return JSON.parse(result.value);
}

/** What is wider than its place. Runs in the page. */
function tooWide() {
  const root = document.documentElement;
  const found = [];
  if (root.scrollWidth > root.clientWidth) found.push(`the page: ${root.scrollWidth} in ${root.clientWidth}`);
  const called = (element) => {
    const own = element.id ? `#${element.id}` : [...element.classList].map((name) => `.${name}`).join("");
    return `${element.parentElement?.closest("[id]") ? `#${element.parentElement.closest("[id]").id} ` : ""}${element.localName}${own}`;
  };
  const outside = ".scroll, .scroll *, nav, nav *, pre, pre *, svg *, .hidden, .skip, dialog, dialog *, option";
  for (const element of document.body.querySelectorAll(`*:not(:is(${outside}))`)) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) continue;
    const words = `“${element.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}”`;
    if (Math.floor(box.right) > root.clientWidth || Math.ceil(box.left) < 0) {
      found.push(`${called(element)} ${words} reaches from ${box.left} to ${box.right} of ${root.clientWidth}`);
    }
    const isInline = getComputedStyle(element).display === "inline" || ["svg", "input", "select"].includes(element.localName);
    if (!isInline && element.scrollWidth > element.clientWidth + 1) {
      found.push(`${called(element)} ${words} holds ${element.scrollWidth} in ${element.clientWidth}`);
    }
  }
  for (const card of document.querySelectorAll(".card")) {
    const edge = card.getBoundingClientRect().right;
    for (const table of card.querySelectorAll("table:not(.scroll *)")) {
      const { right } = table.getBoundingClientRect();
      if (right > edge) found.push(`${called(table)} ends at ${right}, its card at ${edge}`);
    }
  }
  for (const beats of document.querySelectorAll("svg.beats")) {
    const frame = beats.getBoundingClientRect();
    if (frame.width === 0) continue;
    // Each beat is a stroke of 4 about its middle; the newest is the right-most.
    const strokes = [...beats.querySelectorAll("path")].flatMap((path) => [...path.getAttribute("d").matchAll(/M([\d.]+) /g)]);
    const middle = Math.max(...strokes.map(([, x]) => Number(x)));
    const [left, right] = [middle - 2, middle + 2].map((x) => new DOMPoint(x, 8).matrixTransform(beats.getScreenCTM()).x);
    const isSeen = left >= frame.left && right <= frame.right && right <= root.clientWidth;
    if (!isSeen) found.push(`the newest beat of “${beats.getAttribute("aria-label")}” is cut off`);
  }
  return found;
}

/** What a document has that it may not have, and its links. Runs in the page, on the HTML as it came. */
function written(html) {
  const found = [];
  const read = new DOMParser().parseFromString(html, "text/html");
  const count = read.querySelectorAll("h1").length;
  if (count !== 1) found.push(`${count} times h1`);
  for (const element of read.querySelectorAll("*")) {
    const own = `<${element.localName}>`;
    for (const { name, value } of element.attributes) {
      if (name === "style" || name.startsWith("on")) found.push(`${own} has ${name}="${value}"`);
      const isLoaded = name === "src" || (name === "href" && element.localName === "link");
      if (isLoaded && !/^\/(?!\/)/.test(value)) found.push(`${own} loads ${value} from elsewhere`);
    }
    if (element.localName === "style") found.push("<style> in the page");
    if (element.localName === "script" && (!element.hasAttribute("src") || element.textContent)) found.push("<script> in the page");
  }
  const ids = [...read.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((own) => own === id).length > 1) found.push(`#${id} is there more than once`);
  const links = [...read.querySelectorAll("a[href], form[method=get]")].map((element) => element.getAttribute("href") ?? element.getAttribute("action"));
  return { found, links };
}

/** The text of a page without its times, which go on. Runs in the page. */
function text() {
  const main = document.querySelector("main").cloneNode(true);
  for (const time of main.querySelectorAll("time")) time.remove();
  return main.textContent.replace(/\s+/g, " ").trim();
}

/** How often Tab is pressed until the focus is in the content, by way of the skip link. */
async function stops(page) {
  for (let stop = 1; stop <= 3; stop += 1) {
    await page.keyboard.press("Tab");
    if (stop === 1) {
      const link = page.locator(":focus");
      assert.equal(await link.textContent(), "Skip to content");
      const box = await link.boundingBox();
      assert.ok(box.x >= 0 && box.y >= 0, "the skip link is seen when it has the focus");
      await page.keyboard.press("Enter");
    }
    if (await page.evaluate(() => document.activeElement?.closest("main") !== null)) return stop;
  }
  return Infinity;
}

for (const [view, options] of Object.entries(VIEWS)) {
  describe(view, () => {
    let context;
    before(async () => (context = await chrome.newContext(options)));
    after(() => context.close());
    for (const name of Object.keys(ROUTES)) {
      test(`${name}, ${view}`, async (t) => {
        const { page, said, html } = await open(context, name);
        // A page that stays open keeps a connection, of which a browser has few.
        t.after(() => page.close());
        await page.screenshot({ path: `${shots}${name}-${view}.png`, fullPage: true });
        const { found, links: own } = await page.evaluate(written, html);
        for (const link of own) {
          const { href, origin } = new URL(link, demo.url + ROUTES[name]);
          if (origin === demo.url) links.set(href, (links.get(href) ?? new Set()).add(name));
        }
        const wrong = [...found, ...(await page.evaluate(tooWide)), ...(await axe(page))];
        assert.ok((await stops(page)) <= 3, "Tab reaches the content");
        none([...wrong, ...said]);
      });
    }
  });
}

/** What has the focus, and what is wrong with how that is seen. Runs in the page. */
function stop() {
  const element = document.activeElement;
  if (element === null || element === document.body) return undefined;
  const { x, y, width, height } = element.getBoundingClientRect();
  const named = `${element.outerHTML.replace(/\s+/g, " ").slice(0, 100)} at ${x}, ${y}, ${width} × ${height}`;
  // An inline box of two lines has nothing in its middle, and a row that scrolls may show a part.
  const part = [...element.getClientRects()].find((box) => box.width > 0 && box.height > 0);
  if (width < 8 || height < 8 || !part) return { named, wrong: "has no box" };
  const [left, right] = [Math.max(0, part.left), Math.min(innerWidth, part.right)];
  const [top, bottom] = [Math.max(0, part.top), Math.min(innerHeight, part.bottom)];
  if (right - left < 8 || bottom - top < 8) return { named, wrong: "is outside" };
  const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  const isSeen = seen !== null && (element.contains(seen) || seen.contains(element));
  return { named, wrong: isSeen ? undefined : `is behind ${seen?.outerHTML.slice(0, 60)}` };
}

for (const name of ["portal", "overview"]) {
  for (const view of ["dark", "phone"]) {
    test(`where Tab stops something is seen: ${name}, ${view}`, async (t) => {
      const context = await chrome.newContext(VIEWS[view]);
      t.after(() => context.close());
      const { page } = await open(context, name);
      const [seen, wrong] = [new Set(), []];
      for (;;) {
        await page.keyboard.press("Tab");
        const at = await page.evaluate(stop);
        if (at === undefined || seen.size > 500) break;
        seen.add(at.named);
        if (at.wrong) wrong.push(`${at.named} ${at.wrong}`);
      }
      assert.ok(seen.size > 8 && seen.size < 500, `${seen.size} stops`);
      none(wrong);
    });
  }
}

test("every page is whole without a script", async (t) => {
  const [with_, without] = await Promise.all([chrome.newContext(), chrome.newContext({ javaScriptEnabled: false })]);
  const [one, other] = [await with_.newPage(), await without.newPage()];
  const texts = async (path) => {
    await Promise.all([one.goto(demo.url + path), other.goto(demo.url + path)]);
    return Promise.all([one.evaluate(text), other.evaluate(text)]);
  };
  for (const [name, path] of Object.entries(ROUTES)) {
    await t.test(name, async () => {
      // What is seen may change between the two; not three times.
      let [seen, plain] = await texts(path);
      for (let more = 0; more < 2 && seen !== plain; more += 1) [seen, plain] = await texts(path);
      assert.equal(plain, seen);
      assert.ok(plain.length > 20, plain);
    });
  }
  await Promise.all([with_.close(), without.close()]);
});

test("every link leads somewhere", async () => {
  assert.ok(links.size > 50, `${links.size} links`);
  const pages = new Map();
  const wrong = [];
  for (const [href, from] of links) {
    const url = new URL(href);
    const fragment = decodeURIComponent(url.hash.slice(1));
    url.hash = "";
    if (!pages.has(url.href)) {
      const answer = await fetch(url);
      const ids = [...(await answer.text()).matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id.replaceAll("&quot;", '"').replaceAll("&amp;", "&"));
      pages.set(url.href, { status: answer.status, ids: new Set(ids) });
    }
    const { status, ids } = pages.get(url.href);
    // The page about nothing leads to itself.
    if (status >= 400 && url.pathname !== ROUTES.nothing) wrong.push(`${href} of ${[...from].join(", ")}: ${status}`);
    else if (fragment && !ids.has(fragment)) wrong.push(`${href} of ${[...from].join(", ")}: no #${fragment} there`);
  }
  none(wrong);
});

/** An answer as it is, for headers that a browser does not let one set. */
function ask(path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((done, failed) => {
    const asked = request(demo.url + path, { method, headers }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, text }));
    });
    asked.on("error", failed);
    asked.end(body);
  });
}

test("what goes with every answer", async () => {
  const { origin } = new URL(demo.url);
  for (const path of [...Object.values(ROUTES), "/status.html", "/api/v1/overview", "/api/v1/index", "/assets/none", "/metrics"]) {
    const { headers } = await ask(path);
    const policy = headers["content-security-policy"];
    assert.match(policy, /default-src 'none'/, path);
    assert.doesNotMatch(policy, /unsafe-(inline|eval)|https?:|\*/, path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    assert.equal(headers["referrer-policy"], "same-origin", path);
    assert.match(headers["cache-control"], /no-cache|no-store/, path);
  }
  const { text } = await ask("/overview");
  const assets = [...text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path);
  assert.equal(assets.length, 3, `the icon, the style and the script: ${assets}`);
  for (const path of assets) {
    const { status, headers } = await ask(path);
    assert.equal(status, 200, path);
    assert.match(headers["cache-control"], /max-age=31536000, immutable/, path);
    assert.equal((await ask(path, { headers: { "if-none-match": headers.etag } })).status, 304, path);
  }
  // Names without a hash stay the same when what is in it changes.
  for (const path of ["/favicon.ico", "/assets/app.css", "/assets/app.js"]) {
    const { status, headers } = await ask(path);
    assert.deepEqual([status, headers["cache-control"]], [200, "no-cache"], path);
    const again = await ask(path, { headers: { "if-none-match": headers.etag } });
    assert.deepEqual([again.status, again.headers["cache-control"]], [304, "no-cache"], path);
  }
  const first = await ask("/network");
  const again = await ask("/network", { headers: { "if-none-match": first.headers.etag } });
  assert.deepEqual([again.status, again.text], [304, ""]);
  for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:18421"]) {
    assert.equal((await ask("/overview", { headers: { host } })).status, 421, host);
  }
  assert.equal((await ask("/overview", { headers: { host: "localhost" } })).status, 200);
  assert.equal((await ask("/overview", { method: "DELETE", headers: { origin } })).status, 405);
});

test("nobody but who opened a link changes something, and only from our pages", async () => {
  const { origin } = new URL(demo.url);
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const add = (headers) => ask("/dns/rule", { method: "POST", headers: { ...form, ...headers }, body: "rule=%7C%7Cads.example%5E" });
  const overlay = async () => JSON.stringify((await demo.api("config")).overlay);
  const was = await overlay();

  const { pathname, search } = new URL(await demo.link("thebes"));
  const opened = await ask(pathname + search);
  assert.deepEqual([opened.status, opened.headers.location], [303, "/setup"]);
  const [kept] = opened.headers["set-cookie"];
  assert.match(kept, /; HttpOnly/);
  assert.match(kept, /; SameSite=(Lax|Strict)/);
  const cookie = kept.split(";")[0];
  const refused = [
    {},
    { origin },
    { cookie },
    { cookie, origin: "http://evil.example" },
    { cookie, origin: "null" },
    { cookie, origin: origin.replace("http:", "https:") },
    { cookie: "polis-session=00000000000000000000000000000000", origin },
    { cookie, origin, host: "evil.example" },
  ];
  for (const headers of refused) {
    assert.equal((await add(headers)).status, headers.host ? 421 : 403, JSON.stringify(headers));
  }
  // Nothing changes by being looked at.
  await ask("/dns/rule?rule=%7C%7Cads.example%5E", { headers: { cookie, origin } });
  assert.equal(await overlay(), was);
  assert.equal((await add({ cookie, origin })).status, 303);
  assert.match(await overlay(), /ads\.example/);
});

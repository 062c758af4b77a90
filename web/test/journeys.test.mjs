// What people do with the pages, from the first key to what comes of it.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { Demo, Running, VIEWS, answers, browser, example, free, run, scratch, until } from "./lib.mjs";

let lab, upstream, demo, chrome, context;

before(async () => {
  lab = await example();
  upstream = await NameServer.of("192.0.2.7");
  await change("services.toml", /upstreams = .*/, `upstreams = ["127.0.0.1:${upstream.port}"]\ndnssec = "off"`);
  [demo, chrome] = await Promise.all([Demo.of(lab.path, lab.at("10.10.50.10")), browser()]);
});

after(async () => {
  await chrome?.close();
  await demo?.end();
  upstream?.end();
  await lab?.end();
});

afterEach(async () => {
  await context?.close();
  context = undefined;
});

/** Changes a file of the lab, and gives what it was. */
async function change(file, from, to) {
  const path = `${lab.path}/${file}`;
  const was = await readFile(path, "utf8");
  const is = was.replace(from, to);
  assert.notEqual(is, was, `${file} has ${from}`);
  await writeFile(path, is);
  return was;
}

/** A page that is not loaded again: it keeps a mark. */
async function open(path, options = VIEWS.dark) {
  context ??= await chrome.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(path.startsWith("http") ? path : demo.url + path);
  if (options.javaScriptEnabled !== false) await page.evaluate(() => (window.mark = "as it was"));
  return page;
}

const marked = async (page) => assert.equal(await page.evaluate(() => window.mark), "as it was", "the page was not loaded again");
const main = (page) => page.locator("main").innerText();
/** Waits until the content of a page has words, or has them no more. */
const has = (page, words, patience = 15_000) => until(`${page.url()} has “${words}”`, async () => (await main(page)).includes(words), patience);
const lacks = (page, words, patience = 15_000) => until(`${page.url()} has no “${words}” any more`, async () => !(await main(page)).includes(words), patience);
const path = (page) => new URL(page.url()).pathname;
const focused = (page) => page.evaluate(() => document.activeElement?.textContent?.trim() || document.activeElement?.id || document.activeElement?.localName);

/** A name server that gives one address for every name. */
class NameServer {
  static async of(address) {
    const own = new NameServer();
    own.socket = createSocket("udp4");
    own.socket.on("message", (question, from) => {
      const end = question.indexOf(0, 12) + 5;
      const head = Buffer.from(question.subarray(0, 12));
      head.writeUInt16BE(0x8180, 2);
      const isAddress = question.readUInt16BE(end - 4) === 1;
      head.writeUInt16BE(isAddress ? 1 : 0, 6);
      head.fill(0, 8, 12);
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split(".").map(Number)]);
      own.socket.send(Buffer.concat([head, question.subarray(12, end), isAddress ? answer : Buffer.alloc(0)]), from.port, from.address);
    });
    await new Promise((done) => own.socket.bind(0, "127.0.0.1", done));
    own.port = own.socket.address().port;
    return own;
  }

  end() {
    this.socket.close();
  }
}

/** A way to the pages that can be lost without an end: nothing comes through any more, and nobody is told. */
class Tunnel {
  static async to(url) {
    const own = new Tunnel();
    const { hostname, port } = new URL(url);
    own.asked = [];
    own.sockets = new Set();
    own.server = createServer((here) => {
      const there = connect({ host: hostname, port });
      const both = { here, there, isDead: own.isDead };
      own.sockets.add(both);
      const pass = (from, to) => {
        from.on("data", (data) => {
          if (both.isDead) return;
          if (from === here) own.asked.push(data.toString("latin1"));
          to.write(data);
        });
        from.on("close", () => both.isDead || to.destroy()).on("error", () => {});
      };
      pass(here, there);
      pass(there, here);
    });
    await new Promise((done) => own.server.listen(0, "127.0.0.1", done));
    own.url = `http://127.0.0.1:${own.server.address().port}`;
    return own;
  }

  isDead = false;

  /** All connections are lost, and those to come. */
  lose() {
    this.isDead = true;
    for (const both of this.sockets) both.isDead = true;
  }

  /** New ones come through again; the lost ones stay lost. */
  mend() {
    this.isDead = false;
    this.asked = [];
  }

  end() {
    for (const { here, there } of this.sockets) [here, there].forEach((socket) => socket.destroy());
    this.server.close();
  }
}

/** What is wrong with the times since a moment, as this machine's clock has it. */
async function ages(page) {
  const units = { s: 1, min: 60, h: 3_600, days: 86_400 };
  const all = await page.evaluate(() => [...document.querySelectorAll("time.since")].map((time) => [time.dateTime, time.textContent]));
  assert.ok(all.length > 5, `${all.length} times`);
  return all.filter(([moment, text]) => {
    const [, count, unit] = /^(\d+)\u202F(s|min|h|days) ago$/.exec(text);
    // They go on every 15 s.
    return Math.abs((Date.now() - Date.parse(moment)) / 1_000 - count * units[unit]) > units[unit] + 20;
  });
}

/** Asks the lab's name server for the address of a name. */
async function dig(name) {
  const socket = createSocket("udp4");
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  const question = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
  try {
    const answer = await new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error(`${name}: no answer`)), 5_000);
      socket.once("message", (message) => {
        clearTimeout(late);
        done(message);
      });
      socket.send(question, 10053, lab.at("10.10.50.53"));
    });
    const code = answer.readUInt8(3) & 15;
    return answer.readUInt16BE(6) > 0 ? [...answer.subarray(-4)].join(".") : `none, code ${code}`;
  } finally {
    socket.close();
  }
}

test("an app is opened by three letters and Enter", async () => {
  const { groups } = await demo.api("portal");
  const tile = groups.flatMap((group) => group.tiles).find((one) => one.app === "nextcloud");
  const page = await open("/");
  const asked = [];
  await page.route(/^https:/, (route) => {
    asked.push(route.request().url());
    return route.fulfill({ body: "opened", contentType: "text/plain" });
  });
  await page.keyboard.type("nex");
  assert.equal(await page.locator("#find").inputValue(), "nex");
  assert.deepEqual(await page.locator(".tile:visible .title").allInnerTexts(), [tile.title]);
  await page.keyboard.press("Enter");
  await page.waitForURL(/^https:/);
  assert.deepEqual(asked, [new URL(tile.url).href]);
});

test("what is typed on the start page is taken back with Escape", async () => {
  const page = await open("/");
  const all = await page.locator(".tile:visible").count();
  await page.keyboard.type("zzz");
  assert.equal(await page.locator(".tile:visible").count(), 0);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".tile:visible").count(), all);
});

test("a machine dies, and the page says which, why and what to do, and that it is back", async (t) => {
  const overview = await open("/overview");
  const events = await open("/events");
  const machines = await open("/machines");
  await events.locator("#events-q").fill("half a wo");
  await events.locator("#events-machine").selectOption("anafi");
  await events.locator("#events-q").focus();
  // Somebody is in a row.
  const row = machines.locator("tbody tr", { hasText: "vienna" }).locator("a").first();
  await row.focus();
  await has(overview, "Nothing needs you now");

  t.after(() => demo.run("demo", "start", "patra"));
  assert.match(await demo.run("demo", "stop", "patra"), /patra: stopped\n/);
  const began = Date.now();
  const attention = overview.locator("#attention");
  await has(overview, "polis demo start patra");
  const took = Date.now() - began;
  assert.ok(took < 15_000, `${took} ms`);
  await until("what runs on it is gone too", async () => /patra[^]*thebes/.test(await attention.innerText()));
  assert.equal(await attention.getAttribute("aria-live"), "polite");
  await until("the table has them down", async () => {
    const rows = await overview.locator("#machines tbody tr").allInnerTexts();
    return ["patra", "thebes"].every((name) => rows.some((row) => row.startsWith(name) && /Down|Unknown/.test(row)));
  });
  await has(events, "patra");
  assert.equal(await events.locator("#events-q").inputValue(), "half a wo");
  assert.equal(await events.locator("#events-machine").inputValue(), "anafi", "what is chosen and not sent stays");
  assert.equal(await focused(events), "events-q");
  await until("the table of machines turns", async () => /patra\s+(Down|Unknown)/.test(await main(machines)));
  assert.equal(await focused(machines), "vienna");

  await demo.run("demo", "start", "patra");
  await lacks(overview, "polis demo start patra", 30_000);
  await has(overview, "Nothing needs you now", 30_000);
  for (const page of [overview, events, machines]) await marked(page);
});

test("a fault in the lab file is shown with its line and what may be meant, and is gone when it is mended", async (t) => {
  const [config, overview] = [await open("/config"), await open("/overview")];
  await has(config, "Followed");
  const was = await change("apps.toml", 'on = "naxos"', 'on = "naxso"');
  t.after(() => writeFile(`${lab.path}/apps.toml`, was));
  const began = Date.now();
  await Promise.all([has(config, "did you mean", 5_000), has(overview, "apps.toml:4", 5_000)]);
  const took = Date.now() - began;
  assert.match(await config.locator("#faults").innerText(), /naxso[^]*apps\.toml:4[^]*did you mean `?naxos/);
  assert.match(await config.locator('[id="apps.toml:4"]').innerText(), /on = "naxso"[^]*error: /);
  await has(config, "Not taken up");
  const attention = await overview.locator("#attention").innerText();
  assert.match(attention, /apps\.toml:4[^]*naxso/);
  assert.ok(took < 2_000, `it took ${took} ms`);
  // Its link leads to the line.
  await overview.locator('#attention a[href="/config#apps.toml:4"]').first().click();
  await overview.waitForURL(/\/config#apps\.toml:4$/);
  assert.ok(await overview.locator('[id="apps.toml:4"]').isVisible());
  await overview.goto(`${demo.url}/overview`);

  await writeFile(`${lab.path}/apps.toml`, was);
  // The other machines say within their next five seconds that it is mended for them too.
  await Promise.all([has(config, "Followed", 5_000), lacks(overview, "naxso", 15_000)]);
  assert.equal(await config.locator(".faulty", { hasText: "naxso" }).count(), 0);
  await marked(config);
});

test("what needs somebody says what may be meant", async (t) => {
  const page = await open("/overview");
  const was = await change("apps.toml", 'on = "naxos"', 'on = "naxso"');
  t.after(() => writeFile(`${lab.path}/apps.toml`, was));
  await has(page, "naxso", 5_000);
  assert.match(await page.locator("#attention").innerText(), /did you mean `?naxos/);
});

test("everything is reached with keys", async () => {
  const page = await open("/overview");
  const dialog = page.locator("dialog[open]");
  await page.keyboard.press("/");
  await dialog.waitFor();
  const input = dialog.getByRole("combobox");
  await page.keyboard.type("naxos");
  const chosen = () => dialog.locator('[role=option][aria-selected="true"]');
  await until("it is found", async () => (await chosen().innerText().catch(() => "")).startsWith("naxos"));
  const first = await chosen().getAttribute("id");
  assert.equal(await input.getAttribute("aria-activedescendant"), first);
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await chosen().getAttribute("id"), first);
  assert.equal(await input.getAttribute("aria-activedescendant"), await chosen().getAttribute("id"));
  await page.keyboard.press("ArrowUp");
  assert.equal(await chosen().getAttribute("id"), first);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/machines/naxos");

  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await page.waitForURL("**/machines");
  const names = await page.locator("main tbody tr th a").allInnerTexts();
  await page.keyboard.press("j");
  assert.equal(await focused(page), names[0]);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  assert.equal(await focused(page), names[2]);
  await page.keyboard.press("k");
  assert.equal(await focused(page), names[1]);

  await page.keyboard.press("?");
  await dialog.waitFor();
  assert.match(await dialog.innerText(), /next and previous row/);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await focused(page), names[1], "the focus is where it was");
  await page.keyboard.press("Control+k");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await focused(page), names[1], "the focus is where it was");

  await page.keyboard.press("Enter");
  await page.waitForURL(`**/machines/${names[1]}`);

  // The field in the head does nothing by having the focus, and finds when one types.
  await page.keyboard.press("Tab");
  for (let more = 0; more < 12 && (await focused(page)) !== "jump"; more += 1) await page.keyboard.press("Tab");
  assert.equal(await focused(page), "jump");
  assert.equal(await dialog.count(), 0);
  await page.keyboard.type("nex");
  await dialog.waitFor();
  assert.equal(await input.inputValue(), "nex");
  await until("it is found", async () => (await dialog.innerText()).includes("nextcloud"));
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await focused(page), "jump");
});

test("what is typed before the palette is fetched is not lost", async () => {
  const page = await open("/overview");
  let go;
  const held = new Promise((done) => (go = done));
  await page.route(/\/assets\/.*\.js/, async (route) => {
    await held;
    await route.continue();
  });
  await page.keyboard.press("/");
  await page.keyboard.type("gmnaxos");
  assert.equal(path(page), "/overview", "these are letters now, and no keys");
  go();
  const input = page.locator("dialog[open]").getByRole("combobox");
  await input.waitFor();
  assert.equal(await input.inputValue(), "gmnaxos");
  await page.keyboard.type("!");
  assert.equal(await input.inputValue(), "gmnaxos!");
  await marked(page);
});

test("without a script everything is found with plain forms", async () => {
  const plain = { ...VIEWS.dark, javaScriptEnabled: false };
  const page = await open("/", plain);
  await page.locator("#find").fill("nex");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/?q=nex");
  assert.equal(await page.locator(".tile").count(), 1);

  await page.goto(`${demo.url}/overview`);
  await page.locator("#jump").fill("nextcl");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/jump?q=nextcl");
  await page.locator("main tbody a", { hasText: "nextcloud" }).first().click();
  await page.waitForURL("**/apps/nextcloud");

  await page.goto(`${demo.url}/events`);
  await page.locator("#events-machine").selectOption("anafi");
  await page.locator("main form button").click();
  await page.waitForURL(/\/events\?.*machine=anafi/);
  const rows = await page.locator("main tbody tr").allInnerTexts();
  assert.ok(rows.length > 0 && rows.every((row) => row.includes("anafi")), rows.join("\n"));
  assert.equal(await page.locator("#events-machine").inputValue(), "anafi");

  await page.goto(`${demo.url}/dns`);
  await page.locator("#names-q").fill("cloud");
  await page.locator("#names form button").click();
  await page.waitForURL(/\/dns\?q=cloud/);
  assert.match(await page.locator("#names tbody").innerText(), /cloud\.lab\.example\.net/);
});

test("a name is blocked from the list of questions, and allowed again", async () => {
  const name = "pixel.example.org";
  assert.equal(await dig(name), "192.0.2.7");
  const link = await demo.link("naxos");
  const page = await open("/dns");
  const row = page.locator("#last tbody tr", { hasText: name }).first();
  await row.waitFor();
  await marked(page);

  // Without a link nothing can be pressed.
  await row.locator("a.action").click();
  await page.waitForURL("**/dns/rule?rule=*");
  assert.equal(await page.locator("main form[method=post]").count(), 0);
  await has(page, "polis setup");

  await page.goto(link);
  assert.equal(path(page), "/setup");
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Lax", "/"]);

  await page.goto(`${demo.url}/dns`);
  await page.locator("#last tbody tr", { hasText: name }).first().locator("form.press button", { hasText: "Block" }).click();
  await page.waitForURL("**/dns#last");
  await has(page, "blocked now");
  await page.goto(`${demo.url}/config`);
  const overlay = page.locator("#overlay");
  await overlay.locator("tbody tr", { hasText: `||${name}^` }).waitFor();
  assert.match(await overlay.locator("pre").innerText(), /\[dns\][^]*pixel/);
  await until("it is blocked", async () => (await dig(name)) !== "192.0.2.7");
  await page.goto(`${demo.url}/dns`);
  await until("it stands there as blocked", async () => {
    const rows = await page.locator("#last tbody tr", { hasText: name }).allInnerTexts();
    return rows.some((row) => /\|\|pixel/.test(row) && /Undo/.test(row));
  });

  await page.goto(`${demo.url}/config`);
  await overlay.locator("a.action").click();
  await page.waitForURL("**/config/overlay/*/delete");
  await page.locator("main form[method=post] button").click();
  await page.waitForURL("**/config#overlay");
  await until("it is gone from the list", async () => !(await overlay.innerText()).includes(name));
  await until("it is answered again", async () => (await dig(name)) === "192.0.2.7");

  // A link is for one.
  const answer = await page.goto(link);
  assert.equal(answer.status(), 403);
  await has(page, "once");
  await has(page, "polis setup");
});

test("the machine that serves is lost, the page says so, and goes on when it is back", async (t) => {
  const page = await open("/overview");
  await has(page, "Nothing needs you now", 30_000);
  t.after(() => demo.run("demo", "start", "naxos"));
  await demo.run("demo", "stop", "naxos");
  const strip = page.locator(".strip.lost");
  await strip.waitFor({ timeout: 8_000 });
  assert.match(await strip.innerText(), /^Not connected to naxos: what you see is from \d/);
  assert.equal(await strip.getAttribute("role"), "status");
  await demo.run("demo", "start", "naxos");
  await strip.waitFor({ state: "detached", timeout: 20_000 });
  await has(page, "Nothing needs you now", 30_000);
  await marked(page);
});

test("a way that is lost without an end is noticed, and the page goes on when there is one again", async (t) => {
  const tunnel = await Tunnel.to(demo.url);
  t.after(() => tunnel.end());
  context = await chrome.newContext(VIEWS.dark);
  await context.clock.install();
  const page = await open(`${tunnel.url}/machines`);
  await until("it is told what changes", () => tunnel.asked.some((text) => text.startsWith("GET /live")));
  const strip = page.locator(".strip.lost");
  // What has a sign of life every 15 s is not lost.
  await page.clock.fastForward(20_000);
  await new Promise((done) => setTimeout(done, 16_000));
  await page.clock.fastForward(30_000);
  assert.equal(tunnel.asked.filter((text) => text.startsWith("GET /live")).length, 1);
  assert.equal(await strip.count(), 0);

  tunnel.lose();
  await page.clock.fastForward(41_000);
  await page.clock.fastForward(4_000);
  await strip.waitFor();
  assert.match(await strip.innerText(), /^Not connected to naxos|^Not connected to /);

  tunnel.mend();
  await until("it is connected again", async () => {
    await page.clock.fastForward(10_000);
    return (await strip.count()) === 0;
  });
  await until("and asked for what has changed", async () => {
    await page.clock.fastForward(10_000);
    return tunnel.asked.some((text) => /^GET \/machines [^]*x-polis-live/i.test(text));
  });
  await until("and stays connected", async () => (await strip.count()) === 0);
  await marked(page);
});

test("what is how long ago does not hang on the clock of who looks", async () => {
  for (const off of [3 * 86_400_000, -3 * 86_400_000]) {
    context = await chrome.newContext(VIEWS.dark);
    await context.clock.install({ time: Date.now() + off });
    const page = await open("/machines");
    assert.deepEqual(await ages(page), [], `${off}`);
    // Told by the first sign after the clock has gone elsewhere, also when the page does not come.
    await page.route("**/machines", (route) => route.abort());
    await page.clock.fastForward(3_600_000);
    await until("they are right again", async () => (await ages(page)).length === 0);
    await context.close();
    context = undefined;
  }
});

test("times that stay the same are left alone, and those that go on are no news", async () => {
  context = await chrome.newContext(VIEWS.dark);
  await context.clock.install();
  const page = await open("/machines");
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll("time:not([aria-live=off])")].length), 0);
  await page.evaluate(() => {
    // One that stays the same for an hour.
    const long = document.createElement("time");
    long.className = "since";
    long.dateTime = new Date(Date.now() - 3.5 * 3_600_000).toISOString();
    long.textContent = "3\u202Fh ago";
    document.querySelector("main").append(long);
    window.put = [];
    const texts = (nodes) => [...nodes].map((node) => node.textContent).join("");
    const watch = (all) => {
      for (const { addedNodes, removedNodes } of all) window.put.push([texts(removedNodes), texts(addedNodes)]);
    };
    const watcher = new MutationObserver(watch);
    for (const time of document.querySelectorAll("time")) watcher.observe(time, { childList: true });
  });
  await page.clock.runFor(31_000);
  const put = await page.evaluate(() => window.put);
  assert.ok(put.length > 0, "some go on");
  assert.deepEqual(put.filter(([was, is]) => was === is), []);
});

test("keys without Ctrl can be switched off", async () => {
  const page = await open("/overview");
  const dialog = page.locator("dialog[open]");
  const box = dialog.getByLabel("Keys without Ctrl");
  await page.keyboard.press("?");
  await box.uncheck();
  await page.keyboard.press("Escape");
  const off = async () => {
    for (const key of ["/", "?", "j", "g", "m"]) await page.keyboard.press(key);
    await new Promise((done) => setTimeout(done, 300));
    assert.deepEqual([await dialog.count(), await focused(page), path(page)], [0, await page.evaluate(() => document.body.textContent.trim()), "/overview"]);
  };
  await off();
  await page.reload();
  await off();
  await page.keyboard.press("Control+k");
  await dialog.getByRole("combobox").waitFor();
  await page.keyboard.press("Escape");
  await page.goto(`${demo.url}/`);
  await page.keyboard.type("nex");
  assert.equal(await page.locator("#find").inputValue(), "");

  await page.locator("[data-keys] button").click();
  await box.check();
  await page.keyboard.press("Escape");
  await page.locator("[data-keys] button").blur();
  await page.keyboard.type("nex");
  assert.equal(await page.locator("#find").inputValue(), "nex");
});

test("on the start page Space moves the page, and Enter opens nothing that was not looked for", async () => {
  const page = await open("/");
  await page.setViewportSize({ width: 390, height: 300 });
  await page.keyboard.press("Space");
  await until("it moves", () => page.evaluate(() => scrollY > 0));
  assert.notEqual(await focused(page), "find");
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.locator("#find").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("  ");
  await page.keyboard.press("Enter");
  await new Promise((done) => setTimeout(done, 300));
  assert.deepEqual(asked.filter((url) => !url.includes("/live")), []);
  await marked(page);
});

test("the palette says when it finds nothing, when it can not know, and knows what has changed", async () => {
  const page = await open("/overview");
  let asked = 0;
  page.on("request", (request) => (asked += request.url().endsWith("/api/v1/index")));
  await page.route("**/api/v1/index", (route) => route.abort());
  const dialog = page.locator("dialog[open]");
  const input = dialog.getByRole("combobox");
  const says = (words) => until(`it says ${words}`, async () => (await dialog.innerText()).includes(words));
  const expanded = () => input.getAttribute("aria-expanded");
  await page.keyboard.press("/");
  await says("could not be fetched");
  assert.equal(await expanded(), "false");
  await page.unroute("**/api/v1/index");
  await page.keyboard.type("naxos");
  await until("it finds", async () => (await dialog.getByRole("option").count()) > 0);
  assert.deepEqual([await expanded(), await dialog.getByRole("status").innerText()], ["true", ""]);
  await input.fill("no such thing");
  await says("Nothing is called “no such thing”.");
  assert.deepEqual([await expanded(), await dialog.getByRole("option").count()], ["false", 0]);

  const once = asked;
  const again = async () => {
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await until("it finds", async () => (await dialog.getByRole("option").count()) > 0);
  };
  await again();
  assert.equal(asked, once, "it is fetched once");
  await page.evaluate(() => document.dispatchEvent(new Event("polis:taken")));
  await again();
  assert.equal(asked, once + 1, "what is seen has changed");
});

test("an empty machine is set up, and the pages say what is left to do", async () => {
  // There is one such place on a machine. Who has it is waited for, and then named.
  await free("127.0.0.1", 8421);
  const home = await scratch();
  const [folder, state] = [`${home.path}/lab`, `${home.path}/state`];
  const words = "--yes --name attic --domain lab.example.net --machine attic --address 192.168.77.10 --timezone Europe/Athens --upstream 127.0.0.1:9";
  const said = await run(["init", folder, "--state", state, ...words.split(" ")]);
  assert.match(said, /start it: polis run/);
  const running = new Running(["run", "--lab", folder, "--machine", "attic", "--listen", "127.0.0.1:0", "--state", state]);
  try {
    await answers("127.0.0.1", 8421);
    // Its pages may be there a moment before it can be asked for a link.
    const links = await running.until("it gives a link", () => run(["setup", "--state", state]).catch(() => undefined));
    const link = links.split("\n")[0].trim();
    assert.match(link, /^http:\/\/127\.0\.0\.1:8421\/setup\?code=/);
    const page = await open(link);
    assert.equal(page.url(), "http://127.0.0.1:8421/setup");
    assert.match(await page.locator("body").innerText(), /These pages are shown on this machine only/);
    await has(page, "This browser may change things");
    const checks = await page.locator(".checks > li").all();
    assert.ok(checks.length >= 5, `${checks.length} checks`);
    for (const check of checks) {
      const text = await check.innerText();
      assert.match(await check.locator("h2 .state").innerText(), /^(Well|To do|Not needed|Unknown)$/, text);
      if (/To do/.test(text)) {
        assert.ok((await check.locator(".next").innerText()).length > 10, `${text} says what to do`);
      }
    }
    const ports = await page.locator(".checks > li", { hasText: /^ports/i }).allInnerTexts();
    const missing = /To do[^]*this machine does not have the address of (UDP|TCP) 192\.168\.77\.10[^]*give it 192\.168\.77\.10/i;
    assert.ok(ports.some((text) => missing.test(text)), ports.join("\n"));
    await page.goto("http://127.0.0.1:8421/overview");
    await has(page, "attic");
  } finally {
    await running.end();
    await home.end();
  }
});

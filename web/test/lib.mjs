// What the browser tests share: a demonstration of a lab, a browser, and the ways in which a page is looked at.
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

export const root = new URL("../../", import.meta.url).pathname;
export const polis = process.env.POLIS ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/polis`;
export const shots = new URL("../shots/", import.meta.url).pathname;

const PATIENCE = 20_000;
const PORT = 18421;

/** Waits until something is true. */
export async function until(what, is, patience = PATIENCE) {
  const began = Date.now();
  for (;;) {
    const value = await is();
    if (value) return value;
    if (Date.now() - began > patience) throw new Error(`${what}: not within ${patience} ms`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** A folder that is gone at the end. */
export async function scratch() {
  const path = await mkdtemp(`${tmpdir()}/polis-web-`);
  return { path, end: () => rm(path, { recursive: true, force: true }) };
}

/** Whether somebody listens at an address. */
function listens(host, port) {
  return new Promise((done) => {
    const socket = connect({ host, port });
    const end = (is) => {
      socket.destroy();
      done(is);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
}

/** Waits until somebody listens at an address. */
export const answers = (host, port) => until(`${host}:${port} answers`, () => listens(host, port));

/** Waits until nobody has an address any more; some addresses are there once. */
export async function free(host, port) {
  const what = `${host}:${port} is free: another Polis of this machine has it, and this test needs it; end that one`;
  await until(what, async () => !(await listens(host, port)), 60_000);
}

/** Runs a command of Polis and gives what it says. */
export async function run(words, environment = process.env) {
  return (await promisify(execFile)(polis, words, { env: environment })).stdout;
}

/** A command of Polis that runs until it is ended; what it says is kept. */
export class Running {
  constructor(words, environment) {
    this.words = words.join(" ");
    this.said = "";
    this.child = spawn(polis, words, { env: environment });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (text) => (this.said += text));
  }

  get ended() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits until something is true of it; that it has ended is an error. */
  async until(what, is, patience) {
    return until(
      what,
      async () => {
        if (this.ended) throw new Error(`\`polis ${this.words}\` ended: ${this.said}`);
        return is();
      },
      patience,
    ).catch((error) => {
      throw new Error(`${error.message}; it said: ${this.said}`);
    });
  }

  async end() {
    this.child.kill("SIGTERM");
    await until(`\`polis ${this.words}\` ends`, () => this.ended);
  }
}

/** All machines of a lab on this one, and the pages of one of them. */
export class Demo {
  static async of(lab, machine = "127.10.50.13") {
    await free(machine, PORT);
    const demo = new Demo();
    demo.home = await scratch();
    demo.url = `http://${machine}:${PORT}`;
    demo.environment = { ...process.env, XDG_RUNTIME_DIR: demo.home.path };
    demo.running = new Running(["demo", lab], demo.environment);
    try {
      await demo.running.until("the demonstration answers", () => demo.answers(), 40_000);
    } catch (error) {
      await demo.end();
      throw error;
    }
    return demo;
  }

  /** Whether all machines are seen, and nothing is left to say of any. */
  async answers() {
    try {
      const seen = await this.api("machines");
      const agents = seen.machines.filter((one) => one.why === null || !one.why.includes("no agent"));
      return agents.every((one) => one.health === "up");
    } catch {
      return false;
    }
  }

  async api(path) {
    return (await fetch(`${this.url}/api/v1/${path}`)).json();
  }

  /** Runs a command of Polis in this demonstration. */
  async run(...words) {
    return run(words, this.environment);
  }

  /** A link that opens the pages of a machine for changes, once. */
  async link(machine) {
    return (await this.run("setup", "--state", this.state(machine))).split("\n")[0].trim();
  }

  state(machine) {
    return `${this.home.path}/polis-demo-${process.getuid()}/${machine}`;
  }

  async end() {
    await this.running.end();
    await this.home.end();
  }
}

/**
 * A copy of the example, to be changed, with addresses of this process: demonstrations beside each other do not meet.
 * `at` gives the address that one of the example has here.
 */
export async function example() {
  const folder = await scratch();
  await cp(`${root}examples/aegean`, folder.path, { recursive: true });
  const first = 200 + 3 * (process.pid % 18);
  const moved = (text) => text.replace(/\b10\.([123])0\./g, (_, site) => `10.${first + Number(site) - 1}.`);
  for (const name of await readdir(folder.path)) {
    if (!name.endsWith(".toml")) continue;
    const path = `${folder.path}/${name}`;
    await writeFile(path, moved(await readFile(path, "utf8")));
  }
  return { ...folder, at: (address) => moved(address).replace(/^10\./, "127.") };
}

export async function browser() {
  await mkdir(shots, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export const VIEWS = {
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true },
};

export const ROUTES = {
  portal: "/",
  overview: "/overview",
  machines: "/machines",
  machine: "/machines/naxos",
  apps: "/apps",
  app: "/apps/nextcloud",
  network: "/network",
  dns: "/dns",
  log: "/dns/log?outcome=blocked&name=example",
  why: "/dns/why?name=ads.example.org&client=naxos",
  numbers: "/dns/numbers",
  lists: "/dns/lists",
  policies: "/dns/policies",
  pause: "/dns/pause?seconds=300",
  coverage: "/coverage",
  config: "/config",
  events: "/events",
  status: "/status",
  setup: "/setup",
  jump: "/jump?q=cloud",
  rule: "/dns/rule?rule=%7C%7Cads.example%5E",
  nothing: "/nothing",
};

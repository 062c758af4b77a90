// What the browser tests share: a demonstration of a lab, a browser, and the ways in which a page is looked at.
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

export const root = new URL("../../", import.meta.url).pathname;
export const polis = process.env.POLIS ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/polis`;
export const shots = new URL("../shots/", import.meta.url).pathname;

const PATIENCE = 20_000;

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

/** All machines of a lab on this one, and the pages of one of them. */
export class Demo {
  static async of(lab, machine = "127.10.50.13") {
    const demo = new Demo();
    demo.home = await scratch();
    demo.url = `http://${machine}:18421`;
    demo.environment = { ...process.env, XDG_RUNTIME_DIR: demo.home.path };
    demo.said = "";
    demo.child = spawn(polis, ["demo", lab], { env: demo.environment });
    for (const stream of [demo.child.stdout, demo.child.stderr]) stream.on("data", (text) => (demo.said += text));
    await until(`the demonstration answers (${demo.said})`, () => demo.answers());
    return demo;
  }

  async answers() {
    if (this.child.exitCode !== null) throw new Error(`the demonstration ended: ${this.said}`);
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
    return (await promisify(execFile)(polis, words, { env: this.environment })).stdout;
  }

  state(machine) {
    return `${this.home.path}/polis-demo-${process.getuid()}/${machine}`;
  }

  async end() {
    this.child.kill("SIGTERM");
    await until("the demonstration ends", () => this.child.exitCode !== null || this.child.signalCode !== null);
    await this.home.end();
  }
}

/** A copy of the example, to be changed. */
export async function example() {
  const folder = await scratch();
  await cp(`${root}examples/aegean`, folder.path, { recursive: true });
  return folder;
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
  coverage: "/coverage",
  config: "/config",
  events: "/events",
  status: "/status",
  setup: "/setup",
  jump: "/jump?q=cloud",
  rule: "/dns/rule?rule=%7C%7Cads.example%5E",
  nothing: "/nothing",
};

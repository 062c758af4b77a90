// Takes the picture of the overview for the documentation: the machine that answers names is gone,
// another one has its address, and the page says so.
import { stat } from "node:fs/promises";
import { Demo, VIEWS, browser, root, until } from "./lib.mjs";

const path = `${root}docs/overview.png`;
const demo = await Demo.of(`${root}examples/aegean`, "127.10.50.5");
const chrome = await browser();
try {
  const page = await (await chrome.newContext({ ...VIEWS.dark, reducedMotion: "reduce" })).newPage();
  await page.goto(`${demo.url}/overview`);
  await until("everything is well", async () => (await page.locator("#attention").innerText()).includes("Nothing needs you"));
  await demo.run("demo", "stop", "naxos");
  await page.locator("#attention li.down", { hasText: "polis demo start naxos" }).waitFor();
  await until("the tables have it too", async () => /naxos\s+Down/.test(await page.locator("#machines").innerText()));
  await page.locator("#services .holder.serves", { hasText: "anafi running" }).waitFor();
  await page.screenshot({ path });
  const { size } = await stat(path);
  if (size > 200_000) throw new Error(`${path} has ${size} bytes; it may have 200000`);
} finally {
  await chrome.close();
  await demo.end();
}

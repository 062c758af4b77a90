// Takes pictures of every page, for a person to look at: `node test/look.mjs [PAGE…]`.
import { Demo, ROUTES, VIEWS, browser, root, shots } from "./lib.mjs";

const only = process.argv.slice(2);
const demo = await Demo.of(`${root}examples/aegean`);
const chrome = await browser();
try {
  for (const [view, options] of Object.entries(VIEWS)) {
    const context = await chrome.newContext(options);
    const page = await context.newPage();
    for (const [name, path] of Object.entries(ROUTES)) {
      if (only.length > 0 && !only.includes(name)) continue;
      await page.goto(demo.url + path);
      await page.screenshot({ path: `${shots}${name}-${view}.png`, fullPage: true });
    }
    await context.close();
  }
} finally {
  await chrome.close();
  await demo.end();
}

// Keys: `/` jumps, `g` and a letter goes to a page, `j` and `k` move over rows, Enter opens, `?` lists them.
import { openJump } from "./jump";

const KEPT = "polis-keys";

let afterG = 0;

/** Whether keys do something without Ctrl. Who speaks to the browser, or types with little control, may not want that. */
export function areOn(): boolean {
  return localStorage.getItem(KEPT) !== "off";
}

function turn(on: boolean): void {
  if (on) localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, "off");
}

async function showHelp(): Promise<void> {
  (await import("./help")).show(areOn(), turn);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
}

function move(by: number): void {
  const rows = [...document.querySelectorAll<HTMLTableRowElement>("main tbody tr")].filter((row) => row.querySelector("a"));
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now + by))];
  next?.querySelector<HTMLElement>("a")?.focus();
}

function key(event: KeyboardEvent): boolean {
  if (Date.now() - afterG < 1_500) {
    afterG = 0;
    const link = document.querySelector<HTMLAnchorElement>(`[data-key="${CSS.escape(event.key)}"]`);
    link?.click();
    return link !== null;
  }
  switch (event.key) {
    case "/":
      void openJump();
      return true;
    case "g":
      afterG = Date.now();
      return true;
    case "j":
    case "k":
      move(event.key === "j" ? 1 : -1);
      return true;
    case "?":
      void showHelp();
      return true;
    default:
      return false;
  }
}

export function keys(): void {
  for (const place of document.querySelectorAll<HTMLElement>("[data-keys]")) {
    place.hidden = false;
    place.querySelector("button")?.addEventListener("click", () => void showHelp());
  }
  document.addEventListener("keydown", (event) => {
    if (!areOn() || isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // The start page finds what is typed; there only `/` and `?` are keys.
    if (document.querySelector("#find") && event.key !== "/" && event.key !== "?") return;
    if (key(event)) event.preventDefault();
  });
}

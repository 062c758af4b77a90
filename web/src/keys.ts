// Keys: `/` jumps, `g` and a letter goes to a page, `j` and `k` move over rows, Enter opens, `?` lists them.
import { openJump } from "./jump";

const HELP: [string, string][] = [
  ["/ or Ctrl K", "jump to anything by typing"],
  ["g, then a letter", "go to a page: o overview, m machines, a apps, n network, d DNS, e events, c config, s start page"],
  ["j, k", "next and previous row"],
  ["Enter", "open the row"],
  ["?", "this list"],
  ["Esc", "close"],
];

let afterG = 0;
let help: HTMLDialogElement | undefined;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
}

function showHelp(): void {
  if (!help) {
    help = document.createElement("dialog");
    help.className = "keys";
    help.setAttribute("aria-label", "Keys");
    const list = document.createElement("dl");
    for (const [key, what] of HELP) {
      const [name, meaning] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = key;
      meaning.textContent = what;
      list.append(name, meaning);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => help?.close());
    help.append(list, close);
    document.body.append(help);
  }
  help.showModal();
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
      openJump();
      return true;
    case "g":
      afterG = Date.now();
      return true;
    case "j":
    case "k":
      move(event.key === "j" ? 1 : -1);
      return true;
    case "?":
      showHelp();
      return true;
    default:
      return false;
  }
}

export function keys(): void {
  for (const place of document.querySelectorAll<HTMLElement>("[data-keys]")) {
    place.hidden = false;
    place.querySelector("button")?.addEventListener("click", showHelp);
  }
  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // The start page finds what is typed; there only `/` and `?` are keys.
    if (document.querySelector("#find") && event.key !== "/" && event.key !== "?") return;
    if (key(event)) event.preventDefault();
  });
}

// A page is told the names of what changed, fetches itself again, and takes over what is different.
import { Idiomorph } from "idiomorph";
import { now, tell } from "./times";

/** How long a connection may be gone before the page says so. */
const GONE = 3_000;
/** How long until a connection that was refused is tried again. */
const AGAIN = 5_000;
/** How long nothing may be said: there is a sign of life every 15 s, and a connection that lost its way does not end. */
const SILENT = 40_000;
/** How long a page waits for somebody who is about to press something. */
const AIMING = 5_000;
/** How long a page may take to come. */
const PATIENCE = 20_000;

let main: HTMLElement;
let source: EventSource | undefined;
let gone: number | undefined;
let silent: number | undefined;
let strip: HTMLElement | undefined;
let seen = new Date();
let fetching = false;
let again = false;
let aimed: number | undefined;
let held: number | undefined;

/** Whether a person is in a row, which is not to move under them. */
function row(): string | undefined {
  return document.activeElement?.closest("tbody tr")?.textContent ?? undefined;
}

/** Whether somebody typed or chose something in a field that is not sent yet. */
function isFilled(field: Element): boolean {
  if (field instanceof HTMLInputElement) return field.value !== field.defaultValue;
  if (!(field instanceof HTMLSelectElement)) return false;
  // Where nothing is selected in the page as it came, it is the first that is.
  const came = [...field.options].findIndex((option) => option.defaultSelected);
  return field.selectedIndex !== Math.max(0, came);
}

/** Whether somebody is about to press something in a row, which is not to move away under the pointer. */
function isAimed(): boolean {
  return matchMedia("(hover: hover)").matches && main.querySelector("tbody td:hover :is(.press, .action)") !== null;
}

async function refresh(): Promise<void> {
  if (isAimed()) {
    aimed ??= Date.now();
    if (Date.now() - aimed < AIMING) {
      window.clearTimeout(held);
      held = window.setTimeout(() => void refresh(), 500);
      return;
    }
  }
  aimed = undefined;
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  const asked = new AbortController();
  const late = setTimeout(() => asked.abort(), PATIENCE);
  try {
    const headers = { "x-polis-live": "1" };
    const said = await fetch(location.href, { cache: "no-cache", headers, signal: asked.signal });
    const next = new DOMParser().parseFromString(await said.text(), "text/html").querySelector("main");
    if (next) {
      take(next);
      seen = new Date();
      // A machine that ends may answer once more; that it is connected is said by what tells of changes.
      if (source?.readyState === EventSource.OPEN) connected();
    }
  } catch {
    lost();
    // Not by a connection of before: what tells of changes has one.
    if (source?.readyState === EventSource.OPEN) setTimeout(() => void refresh(), AGAIN);
  } finally {
    clearTimeout(late);
    fetching = false;
    if (again) {
      again = false;
      void refresh();
    }
  }
}

function take(next: HTMLElement): void {
  now(next.dataset.now);
  tell(next);
  const before = row();
  Idiomorph.morph(main, next.innerHTML, {
    morphStyle: "innerHTML",
    ignoreActiveValue: true,
    restoreFocus: true,
    callbacks: {
      beforeNodeMorphed(old: Node, fresh: Node): boolean {
        if (!(old instanceof Element) || !(fresh instanceof Element)) return true;
        if (old.matches("[data-island]") || isFilled(old)) return false;
        // What somebody opened stays open.
        if (old instanceof HTMLDetailsElement && old.open) fresh.setAttribute("open", "");
        return true;
      },
    },
  });
  if (before !== undefined) document.activeElement?.scrollIntoView({ block: "nearest" });
  document.dispatchEvent(new Event("polis:taken"));
}

/** The page can not be told what changes: it says from when it is. */
function lost(): void {
  if (gone !== undefined || strip) return;
  gone = window.setTimeout(() => {
    strip = document.createElement("p");
    strip.className = "strip lost";
    strip.setAttribute("role", "status");
    const who = main.dataset.machine ? main.dataset.machine : "Polis";
    strip.textContent = `Not connected to ${who}: what you see is from ${seen.toLocaleTimeString()}.`;
    main.before(strip);
  }, GONE);
}

function connected(): void {
  clearTimeout(gone);
  gone = undefined;
  strip?.remove();
  strip = undefined;
}

/** Something was said; if nothing more is, it is asked for anew. */
function heard(): void {
  clearTimeout(silent);
  silent = window.setTimeout(() => {
    lost();
    close();
    if (!document.hidden) open();
  }, SILENT);
}

function open(): void {
  const topics = main.dataset.topics ?? "";
  const wanted = new Set(topics.split(" "));
  source = new EventSource(`/live?topics=${encodeURIComponent(topics)}`);
  heard();
  source.onopen = () => {
    heard();
    // What happened while it was not connected, also before it was for the first time, was not told.
    void refresh();
    connected();
  };
  source.addEventListener("sign", (sign: MessageEvent) => {
    heard();
    now(String(sign.data));
    tell(main);
  });
  source.onmessage = (message) => {
    heard();
    if (String(message.data).split(" ").some((topic) => wanted.has(topic))) void refresh();
  };
  source.onerror = () => {
    lost();
    // It tries again by itself, unless it was answered with something else.
    if (source?.readyState === EventSource.CLOSED) {
      close();
      setTimeout(() => source ?? (document.hidden || open()), AGAIN);
    }
  };
}

function close(): void {
  clearTimeout(silent);
  source?.close();
  source = undefined;
}

export function live(): void {
  const found = document.querySelector<HTMLElement>("main[data-topics]");
  if (!found) return;
  main = found;
  // Browsers keep few connections to a host: a page that nobody sees needs none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!source) {
      open();
      void refresh();
    }
  });
  window.addEventListener("pagehide", close);
  // Back to a page that was kept as it was.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted || source) return;
    open();
    void refresh();
  });
  if (!document.hidden) open();
}

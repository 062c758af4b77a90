// Type to jump: `/` or Ctrl-K, some letters, Enter. A combobox with a list, as the ARIA practices describe it.
type Thing = { name: string; kind: string; url: string; words: string };

const MOST = 12;
/** How long the list of all things may take. */
const PATIENCE = 10_000;
let things: Promise<Thing[]> | undefined;

// Something has changed: what there is may have, too.
document.addEventListener("polis:taken", () => (things = undefined));

async function fetched(): Promise<Thing[]> {
  const said = await fetch("/api/v1/index", { signal: AbortSignal.timeout(PATIENCE) });
  if (!said.ok) throw new Error(String(said.status));
  return ((await said.json()) as { things: Thing[] }).things;
}

/** Everything that has a page; nothing if that could not be fetched, which is tried again then. */
async function all(): Promise<Thing[] | undefined> {
  const asked = (things ??= fetched());
  return asked.catch(() => {
    if (things === asked) things = undefined;
    return undefined;
  });
}

/** How well letters fit a name: all of them in their order, better the closer and the earlier; 0 if not at all. */
export function fit(letters: string, name: string): number {
  const whole = name.indexOf(letters);
  if (whole >= 0) return 1_000 - whole * 2 - (name.length - letters.length);
  let at = -1;
  let gaps = 0;
  for (const letter of letters) {
    const next = name.indexOf(letter, at + 1);
    if (next < 0) return 0;
    gaps += next - at - 1;
    at = next;
  }
  return Math.max(1, 400 - gaps * 4);
}

function best(text: string, known: Thing[]): Thing[] {
  const letters = text.trim().toLowerCase();
  if (letters === "") return known.slice(0, MOST);
  const score = (thing: Thing) =>
    Math.max(fit(letters, thing.name.toLowerCase()), thing.words.toLowerCase().includes(letters) ? 300 : 0);
  const found = known.map((thing) => ({ thing, score: score(thing) })).filter((one) => one.score > 0);
  return found.sort((a, b) => b.score - a.score).slice(0, MOST).map((one) => one.thing);
}

class Palette {
  private dialog = document.createElement("dialog");
  private input = document.createElement("input");
  private list = document.createElement("ul");
  private words = document.createElement("p");
  private shown: Thing[] = [];
  private at = 0;

  constructor() {
    this.dialog.className = "palette";
    this.dialog.setAttribute("aria-label", "Jump to");
    Object.assign(this.input, { type: "text", autocomplete: "off", placeholder: "Page, app, machine, name or address" });
    const attributes = { role: "combobox", "aria-label": "Jump to", "aria-expanded": "false", "aria-controls": "palette-list", "aria-autocomplete": "list" };
    for (const [name, value] of Object.entries(attributes)) this.input.setAttribute(name, value);
    this.list.id = "palette-list";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Found");
    this.words.setAttribute("role", "status");
    this.dialog.append(this.input, this.list, this.words);
    document.body.append(this.dialog);
    this.input.addEventListener("input", () => void this.search());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  open(text: string): void {
    this.input.value = text;
    if (!this.dialog.open) this.dialog.showModal();
    this.input.focus();
    void this.search();
  }

  private async search(): Promise<void> {
    const known = await all();
    const text = this.input.value;
    this.shown = best(text, known ?? []);
    this.at = 0;
    this.list.replaceChildren(...this.shown.map((thing, at) => this.option(thing, at)));
    this.list.hidden = this.shown.length === 0;
    this.input.setAttribute("aria-expanded", String(this.shown.length > 0));
    const nothing = text.trim() === "" ? "There is nothing yet." : `Nothing is called “${text.trim()}”.`;
    if (this.shown.length > 0) this.words.textContent = "";
    else this.words.textContent = known ? nothing : "What there is could not be fetched. The next letter tries again.";
    this.mark();
  }

  private option(thing: Thing, at: number): HTMLElement {
    const item = document.createElement("li");
    item.id = `palette-${at}`;
    item.setAttribute("role", "option");
    const name = document.createElement("b");
    name.textContent = thing.name;
    const kind = document.createElement("span");
    kind.textContent = thing.kind;
    item.append(name, kind);
    item.addEventListener("click", () => this.go(at));
    return item;
  }

  private mark(): void {
    for (const [at, item] of [...this.list.children].entries()) {
      item.setAttribute("aria-selected", String(at === this.at));
      if (at === this.at) item.scrollIntoView({ block: "nearest" });
    }
    if (this.shown.length > 0) this.input.setAttribute("aria-activedescendant", `palette-${this.at}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  private key(event: KeyboardEvent): void {
    const count = this.shown.length;
    if (event.key === "ArrowDown" && count > 0) this.at = (this.at + 1) % count;
    else if (event.key === "ArrowUp" && count > 0) this.at = (this.at + count - 1) % count;
    else if (event.key === "Enter") this.go(this.at);
    else return;
    event.preventDefault();
    this.mark();
  }

  private go(at: number): void {
    const thing = this.shown[at];
    if (!thing) return;
    this.dialog.close();
    location.assign(thing.url);
  }
}

let palette: Palette | undefined;

/** Opens the palette, with a text that was typed already. */
export function open(text: string): void {
  palette ??= new Palette();
  palette.open(text);
}

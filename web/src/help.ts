// The list of keys.
const HELP: [string, string][] = [
  ["/ or Ctrl K", "jump to anything by typing"],
  ["g, then a letter", "go to a page: o overview, m machines, a apps, n network, d DNS, e events, c config, s start page"],
  ["j, k", "next and previous row"],
  ["Enter", "open the row"],
  ["?", "this list"],
  ["Esc", "close"],
];

let help: HTMLDialogElement | undefined;

/** Shows the list. */
export function show(): void {
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

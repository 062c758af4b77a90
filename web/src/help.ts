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

/** Shows the list, and whether these keys are on, which `turn` changes. */
export function show(areOn: boolean, turn: (on: boolean) => void): void {
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
    const [choice, box] = [document.createElement("label"), document.createElement("input")];
    box.type = "checkbox";
    box.addEventListener("change", () => turn(box.checked));
    choice.append(box, " Keys without Ctrl");
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => help?.close());
    help.append(list, choice, close);
    document.body.append(help);
  }
  const box = help.querySelector("input");
  if (box) box.checked = areOn;
  help.showModal();
}

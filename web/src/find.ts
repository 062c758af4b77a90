// The start page shows at once what has the typed text in it, wherever one types.
import { areOn } from "./keys";

/** Whether a key is a letter of a name. Space moves the page, as everywhere. */
function typed(event: KeyboardEvent): boolean {
  return areOn() && event.key.length === 1 && !"/? ".includes(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey;
}

export function find(): void {
  const input = document.querySelector<HTMLInputElement>("#find");
  if (!input) return;
  const show = () => {
    const text = input.value.trim().toLowerCase();
    for (const group of document.querySelectorAll<HTMLElement>(".tiles")) {
      let any = false;
      for (const tile of group.querySelectorAll<HTMLElement>("[data-find]")) {
        const is = (tile.dataset.find ?? "").toLowerCase().includes(text);
        const item = tile.closest("li");
        if (item) item.hidden = !is;
        any ||= is;
      }
      group.hidden = !any;
    }
  };
  input.addEventListener("input", show);
  document.addEventListener("polis:taken", show);
  input.form?.addEventListener("submit", (event) => {
    if (input.value.trim() === "") return event.preventDefault();
    const first = [...document.querySelectorAll<HTMLAnchorElement>(".tiles:not([hidden]) li:not([hidden]) a")][0];
    if (!first) return;
    event.preventDefault();
    first.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target === document.body && typed(event)) input.focus();
    if (event.key === "Escape" && event.target === input) {
      input.value = "";
      show();
    }
  });
}

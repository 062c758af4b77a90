// Light, dark, or as the system has it: one attribute that the style sheet knows.
const CHOICES = ["system", "light", "dark"] as const;
const KEY = "polis-theme";

type Choice = (typeof CHOICES)[number];

function chosen(): Choice {
  const kept = localStorage.getItem(KEY);
  return CHOICES.find((choice) => choice === kept) ?? "system";
}

function show(choice: Choice, buttons: NodeListOf<HTMLButtonElement>): void {
  if (choice === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = choice;
  for (const button of buttons) button.textContent = `Theme: ${choice}`;
}

export function theme(): void {
  const buttons = document.querySelectorAll<HTMLButtonElement>("[data-theme-switch]");
  show(chosen(), buttons);
  for (const button of buttons) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(chosen()) + 1) % CHOICES.length] ?? "system";
      localStorage.setItem(KEY, next);
      show(next, buttons);
    });
  }
}

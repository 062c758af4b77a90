// Where jumping begins. What it takes is fetched when somebody does; what is typed until it is there waits in the field.

let opening = false;

export async function openJump(): Promise<void> {
  if (opening) return;
  opening = true;
  const field = document.querySelector<HTMLInputElement>("#jump");
  const before = document.activeElement;
  field?.focus();
  try {
    const palette = await import("./palette");
    const text = field?.value ?? "";
    if (field) field.value = "";
    // Where the focus was is where it goes back to.
    if (before instanceof HTMLElement && before !== field) before.focus();
    palette.open(text);
  } catch {
    // An older page than the binary: the page that finds things does without a script.
    location.assign("/jump");
  } finally {
    opening = false;
  }
}

export function jump(): void {
  const field = document.querySelector<HTMLInputElement>("#jump");
  // Not when it gets the focus: that happens to whoever goes by with Tab.
  field?.addEventListener("click", () => void openJump());
  field?.addEventListener("input", () => void openJump());
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void openJump();
    }
  });
}

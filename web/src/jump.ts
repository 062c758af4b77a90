// Where jumping begins. What it takes is fetched when somebody does; what is typed until it is there waits in the field.

let opening = false;

export async function openJump(): Promise<void> {
  if (opening) return;
  opening = true;
  const field = document.querySelector<HTMLInputElement>("#jump, #find");
  const before = document.activeElement;
  // On the start page it is the field that finds apps, and keeps what stands in it.
  const kept = field?.id === "find" ? field.value : "";
  field?.focus();
  try {
    const palette = await import("./palette");
    const text = field?.value.slice(kept.length) ?? "";
    if (field) field.value = kept;
    // Where the focus was is where it goes back to.
    if (before === document.body) field?.blur();
    else if (before instanceof HTMLElement && before !== field) before.focus();
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

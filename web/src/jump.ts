// Where jumping begins. What it takes is fetched when somebody does.

/** What is typed before it is here belongs to it. */
let early: string | undefined;

function keep(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.length === 1) early += event.key;
  else if (event.key !== "Enter") return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

export async function openJump(text = ""): Promise<void> {
  if (early !== undefined) {
    early += text;
    return;
  }
  early = text;
  document.addEventListener("keydown", keep, true);
  try {
    (await import("./palette")).open(early);
  } catch {
    // Without it, as without any script.
    location.assign(`/jump?q=${encodeURIComponent(early)}`);
  } finally {
    document.removeEventListener("keydown", keep, true);
    early = undefined;
  }
}

export function jump(): void {
  const input = document.querySelector<HTMLInputElement>("#jump");
  // Not when it gets the focus: that happens to whoever goes by with Tab.
  const take = () => {
    if (!input) return;
    const text = input.value;
    input.value = "";
    void openJump(text);
  };
  input?.addEventListener("click", take);
  input?.addEventListener("input", take);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void openJump();
    }
  });
}

// Where jumping begins. What it takes is fetched when somebody does.

export async function openJump(text = ""): Promise<void> {
  (await import("./palette")).open(text);
}

export function jump(): void {
  const input = document.querySelector<HTMLInputElement>("#jump");
  input?.addEventListener("focus", () => {
    const text = input.value;
    input.value = "";
    input.blur();
    void openJump(text);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void openJump();
    }
  });
}

// Where jumping begins. What it takes is fetched when somebody does.

export async function openJump(text = ""): Promise<void> {
  (await import("./palette")).open(text);
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

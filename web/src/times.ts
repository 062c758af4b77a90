// Times since a moment go on by themselves, and whole times are in the zone of who looks.
const EVERY = 15_000;

/** How far the server's clock is ahead of the viewer's. What is old is old by the clock that it was written with. */
let ahead = 0;

/** Takes the server's time, in milliseconds since 1970; whatever is none leaves the last one. */
export function now(said: string | undefined): void {
  const millis = Number(said ?? NaN);
  if (millis > 0) ahead = millis - Date.now();
}

/** A length of time in one unit, in the same words as the server's. */
export function long(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  if (seconds < 120) return `${seconds}\u202Fs`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}\u202Fmin`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}\u202Fh`;
  return `${Math.floor(seconds / 86_400)}\u202Fdays`;
}

/** A moment in the zone of who looks. */
export function whole(moment: Date): string {
  return moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** What is the same is left alone: who listens to the page would be told again. */
function put(time: HTMLTimeElement, text: string, title: string): void {
  if (time.textContent !== text) time.textContent = text;
  if (time.title !== title) time.title = title;
}

export function tell(root: ParentNode): void {
  for (const time of root.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    if (time.classList.contains("since")) {
      put(time, `${long(Date.now() + ahead - moment.getTime())} ago`, whole(moment));
    } else if (time.classList.contains("until")) {
      const left = moment.getTime() - Date.now() - ahead;
      put(time, left > 0 ? `in ${long(left)}` : "now", whole(moment));
    } else {
      put(time, whole(moment), "");
    }
  }
}

export function times(): void {
  for (const zone of document.querySelectorAll("[data-zone]")) {
    zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
  now(document.querySelector<HTMLElement>("main")?.dataset.now);
  tell(document);
  setInterval(() => tell(document), EVERY);
}

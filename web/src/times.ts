// Times since a moment go on by themselves, and whole times are in the zone of who looks.
const EVERY = 15_000;

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

export function tell(root: ParentNode): void {
  for (const time of root.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    if (time.classList.contains("since")) {
      time.textContent = `${long(Date.now() - moment.getTime())} ago`;
      time.title = whole(moment);
    } else {
      time.textContent = whole(moment);
    }
  }
}

export function times(): void {
  for (const zone of document.querySelectorAll("[data-zone]")) {
    zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
  tell(document);
  setInterval(() => tell(document), EVERY);
}

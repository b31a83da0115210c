// What outlives a reload in this window: the steps that can be undone, and with them the draft, should the server have
// lost it.

const KEY = "stopline set-up";

/** Keep the history of what is drawn here whenever the page may be left. */
export function keep(name, history) {
  const write = () => {
    const { kept } = history;
    if (kept) sessionStorage.setItem(KEY, JSON.stringify({ name, ...kept }));
    else sessionStorage.removeItem(KEY);
  };
  addEventListener("pagehide", write);
  document.addEventListener("visibilitychange", () => document.hidden && write()); // a telephone may say no more
}

/** What was kept under this name, or null. */
export function keptAs(name) {
  const kept = JSON.parse(sessionStorage.getItem(KEY));
  return kept?.name === name ? kept : null;
}

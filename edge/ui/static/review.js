// Keys of the review: j and k go along the list, Enter opens, u goes back to it. Nothing here is needed to use the page.
const links = [...document.querySelectorAll("table.cases tbody a")];

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, video") || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = links.indexOf(document.activeElement);
  if (event.key === "j") links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (event.key === "k") links[Math.max(at - 1, 0)]?.focus();
  else if (event.key === "u" && location.pathname !== "/") location.href = "/";
});

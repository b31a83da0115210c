// Names for what is new.

/** A name that no row of a table has: the wished one, or the first free number. */
export function freeName(rows, word, wished = null) {
  const names = new Set(rows.map(({ id }) => id));
  if (wished && !names.has(wished)) return wished;
  let number = rows.length + 1;
  while (names.has(`${word}-${number}`)) number += 1;
  return `${word}-${number}`;
}

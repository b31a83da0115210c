// What the server finds wrong with the draft, said to somebody who draws and does not read the site file.

/** Where and what, in the reader's language; as the server put it where that is not known here. */
export function findingIn(page) {
  const { at, words } = page.store.problem;
  const where = subjectOf(page, at);
  const said = inPlainWords(page, words);
  return where ? `${where}: ${said}` : said;
}

/** Whose mistake it is: a lane, a signal group or a mask by its name; lanes as such where there is none. */
function subjectOf(page, at) {
  const [table, place] = at.split(".");
  if (at === "lanes") return page.t("Lanes");
  const row = page.site[table]?.[place];
  if (table === "masks" && row) return page.t("Mask {number}", { number: Number(place) + 1 });
  return row?.id ?? "";
}

/** Sentences of the site file's checks have a plain one in the catalogue; names and sizes in them are carried over. */
function inPlainWords(page, words) {
  const values = {};
  const carry = (letter, value) => {
    values[letter] = value;
    return `{${letter}}`;
  };
  let names = 0;
  const sentence = words
    .replace(/"([^"]*)"/g, (_, name) => `"${carry("abc"[(names += 1) - 1] ?? "c", name)}"`)
    .replace(/\d+ x \d+/, (size) => carry("size", size));
  return page.t(sentence, values);
}

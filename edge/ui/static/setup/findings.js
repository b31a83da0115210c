// What the server finds wrong with the draft, said to somebody who draws and does not read the site file.

/** Where and what, in the reader's language; behind a lead, as the server put it, where that is not known here. */
export function findingIn(page) {
  const { at, words } = page.store.problem;
  const where = subjectOf(page, at);
  const said = inPlainWords(page, at, words);
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

/**
 * Sentences of the site file's checks have a plain one in the catalogue; names and sizes in them are carried over, and
 * where that is not enough numbers, too.
 */
function inPlainWords(page, at, words) {
  const asked = words === "is missing: add it" && at.includes(".") ? "{key} is missing: add it" : words;
  const names = carried(asked, [
    [/"([^"]*)"/g, ["a", "b", "c"], (letter) => `"{${letter}}"`],
    [/\d+ x \d+/, ["size"]],
    [/(?<=name one of ).+(?=, or add it)/, ["known"]],
    [/(?<=^hides )\w+_px(?= of)/, ["lamp"]],
  ]);
  const numbers = carried(asked, [[/-?\d+(?:\.\d+)?/g, ["n", "m"]]]);
  const known = [names, numbers].find(({ sentence }) => page.store.knows(sentence));
  if (known) return page.t(known.sentence, { ...known.values, key: keyOf(page, at) });
  return page.t("in the site file, {at}: {words}", { at: at || "…", words });
}

/**
 * A sentence with a letter in braces for what each pattern finds in it, and what stood there: { sentence, values }.
 * A pattern comes with its letters, of which the last stands for all that are found further on.
 */
function carried(words, patterns) {
  const values = {};
  const inBraces = (letter) => `{${letter}}`;
  const carry = (said, [pattern, letters, written = inBraces]) => {
    let count = 0;
    return said.replace(pattern, (whole, inner) => {
      const letter = letters[Math.min(count, letters.length - 1)];
      count += 1;
      values[letter] = typeof inner === "string" ? inner : whole;
      return written(letter);
    });
  };
  return { sentence: patterns.reduce(carry, words), values };
}

/** What the value at a place is called on the page, else in the site file. */
function keyOf(page, at) {
  const key = at.split(".").findLast((part) => !/^\d+$/.test(part)) ?? "";
  const names = {
    id: page.t("Name"),
    name: page.t("Its name in full"),
    min_amber_s: page.t("Shortest lawful amber, in seconds"),
    stop_line_px: page.t("stop line"),
    confirm_line_px: page.t("confirm line"),
    direction: page.t("way of travel"),
    contact: page.t("Vehicles are seen"),
    turn_on_red: page.t("Turning on red is allowed"),
    signal_group: page.t("Signal group"),
    lanes: page.t("Lanes"),
    masks: page.t("Masks"),
    signal_groups: page.t("Lamps"),
  };
  return names[key] ?? key;
}

// How wide words are on the screen, and in which letters they are drawn where no style sheet says it.

export const FACES = 'system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif';

const paper = document.createElement("canvas").getContext("2d");

/** The width of words in CSS pixels, in letters of a size and weight. */
export function widthOf(words, size_px, weight = 400) {
  paper.font = `${weight} ${size_px}px ${FACES}`;
  return paper.measureText(words).width;
}

/** Words made to fit a width, with … for what is left out. */
export function fitted(words, width, size_px, weight = 400) {
  if (widthOf(words, size_px, weight) <= width) return words;
  const letters = [...words];
  while (letters.length && widthOf(`${letters.join("")}…`, size_px, weight) > width) letters.pop();
  return `${letters.join("")}…`;
}

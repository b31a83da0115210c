// Figures as the reader writes them.

/** A number with so many digits behind the point, or with those that it has, three at most. */
export function figure(value, digits = null) {
  const shape =
    digits === null ? { maximumFractionDigits: 3 } : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString(document.documentElement.lang || "en", { ...shape, useGrouping: false });
}

export const seconds = (value, digits = 2) => `${figure(value, digits)} s`;

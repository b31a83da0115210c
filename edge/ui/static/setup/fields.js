// Form fields of the steps, described for markup.js.

import { h } from "./markup.js";

export const button = (words, onclick, more = {}) => h("button", { type: "button", ...more, onclick }, words);

/** A button with a sign in place of words: the outline of a shape in a square of 16. */
export const signButton = (words, onclick, outline, more = {}) =>
  button(h("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, h("path", { d: outline })), onclick, {
    class: "icon",
    "aria-label": words,
    title: words,
    ...more,
  });

export const text = (label, value, onchange, more = {}) =>
  h(
    "label",
    { key: `field ${label}` },
    label,
    h("input", {
      type: "text",
      value,
      autocomplete: "off",
      spellcheck: "false",
      ...more,
      onchange: (event) => onchange(event.target.value.trim()),
    }),
  );

/** A number; what is none goes back to what it was. Empty gives null where that may be. */
export const number = (label, value, onchange, { optional = false, ...more } = {}) =>
  h(
    "label",
    { key: `field ${label}` },
    label,
    h("input", {
      type: "number",
      value: value ?? "",
      inputmode: "decimal",
      step: "any",
      min: 0,
      ...more,
      onchange: ({ target }) => {
        const isEmpty = target.value === "" && !target.validity.badInput; // what is no number reads as "" too
        if (isEmpty && optional) onchange(null);
        else if (!isEmpty && target.validity.valid) onchange(Number(target.value));
        else target.value = value ?? "";
      },
    }),
  );

/** One of several: options are [value, words]. */
export const choice = (label, value, options, onchange) =>
  h(
    "label",
    { key: `field ${label}` },
    label,
    h(
      "select",
      { value, onchange: (event) => onchange(event.target.value) },
      options.map(([option, words]) => h("option", { key: option, value: option }, words)),
    ),
  );

export const tick = (label, checked, onchange) =>
  h(
    "label",
    { key: `field ${label}`, class: "tick" },
    h("input", { type: "checkbox", checked, onchange: (event) => onchange(event.target.checked) }),
    h("span", {}, label),
  );

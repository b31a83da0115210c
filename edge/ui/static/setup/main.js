// The set-up page: opens what is known and makes the parts of the page of it.
import { Store } from "./store.js";
import { makeTrial } from "./trial.js";

const element = (id) => document.getElementById(id);

const store = await Store.open();
makeTrial(store, {
  view: element("view"),
  film: element("film"),
  overlay: element("overlay"),
  transport: element("transport"),
  timeline: element("timeline"),
  passages: element("passages"),
});

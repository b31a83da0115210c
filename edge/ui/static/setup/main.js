// The set-up page: opens what is known and makes the parts of the page of it.

import { Ground } from "./ground.js";
import { Lamps } from "./lamps.js";
import { Lanes } from "./lanes.js";
import { Masks } from "./masks.js";
import { Offering } from "./offering.js";
import { Page } from "./page.js";
import { Saving } from "./saving.js";
import { Steps } from "./steps.js";
import { Store } from "./store.js";
import { Tools } from "./tools.js";
import { makeTrial } from "./trial.js";

const element = (id) => document.getElementById(id);

const store = await Store.open();
const film = element("film");
const page = new Page(store, { view: element("view"), layers: element("layers"), stage: element("stage") });

page.parts = {
  masks: new Masks(page, element("masks")),
  ground: new Ground(page, element("ground")),
  lanes: new Lanes(page, element("lanes")),
  lamps: new Lamps(page, element("lamps"), () => store.video.first_s + film.currentTime),
  saving: new Saving(page, element("saving")),
};
const around = [
  new Tools(page, element("tools"), element("asking")),
  new Offering(page, element("proposal")),
  new Steps(page),
];
page.onRefresh(() => {
  page.parts[page.step]?.render();
  for (const part of around) part.render();
});
for (const name of ["timeupdate", "seeked"]) film.addEventListener(name, () => page.refresh());

let changesLanguage = false; // the server keeps the draft meanwhile
for (const link of document.querySelectorAll("a[hreflang]"))
  link.addEventListener("click", () => (changesLanguage = true));
window.addEventListener("beforeunload", (event) => {
  if (page.history.canUndo && !store.save.saved && !changesLanguage) event.preventDefault();
});
page.refresh();

makeTrial(store, {
  view: element("view"),
  film,
  overlay: element("overlay"),
  transport: element("transport"),
  timeline: element("timeline"),
  passages: element("passages"),
});

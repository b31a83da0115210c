// The set-up page: opens what is known and makes the parts of the page of it.

import { Connection } from "./connection.js";
import { Ground } from "./ground.js";
import { keep, keptAs } from "./keeping.js";
import { Lamps } from "./lamps.js";
import { Lanes } from "./lanes.js";
import { Masks } from "./masks.js";
import { Offering } from "./offering.js";
import { Page } from "./page.js";
import { Rule } from "./rule.js";
import { Saving } from "./saving.js";
import { Steps } from "./steps.js";
import { Store } from "./store.js";
import { Taking } from "./taking.js";
import { Tools } from "./tools.js";
import { makeTrial } from "./trial.js";

const element = (id) => document.getElementById(id);

const store = await Store.open().catch(() => null);
if (store) begin(store);
else sayUnopened();

function begin(store) {
  const film = element("film");
  const page = new Page(store, { view: element("view"), layers: element("layers"), stage: element("stage") });
  page.parts = stepsOf(page, () => store.video.first_s + film.currentTime);
  const around = partsAround(page);
  const trial = makeTrial(page, {
    film,
    overlay: element("overlay"),
    transport: element("transport"),
    timeline: element("timeline"),
    passages: element("passages"),
  });
  page.onRefresh(() => {
    page.parts[page.step]?.render();
    for (const part of around) part.render();
    trial.name(!page.isDrawing);
  });
  for (const name of ["timeupdate", "seeked"]) film.addEventListener(name, () => page.refresh());
  goOn(page);
  element("opening").remove();
  page.refresh();
}

/** What is drawn in each step; `now_s()` is the instant shown, in the recording's time. */
function stepsOf(page, now_s) {
  return {
    masks: new Masks(page, element("masks")),
    ground: new Ground(page, element("ground")),
    lanes: new Lanes(page, element("lanes")),
    lamps: new Lamps(page, element("lamps"), now_s),
    saving: new Saving(page, element("saving")),
  };
}

/** What is shown whichever step is open. */
function partsAround(page) {
  return [
    new Connection(page, element("connection")),
    new Tools(page, element("tools"), element("asking")),
    new Offering(page, element("proposal")),
    new Rule(page, element("rule")),
    new Taking(page, element("taking")),
    new Steps(page),
  ];
}

/** With what this tab had before it was loaded anew; warn before it is left with what only the page knows. */
function goOn(page) {
  const { store, history } = page;
  const name = `${store.save.file} ${store.video.name}`;
  const kept = keptAs(name);
  if (kept && history.goOnFrom(kept)) {
    page.say(page.t("The draft is another than the one that was drawn in this window: Undo brings that back."));
  }
  keep(name, history);
  const link = linksToLanguages(store);
  const { number } = store.take ?? {};
  store.addEventListener("take", async () => {
    if (store.take.number === number) return;
    await store.settled();
    link.followed = true; // nothing is lost: to another film, with the draft
    location.reload();
  });
  window.addEventListener("beforeunload", (event) => {
    if (history.canUndo && !store.isSaved && !link.followed) event.preventDefault();
  });
}

/** Another language loses nothing: the server keeps the draft, once it knows it, and this tab what can be undone. */
function linksToLanguages(store) {
  const state = { followed: false };
  const follow = async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { href } = event.currentTarget;
    await store.settled();
    state.followed = store.connection === "open";
    location.assign(href);
  };
  for (const link of document.querySelectorAll("a[hreflang]")) link.addEventListener("click", follow);
  return state;
}

function sayUnopened() {
  const words = element("opening");
  words.textContent = words.dataset.unopened;
  words.setAttribute("role", "alert");
}

// The bar that says when the server does not answer, for as long as that is so.

import { h, show } from "./markup.js";

export class Connection {
  #page;
  #place;

  constructor(page, place) {
    this.#page = page;
    this.#place = place;
  }

  render() {
    const { connection } = this.#page.store;
    show(this.#place, connection !== "open" && h("p", { key: connection, class: "note bad" }, this.#words(connection)));
  }

  #words(connection) {
    const page = this.#page;
    if (connection === "lost") {
      return page.t("Connection lost. Your draft is kept here, and the page goes on as soon as the program answers.");
    }
    return page.t(
      "The program was started anew: open the address that it printed, in this window, to go on with your draft.",
    );
  }
}

// Shows the orders that ended last, and finds some among them.

import { count, duration, element, foreign, setText, time } from "./text.js";

const KEPT = 200;
const MOST_PER_S = 25;

/** The list of the last orders; `trace(id, order)` is called when somebody asks for one's trace. */
export class LastOrders {
  constructor(trace) {
    this.trace = trace;
    this.kept = [];
    this.every = 1;
    this.waiting = 0;
    this.form = document.getElementById("filter");
    this.body = document.getElementById("order-rows");
    this.pause = document.getElementById("pause");
    this.form.addEventListener("input", () => this.asked());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.pause.addEventListener("click", () => {
      this.pause.setAttribute("aria-pressed", String(!this.paused));
      this.asked();
    });
  }

  /** Show what somebody has just asked for, and say it. What comes by itself each second is not said. */
  asked() {
    this.show();
    setText("orders-said", document.getElementById("orders-note").textContent);
  }

  get paused() {
    return this.pause.getAttribute("aria-pressed") === "true";
  }

  /** Name the statuses that can be chosen. */
  statuses(names) {
    const field = this.form.elements.status;
    const known = new Set([...field.options].map((option) => option.value));
    for (const name of names) if (!known.has(name)) field.append(element("option", { value: name }, name));
  }

  /** Take the newest orders, the newest first. */
  add(orders, every, { afresh = false } = {}) {
    this.every = every;
    const unique = [...new Map(orders.map((order) => [keyOf(order), order])).values()];
    const known = new Set(this.kept.map(keyOf));
    const fresh = unique.filter((order) => !known.has(keyOf(order)));
    this.kept = (afresh ? unique : [...fresh, ...this.kept]).slice(0, KEPT);
    this.waiting = this.paused ? this.waiting + fresh.length : 0;
    if (!this.paused || afresh) this.show();
    else this.note();
  }

  show() {
    if (!this.paused) this.waiting = 0;
    if (!this.paused || !this.held) this.held = this.kept;
    const shown = this.found();
    const present = new Map([...this.body.rows].map((row) => [row.dataset.key, row]));
    const wanted = shown.map(keyOf);
    const stays = new Set(wanted);
    for (const [key, row] of present) if (!stays.has(key)) row.remove();
    // Rows that stay are not touched: the focus stays where it is.
    let before = this.body.firstElementChild;
    shown.forEach((order, index) => {
      const row = present.get(wanted[index]);
      if (row && row === before) before = before.nextElementSibling;
      else this.body.insertBefore(row ?? this.row(order, wanted[index]), before);
    });
    this.note();
  }

  found() {
    const words = this.form.elements.text.value.trim().toLowerCase();
    const status = this.form.elements.status.value;
    return this.held.filter((order) => (!status || order.status === status)
      && (!words || `${order.id} ${order.client_id} ${order.amount ?? ""}`.toLowerCase().includes(words)));
  }

  note() {
    const held = this.held ?? [];
    const sampled = this.every > 1 ? `, out of one in ${count(this.every)}` : "";
    const news = this.paused ? ` Paused; ${count(this.waiting)} came since.` : "";
    const shown = this.body.rows.length;
    const which = shown === held.length ? `${count(shown)} orders` : `${count(shown)} of ${count(held.length)} orders`;
    const listed = `${which} listed; of each second at most ${MOST_PER_S}${sampled}.`;
    setText("orders-note", held.length ? listed + news : "No order has ended since this page was opened.");
  }

  row(order, key) {
    const [took, unit] = duration(order.took_ms);
    return element("tr", { "data-key": key },
      element("td", { class: "unbroken wide" }, time(order.updated_at_ms)),
      element("td", {}, element("button", {
        type: "button", class: "link id", "aria-label": `Trace of order ${order.id}`, onclick: () => this.trace(order.id, order),
      }, foreign(order.id))),
      element("td", {}, foreign(order.status)),
      element("td", { class: "number" }, foreign(order.amount ?? "–")),
      element("td", { class: "number wide" }, String(order.client_id)),
      element("td", { class: "number" }, `${took} ${unit}`));
  }
}

function keyOf(order) {
  return `${order.id} ${order.version}`;
}

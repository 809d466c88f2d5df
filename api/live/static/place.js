// Places an order, and follows it to its end.

import { call, Problem } from "./api.js";
import { element, foreign, time } from "./text.js";

const AGAIN = [0, 429, 502, 503, 504]; // Statuses after which the same request may succeed.
const NOT_ENDED = ["recibida", "creada"];
const WAIT_S = 20;
const PATIENCE_MS = 120_000;
const MOST_CLIENT = 2 ** 31 - 1;

let unanswered = null; // What was sent without a clear answer: sent once more with its key, it is the same order.

/** Let the form place orders; `trace(id)` shows one's trace. The answer names the currencies and their decimals. */
export function placing(trace) {
  const form = document.getElementById("order-form");
  let decimals = { USD: 2 };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    place(form, decimals, trace);
  });
  return (known) => {
    decimals = known;
    const field = form.elements.currency;
    const chosen = field.value;
    field.replaceChildren(...Object.keys(known).map((code) => element("option", { selected: code === chosen }, code)));
  };
}

async function place(form, decimals, trace) {
  const steps = new Steps();
  let order;
  try {
    order = read(form, decimals);
  } catch (error) {
    steps.trouble(error.message);
    form.elements[error.field]?.focus();
    return;
  }
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    steps.say("Sending it …");
    const id = await send(order);
    steps.order(id, trace);
    steps.say("Accepted: the broker has it.");
    await end(id, steps);
  } catch (error) {
    steps.trouble(error.message);
  } finally {
    button.disabled = false;
  }
}

function read(form, decimals) {
  for (const field of form.elements) field.removeAttribute?.("aria-invalid");
  const refuse = (field, text) => {
    form.elements[field].setAttribute("aria-invalid", "true");
    throw Object.assign(new Error(text), { field });
  };
  const client = form.elements.client_id.value.trim();
  if (!/^\d{1,10}$/.test(client) || Number(client) > MOST_CLIENT) {
    refuse("client_id", `The client's number must be a whole number up to ${MOST_CLIENT}, such as 7.`);
  }
  const currency = form.elements.currency.value;
  const places = decimals[currency];
  const parts = /^(\d{1,13})(?:\.(\d*))?$/.exec(form.elements.amount.value.trim());
  if (!parts || (parts[2] ?? "").length > places) {
    refuse("amount", `The amount must be a number with at most ${places} decimals, such as ${(12.34).toFixed(places)}: ${currency} has no more.`);
  }
  const cents = Number(parts[1] + (parts[2] ?? "").padEnd(places, "0"));
  if (!Number.isSafeInteger(cents)) refuse("amount", "The amount is too large for this form.");
  const address = form.elements.address.value.trim();
  if (!address) refuse("address", "The address must not be empty.");
  return { client_id: Number(client), address, total_cents: cents, currency };
}

async function send(order) {
  const content = JSON.stringify(order);
  if (unanswered?.content !== content) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const key = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    unanswered = { content, key, body: JSON.stringify({ ...order, created_at_ms: Date.now() }) };
  }
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": unanswered.key },
    body: unanswered.body,
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { id } = await (await call("/orders", options)).json();
      unanswered = null;
      return id;
    } catch (error) {
      // A 409 that says when to come again: the first attempt is still in hand.
      const again = error instanceof Problem
        && (AGAIN.includes(error.status) || (error.status === 409 && error.retryAfter > 0));
      if (!again) unanswered = null;
      if (!again || attempt === 3) throw error;
      await pause(error);
    }
  }
}

async function end(id, steps) {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    let order;
    try {
      order = await (await call(`/orders/${encodeURIComponent(id)}?wait=${WAIT_S}`)).json();
    } catch (error) {
      // The broker has the order: its end comes, whatever is away now.
      if (!(error instanceof Problem) || !AGAIN.includes(error.status)) throw error;
      steps.say(`What became of it can't be told now: ${error.message}`);
      await pause(error);
      continue;
    }
    if (!NOT_ENDED.includes(order.status)) {
      steps.end(order.status);
      return;
    }
    steps.say("It has not ended yet …");
  }
  steps.trouble("It has not ended within two minutes. Its trace says where it is; the functions above say what holds it up.");
}

function pause(error) {
  return new Promise((resolve) => setTimeout(resolve, (error.retryAfter || 1) * 1000));
}

/** What happened to the order that the form placed, step by step. */
class Steps {
  constructor() {
    this.list = element("ol", { class: "steps" });
    document.getElementById("order-result").replaceChildren(this.list);
  }

  say(text) {
    if (this.list.lastElementChild?.dataset.text === text) return;
    this.list.append(element("li", { "data-text": text }, `${time(Date.now())} ${text}`));
  }

  order(id, trace) {
    this.list.append(element("li", {}, "Its id is ", element("button", {
      type: "button", class: "link id", "aria-label": `Trace of order ${id}`, onclick: () => trace(id),
    }, foreign(id)), "."));
  }

  end(status) {
    this.list.append(element("li", { "data-end": status }, `${time(Date.now())} It ended: `, element("strong", {}, foreign(status)), "."));
  }

  trouble(text) {
    this.list.after(element("p", { class: "notice" }, foreign(text)));
  }
}

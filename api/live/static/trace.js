// Shows one order's way through the topics.

import { call } from "./api.js";
import { count, duration, element, foreign, time } from "./text.js";

let asked = 0;

/** Let the form ask for a trace; the answer asks for one by an order's id, and by its times where they are known. */
export function traces() {
  const form = document.getElementById("trace-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(form.elements.id.value.trim());
  });
  return (id, order) => {
    form.elements.id.value = id;
    document.getElementById("trace").scrollIntoView({ behavior: "auto" });
    form.elements.id.focus({ preventScroll: true });
    show(id, order);
  };
}

async function show(id, order) {
  asked += 1;
  const own = asked;
  const result = document.getElementById("trace-result");
  const table = document.getElementById("trace-table");
  table.hidden = true;
  if (!id) {
    result.replaceChildren(element("p", { class: "notice" }, "Enter an order's id."));
    return;
  }
  result.replaceChildren(element("p", { class: "note" }, "Reading the topics …"));
  try {
    const when = order ? `?since_ms=${order.created_at_ms}&until_ms=${order.updated_at_ms}` : "";
    const trace = await (await call(`/orders/${encodeURIComponent(id)}/trace${when}`)).json();
    if (own !== asked) return;
    let before = null;
    document.getElementById("trace-rows").replaceChildren(...trace.hops.map((hop) => {
      const after = before === null ? "" : duration(hop.at_ms - before).join(" ");
      before = hop.at_ms;
      return element("tr", { class: hop.place.endsWith("-DLQ") ? "trouble-text" : undefined },
        element("td", { class: "unbroken" }, time(hop.at_ms, { precise: true })),
        element("td", { class: "number" }, after),
        element("td", { class: "unbroken" }, foreign(hop.place)),
        element("td", {}, foreign(hop.what)));
    }));
    table.hidden = trace.hops.length === 0;
    result.replaceChildren(element("p", { class: "note" }, "Order ", foreign(id, { class: "id" }), `: ${trace.hops.length} steps, in ${count(trace.looked_at.messages)} messages that were looked at.${trace.looked_at.whole ? "" : " There are more messages: alpes trace reads on."}`));
  } catch (error) {
    if (own !== asked) return;
    result.replaceChildren(element("p", { class: "notice" }, foreign(error.message)));
  }
}

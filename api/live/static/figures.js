// Shows the figures: tiles, outcomes, amounts and functions.

import { count, duration, element, foreign, rate, setText, visible } from "./text.js";

const TROUBLES = {
  halted: (what) => `HALTED: takes nothing more from ${what}, since its code fails on most of the messages`,
  stuck: (what) => `STUCK: can't use ${what}`,
  silent: (what) => `SILENT: messages wait in ${what}, and none is delivered`,
};

/** Show the tiles and what is said about how they were made. */
export function showHeadline(headline) {
  setText("sent", rate(headline.sent_per_s));
  setText("ended", rate(headline.ended_per_s));
  for (const name of ["p50", "p99"]) {
    const [value, unit] = duration(headline[`${name}_ms`]);
    setText(name, value);
    setText(`${name}-unit`, unit);
  }
  const sampling = headline.every > 1
    ? ` At this rate one order in ${count(headline.every)} is read: statuses, amounts and latencies are estimates from these (≈), rates are counted.`
    : "";
  setText("how", `Rates and latencies of the last ${headline.recent_s} s; latency is from an order's creation, by its client's clock, to its end.${sampling}`);
  const minutes = windowWords(headline.seconds);
  setText("outcomes-window", minutes);
  setText("amounts-window", minutes);
}

function windowWords(seconds) {
  return seconds >= 300 ? "Last 5 min" : `Last ${seconds} s`;
}

/** Show outcomes and amounts, with the totals of all orders where they are known. */
export function showOutcomes(headline, totals) {
  const about = headline.sampled ? "≈ " : "";
  const orders = totals?.orders ?? {};
  const all = { ...(totals?.amounts ?? {}) };
  rows("outcomes", headline.outcomes.map(({ status, orders: recent }) => [
    ["th", visible(status)], ["number", `${recent ? about : ""}${count(recent)}`], ["number", count(orders[status])],
  ]));
  const recent = Object.fromEntries(headline.amounts.map((each) => [`${each.status}:${each.currency}`, each.amount]));
  const keys = [...new Set([...Object.keys(recent), ...Object.keys(all)])].sort((a, b) => {
    const [left, right] = [a, b].map((key) => key.split(":").reverse().join(":"));
    return left < right ? -1 : 1;
  });
  rows("amounts", keys.length ? keys.map((key) => [
    ["th", visible(key.split(":")[0])], ["number", recent[key] ? about + visible(recent[key]) : "–"], ["number", visible(all[key] ?? "–")],
  ]) : [[["th", "none yet"], ["number", "–"], ["number", "–"]]]);
  const unread = totals?.unread?.length ? ` Amounts in ${visible(totals.unread.join(", "))} are not read: alpes report --report by-status has them.` : "";
  const cut = headline.amounts_cut ? " Of the amounts some are left out: they are in too many currencies." : "";
  setText("totals-note", (totals?.problem
    ? `In all: not known. ${visible(totals.problem)}`
    : `In all: from Reporting's view in Pulsar's state store, which follows some seconds behind.${unread}`) + cut);
}

/** Show each function, and the messages that wait for any of them. */
export function showFunctions(functions) {
  const tile = document.getElementById("waiting");
  if (!functions) {
    setText(tile, "–");
    rows("function-rows", [[["th", "not known"], ["", "–"], ["number", "–"], ["", "–"], ["", "–"]]]);
    return;
  }
  const inputs = functions.flatMap((each) => each.inputs);
  const known = inputs.every((each) => each.messages !== null || each.batches !== null) && !functions.some((each) => each.problem);
  const about = inputs.some((each) => each.batches > 0);
  const total = inputs.reduce((sum, each) => sum + (each.messages ?? each.batches ?? 0), 0);
  setText(tile, known ? `${about ? "≈ " : ""}${count(total)}` : "–");
  rows("function-rows", functions.map((each) => [
    ["th", visible(each.name)],
    ["unbroken", each.wanted === null ? "–" : `${each.running} of ${each.wanted} running`],
    ["number", count(each.restarts)],
    ["", inputsOf(each)],
    [troubled(each) ? "trouble-text" : "", stateOf(each)],
  ]));
}

function inputsOf(each) {
  if (!each.inputs.length) return "–";
  return each.inputs.map((input) => {
    const later = input.not_due ? `, ${count(input.not_due)} not due yet` : "";
    return `${visible(input.topic)} ${waits(input)}${later}`;
  }).join(" · ");
}

function waits(input) {
  if (input.batches === null) return "–";
  if (!input.batches) return "0";
  return input.messages === null ? `${count(input.batches)} batches` : `≈ ${count(input.messages)}`;
}

function troubled(each) {
  return Boolean(each.problem || each.error || each.troubles.length || each.stopped || each.running !== each.wanted);
}

function stateOf(each) {
  if (each.problem) return `not known: ${visible(each.problem)}`;
  const said = each.troubles.map(({ metric, what }) => (TROUBLES[metric] ?? String)(visible(what)));
  if (each.stopped) said.push(`STOPPED: somebody stopped ${each.stopped} of ${each.wanted}`);
  if (each.error) said.push(visible(each.error));
  if (!said.length && each.running !== each.wanted) said.push("an instance starts or restarts");
  return said.join("; ") || "runs";
}

/** Fill a table's body, leaving cells that are as they should be. Each row is a list of [class or "th", text]. */
export function rows(id, wanted) {
  const body = document.getElementById(id);
  while (body.rows.length > wanted.length) body.deleteRow(-1);
  wanted.forEach((cells, index) => {
    const row = body.rows[index] ?? body.insertRow();
    if (row.cells.length !== cells.length) {
      row.replaceChildren(...cells.map(([kind]) => (kind === "th" ? element("th", { scope: "row" }) : element("td"))));
    }
    cells.forEach(([kind, text], place) => {
      const cell = row.cells[place];
      if (kind !== "th" && cell.className !== kind) cell.className = kind;
      setText(cell, text);
    });
  });
}

/** Show what is wrong, a line each. */
export function showProblems(problems) {
  const place = document.getElementById("problems");
  const lines = [...new Set(Object.entries(problems).filter(([, text]) => text).map(([, text]) => text))];
  const told = lines.map((line) => `Not everything is known: ${line}`);
  if (JSON.stringify(told) === place.dataset.told) return;
  place.dataset.told = JSON.stringify(told);
  place.replaceChildren(...told.map((line) => element("p", {}, foreign(line))));
}

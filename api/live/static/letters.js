// Shows the dead letters that wait, and sends one again after asking.

import { call } from "./api.js";
import { count, element, foreign, setText, time, visible } from "./text.js";

const rowsById = new Map();

/** Show the letters. */
export function showLetters(letters) {
  const tile = document.getElementById("dead");
  const more = letters.older || letters.passed_over > 0;
  setText(tile, letters.problem && !letters.waiting ? "–" : `${count(letters.waiting)}${more ? "+" : ""}`);
  tile.closest("div").classList.toggle("trouble", letters.waiting > 0);
  document.getElementById("letters-table").hidden = letters.letters.length === 0;
  setText("letters-note", noteOf(letters, more));
  const body = document.getElementById("letter-rows");
  const wanted = new Set(letters.letters.map((letter) => letter.id));
  for (const [id, row] of rowsById) {
    if (!wanted.has(id)) {
      row.remove();
      rowsById.delete(id);
    }
  }
  let before = body.firstElementChild;
  for (const letter of letters.letters) {
    const row = rowsById.get(letter.id) ?? rowOf(letter);
    if (row === before) before = before.nextElementSibling;
    else body.insertBefore(row, before);
    rowsById.set(letter.id, row);
  }
}

function noteOf(letters, more) {
  if (letters.problem) return `Those that lay there before this page was opened: ${visible(letters.problem)}`;
  if (!letters.waiting) return more ? "None of those that were read waits. There are more: alpes dlq list has them all." : "None waits.";
  const reasons = letters.reasons.slice(0, 6).map(({ topic, error, function: name, letters: number }) =>
    `${count(number)} ${visible(error)} from ${visible(topic)}${name ? ` (${visible(name)})` : ""}`);
  const left = letters.waiting > letters.letters.length ? ` The newest ${count(letters.letters.length)} are listed.` : "";
  const others = more ? " There are more: alpes dlq list has them all." : "";
  return `${reasons.join(" · ")}.${left}${others}`;
}

function rowOf(letter) {
  const button = element("button", {
    type: "button", class: "small", "aria-label": `Replay ${letter.id}`, onclick: () => replay(letter, button),
  }, "Replay");
  return element("tr", {},
    element("td", { class: "unbroken" }, time(letter.since_ms)),
    element("td", { class: "unbroken" }, foreign(letter.topic)),
    element("td", { class: "why" }, foreign(letter.error, { class: "trouble-text" }), letter.why ? ": " : null, foreign(letter.why)),
    element("td", {}, foreign(letter.key || "none", { class: "id" })),
    element("td", {}, button));
}

async function replay(letter, button) {
  if (!await confirmed(letter)) {
    button.focus();
    return;
  }
  button.disabled = true;
  try {
    const answer = await call(`/live/dead-letters/${encodeURIComponent(letter.id)}/replay`, { method: "POST" });
    const { logged } = await answer.json();
    say(`Sent again: letter ${letter.id}.${logged ? "" : " It could not be logged, so it still shows as waiting."} If its message fails again, it comes back as a new letter.`);
    document.getElementById("letters-heading").focus();
  } catch (error) {
    say(`Not sent: ${error.message}`, true);
    button.disabled = false;
    button.focus();
  }
}

function say(text, trouble = false) {
  document.getElementById("letters-result").replaceChildren(element("p", { class: trouble ? "notice" : "note" }, foreign(text)));
}

function confirmed(letter) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").replaceChildren(
    "Its message goes back to ", foreign(letter.topic, { class: "id" }), ", with its key ", foreign(letter.key || "none", { class: "id" }),
    ". This harms nothing, even if it was done before. The operators' log notes it.");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

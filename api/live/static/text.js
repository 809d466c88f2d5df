// Makes elements from texts. Foreign text goes in as text alone, and what can't be seen in it is made visible.

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;

/** Return a text in which control, zero-width and direction-changing characters are written as their numbers. */
export function visible(text) {
  return String(text).replace(UNSEEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

/** Return a new element with attributes and children; a child that is no element becomes text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return an element for a foreign text, whose direction changes nothing around it. */
export function foreign(text, attributes = {}) {
  return element("bdi", attributes, visible(text));
}

/** Set an element's text, if it differs: screen readers and selections stay undisturbed. */
export function setText(target, text) {
  const found = typeof target === "string" ? document.getElementById(target) : target;
  if (found.textContent !== text) found.textContent = text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit" });

export const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Return a count, – if it isn't known. */
export function count(value) {
  return value === null || value === undefined ? "–" : whole.format(value);
}

/** Return a rate: with a decimal below 100. */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value < 100 ? tenths.format(value) : whole.format(value);
}

/** Return a duration in milliseconds as a number and its unit. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return ["–", "ms"];
  if (milliseconds < 10_000) return [whole.format(milliseconds), "ms"];
  if (milliseconds < 600_000) return [tenths.format(milliseconds / 1000), "s"];
  return milliseconds < 36_000_000
    ? [tenths.format(milliseconds / 60_000), "min"]
    : [tenths.format(milliseconds / 3_600_000), "h"];
}

/** Return the time of Unix milliseconds, with its day if that isn't today's. */
export function time(milliseconds, { precise = false } = {}) {
  const moment = new Date(milliseconds);
  if (Number.isNaN(moment.getTime())) return "–";
  const seconds = clock.format(moment) + (precise ? `.${String(moment.getMilliseconds()).padStart(3, "0")}` : "");
  return day.format(moment) === day.format(new Date()) ? seconds : `${day.format(moment)} ${seconds}`;
}

// Reads server-sent events by fetch, which can carry a token as EventSource can't, and connects again by itself.

import { call, Problem } from "./api.js";

const SILENT_MS = 12_000; // Something new comes every second. Heartbeats don't count: they say nothing.
const HIDDEN_MS = 30_000; // A browser opens some six connections to a host at once: a hidden page gives up its own.
const PAUSES_MS = [500, 1_000, 2_000, 5_000];

/** Call `handlers[name](values)` for each event, and `state("live" | "lost" | "token", reason)` when the connection changes. */
export async function follow(path, handlers, state) {
  let failures = 0;
  for (;;) {
    let reason = "";
    let found = "lost";
    await shown();
    try {
      await read(path, handlers, () => {
        failures = 0;
        state("live", "");
      });
    } catch (error) {
      reason = error instanceof Problem && error.status ? error.message : "";
      if (error.status === 401) found = "token";
    }
    state(found, reason);
    await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]));
    failures += 1;
  }
}

function shown() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    look();
  });
}

async function read(path, handlers, connected) {
  const stop = new AbortController();
  let watchdog = setTimeout(() => stop.abort(), SILENT_MS);
  let hidden;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(() => stop.abort(), HIDDEN_MS);
  }, { signal: stop.signal });
  try {
    const answer = await call(path, { background: true, signal: stop.signal, headers: { Accept: "text/event-stream" } });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer += value;
      let end;
      while ((end = buffer.indexOf("\n\n")) >= 0) {
        if (handle(buffer.slice(0, end), handlers, connected)) {
          clearTimeout(watchdog);
          watchdog = setTimeout(() => stop.abort(), SILENT_MS);
        }
        buffer = buffer.slice(end + 2);
      }
    }
  } finally {
    clearTimeout(watchdog);
    clearTimeout(hidden);
    stop.abort();
  }
}

function handle(text, handlers, connected) {
  let name = "message";
  const data = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  if (!data.length || !handlers[name]) return false;
  connected();
  handlers[name](JSON.parse(data.join("\n")));
  return true;
}

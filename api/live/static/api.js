// Speaks to the API: with the token where there is one, and with a problem's text as the error.

const KEPT = "alpes-token";
const ANSWER_MS = 60_000;
let asking = null;
let declined = false;

/** An answer that is no success; `status` is HTTP's, 0 if nothing answered. */
export class Problem extends Error {
  constructor(status, text, retryAfter = 0) {
    super(text);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Fetch, asking for a token when the API wants one; raise a `Problem` for every answer that is no success.
 * Who has closed that question is asked again when they do something, not in the `background`.
 */
export async function call(path, { background = false, ...options } = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEPT);
    const headers = new Headers(options.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    let answer;
    try {
      const signal = options.signal ?? AbortSignal.timeout(ANSWER_MS);
      answer = await fetch(path, { ...options, signal, headers, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The API doesn't answer.");
    }
    if (answer.ok) return answer;
    if (answer.status !== 401 || (background && declined)) throw await problem(answer);
    if (!await enterToken(Boolean(token))) throw await problem(answer);
  }
}

/** Ask for a token; answer whether one was given. Several may ask at once: one dialog serves them all. */
export function enterToken(refused = false) {
  asking ??= ask(refused).finally(() => { asking = null; });
  return asking;
}

async function problem(answer) {
  const retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  try {
    const told = await answer.json();
    return new Problem(answer.status, String(told.detail || told.title), retryAfter);
  } catch {
    return new Problem(answer.status, `The API answered with HTTP ${answer.status}.`, retryAfter);
  }
}

function ask(refused) {
  const dialog = document.getElementById("token");
  const field = dialog.querySelector("input");
  if (refused) document.getElementById("token-text").textContent = "The API doesn't know this token. Enter another one.";
  field.value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      declined = dialog.returnValue !== "yes";
      if (!declined) sessionStorage.setItem(KEPT, field.value.trim());
      field.value = "";
      resolve(!declined);
    }, { once: true });
  });
}

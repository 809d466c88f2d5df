// Speaks to the API: with the token where there is one, and with a problem's text as the error.

const KEPT = "alpes-token";
let asking = null;

/** An answer that is no success; `status` is HTTP's, 0 if nothing answered. */
export class Problem extends Error {
  constructor(status, text, retryAfter = 0) {
    super(text);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Fetch, asking for a token when the API wants one; raise a `Problem` for every answer that is no success. */
export async function call(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEPT);
    const headers = new Headers(options.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    let answer;
    try {
      answer = await fetch(path, { ...options, headers, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The API doesn't answer.");
    }
    if (answer.ok) return answer;
    if (answer.status !== 401) throw await problem(answer);
    // Several requests may find out at once: one dialog serves them all.
    asking ??= ask(Boolean(token)).finally(() => { asking = null; });
    await asking;
  }
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
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      if (field.value) sessionStorage.setItem(KEPT, field.value);
      field.value = "";
      resolve();
    }, { once: true });
  });
}

// Asking the api: with its tag, so that an answer that has not changed is not sent again.
const TIMEOUT_MS = 5_000;

export async function ask(path, parameters = {}) {
  const answer = await fetch(address(path, parameters), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

export class Tagged {
  #address = "";
  #tag = "";

  // The new body, or null when it is the same as last time.
  async ask(path, parameters) {
    const wanted = address(path, parameters);
    if (wanted !== this.#address) this.#tag = "";
    this.#address = wanted;
    const headers = this.#tag ? { "If-None-Match": this.#tag } : {};
    const answer = await fetch(wanted, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.status === 304) return null;
    if (!answer.ok) throw await refusal(answer);
    const body = await answer.json();
    if (wanted === this.#address) this.#tag = answer.headers.get("ETag") ?? "";
    return body;
  }
}

async function refusal(answer) {
  const problem = await answer.json().catch(() => ({}));
  return new Error(problem.detail ?? `status ${answer.status}`);
}

function address(path, parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined));
  return query.size ? `${path}?${query}` : path;
}

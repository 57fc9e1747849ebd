// Killing and restarting members: only where `wordaround up` or `load` started the cluster, on this machine.
//
// The node that the page came from hands over an address of this machine and a token (cluster/control.py). Both
// stay in this module, and are sent nowhere else.

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];
const PATIENCE_MS = 30_000; // a restart returns when the member was launched
const NO_ANSWER = "whoever started this cluster did not answer, so whether it was done is not known: see its state";

/** Kills and restarts members. `null` comes from `reach` where nobody does that. */
export class Control {
  #url;
  #token;

  constructor({ url, token }) {
    this.#url = url;
    this.#token = token;
  }

  /** Ask the page's own node; it tells only a page of this machine, so others need not ask. */
  static async reach() {
    if (!LOOPBACK.includes(location.hostname)) return null;
    try {
      const answer = await fetch("/control", { method: "POST", cache: "no-store", signal: AbortSignal.timeout(5000) });
      const { control } = answer.ok ? await answer.json() : { control: null };
      return control && new Control(control);
    } catch {
      return null; // The node is gone: there is nothing to reach until the page is loaded again.
    }
  }

  /** The members as who owns them sees them: [{name, role, state, since, identity, url}]. */
  async members() {
    return (await this.#send("GET", "/members")).members;
  }

  async kill(name) {
    return (await this.#send("POST", `/members/${encodeURIComponent(name)}/kill`)).member;
  }

  async restart(name) {
    return (await this.#send("POST", `/members/${encodeURIComponent(name)}/restart`)).member;
  }

  async #send(method, path) {
    const { ok, body } = await this.#ask(method, path);
    if (!ok) throw new Error(body.error);
    return body;
  }

  async #ask(method, path) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      const answer = await fetch(this.#url + path, { method, headers, cache: "no-store", signal });
      return { ok: answer.ok, body: await answer.json() };
    } catch (cause) {
      throw new Error(NO_ANSWER, { cause }); // Of its own reasons a browser tells little, and that in its own words.
    }
  }
}

// What the clinician has sent and the server has not yet said yes to. Each message carries an id of its own and is tried
// until it is taken, one after another and in order; a message that arrived twice changes nothing. Nothing typed is lost:
// what is refused goes back into the box, and what waits stands on the page and says so.

const PATIENCE = 15000;
const WAITS = [1000, 2000, 4000, 8000, 15000, 30000];

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Outgoing {
  #form;
  #log;
  #on;
  #queue = [];
  #who;
  #nextId;
  #timer = 0;
  #busy = false;

  constructor(form, log, { address, fields = () => ({}), who = "you", onTaken, onRefused }) {
    this.#form = form;
    this.#log = log;
    this.#who = who;
    this.#on = { address, fields, onTaken, onRefused };
    this.#nextId = form.dataset.id;
    addEventListener("online", () => this.#hurry());
    addEventListener("beforeunload", (event) => {
      if (this.#queue.length) event.preventDefault();
    });
  }

  get isEmpty() {
    return this.#queue.length === 0;
  }

  send(fields, shown) {
    const bubble = this.#bubble(shown);
    this.#queue.push({ id: this.#nextId, fields, shown, bubble, tries: 0 });
    this.#nextId = newId();
    this.#log.add(bubble);
    this.#hurry();
  }

  drop() {
    this.#queue = [];
    clearTimeout(this.#timer);
  }

  #hurry() {
    clearTimeout(this.#timer);
    this.#next();
  }

  async #next() {
    const message = this.#queue[0];
    if (!message || this.#busy) return;
    this.#busy = true;
    // The stream may bring the message back before we hear that it was taken; it would stand there twice.
    const release = this.#log.hold(this.#who);
    const outcome = await this.#post(message);
    this.#busy = false;
    if (outcome.taken) message.bubble.remove();
    release();
    if (this.#queue[0] !== message) return; // the page is being left
    if (outcome.taken) {
      this.#queue.shift();
      this.#on.onTaken(outcome.data);
      this.#next();
    } else if (outcome.refused) {
      this.#queue.shift();
      message.bubble.remove();
      this.#on.onRefused(message, outcome.data?.message ?? "", outcome.data);
      this.#next();
    } else {
      const wait = Math.max(WAITS[Math.min(message.tries, WAITS.length - 1)], outcome.wait * 1000);
      message.tries += 1;
      this.#tell(message);
      this.#timer = setTimeout(() => this.#next(), wait);
    }
  }

  async #post(message) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), PATIENCE);
    try {
      const response = await fetch(this.#on.address(message), {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new URLSearchParams({ ...message.fields, ...this.#on.fields(), id: message.id }),
        signal: stop.signal,
      });
      if (response.ok) return { taken: true, data: await response.json() };
      const wait = Number(response.headers.get("Retry-After")) || 0;
      if (response.status >= 500 || response.status === 429) return { wait };
      return { refused: true, data: await response.json().catch(() => null) };
    } catch {
      return { wait: 0 };
    } finally {
      clearTimeout(timer);
    }
  }

  #bubble(shown) {
    const bubble = document.createElement("div");
    bubble.className = `entry ${this.#who} pending`;
    const by = document.createElement("p");
    by.className = "by";
    by.textContent = `${this.#form.dataset.you} · ${this.#form.dataset.sending}`;
    const words = document.createElement("div");
    words.className = "words";
    words.textContent = shown;
    bubble.append(by, words);
    return bubble;
  }

  #tell(message) {
    if (message.bubble.querySelector(".again")) return;
    const { notSent, tryNow, takeBack, you } = this.#form.dataset;
    message.bubble.querySelector(".by").textContent = you;
    const again = document.createElement("div");
    again.className = "again";
    const said = document.createElement("span");
    said.textContent = notSent;
    const now = this.#button(tryNow, () => this.#hurry());
    again.append(said, now);
    if (message.fields.text) {
      again.append(
        this.#button(takeBack, () => {
          if (this.#busy && this.#queue[0] === message) return;
          this.#queue = this.#queue.filter((other) => other !== message);
          message.bubble.remove();
          this.#on.onRefused(message, "");
        }),
      );
    }
    message.bubble.append(again);
    this.#log.toEnd();
  }

  #button(label, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", act);
    return button;
  }
}

// Server-sent events with two safety nets. A stream that the server refused is asked for again, slower and slower. A proxy
// may let the stream open and then swallow it; so where not even a beat is heard, the page asks by itself.

const BEAT = 15000;
const PATIENCE = 6000;

export class Stream {
  #url;
  #on;
  #onLive;
  #onSilence;
  #poll;
  #cursor;
  #source = null;
  #wait = 2000;
  #again = 0;
  #silence = 0;
  #heardAt = 0;

  constructor(url, { cursor = "", on = {}, poll = async () => {}, onLive = () => {}, onSilence = () => {} }) {
    this.#url = url;
    this.#cursor = cursor;
    this.#on = on;
    this.#poll = poll;
    this.#onLive = onLive;
    this.#onSilence = onSilence;
  }

  get cursor() {
    return this.#cursor;
  }

  set cursor(value) {
    if (value) this.#cursor = value;
  }

  get isOpen() {
    return this.#source?.readyState === EventSource.OPEN;
  }

  start() {
    if (this.#heardAt) return;
    this.#heardAt = Date.now();
    addEventListener("online", () => this.#open());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.#source?.readyState !== EventSource.OPEN) this.#open();
    });
    setInterval(() => this.#listen(), BEAT);
    this.#open();
  }

  stop() {
    clearTimeout(this.#again);
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    clearTimeout(this.#again);
    this.#source?.close();
    const address = new URL(this.#url, location.href);
    if (this.#cursor) address.searchParams.set("after", this.#cursor);
    const source = new EventSource(address);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#wait = 2000;
    });
    for (const [name, handle] of Object.entries({ beat: () => {}, ...this.#on })) {
      source.addEventListener(name, (event) => {
        if (name !== "reset" && this.#isOfAnother(event.lastEventId)) return;
        this.cursor = event.lastEventId;
        this.#heard();
        handle(event.data);
      });
    }
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      this.#silence ||= setTimeout(() => this.#onSilence(), PATIENCE);
      if (source.readyState !== EventSource.CLOSED) return;
      this.#again = setTimeout(() => this.#open(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, 60000);
    });
  }

  // What was on its way while a conversation was erased is of one that is gone, and stays gone.
  #isOfAnother(place) {
    const [here, there] = [this.#cursor, place].map((cursor) => cursor.split("-"));
    return here.length === 2 && there.length === 2 && here[0] !== there[0];
  }

  #heard() {
    this.#heardAt = Date.now();
    clearTimeout(this.#silence);
    this.#silence = 0;
    this.#onLive();
  }

  async #listen() {
    if (!this.#source || document.visibilityState !== "visible" || Date.now() - this.#heardAt < 2.5 * BEAT) return;
    try {
      await this.#poll();
      this.#heard();
    } catch {
      this.#onSilence();
    }
  }
}

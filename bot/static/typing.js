// That somebody is writing, both ways. Nothing of what is written leaves the page with it, and nobody is told more often
// than every few seconds.

const TOLD_EVERY = 3000;
const SHOWN_FOR = 7000;

export class Typing {
  #shown;
  #timer = 0;
  #told = 0;

  constructor(box, shown, tell) {
    this.#shown = shown;
    box.addEventListener("input", () => {
      if (!box.value.trim() || Date.now() - this.#told < TOLD_EVERY) return;
      this.#told = Date.now();
      tell();
    });
  }

  show() {
    clearTimeout(this.#timer);
    if (this.#shown.textContent !== this.#shown.dataset.said) this.#shown.textContent = this.#shown.dataset.said;
    this.#timer = setTimeout(() => this.hide(), SHOWN_FOR);
  }

  hide() {
    clearTimeout(this.#timer);
    this.#shown.textContent = "";
  }
}

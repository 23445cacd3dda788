// What this device does when something is new: a short tone and a notification. Both are off until somebody wants them,
// are remembered on the device, and hold no word of anybody's.

const SOUND = "varde-desk-sound";
const NOTIFY = "varde-desk-notify";

function remembered(name) {
  try {
    return localStorage.getItem(name) === "on";
  } catch {
    return false;
  }
}

function remember(name, on) {
  try {
    localStorage.setItem(name, on ? "on" : "off");
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

export class Device {
  #root = document.getElementById("device");
  #sound = document.getElementById("sound");
  #notify = document.getElementById("notify");
  #audio = null;
  #rang = 0;

  constructor() {
    if (!this.#root) return;
    this.#root.hidden = false;
    this.#press(this.#sound, remembered(SOUND));
    this.#press(this.#notify, remembered(NOTIFY) && this.#allowed());
    if (!("Notification" in window)) this.#notify.hidden = true;
    this.#sound.addEventListener("click", () => {
      const on = !this.#isOn(this.#sound);
      this.#press(this.#sound, on);
      remember(SOUND, on);
      if (on) this.#tone();
    });
    this.#notify.addEventListener("click", () => this.#toggleNotify());
    // A browser lets a page sound only after somebody has touched it.
    const wake = () => this.#isOn(this.#sound) && this.#context()?.resume();
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, wake, { once: true });
  }

  // Something is new: "case" or "message".
  tell(kind) {
    if (!this.#root || Date.now() - this.#rang < 1500) return;
    this.#rang = Date.now();
    if (this.#isOn(this.#sound)) this.#tone();
    if (this.#isOn(this.#notify) && document.hidden) this.#show(kind);
  }

  #show(kind) {
    const title = kind === "case" ? this.#root.dataset.newCase : this.#root.dataset.newMessage;
    try {
      const shown = new Notification(title, { tag: `varde-${kind}` });
      shown.addEventListener("click", () => {
        window.focus();
        shown.close();
      });
    } catch {
      // Some phones show notifications only from apps.
    }
  }

  #tone() {
    const context = this.#context();
    if (!context) return;
    context.resume();
    const at = context.currentTime + 0.02;
    [660, 880].forEach((pitch, place) => {
      const voice = context.createOscillator();
      const loudness = context.createGain();
      voice.frequency.value = pitch;
      const from = at + place * 0.18;
      loudness.gain.setValueAtTime(0.0001, from);
      loudness.gain.exponentialRampToValueAtTime(0.18, from + 0.02);
      loudness.gain.exponentialRampToValueAtTime(0.0001, from + 0.16);
      voice.connect(loudness).connect(context.destination);
      voice.start(from);
      voice.stop(from + 0.17);
    });
  }

  #context() {
    if (!("AudioContext" in window)) return null;
    this.#audio ??= new AudioContext();
    return this.#audio;
  }

  async #toggleNotify() {
    if (this.#isOn(this.#notify)) {
      this.#press(this.#notify, false);
      remember(NOTIFY, false);
      return;
    }
    const answer = await Notification.requestPermission();
    this.#press(this.#notify, answer === "granted");
    remember(NOTIFY, answer === "granted");
    document.getElementById("device-said").textContent = answer === "granted" ? "" : this.#root.dataset.refused;
  }

  #allowed() {
    return "Notification" in window && Notification.permission === "granted";
  }

  #press(button, on) {
    button.setAttribute("aria-pressed", String(on));
  }

  #isOn(button) {
    return button.getAttribute("aria-pressed") === "true";
  }
}

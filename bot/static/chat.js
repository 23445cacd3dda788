// The web chat, live. The page works without this: the same form is posted, the same buttons are pressed.

import { readyToLeave } from "./leave.js";
import { Log } from "./log.js";
import { Outgoing } from "./outgoing.js";
import { Stream } from "./stream.js";
import { Typing } from "./typing.js";

const form = document.getElementById("say");
const box = document.getElementById("text");
const notice = document.getElementById("notice");
const menu = document.getElementById("menu");
const log = new Log(document.getElementById("log"));

function tell(message, { wrong = false } = {}) {
  notice.replaceChildren();
  delete notice.dataset.silent;
  box.removeAttribute("aria-invalid");
  box.removeAttribute("aria-describedby");
  if (!message) return;
  const words = document.createElement("p");
  words.textContent = message;
  notice.append(words);
  if (wrong) {
    box.setAttribute("aria-invalid", "true");
    box.setAttribute("aria-describedby", "notice");
  }
}

function take(data) {
  if (data.reset) log.clear();
  log.merge(data.entries);
  stream.cursor = data.cursor;
}

const typing = new Typing(box, document.getElementById("typing"), () => {
  if (stream.isOpen) fetch("/typing", { method: "POST", headers: { Accept: "application/json" } }).catch(() => {});
});

const stream = new Stream(form.dataset.live, {
  cursor: form.dataset.cursor,
  on: {
    entries: (html) => {
      typing.hide();
      log.merge(html);
    },
    typing: () => typing.show(),
    reset: () => log.clear(),
  },
  poll: async () => {
    const response = await fetch(`${form.dataset.entries}?after=${encodeURIComponent(stream.cursor)}`);
    if (!response.ok) throw new Error(`status ${response.status}`);
    take(await response.json());
  },
  onLive: () => {
    if (notice.dataset.silent) tell("");
  },
  onSilence: () => {
    if (notice.childElementCount) return;
    tell(form.dataset.notLive);
    notice.dataset.silent = "yes";
  },
});

const outgoing = new Outgoing(form, log, {
  address: () => `/say?after=${encodeURIComponent(stream.cursor)}`,
  onTaken: (data) => {
    take(data);
    stream.start();
  },
  onRefused: (message, why) => {
    const text = message.fields.text;
    if (text) box.value = box.value ? `${text}\n${box.value}` : text;
    tell(why, { wrong: Boolean(text) });
    box.focus();
  },
});

form.addEventListener("submit", (event) => {
  const pressed = event.submitter;
  const name = pressed?.name ?? "do";
  // Another language or country is another page, and the server keeps what stands in the box.
  if (name === "language" || name === "country") return;
  event.preventDefault();
  tell("");
  if (name === "tap" || name === "example") {
    menu.open = false;
    outgoing.send({ [name]: pressed.value }, pressed.lastChild.textContent.trim());
    return;
  }
  const text = box.value;
  if (!text.trim()) {
    tell(form.dataset.empty, { wrong: true });
    box.focus();
  } else {
    box.value = "";
    outgoing.send({ text }, text);
  }
});

box.addEventListener("keydown", (event) => {
  const byKeyboard = matchMedia("(pointer: fine)").matches || event.ctrlKey || event.metaKey;
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !byKeyboard) return;
  event.preventDefault();
  form.requestSubmit(form.querySelector(".send"));
});

document.addEventListener("click", (event) => {
  if (menu.open && !menu.contains(event.target)) menu.open = false;
});
menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
  event.stopPropagation();
});

readyToLeave(document.getElementById("leave"), () => {
  outgoing.drop();
  stream.stop();
});

document.documentElement.classList.add("live");
log.toEnd();
if (form.dataset.cursor) stream.start();

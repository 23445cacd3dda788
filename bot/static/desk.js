// The list of cases, live: renewed in place whenever something changes, without taking the keyboard's place away.

import { Device } from "./device.js";
import { shortcuts } from "./keys.js";
import { Stream } from "./stream.js";

const lists = document.getElementById("lists");
const notice = document.getElementById("notice");
const news = document.getElementById("news");
const device = new Device();
const name = document.title;

function renew(html) {
  const held = document.activeElement?.id;
  const before = new Set(codes(lists));
  const unread = new Set(Array.from(lists.querySelectorAll(".case:has(.unread)"), (item) => item.dataset.code));
  lists.innerHTML = html;
  if (held && document.activeElement?.id !== held) document.getElementById(held)?.focus();
  for (const item of lists.querySelectorAll(".case")) {
    const fresh = !before.has(item.dataset.code) && item.querySelector("form[action$=take]");
    if (fresh) tellOf(item);
    if (fresh) device.tell("case");
    else if (item.querySelector(".unread") && !unread.has(item.dataset.code)) device.tell("message");
  }
  const waiting = lists.querySelectorAll(".case form[action$=take]").length;
  document.title = waiting ? `(${waiting}) ${name}` : name;
}

function codes(element) {
  return Array.from(element.querySelectorAll(".case"), (item) => item.dataset.code);
}

function tellOf(item) {
  const said = document.createElement("p");
  said.textContent = news.dataset.said
    .replace("{code}", item.dataset.code)
    .replace("{urgency}", item.querySelector(".tag").textContent);
  news.replaceChildren(said);
}

const stream = new Stream(lists.dataset.live, {
  on: { lists: renew, gone: () => location.reload() },
  poll: async () => {
    const response = await fetch(lists.dataset.lists);
    if (response.status === 401) location.reload();
    if (!response.ok) throw new Error(`status ${response.status}`);
    renew(await response.text());
  },
  onLive: () => {
    if (notice.dataset.silent) notice.replaceChildren();
    delete notice.dataset.silent;
  },
  onSilence: () => {
    const said = document.createElement("p");
    said.textContent = lists.dataset.notLive;
    notice.replaceChildren(said);
    notice.dataset.silent = "yes";
  },
});

function step(by) {
  const links = Array.from(lists.querySelectorAll(".case h3 a"));
  const at = links.findIndex((link) => link.closest(".case").contains(document.activeElement));
  links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}

shortcuts({ j: () => step(1), k: () => step(-1) });

document.documentElement.classList.add("live");
stream.start();

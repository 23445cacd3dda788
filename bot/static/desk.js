// The list of cases, live: renewed in place whenever something changes, without taking the keyboard's place away.

import { Stream } from "./stream.js";

const lists = document.getElementById("lists");
const notice = document.getElementById("notice");
const news = document.getElementById("news");

function renew(html) {
  const held = document.activeElement?.id;
  const before = new Set(codes(lists));
  lists.innerHTML = html;
  if (held && document.activeElement?.id !== held) document.getElementById(held)?.focus();
  for (const item of lists.querySelectorAll(".case")) {
    const fresh = !before.has(item.dataset.code) && item.querySelector("form");
    if (fresh) tellOf(item);
  }
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
    const response = await fetch("/desk/lists");
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

document.documentElement.classList.add("live");
stream.start();

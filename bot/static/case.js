// One case, live: the clinician's words as they come, replies that are not lost, and how the case stands.

import { Log } from "./log.js";
import { Outgoing } from "./outgoing.js";
import { Stream } from "./stream.js";

const form = document.getElementById("say");
const notice = document.getElementById("notice");
const standing = document.getElementById("standing");

function tell(message) {
  notice.replaceChildren();
  delete notice.dataset.silent;
  if (!message) return;
  const said = document.createElement("p");
  said.textContent = message;
  notice.append(said);
}

if (form) {
  const box = document.getElementById("text");
  const log = new Log(document.getElementById("log"));
  let leaving = false; // another form of the page was sent, and leads on by itself

  const stream = new Stream(form.dataset.live, {
    cursor: form.dataset.cursor,
    on: {
      entries: (html) => log.merge(html),
      standing: (html) => {
        standing.innerHTML = html;
      },
      gone: (said) => {
        stream.stop();
        if (leaving) return;
        tell(said);
        form.querySelector(".send").disabled = true;
        // What was being written can still be copied; an empty page has nothing to keep.
        if (!box.value && outgoing.isEmpty) location.assign("/desk/");
      },
    },
    poll: async () => {
      const response = await fetch(location.href, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const data = await response.json();
      log.merge(data.entries);
    },
    onLive: () => {
      if (notice.dataset.silent) tell("");
    },
    onSilence: () => {
      tell(form.dataset.notLive);
      notice.dataset.silent = "yes";
    },
  });

  const outgoing = new Outgoing(form, log, {
    address: () => form.action.split("#")[0],
    fields: () => ({ csrf: form.elements.csrf.value }),
    who: "advisor",
    onTaken: (data) => log.merge(data.entries, { onlyNew: true }),
    onRefused: (message, why) => {
      box.value = box.value ? `${message.fields.text}\n${box.value}` : message.fields.text;
      tell(why);
      box.focus();
    },
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell("");
    const text = box.value;
    if (!text.trim()) {
      tell(form.dataset.empty);
      box.focus();
      return;
    }
    box.value = "";
    outgoing.send({ text }, text);
  });

  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector(".send"));
  });

  // Another button of the page must not throw away a reply that is being written.
  addEventListener("beforeunload", (event) => {
    if (box.value.trim()) event.preventDefault();
  });
  for (const other of document.querySelectorAll("form")) {
    if (other !== form) other.addEventListener("submit", () => (leaving = true));
  }

  // What was answered since the page was made is proposed as the guidance to keep.
  const keep = document.querySelector(".way.keep");
  keep?.addEventListener("toggle", () => {
    const guidance = document.getElementById("guidance");
    const answered = document.querySelectorAll(".entry.advisor:not(.pending) .words");
    if (keep.open && !guidance.value && answered.length) guidance.value = answered[answered.length - 1].innerText.trim();
  });

  // On a phone the brief comes first and is read once; from the first reply on it is in the way.
  const narrow = matchMedia("(max-width: 60rem)").matches;
  const begun = document.querySelectorAll(".entry.advisor").length > 0;
  if (narrow && begun) document.getElementById("brief").open = false;
  if (!narrow || begun) log.toEnd();

  document.documentElement.classList.add("live");
  stream.start();
}

// One case, live: the clinician's words as they come, replies that are not lost, and what lies beside it.

import { offerCopies } from "./copy.js";
import { Device } from "./device.js";
import { shortcuts } from "./keys.js";
import { Log } from "./log.js";
import { Outgoing } from "./outgoing.js";
import { Stream } from "./stream.js";
import { Typing } from "./typing.js";

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
  const address = form.dataset.case;
  const box = document.getElementById("text");
  const served = document.getElementById("served");
  const held = document.getElementById("held");
  const element = document.getElementById("log");
  const log = new Log(element, { more: true });
  const device = new Device();
  const name = document.title;
  let leaving = false; // another form of the page was sent, and leads on by itself
  let begun = false; // the page shows what there was; what comes now is new
  let unread = 0;

  function post(action, fields = {}) {
    return fetch(`${address}/${action}`, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({ csrf: form.elements.csrf.value, ...fields }),
      keepalive: true,
    });
  }

  // --- what is new --------------------------------------------------------------------------------------------------------

  function merge(html, options) {
    const before = new Set(Array.from(element.querySelectorAll(".entry"), (entry) => entry.id));
    log.merge(html, options);
    const fresh = Array.from(element.querySelectorAll(".entry.clinician")).filter((entry) => !before.has(entry.id));
    if (!fresh.length || !begun) return;
    typing.hide();
    if (document.hidden || !document.hasFocus()) {
      device.tell("message");
      if (document.hidden) {
        unread += fresh.length;
        document.title = `(${unread}) ${name}`;
        divide(fresh[0]);
        return;
      }
    }
    noteSeen();
  }

  function divide(before) {
    if (unread > 1 && document.getElementById("unread")) return;
    document.getElementById("unread")?.remove();
    const line = document.createElement("p");
    line.className = "divider";
    line.id = "unread";
    line.dataset.at = String(Number(before.dataset.at) - 1);
    const said = document.createElement("span");
    said.textContent = element.dataset.unread;
    line.append(said);
    before.before(line);
  }

  function noteSeen() {
    const read = element.querySelectorAll(".entry.clinician");
    post("seen", { at: read[read.length - 1].dataset.at }).catch(() => {});
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !unread) return;
    unread = 0;
    document.title = name;
    noteSeen();
  });

  const typing = new Typing(box, document.getElementById("typing"), () => post("typing").catch(() => {}));

  const stream = new Stream(form.dataset.live, {
    on: {
      entries: (html) => {
        merge(html);
        begun = true;
      },
      standing: (html) => {
        standing.innerHTML = html;
      },
      suggested: (html) => {
        const there = document.getElementById("suggested");
        if (!there.contains(document.activeElement)) there.innerHTML = html;
      },
      typing: () => typing.show(),
      gone,
    },
    poll: look,
    onLive: () => {
      if (notice.dataset.silent) tell("");
    },
    onSilence: () => {
      tell(form.dataset.notLive);
      notice.dataset.silent = "yes";
      // A stream that is refused may mean that somebody else has the case by now.
      look().catch(() => {});
    },
  });

  async function look() {
    const response = await fetch(location.href, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const data = await response.json();
    if (data.gone) {
      gone(data.gone);
      return;
    }
    merge(data.entries);
    begun = true;
  }

  function gone(said) {
    stream.stop();
    if (leaving) return;
    tell(said);
    for (const button of document.querySelectorAll(".send, .insert, .serve")) button.disabled = true;
    // What was being written can still be copied; an empty page has nothing to keep.
    if (!box.value && outgoing.isEmpty) location.assign("/desk/");
  }

  // --- writing ------------------------------------------------------------------------------------------------------------

  const outgoing = new Outgoing(form, log, {
    address: (message) => `${address}/${message.fields.serve ? "serve" : message.fields.again ? "again" : "reply"}`,
    fields: () => ({ csrf: form.elements.csrf.value }),
    who: "advisor",
    onTaken: (data) => merge(data.entries, { onlyNew: true }),
    onRefused: (message, why, data) => {
      if (message.fields.text) {
        box.value = box.value ? `${message.fields.text}\n${box.value}` : message.fields.text;
        served.value = [message.fields.served, served.value].filter(Boolean).join(" ");
      }
      tell(why);
      held.innerHTML = data?.warned ?? "";
      box.focus();
    },
  });

  function send(agreed = "") {
    const text = box.value;
    tell("");
    held.replaceChildren();
    if (!text.trim()) {
      tell(form.dataset.empty);
      box.focus();
      return;
    }
    const claims = served.value;
    box.value = "";
    served.value = "";
    outgoing.send({ text, served: claims, agreed }, text);
    box.focus();
  }

  async function find(pressed) {
    const there = document.getElementById(pressed.value === "services" ? "found-services" : "found");
    there.setAttribute("aria-busy", "true");
    try {
      const fields = { find: pressed.value, q: "", place: "", need: "" };
      for (const key of ["q", "place", "need"]) fields[key] = document.getElementById(key).value;
      const response = await post("find", fields);
      if (!response.ok) throw new Error(`status ${response.status}`);
      there.innerHTML = (await response.json()).found;
    } catch {
      tell(form.dataset.notLive);
    } finally {
      there.removeAttribute("aria-busy");
    }
  }

  async function insert(pressed) {
    try {
      const response = await post("insert", { insert: pressed.value });
      const data = await response.json();
      if (!response.ok) {
        tell(data.message);
        return;
      }
      const before = box.value.slice(0, box.selectionEnd).trimEnd();
      const after = box.value.slice(box.selectionEnd).trimStart();
      const end = [before, data.text].filter(Boolean).join("\n\n").length;
      box.value = [before, data.text, after].filter(Boolean).join("\n\n");
      box.setSelectionRange(end, end);
      if (!served.value.split(" ").includes(data.claim)) served.value = `${served.value} ${data.claim}`.trim();
      box.focus();
      box.scrollTop = box.scrollHeight;
    } catch {
      tell(form.dataset.notLive);
    }
  }

  // A form beside the conversation: its parts come back as they stand now, and the draft is not touched.
  async function work(pressed) {
    const there = document.getElementById(pressed.dataset.into);
    const fields = new URLSearchParams(new FormData(form));
    fields.set(pressed.name, pressed.value);
    pressed.disabled = true;
    there.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(pressed.formAction, {
        method: "POST",
        headers: { Accept: "application/json" },
        body: fields,
      });
      const data = await response.json();
      for (const [id, html] of Object.entries(data.parts ?? {})) document.getElementById(id).innerHTML = html;
      offerCopies();
      tell(data.message ?? "");
      there.closest("details").open = true;
      const focus = there.querySelector("[data-focus]") ?? there.querySelector(".card h3, li");
      if (focus) {
        if (!focus.hasAttribute("tabindex")) focus.tabIndex = -1;
        focus.focus();
        // What went wrong is seen first, and a part that is higher than the screen from its beginning.
        const wrong = there.querySelector(".wrong");
        const tall = focus.offsetHeight > innerHeight / 2;
        (wrong ?? focus).scrollIntoView({ block: wrong || tall ? "start" : "nearest" });
      }
    } catch {
      tell(form.dataset.notLive);
    } finally {
      pressed.disabled = false;
      there.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const pressed = event.submitter;
    if (pressed?.dataset.into) work(pressed);
    else if (pressed?.name === "find") find(pressed);
    else if (pressed?.name === "insert") insert(pressed);
    else if (pressed?.name === "serve") {
      const words = pressed.closest(".card").querySelector(".card-text").textContent;
      outgoing.send({ serve: pressed.value }, words);
    } else if (pressed?.name === "again") {
      const words = pressed.closest(".entry").querySelector(".words").innerText;
      pressed.disabled = true;
      outgoing.send({ again: pressed.value }, words);
    } else send(pressed?.name === "agreed" ? pressed.value : "");
  });

  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector(".send"));
  });

  // Enter in a search field looks for what stands in it, and never sends the reply.
  for (const [id, value] of [["q", "articles"], ["place", "services"], ["need", "services"]]) {
    document.getElementById(id).addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit(document.querySelector(`button[name=find][value=${value}]`));
    });
  }

  // Enter in a field beside the conversation presses the button of its own part.
  document.getElementById("beside").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !event.target.matches("[data-part] input, [data-part] select")) return;
    event.preventDefault();
    const own = event.target.closest("[data-part]").querySelector("button.main");
    if (own) form.requestSubmit(own);
  });
  offerCopies();

  // Another button of the page must not throw away a reply that is being written.
  addEventListener("beforeunload", (event) => {
    if (box.value.trim()) event.preventDefault();
  });
  for (const other of document.querySelectorAll("form")) {
    if (other !== form && other.method === "post") other.addEventListener("submit", () => (leaving = true));
  }

  // What was answered since the page was made is proposed as the guidance to keep.
  const keep = document.querySelector(".way.keep");
  keep?.addEventListener("toggle", () => {
    const guidance = document.getElementById("guidance");
    const answered = document.querySelectorAll(".entry.advisor:not(.pending) .words");
    if (keep.open && !guidance.value && answered.length) guidance.value = answered[answered.length - 1].innerText.trim();
  });

  function reach(id) {
    const there = document.getElementById(id);
    const folded = there.closest("details");
    if (folded) folded.open = true;
    there.focus();
  }

  shortcuts({
    r: () => box.focus(),
    s: () => reach("q"),
    n: () => reach("note"),
    e: () => {
      log.toEnd();
      element.focus();
    },
    l: () => location.assign("/desk/"),
  });

  // On a phone the brief comes first and is read once; from the first reply on it is in the way.
  const narrow = matchMedia("(max-width: 60rem)").matches;
  const talking = document.querySelectorAll(".entry.advisor").length > 0;
  if (narrow && talking) document.getElementById("brief").open = false;
  const divider = document.getElementById("unread");
  if (divider) divider.scrollIntoView({ block: "start" });
  else if (!narrow || talking) log.toEnd();

  document.documentElement.classList.add("live");
  stream.start();
}

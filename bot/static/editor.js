// Writing a draft: saved by itself a moment after the last key, with problems and preview renewed by the same answer.
// What is not acknowledged yet also lies in the tab's own storage, so that neither a broken network nor a reload costs a
// word. What somebody else saved meanwhile is taken in where this writer has not typed; where both did, the server says
// so and a page asks which it shall be.

import { Stream } from "./stream.js";

const PAUSE = 700; // milliseconds after the last key
const SOON = 4000; // until a save that failed is tried again
const STILL_HERE = 20000;

const form = document.getElementById("draft");
const saved = document.getElementById("saved");
const notice = document.getElementById("notice");
const others = document.getElementById("others");
const preview = document.getElementById("preview");
const troubles = document.getElementById("troubles");
const store = `draft:${form.dataset.id}`;

let was = JSON.parse(form.elements.was.value);
let timer = 0;
let dirty = false;
let sending = false;
let again = false;
let failed = false;
let stopped = false; // the draft is written in no longer, or the same was changed by two
let newest = 0; // version that somebody told of

const ofArticle = (name) => name && !/^(csrf|seen|was|do|comment\.|look\.)/.test(name);
const entries = () => Array.from(new FormData(form)).filter(([name]) => ofArticle(name));
const part = (key) => form.querySelector(`[data-key="${key}"]`);

function written(section) {
  const controls = Array.from(section.querySelectorAll("input, textarea, select"));
  const kept = controls.filter((one) => ofArticle(one.name));
  return JSON.stringify(kept.map((one) => [one.name, one.type === "checkbox" ? one.checked : one.value]));
}

function tell(message, { kind = "", link = null } = {}) {
  notice.replaceChildren();
  if (!message) return;
  const said = document.createElement("p");
  said.className = `note-box ${kind}`;
  said.textContent = message;
  if (link) {
    const way = document.createElement("a");
    way.href = link.address;
    way.textContent = link.words;
    said.append(" ", way);
  }
  notice.append(said);
}

// --- saving -----------------------------------------------------------------------------------------------------------

function changed() {
  dirty = true;
  if (!sending && !failed) saved.textContent = form.dataset.unsaved;
  keep();
  clearTimeout(timer);
  timer = setTimeout(send, PAUSE);
}

function keep() {
  try {
    sessionStorage.setItem(store, JSON.stringify({ seen: form.elements.seen.value, was, values: entries() }));
  } catch {
    // A browser without room or leave to store: the server's draft is the only copy then.
  }
}

function body() {
  form.elements.was.value = JSON.stringify(was);
  const fields = new URLSearchParams(new FormData(form));
  fields.set("do", "auto");
  return fields;
}

async function send() {
  clearTimeout(timer);
  if (stopped) return;
  if (sending) {
    again = true;
    return;
  }
  sending = true;
  const typed = dirty;
  dirty = false;
  if (typed) saved.textContent = form.dataset.saving;
  const before = new Map(Array.from(form.querySelectorAll("[data-key]"), (one) => [one.dataset.key, written(one)]));
  try {
    const response = await fetch(form.action, { method: "POST", body: body(), headers: { Accept: "application/json" } });
    const type = response.headers.get("Content-Type") || "";
    const data = type.startsWith("application/json") ? await response.json() : {};
    if (response.ok) taken(data, before);
    else refused(response.status, data, typed);
  } catch {
    notTaken(typed);
  } finally {
    sending = false;
  }
  if ((again || newest > Number(form.elements.seen.value)) && !failed && !stopped) {
    again = false;
    timer = setTimeout(send, dirty ? PAUSE : 50);
  }
}

function taken(data, before) {
  if (failed) tell("");
  failed = false;
  let held = false;
  for (const [key, html] of Object.entries(data.parts)) {
    const section = part(key);
    if (!section) continue;
    if (written(section) !== before.get(key)) {
      held = true; // typed in since; the next save tells whether both changed the same
      continue;
    }
    replace(section, html);
  }
  for (const [key, digest] of Object.entries(data.was)) {
    if (!held || !(key in data.parts)) was[key] = digest;
  }
  if (!held) form.elements.seen.value = data.version;
  newest = held ? 0 : Math.max(newest, data.version);
  if (data.merged && !held) tell(data.merged);
  renew(troubles, data.troubles);
  renew(preview, data.preview);
  wrongs(data.by_key);
  if (dirty) return;
  saved.textContent = data.saved;
  sessionStorage.removeItem(store);
}

function refused(status, data, typed) {
  if (status === 409) {
    stopped = true;
    dirty = true;
    keep();
    saved.textContent = form.dataset.unsaved;
    if (data.collision) sessionStorage.removeItem(store); // it stands in the history of saves, and is chosen from there
    tell(data.message, { kind: "warn", link: data.collision ? { address: data.collision, words: data.choose } : null });
  } else if (status === 401) {
    notTaken(typed, form.dataset.signedOut);
  } else if (status === 413) {
    notTaken(typed, form.dataset.tooMuch);
  } else if (status >= 500) {
    notTaken(typed);
  } else {
    notTaken(typed, data.message);
  }
}

function notTaken(typed, message = form.dataset.notSaved) {
  dirty = dirty || typed;
  if (!dirty) return;
  failed = true;
  keep();
  saved.textContent = form.dataset.unsaved;
  tell(message, { kind: "warn" });
  clearTimeout(timer);
  timer = setTimeout(send, SOON);
}

// --- what stands on the page ------------------------------------------------------------------------------------------

function replace(section, html) {
  const held = section.contains(document.activeElement) ? document.activeElement.id : "";
  section.outerHTML = html;
  if (held) document.getElementById(held)?.focus();
}

function renew(element, html) {
  const held = element.contains(document.activeElement) ? document.activeElement.id : "";
  const closed = element.querySelector("details:not([open])");
  element.innerHTML = html;
  if (closed) element.querySelector("details")?.removeAttribute("open");
  if (held) document.getElementById(held)?.focus();
}

function wrongs(said) {
  for (const list of form.querySelectorAll("[data-wrongs]")) {
    const lines = said[list.closest("[data-key]").dataset.key] || [];
    list.replaceChildren(
      ...lines.map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }),
    );
  }
}

function addRow(kind, number) {
  const rows = document.getElementById(`rows-${kind}`);
  const template = document.getElementById(`blank-${kind}`).innerHTML;
  rows.insertAdjacentHTML("beforeend", template.replaceAll("NUMBER", number).replaceAll("PLACE", rows.children.length + 1));
  return rows.lastElementChild;
}

function nextNumber(kind) {
  const names = Array.from(form.elements, (one) => one.name || "").filter((name) => name.startsWith(`${kind}.`));
  return Math.max(-1, ...names.map((name) => Number(name.split(".")[1]))) + 1;
}

// --- brought back -----------------------------------------------------------------------------------------------------

function same(one, other) {
  const plain = (pairs) => JSON.stringify(pairs.map(([name, value]) => [name, value.split(/\s+/).join(" ").trim()]));
  return plain(one) === plain(other);
}

function bringBack() {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(store));
  } catch {
    // Whatever lay there was not ours.
  }
  if (!kept?.values) return;
  if (same(kept.values, entries())) {
    sessionStorage.removeItem(store);
    return;
  }
  const values = new Map();
  for (const [name, value] of kept.values) values.set(name, [...(values.get(name) || []), value]);
  for (const name of values.keys()) {
    const row = /^(variants|law_refs|sources)\.(\d+)\./.exec(name);
    if (row && !form.elements[name]) addRow(row[1], Number(row[2]));
  }
  for (const control of form.elements) {
    if (!ofArticle(control.name) || control.type === "hidden") continue;
    if (control.type === "checkbox") control.checked = (values.get(control.name) || []).includes(control.value);
    else if (values.has(control.name)) control.value = values.get(control.name)[0];
  }
  form.elements.seen.value = kept.seen;
  was = kept.was;
  dirty = true;
  tell(form.dataset.broughtBack);
  send();
}

// --- who else is here -------------------------------------------------------------------------------------------------

let field = "";
let spoken = 0;

function here(extra = {}) {
  spoken = Date.now();
  const fields = new URLSearchParams({ csrf: form.elements.csrf.value, field, ...extra });
  fetch(form.dataset.here, { method: "POST", body: fields, keepalive: true }).catch(() => {});
}

document.addEventListener("focusin", (event) => {
  const now = event.target.closest?.("[data-key]")?.dataset.key || "";
  if (now === field) return;
  field = now;
  here();
});
setInterval(() => {
  if (document.visibilityState === "visible" && Date.now() - spoken > STILL_HERE - 1000) here();
}, STILL_HERE);

const stream = new Stream(form.dataset.live, {
  on: {
    news: (data) => {
      const told = JSON.parse(data);
      others.replaceChildren(
        ...told.others.map((words) => {
          const said = document.createElement("p");
          said.className = "note-box";
          said.textContent = words;
          return said;
        }),
      );
      newest = Math.max(newest, told.version);
      if (!sending && newest > Number(form.elements.seen.value)) send();
    },
    closed: (said) => {
      stream.stop();
      if (leaving) return;
      stopped = true;
      tell(said, { kind: "warn" });
    },
    gone: (said) => {
      stream.stop();
      if (!leaving) tell(said, { kind: "warn" });
    },
  },
});

// --- keys and presses -------------------------------------------------------------------------------------------------

let leaving = false;

form.addEventListener("input", (event) => {
  if (ofArticle(event.target.name)) changed();
});
preview.addEventListener("change", () => send());
form.addEventListener("click", (event) => {
  const kind = event.target.closest("[data-add]")?.dataset.add;
  if (!kind) return;
  event.preventDefault();
  addRow(kind, nextNumber(kind)).querySelector("input:not([type=checkbox]), textarea, input").focus();
});
form.addEventListener("submit", (event) => {
  form.elements.was.value = JSON.stringify(was);
  if (event.submitter?.value === "save" && !stopped) {
    event.preventDefault();
    dirty = true;
    send();
    return;
  }
  leaving = true;
  clearTimeout(timer);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  dirty = true;
  send();
});
addEventListener("online", () => dirty && send());
addEventListener("pagehide", () => {
  if (dirty && !leaving && !stopped) {
    // The tab is closing: this request outlives it.
    fetch(form.action, { method: "POST", body: body(), headers: { Accept: "application/json" }, keepalive: true }).catch(() => {});
  }
  here({ leaving: "yes" });
});
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

document.documentElement.classList.add("live");
bringBack();
here();
stream.start();

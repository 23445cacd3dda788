// The directory's search answers while one types. Without this the search is a form with a button, and finds the same.

const PAUSE = 200; // milliseconds after the last key

const form = document.querySelector("form[data-search]");
const found = document.getElementById(form?.dataset.search ?? "");
let timer = 0;
let asked = 0;

async function look() {
  const turn = ++asked;
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.set(name, value);
  const address = query.size ? `${form.action}?${query}` : form.action;
  query.set("part", "found");
  try {
    const answer = await fetch(`${form.action}?${query}`, { headers: { accept: "text/html" } });
    if (turn !== asked || !answer.ok || answer.redirected) return;
    found.innerHTML = await answer.text();
    // Back from a service leads to what was found, and not to an empty search.
    history.replaceState(null, "", address);
  } catch {
    // Offline: the button is still there, and says so better.
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(look, PAUSE);
}

if (form && found) {
  form.addEventListener("input", soon);
  form.addEventListener("submit", () => clearTimeout(timer));
}

// Choosing areas: the search answers while one types, and a box that is ticked moves to those that are chosen. Without
// this the search is a button of the form, and everything else is the same.

const PAUSE = 250; // milliseconds after the last key

for (const field of document.querySelectorAll("[data-areas]")) live(field);

function live(field) {
  const name = field.dataset.areas;
  const search = field.querySelector("input[type=search]");
  const found = field.querySelector("[data-found]");
  const chosen = field.querySelector("[data-chosen]");
  const none = field.querySelector("[data-none]");
  const button = field.querySelector("button");
  const ticked = () => Array.from(chosen.querySelectorAll("input:checked"), (box) => box.value);
  let timer = 0;
  let asked = 0;

  async function look() {
    const turn = ++asked;
    const query = new URLSearchParams({ name, country: field.dataset.country, search: search.value });
    for (const value of ticked()) query.append("chosen", value);
    try {
      const answer = await fetch(`${field.dataset.from}?${query}`, { headers: { accept: "text/html" } });
      if (turn !== asked) return;
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      found.innerHTML = await answer.text();
    } catch {
      if (turn === asked) found.textContent = field.dataset.failed;
    }
  }

  button.hidden = true;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
  search.addEventListener("keydown", (event) => {
    // Enter in a search box would press the form's first button, whatever that is.
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    clearTimeout(timer);
    look();
  });
  found.addEventListener("change", (event) => {
    const box = event.target;
    if (!box.matches(`input[name="${CSS.escape(name)}"]`) || !box.checked) return;
    const label = box.closest("label");
    const from = label.parentElement;
    const row = document.createElement("li");
    row.append(label);
    chosen.append(row);
    if (!from.childElementCount) from.remove(); // a row with parts keeps them
    none.hidden = true;
    box.focus();
  });
}

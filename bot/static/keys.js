// Single keys as shortcuts. They never take a key from somebody who writes, can be switched off, and "?" shows them.

const OFF = "varde-desk-keys-off";

function isOff() {
  try {
    return localStorage.getItem(OFF) === "yes";
  } catch {
    return false;
  }
}

function writes(element) {
  return element.closest("input, textarea, select, [contenteditable], dialog") !== null;
}

export function shortcuts(acts) {
  const dialog = document.getElementById("keys");
  const wanted = document.getElementById("keys-on");
  if (!dialog) return;
  wanted.checked = !isOff();
  wanted.addEventListener("change", () => {
    try {
      localStorage.setItem(OFF, wanted.checked ? "no" : "yes");
    } catch {
      // A browser that keeps nothing forgets it.
    }
  });
  document.getElementById("show-keys")?.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.key === "Escape" && !dialog.open && writes(event.target)) {
      event.target.blur();
      return;
    }
    if (writes(event.target)) return;
    if (event.key === "?") {
      event.preventDefault();
      dialog.showModal();
      return;
    }
    const act = wanted.checked && !event.shiftKey ? acts[event.key.toLowerCase()] : undefined;
    if (!act) return;
    event.preventDefault();
    act();
  });
}

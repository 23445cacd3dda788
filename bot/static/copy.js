// A button that copies what stands on the page, where the browser lets it; without it the text can be marked by hand.

export function offerCopies() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (!button) return;
  const there = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(there.textContent.trim());
    button.textContent = button.dataset.copied;
  } catch {
    if (there.select) there.select();
    else getSelection().selectAllChildren(there);
  }
});

offerCopies();

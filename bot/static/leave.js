// Leaving at once. The screen is blank before anything is asked of the network, the server is told to forget this browser,
// and the page gives up its place in the history to a page about the weather.

export function readyToLeave(link, before) {
  let escaped = -Infinity;

  function leave() {
    before();
    // The cookie that holds the conversation is out of our reach here. This one tells the server to disregard it, in
    // case the word sent below does not arrive.
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `left=1; path=/; max-age=86400; samesite=strict${secure}`;
    document.title = "";
    document.body.replaceChildren();
    navigator.sendBeacon("/leave");
    location.replace(link.dataset.away);
  }

  link.addEventListener("click", (event) => {
    event.preventDefault();
    leave();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    if (event.timeStamp - escaped < 1500) leave();
    escaped = event.timeStamp;
  });
  // A browser may keep a page whole for its back button; this one is asked for anew.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

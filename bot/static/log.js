// The entries of a conversation on the page: each stands once, in its order, however often and by whichever way it came.

const NEAR = 80; // pixels from the end at which a reader counts as reading the end

export class Log {
  #element;
  #end;
  #held = null;
  #holding = "";
  #more;

  // `more`: where the page scrolls as a whole, other things stand below the conversation, and its end is not the page's.
  constructor(element, { more = false } = {}) {
    this.#element = element;
    this.#more = more;
    this.#end = element.querySelector("#latest");
    // A notice, or a phone's keyboard, takes room away: whoever was reading the end goes on doing so.
    let following = true;
    element.addEventListener("scroll", () => (following = this.#isAtEnd()), { passive: true });
    new ResizeObserver(() => following && this.#scroller === element && this.toEnd()).observe(element);
  }

  // Put in what the server rendered; the newest entry that was not there before, or null. The answer to a message may be
  // older than what the stream has brought since, and then what is there stays.
  merge(html, { onlyNew = false } = {}) {
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    const following = this.#isAtEnd();
    let newest = null;
    for (const entry of parsed.content.querySelectorAll(".entry")) {
      if (this.#held && entry.classList.contains(this.#holding) && !document.getElementById(entry.id)) {
        this.#held.push(entry.outerHTML);
        continue;
      }
      const known = document.getElementById(entry.id);
      if (known) {
        if (!onlyNew) renew(known, entry);
        continue;
      }
      entry.classList.add("new");
      this.#place(entry);
      newest = entry;
    }
    if (newest) {
      document.getElementById("welcome")?.remove();
      if (following) this.#show(newest);
    }
    return newest;
  }

  // Keep back what comes of somebody's words until the returned function is called.
  hold(who) {
    this.#holding = who;
    this.#held ??= [];
    return () => {
      const held = this.#held ?? [];
      this.#held = null;
      if (held.length) this.merge(held.join(""));
    };
  }

  add(entry) {
    this.#end.before(entry);
    document.getElementById("welcome")?.remove();
    this.toEnd();
  }

  clear() {
    for (const entry of this.#element.querySelectorAll(".entry:not(.pending)")) entry.remove();
  }

  toEnd() {
    if (document.getElementById("welcome")) return; // nothing is asked yet: the greeting is read from its beginning
    if (this.#more && this.#scroller !== this.#element) {
      this.#end.scrollIntoView({ block: "end" });
      return;
    }
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  // The conversation scrolls by itself, or with the whole page where there is little room.
  get #scroller() {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(this.#element).overflowY);
    return scrolls ? this.#element : document.scrollingElement;
  }

  #place(entry) {
    const at = Number(entry.dataset.at);
    let before = this.#end;
    let other = before.previousElementSibling;
    while (other && (other.classList.contains("pending") || Number(other.dataset.at) > at)) {
      before = other;
      other = other.previousElementSibling;
    }
    before.before(entry);
  }

  #isAtEnd() {
    if (this.#more && this.#scroller !== this.#element) {
      const { bottom } = this.#end.getBoundingClientRect();
      return bottom > 0 && bottom - innerHeight < NEAR;
    }
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  // Show the end, unless that would push the beginning of what is new out of sight.
  #show(newest) {
    this.toEnd();
    const scroller = this.#scroller;
    const top = scroller === this.#element ? scroller.getBoundingClientRect().top : 0;
    const above = top - newest.getBoundingClientRect().top;
    if (above > 0) scroller.scrollTop -= above + 12;
  }
}

// Only the parts that differ: what did not change must not be read aloud again.
function renew(known, entry) {
  const parts = [...entry.children];
  parts.forEach((part, place) => {
    const old = known.children[place];
    if (!old) known.append(part);
    else if (old.outerHTML !== part.outerHTML) old.replaceWith(part);
  });
  while (known.children.length > parts.length) known.lastElementChild.remove();
}

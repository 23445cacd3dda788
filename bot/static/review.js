// How far the questions are, as they are asked.

import { Stream } from "./stream.js";

const gate = document.getElementById("gate");

function renew(html) {
  gate.innerHTML = html;
  // A page that began while the questions were being asked has nothing of what came of them; it is read anew.
  if (gate.dataset.whole && !gate.querySelector("progress")) location.reload();
}

if (gate) {
  const stream = new Stream(gate.dataset.live, {
    on: { gate: renew, gone: () => stream.stop() },
    poll: async () => {
      const response = await fetch(gate.dataset.state);
      if (!response.ok) throw new Error(`status ${response.status}`);
      renew(await response.text());
    },
  });
  document.documentElement.classList.add("live");
  stream.start();
}

// Passkeys: a form that asks the server for a question, has the device answer it, and sends the answer back.

const notice = document.getElementById("notice");

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function tell(sentence) {
  const said = document.createElement("p");
  said.className = "note-box bad";
  said.textContent = sentence;
  notice.replaceChildren(said);
}

async function send(address, csrf, body) {
  const response = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-Csrf": csrf },
    body: JSON.stringify(body),
  });
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(told.message);
  return told;
}

class Refusal extends Error {}

async function make(options) {
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  for (const known of options.excludeCredentials ?? []) known.id = bytes(known.id);
  const made = await navigator.credentials.create({ publicKey: options });
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
    },
  };
}

async function use(options) {
  options.challenge = bytes(options.challenge);
  for (const known of options.allowCredentials ?? []) known.id = bytes(known.id);
  const used = await navigator.credentials.get({ publicKey: options });
  return {
    id: used.id,
    rawId: text(used.rawId),
    type: used.type,
    response: {
      clientDataJSON: text(used.response.clientDataJSON),
      authenticatorData: text(used.response.authenticatorData),
      signature: text(used.response.signature),
      userHandle: used.response.userHandle ? text(used.response.userHandle) : null,
    },
  };
}

async function submitted(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  notice.replaceChildren();
  try {
    const csrf = form.elements.csrf?.value ?? "";
    const options = await send(form.dataset.ask, csrf, {});
    const answer = await (form.dataset.passkey === "make" ? make : use)(options);
    const done = await send(form.dataset.answer, csrf, { ...answer, name: form.elements.name?.value ?? "" });
    location.assign(done.to);
    return;
  } catch (error) {
    if (error instanceof Refusal && error.message) tell(error.message);
    else if (error.name === "InvalidStateError" && form.dataset.known) tell(form.dataset.known);
    else if (error instanceof TypeError) tell(form.dataset.offline);
    else tell(form.dataset.failed);
  }
  button.removeAttribute("aria-disabled");
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.addEventListener("submit", submitted);
  form.hidden = false;
  document.getElementById(form.dataset.instead)?.setAttribute("hidden", "");
}

// Passkeys: asks the browser for one, or to make one, and posts the answer with the form that asked.
"use strict";
(() => {
  const isNumber = /^[\d.]+$|^\[/.test(location.hostname);
  const known = window.PublicKeyCredential && window.isSecureContext && !isNumber;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  function unpack(options) {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const list of [options.excludeCredentials, options.allowCredentials]) {
      for (const each of list || []) each.id = bytes(each.id);
    }
    return options;
  }

  function pack(made) {
    const answer = made.response;
    const response = { clientDataJSON: text(answer.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (answer[name]) response[name] = text(answer[name]);
    }
    if (answer.getTransports) response.transports = answer.getTransports();
    return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} });
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!known) continue;
    for (const shown of form.querySelectorAll("[hidden]:not(input)")) shown.hidden = false;
    form.hidden = false;
    const said = form.querySelector("[role=alert]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      said.textContent = "";
      try {
        const asked = await fetch(form.dataset.passkey, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
        const told = await asked.json();
        if (!asked.ok) throw new Error(told.words);
        const publicKey = unpack(told);
        const made = await (publicKey.user ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
        form.elements.credential.value = pack(made);
        if (form.elements.old) form.elements.old.value = "";
        form.submit();
      } catch (error) {
        said.textContent = error.name === "NotAllowedError" ? "Nothing was shown, or it took too long." : error.message || "That did not work.";
      }
    });
  }
})();

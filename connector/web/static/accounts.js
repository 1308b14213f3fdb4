// The light of an account looks by itself whether something has come; copying and typing on the page go on meanwhile.
"use strict";
(() => {
  for (const place of document.querySelectorAll("[data-light]")) {
    let seen = place.innerHTML;
    setInterval(async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(place.dataset.light, { headers: { Accept: "text/html" }, cache: "no-store" });
        const text = answer.ok ? (await answer.text()).trim() : "";
        if (!text || text === seen) return;
        seen = text;
        place.innerHTML = text;
        document.dispatchEvent(new CustomEvent("drawn", { detail: place }));
      } catch { /* the service is starting again; the next look tells */ }
    }, 3000);
  }
})();

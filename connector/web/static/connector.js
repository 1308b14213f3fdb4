// What the pages need of a script: times in the viewer's own zone, fresh rows, copying. Without it they work too.
"use strict";
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
  const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

  function localTimes(root) {
    const today = new Date().toDateString();
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const form = time.closest(".tel-end") ? short : time.closest(".tel-day") ? date : at.toDateString() === today ? clock : day;
      time.textContent = form.format(at);
      time.title = `${exact.format(at)} · ${time.dateTime}`;
    }
  }

  // Sentences that are stored tell times in UTC: they are made the viewer's own too, but in what others wrote.
  function toldTimes(root) {
    const told = /(\d{4}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?) UTC/;
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
      const text = texts.currentNode;
      if (told.test(text.data) && !text.parentElement.closest("time, code, pre, bdi, textarea, option, script, style, .tel")) found.push(text);
    }
    for (let text of found) {
      for (let hit = told.exec(text.data); hit; hit = told.exec(text.data)) {
        const time = document.createElement("time");
        time.dateTime = `${hit[1]}T${hit[2]}Z`;
        const words = text.splitText(hit.index);
        text = words.splitText(hit[0].length);
        words.replaceWith(time);
      }
    }
  }

  function prepare(root) {
    toldTimes(root);
    localTimes(root);
    for (const button of root.querySelectorAll("button.copy")) button.hidden = !navigator.clipboard;
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.submit();
  });

  // What a word means is told while it is pointed at or focused; Escape sends that away until the next one.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.documentElement.classList.add("untold");
  });
  const place = (event) => {  // where there is no room to the right, it hangs from the other end
    const word = event.target.closest?.(".term");
    if (word) word.classList.toggle("term-end", word.getBoundingClientRect().left + 360 > document.documentElement.clientWidth);
  };
  document.addEventListener("mouseover", place);
  document.addEventListener("focusin", place);
  for (const kind of ["mouseout", "focusout"]) {
    document.addEventListener(kind, () => document.documentElement.classList.remove("untold"));
  }

  const main = document.getElementById("main");
  const state = document.getElementById("live-state");
  let seen = null;

  // Never pull the page from under somebody who is using it.
  function busy() {
    const selected = window.getSelection();
    const inside = document.activeElement !== main && main.contains(document.activeElement);
    return document.hidden || inside || (selected && !selected.isCollapsed) || main.querySelector("details[open]");
  }

  async function refresh() {
    if (busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") throw new Error("401");
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("main");
      if (!next || busy()) return;
      if (next.innerHTML !== seen) {
        const known = new Set(Array.from(main.querySelectorAll(".row-link"), (link) => link.href));
        main.replaceChildren(...next.cloneNode(true).childNodes);
        prepare(main);
        for (const link of main.querySelectorAll(".row-link")) {
          if (!known.has(link.href)) link.closest("tr").classList.add("fresh");
        }
      }
      seen = next.innerHTML;
      state.textContent = "Live";
    } catch (error) {
      state.textContent = error.message === "401" ? "You are signed out; load the page again to sign in." : "The connector does not answer; this is how it stood.";
    }
  }

  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("find");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !search) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    document.getElementById("rooms")?.classList.add("open"); // on a phone it is put away
    search.focus();
  });

  document.documentElement.classList.add("scripted");
  const name = document.getElementById("zone");
  if (zone) document.cookie = `connector_zone=${zone}; path=/; max-age=31536000; samesite=lax`; // whose days figures are counted in
  if (name && zone) name.textContent = `your own zone, ${zone.replaceAll("_", " ")}`;
  seen = main?.innerHTML; // as it came, before times are put into the zone
  prepare(document);
  document.addEventListener("drawn", (event) => prepare(event.detail));
  if (main && main.dataset.refresh) {
    refresh();
    setInterval(refresh, Number(main.dataset.refresh) * 1000);
  }
})();

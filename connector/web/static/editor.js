// What typing live in the mapping editor needs. Without it every button still works, and Preview renders anew.
"use strict";
(() => {
  const form = document.getElementById("editor");
  if (!form) return;
  const WAIT = 100; // milliseconds of silence before the server is asked
  const LATE = 1500; // after which it is said that the answer is late
  const LOST = 15000; // after which nobody waits for it any more
  const by = (id) => document.getElementById(id);
  const told = by("told");
  const saving = by("save");

  // ---- looking: the last question alone is answered ----
  let timer = 0;
  let running = null;
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(look, WAIT);
    mark();
  }
  const OUT = "You are signed out. Sign in again in another tab; what you typed stays here.";
  const DOWN = "The connector does not answer; what you typed is still here.";
  async function call(url, signal, given_) {
    let answer;
    try {
      answer = await fetch(url, { redirect: "manual", signal, ...given_ });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Error(DOWN);
    }
    answer.isOut = answer.type === "opaqueredirect" || answer.status === 401;
    return answer;
  }
  // A form is good for one session; who has signed in anew goes on in the page that they have.
  async function renew(signal) {
    const answer = await call(location.pathname, signal, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.isOut ? OUT : DOWN);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    form.elements.csrf_token.value = page.querySelector("#editor [name=csrf_token]")?.value || "";
  }
  async function post(url, body, accept, signal, again = true) {
    const answer = await call(url, signal, { method: "POST", body, headers: { Accept: accept } });
    if (again && (answer.isOut || answer.status === 400)) {
      await renew(signal);
      body.set("csrf_token", form.elements.csrf_token.value);
      return post(url, body, accept, signal, false);
    }
    if (!answer.ok) throw new Error(answer.isOut ? OUT : answer.status === 403 ? "Your role may not edit this; what you typed is still here." : DOWN);
    return answer.text();
  }
  async function ask(url, data, accept) {
    running?.abort();
    const mine = running = new AbortController();
    const slow = setTimeout(() => say("The preview is late…"), LATE);
    const lost = setTimeout(() => mine.abort(new Error(DOWN)), LOST);
    try {
      const text = await post(url, data, accept, mine.signal);
      return mine === running ? text : null;
    } finally {
      clearTimeout(slow);
      clearTimeout(lost);
    }
  }
  const clean = (text) => text.replaceAll("\r\n", "\n");
  const given = () => new URLSearchParams(new FormData(form));
  async function look() {
    clearTimeout(timer);
    if (!form.dataset.preview || drawing) return; // what is drawn anew is the answer, and asks again for what came later
    try {
      const text = await ask(form.dataset.preview, given(), "application/json");
      if (text !== null) show(JSON.parse(text));
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
    }
  }
  function say(words) {
    if (told && told.textContent !== words) told.textContent = words;
    const hint = by("trouble");
    if (hint) hint.textContent = words;
  }
  function put(id, html) {
    const place = by(id);
    if (!place || html === undefined || place.lastHtml === html) return;
    const kept = new Set(Array.from(place.querySelectorAll("[data-keep]:checked,details[open]"), (item) => item.id));
    place.lastHtml = html;
    place.innerHTML = html;
    for (const id_ of kept) {
      const item = id_ && by(id_);
      if (item) item.matches("details") ? (item.open = true) : (item.checked = true);
    }
    document.dispatchEvent(new CustomEvent("drawn", { detail: place }));
  }
  // Somebody who has typed half of an expression knows that it is not whole yet.
  function isHalfway(box) {
    return box?.matches?.(".expr") && isInside(box.value.slice(0, box.selectionStart)) && !box.value.slice(box.selectionStart).includes("}}");
  }
  function show(seen) {
    const halfway = isHalfway(document.activeElement) ? document.activeElement.dataset.slot : undefined;
    const sentence = by("sentence");
    sentence?.classList.toggle("stale", !seen.sentence);
    if (seen.sentence) put("sentence", seen.sentence);
    for (const id of ["phone", "todo", "strip-words", ...(halfway === undefined ? ["top-faults", "mend-count", "verdict"] : [])]) put(id, seen[id]);
    const mend = by("mend");
    if (mend && halfway === undefined) mend.hidden = !seen["top-faults"];
    for (const [key, slot] of Object.entries(seen.slots || {})) {
      const row = by(`slot-${key}`);
      if (!row || (key === halfway && slot.state === "fault")) continue;
      row.className = `slot slot-${slot.state}`;
      put(`result-${key}`, slot.html);
      put(`count-${key}`, slot.count);
    }
    for (const [path, html] of Object.entries(seen.now || {})) put(`now-${path}`, html);
    if (halfway === undefined) placeFaults(seen.faults || []);
    if (told) told.textContent = seen.told || "";
    const hint = by("trouble");
    if (hint) hint.textContent = "";
  }
  function placeFaults(faults) {
    const places = new Map(Array.from(document.querySelectorAll("[data-at]"), (place) => [place.dataset.at, place]));
    const lines = new Map();
    for (const [path, words] of faults) {
      let at = path;
      while (at && !places.has(at)) at = at.slice(0, Math.max(0, at.lastIndexOf(".")));
      if (at) lines.set(at, [...(lines.get(at) || []), words]);
    }
    for (const [at, place] of places) {
      const wanted = lines.get(at) || [];
      place.replaceChildren(...wanted.map((words) => Object.assign(document.createElement("p"), { className: "fault", textContent: words })));
      const box = by(place.dataset.for || `f-${at}`);
      if (box) wanted.length ? box.setAttribute("aria-invalid", "true") : box.removeAttribute("aria-invalid");
    }
  }

  // ---- what is not saved ----
  const own = (data) => { for (const name of ["event", "find", "into", "csrf_token", "language", "look"]) data.delete(name); return data.toString(); };
  let saved = form.dataset.dirty ? "" : own(given());
  let leaving = false;
  let reached = false;
  let reaching = null;
  async function reach(button) {
    try {
      const patience = AbortSignal.timeout(LOST);
      await (form.dataset.preview ? post(form.dataset.preview, given(), "application/json", patience) : renew(patience));
    } catch (error) {
      return say(error.message);
    }
    reached = true;
    form.requestSubmit(button);
  }
  const dirty = () => saved !== own(given());
  function mark() {
    const hint = by("unsaved");
    if (!hint) return;
    const on = dirty();
    hint.toggleAttribute("data-on", on);
    hint.textContent = on ? "Changes are not saved yet" : hint.dataset.calm;
  }
  addEventListener("beforeunload", (event) => { if (!leaving && saving && dirty()) event.preventDefault(); });
  const PLACE = `editor-at ${location.pathname}`;
  try {
    const at = JSON.parse(sessionStorage.getItem(PLACE) || "null");
    sessionStorage.removeItem(PLACE);
    if (at && Date.now() - at.when < 15000) {
      scrollTo({ top: at.top, behavior: "instant" });
      for (const id of at.shut) if (by(id)) by(id).open = false;
      for (const id of at.open) if (by(id)) by(id).open = true;
      const box = at.name && form.elements.namedItem(at.name);
      if (box?.focus) { box.focus({ preventScroll: true }); if (at.caret !== null && box.setSelectionRange) box.setSelectionRange(at.caret, at.caret); }
    }
  } catch { /* a page without a place to keep things works too */ }
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    const value = button?.name === "do" ? button.value : "";
    if (value && value !== "save" && !value.startsWith("as:") && !button.dataset.whole) {
      event.preventDefault();
      if (value.startsWith("insert:")) insert(liquid(button));
      else if (value.startsWith("fallback:")) fallBack(button);
      else rerender(value);
      return;
    }
    if (!reached) { // nobody is led away from what they typed to a page that says why it could not be kept
      event.preventDefault();
      if (!reaching) reaching = reach(button).finally(() => { reaching = null; });
      return;
    }
    reached = false;
    leaving = true;
    const active = document.activeElement;
    const all = Array.from(document.querySelectorAll("details[id]"));
    try {
      sessionStorage.setItem(PLACE, JSON.stringify({ when: Date.now(), top: scrollY, name: active?.name !== "do" ? active?.name : "", caret: active?.selectionStart ?? null,
        open: all.filter((each) => each.open).map((each) => each.id), shut: all.filter((each) => !each.open).map((each) => each.id) }));
    } catch { /* as above */ }
  });
  addEventListener("pageshow", () => { leaving = false; });
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s" && saving) {
      event.preventDefault();
      form.requestSubmit(saving);
    }
  });

  // ---- rows and groups: the server draws anew, in place, one thing after the other ----
  let drawing = false;
  let after = null;
  let missed = false;
  async function rerender(value, name) {
    if (drawing) { // a choice waits its turn; a second click on a button may mean another row by then
      if (name) after = [value, name];
      return;
    }
    drawing = true;
    try {
      await draw(value, name);
    } finally {
      drawing = false;
    }
    const next = after;
    after = null;
    if (next) rerender(...next);
    else if (missed) look();
  }
  async function draw(value, name) {
    clearTimeout(timer);
    missed = true;
    const data = given();
    data.set("do", value);
    const open = Array.from(document.querySelectorAll("details[id]"), (each) => [each.id, each.open]);
    const top = scrollY;
    const listTop = by("fields")?.scrollTop;
    const from = document.activeElement;
    let text;
    try {
      text = await ask(form.action, data, "text/html");
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
      return;
    }
    if (text === null) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    // what was typed or chosen while the server drew is kept, and so is the place of the cursor
    const typed = Array.from(form.elements).filter((box) => box.name && /^(text|search|textarea|select-one)$/.test(box.type) && clean(box.value) !== clean(data.get(box.name) ?? ""));
    const active = document.activeElement;
    const [at, caret] = form.contains(active) && active.name !== "do" ? [active.name, active.selectionStart] : [name, null];
    for (const id of ["middle", "side", "phone", "verdict", "sentence", "mend", "words", "kept", "strip-words", "languages"]) {
      const next = page.getElementById(id);
      const here = by(id);
      if (next && here) here.replaceWith(document.adoptNode(next));
    }
    for (const [id, was] of open) if (by(id)) by(id).open = was;
    for (const item of document.querySelectorAll("details[data-open]")) item.open = true;
    for (const box of typed) {
      const next = form.elements.namedItem(box.name);
      if (next?.type === box.type && (!next.options || Array.from(next.options).some((each) => each.value === box.value))) next.value = box.value;
    }
    document.dispatchEvent(new CustomEvent("drawn", { detail: form }));
    for (const box of form.querySelectorAll(".expr")) grow(box);
    readWords();
    search();
    const moved = at && active !== from; // who already writes elsewhere is not called back to the new row
    const wanted = !moved && form.querySelector("[data-focus]");
    const target = wanted || (at && form.elements.namedItem(at));
    if (target?.focus && target !== document.activeElement) {
      target.focus({ preventScroll: true });
      if (!wanted && caret !== null && target.setSelectionRange) target.setSelectionRange(caret, caret);
    }
    missed = typed.length > 0;
    if (by("fields") && listTop) by("fields").scrollTop = listTop;
    scrollTo({ top, behavior: "instant" });
    if (target?.scrollIntoView) target.scrollIntoView({ block: "nearest" });
    last = null;
    mark();
    if (told) told.textContent = page.getElementById("told")?.textContent || "";
  }
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-rerender]") && by("look")) by("look").requestSubmit();
    else if (event.target.matches("[data-rerender]")) rerender("preview", event.target.name);
    else if (!event.target.matches(".expr, [data-keep]")) soon();
  });
  form.addEventListener("input", (event) => {
    if (event.target.name === "timing.quiet" && event.target.value) form.querySelector("[name=quiet-is][value=hours]").checked = true;
    if (event.target.id === "find-field") search();
    else if (!event.target.matches("[data-rerender], [data-keep]")) soon();
    if (event.target.matches(".expr")) { grow(event.target); complete(event.target); }
  });

  // ---- boxes that grow, and the last one used ----
  let last = null;
  const grows = CSS.supports("field-sizing", "content");
  function grow(box) {
    if (grows) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 2}px`;
  }
  form.addEventListener("focusin", (event) => {
    if (event.target.matches(".expr, [data-bare]")) last = event.target;
  });
  function type(box, text, from, to) {
    box.focus();
    if (from !== undefined) box.setSelectionRange(from, to);
    // insertText keeps the browser's own undo; where it is gone, the text is put in without
    if (!document.execCommand("insertText", false, text)) {
      box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
  const isInside = (text) => text.lastIndexOf("{{") > text.lastIndexOf("}}");
  const bare = (text) => text.replace(/^\{\{-?\s*|\s*-?\}\}$/g, "");
  function insert(text) {
    const box = last?.isConnected && !last.readOnly ? last : form.querySelector(".slot-blank .expr, .slot-missing .expr") || form.querySelector(".slot .expr");
    if (!box) return;
    if (box.dataset.bare !== undefined) type(box, bare(text).split("|")[0].trim(), 0, box.value.length);
    else type(box, isInside(box.value.slice(0, box.selectionStart)) ? bare(text).split("|")[0].trim() : text);
  }
  function fallBack(button) {
    const box = form.elements.namedItem(button.value.slice("fallback:".length));
    if (!box) return;
    type(box, button.dataset.fallback, 0, box.value.length);
    const word = /default: '([^']*)'[^']*$/.exec(box.value);
    if (word) box.setSelectionRange(word.index + 10, word.index + 10 + word[1].length);
  }

  // ---- the list of fields ----
  const liquid = (button) => button.value.slice("insert:".length);
  const items = () => Array.from(document.querySelectorAll(".fld"));
  const shown = () => items().filter((item) => !item.hidden && item.querySelector("button[name]") && (!item.closest("details") || item.closest("details").open)).map((item) => item.querySelector("button"));
  function search() {
    const wanted = (by("find-field")?.value || "").toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const item of items()) {
      item.hidden = !wanted.every((word) => item.dataset.find.includes(word));
      count += item.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll(".fields section, .fld-rest")) group.hidden = !group.querySelector(".fld:not([hidden])");
    const rest = by("rest");
    if (rest && (wanted.length || rest.searched)) { rest.open = wanted.length > 0; rest.searched = wanted.length > 0; }
    if (by("found")) by("found").textContent = wanted.length ? String(count) : "";
    if (by("no-field")) by("no-field").hidden = count > 0;
  }
  function back() {
    if (last?.isConnected) last.focus();
  }
  form.addEventListener("keydown", (event) => {
    const box = event.target;
    if (box.matches(".expr, [data-bare]") && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "i" && by("find-field")) {
      event.preventDefault();
      hide();
      by("find-field").select();
      by("find-field").focus();
      return;
    }
    const inList = box.closest(".fld") || box.id === "find-field";
    if (inList) return walk(event, box);
    if (box.matches("input:not([type=checkbox]):not([type=radio])") && event.key === "Enter") {
      event.preventDefault(); // a line is no reason to leave the page
      look();
    }
  });
  function walk(event, box) {
    const list = shown();
    const at = list.indexOf(box);
    const move = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.length - 1 }[event.key];
    if (event.key === "Escape") { event.preventDefault(); back(); }
    else if (event.key === "Enter" && box.id === "find-field") { event.preventDefault(); if (list.length) insert(liquid(list[0])); }
    else if (move !== undefined && !(box.id === "find-field" && /Home|End/.test(event.key))) {
      event.preventDefault();
      if (move < 0) by("find-field").focus();
      else list[Math.min(move, list.length - 1)]?.focus();
    }
  }
  form.addEventListener("dragstart", (event) => {
    const item = event.target.closest?.(".fld");
    if (!item) return;
    event.dataTransfer.setData("text/plain", liquid(item.querySelector("button")));
    event.dataTransfer.effectAllowed = "copy";
  });
  for (const [kind, on] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    form.addEventListener(kind, (event) => { if (event.target.matches?.(".expr")) event.target.classList.toggle("dropping", on); });
  }

  // ---- completion inside {{ }} ----
  const list = Object.assign(document.createElement("ul"), { className: "complete", id: "complete", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Fields and filters");
  document.body.append(list);
  const words = { fields: [], filters: [] };
  let pending = null; // what is offered: the box, where the word begins, the offers, the chosen one
  function readWords() {
    try { words.filters = JSON.parse(by("words")?.textContent || "[]"); } catch { words.filters = []; }
    words.fields = [];
    for (const item of items()) {
      const text = (part) => item.querySelector(part).textContent;
      const [name, value, label] = [text("code"), text("bdi + bdi"), text("bdi")];
      const button = item.querySelector("button");
      item.dataset.find = `${label} ${name} ${value} ${button.title} ${item.closest("section")?.querySelector("h3").textContent || ""}`.toLowerCase();
      if (!button.title && (value.length > 14 || label.length > 14)) button.title = `${label}: ${value}`;
      item.draggable = Boolean(button.name);
      if (button.name) words.fields.push({ name, value, words: label, insert: liquid(button) });
    }
    const known = by("paths");
    if (known) known.replaceChildren(...words.fields.map((each) => Object.assign(document.createElement("option"), { value: each.name, textContent: each.words })));
  }
  function place(text) {
    if (!isInside(text)) return null;
    const inner = text.slice(text.lastIndexOf("{{") + 2);
    const filter = /\|\s*([a-z_]*)$/.exec(inner);
    if (filter) return { kind: "filters", word: filter[1] };
    const field = /(?:^\s*-?\s*|[:,]\s*)([A-Za-z_][\w.[\]-]*|)$/.exec(inner);
    return field ? { kind: "fields", word: field[1], first: !/[|]/.test(inner) } : null;
  }
  function rank(item, word) {
    const path = item.name.toLowerCase();
    if (!word || path.startsWith(word)) return 0;
    if (path.split(/[._[\]]/).some((part) => part.startsWith(word))) return 1;
    return path.includes(word) || (item.words || "").toLowerCase().includes(word) ? 2 : 3;
  }
  function complete(box) {
    const at = box.selectionStart === box.selectionEnd ? place(box.value.slice(0, box.selectionStart)) : null;
    const word = at?.word.toLowerCase();
    const found = at ? (words[at.kind] || []).map((item, order) => [rank(item, word), order, item]).filter((each) => each[0] < 3)
      .sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, 40).map((each) => each[2]) : [];
    if (!found.length || (found.length === 1 && found[0].name === at.word)) return hide();
    pending = { box, at, found, chosen: 0 };
    list.replaceChildren(...found.map((item, index) => {
      const line = document.createElement("li");
      line.id = `complete-${index}`;
      line.setAttribute("role", "option");
      line.append(Object.assign(document.createElement("code"), { textContent: item.name }), Object.assign(document.createElement("span"), { className: "is", textContent: item.value || item.words || "", dir: "auto" }));
      return line;
    }));
    const rect = box.getBoundingClientRect();
    list.hidden = false;
    list.style.left = `${Math.max(8, Math.min(rect.left, innerWidth - list.offsetWidth - 8)) + scrollX}px`;
    const below = rect.bottom + 4 + list.offsetHeight < innerHeight || rect.top < list.offsetHeight;
    list.style.top = `${(below ? rect.bottom + 4 : rect.top - list.offsetHeight - 4) + scrollY}px`;
    box.setAttribute("aria-controls", "complete");
    choose(0);
  }
  function choose(index) {
    pending.chosen = (index + pending.found.length) % pending.found.length;
    Array.from(list.children).forEach((line, number) => line.setAttribute("aria-selected", String(number === pending.chosen)));
    const line = list.children[pending.chosen];
    line.scrollIntoView({ block: "nearest" });
    pending.box.setAttribute("aria-activedescendant", line.id);
  }
  function hide() {
    if (pending) { pending.box.removeAttribute("aria-activedescendant"); pending.box.removeAttribute("aria-controls"); }
    pending = null;
    list.hidden = true;
  }
  function accept() {
    const { box, at, found, chosen } = pending;
    const item = found[chosen];
    hide();
    const end = box.selectionStart;
    const rest = box.value.slice(end);
    const closed = rest.includes("}}") && (!rest.includes("{{") || rest.indexOf("}}") < rest.indexOf("{{"));
    let text = at.first && !closed && item.insert ? bare(item.insert) : item.insert && at.kind === "filters" ? item.insert : item.name;
    if (!closed) text += " }}";
    type(box, text, end - at.word.length, end);
    if (at.kind === "filters" && /'[^']*'/.test(text)) { // the argument is what is typed next
      const from = box.selectionStart - text.length + text.indexOf("'") + 1;
      box.setSelectionRange(from, from + text.slice(text.indexOf("'") + 1).indexOf("'"));
    } else if (!closed) box.setSelectionRange(box.selectionStart - 3, box.selectionStart - 3);
    hide();
  }
  form.addEventListener("keydown", (event) => {
    const box = event.target;
    if (!box.matches(".expr")) return;
    if (!pending) {
      if (event.key === "ArrowDown" && event.altKey) { event.preventDefault(); complete(box); }
      else if (event.key === "Enter" && !event.shiftKey && box.dataset.slot !== undefined) { event.preventDefault(); look(); }
      return;
    }
    const act = { ArrowDown: () => choose(pending.chosen + 1), ArrowUp: () => choose(pending.chosen - 1), Enter: accept, Tab: accept, Escape: hide }[event.key];
    if (act) { event.preventDefault(); event.stopPropagation(); act(); }
  }, true);
  form.addEventListener("focusout", (event) => { if (pending && event.target === pending.box) setTimeout(() => { if (document.activeElement !== pending?.box) hide(); }, 120); });
  list.addEventListener("mousedown", (event) => {
    const line = event.target.closest("li");
    if (!line || !pending) return;
    event.preventDefault();
    pending.chosen = Array.from(list.children).indexOf(line);
    accept();
  });

  // ---- small things ----
  let look_ = document.documentElement.dataset.bsTheme === "dark" ? "look-dark" : "look-light";
  try { look_ = localStorage.getItem("editor-look") || look_; } catch { /* not kept, then */ }
  if (by(look_)) by(look_).checked = true;
  document.addEventListener("change", (event) => {
    if (event.target.name !== "look") return;
    try { localStorage.setItem("editor-look", event.target.id); } catch { /* not kept, then */ }
  });
  readWords();
  for (const box of form.querySelectorAll(".expr")) grow(box);
  search();
  mark();
})();

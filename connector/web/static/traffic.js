// The payload viewer: search, a place that arrow keys move, and copying a path or a value. Without it the tree is read.
"use strict";
(() => {
  const viewer = document.querySelector("[data-viewer]");
  if (!viewer) return;
  const tree = viewer.querySelector(".tree");
  const picked = viewer.querySelector(".picked");
  const field = viewer.querySelector("#v-q");
  const number = viewer.querySelector("#v-n");
  const leaves = Array.from(tree.querySelectorAll("li[data-leaf]"));
  const open = new Map(Array.from(tree.querySelectorAll("details"), (each) => [each, each.open]));
  let at = null;

  const value = (leaf) => leaf.querySelector(".v").textContent;
  const seen = () => leaves.filter((leaf) => leaf.offsetParent !== null);

  function pick(leaf) {
    if (at) at.classList.remove("at");
    at = leaf;
    leaf.classList.add("at");
    picked.hidden = false;
    picked.querySelector("code").textContent = leaf.dataset.path;
    picked.querySelector("[role=status]").textContent = "";
    leaf.scrollIntoView({ block: "nearest" });
  }

  async function take(what) {
    if (!at) return;
    const told = picked.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(what === "path" ? at.dataset.path : value(at));
      told.textContent = `The ${what} is copied.`;
    } catch {
      told.textContent = "The browser does not allow copying here.";
    }
  }

  tree.addEventListener("click", (event) => {
    const leaf = event.target.closest("li[data-leaf]");
    if (leaf && !String(window.getSelection())) pick(leaf);
  });
  tree.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.target !== tree) return;
    if (step) {
      const shown = seen();
      const next = shown[at && shown.includes(at) ? shown.indexOf(at) + step : step > 0 ? 0 : shown.length - 1];
      if (next) pick(next);
      event.preventDefault();
    } else if (event.key === "Enter") {
      take("path");
    }
  });
  picked.addEventListener("click", (event) => {
    const button = event.target.closest("[data-take]");
    if (button) take(button.dataset.take);
  });

  function search() {
    const term = field.value.trim().toLowerCase();
    let count = 0;
    for (const leaf of leaves) {
      const hit = !term || `${leaf.dataset.path} ${value(leaf)}`.toLowerCase().includes(term);
      leaf.classList.toggle("miss", !hit);
      count += hit ? 1 : 0;
    }
    for (const [branch, was] of open) {
      const hit = !term || branch.querySelector("li[data-leaf]:not(.miss)") !== null;
      branch.parentElement.classList.toggle("miss", !hit);
      branch.open = term ? hit : was;
    }
    number.textContent = term ? `${count} found` : "";
  }

  viewer.querySelector(".viewer-find").hidden = false;
  field.addEventListener("input", search);
})();

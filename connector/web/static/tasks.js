// A task's bar while it runs; the page is read anew when it ends. Without a script the page reads itself anew.
"use strict";
(() => {
  const panel = document.querySelector("[data-task]");
  if (!panel) return;
  const bar = panel.querySelector("progress");
  const count = panel.querySelector("[data-count]");
  const state = document.getElementById("task-state");
  const figures = new Intl.NumberFormat("en");

  async function look() {
    try {
      const answer = await fetch(panel.dataset.task, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const task = await answer.json();
      if (task.ended) { location.reload(); return; }
      const shown = task.state[0].toUpperCase() + task.state.slice(1);
      if (state.textContent !== shown) state.textContent = shown;
      if (task.total) {
        bar.max = task.total;
        bar.value = task.done;
        const words = `${figures.format(task.done)} of ${figures.format(task.total)}`;
        if (count.textContent !== words) count.textContent = words;
      }
    } catch { // it may be starting anew
      count.textContent = "The connector does not answer; it is asked again.";
    }
    setTimeout(look, document.hidden ? 5000 : 700);
  }
  setTimeout(look, 400);
})();

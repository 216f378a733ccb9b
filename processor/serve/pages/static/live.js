// Keeps the landing page up to date; without it, the link "Refresh" does. Who pauses it, or looks
// elsewhere, is left in peace, and so is a table that has the focus.
"use strict";
const every = 5000;
const part = document.getElementById("live");
const button = document.getElementById("live-switch");
let paused = false;
button.hidden = false;
button.addEventListener("click", () => {
  paused = !paused;
  button.textContent = paused ? "Resume updates" : "Pause updates";
});
async function refresh() {
  if (!paused && !document.hidden && !part.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href, { redirect: "error" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (answer.ok && fresh && !paused) part.replaceChildren(...fresh.childNodes);
    } catch { /* the next try may do better; the link is still there */ }
  }
  setTimeout(refresh, every);
}
setTimeout(refresh, every);

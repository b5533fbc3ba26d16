// What the pages do better with a script than without. Nothing depends on it.
"use strict";

// Times are told in the reader's own zone.
function localise(root) {
  const now = new Date();
  for (const t of root.querySelectorAll("time[datetime]")) {
    const at = new Date(t.dateTime);
    t.title = at.toLocaleString([], {dateStyle: "full", timeStyle: "long"});
    if (at.toDateString() === now.toDateString()) t.textContent = at.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hour12: false});
    else if (at.getFullYear() === now.getFullYear()) t.textContent = at.toLocaleDateString("en-GB", {day: "numeric", month: "short"});
  }
}
document.addEventListener("DOMContentLoaded", () => localise(document));
document.addEventListener("htmx:afterSwap", (e) => localise(e.target.parentElement || document));

// A connection that is lost is tried again: parts that follow what happens come back by themselves.
document.addEventListener("htmx:sendError", (e) => setTimeout(() => e.target.isConnected && htmx.trigger(e.target, "load"), 5000));

// Keys: / searches, j and k walk through a list, g and a letter goes to a page.
let leader = false;
const pages = {o: "", m: "mail/", s: "servers/", e: "events/", w: "webhooks/", p: "models/", t: "tokens/"};
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea")) {
    if (e.key === "Escape") e.target.blur();
    return;
  }
  const brand = document.querySelector(".side .brand");
  if (leader && brand && e.key in pages) location.assign(brand.href + pages[e.key]);
  leader = e.key === "g";
  if (e.key === "/") {
    const field = document.querySelector("main [data-key='/']") || document.querySelector("[data-key='/']");
    if (field) { field.focus(); field.select(); e.preventDefault(); }
  }
  if (e.key === "j" || e.key === "k") {
    const rows = [...document.querySelectorAll("[data-row] a.open")];
    const at = rows.indexOf(document.activeElement) + (e.key === "j" ? 1 : -1);
    if (rows[at]) rows[at].focus();
  }
});

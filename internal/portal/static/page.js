// Adds to pages that work without it: times in the reader's zone, copying, a question before
// leaving a secret that has not been stored.
"use strict";
for (const t of document.querySelectorAll("time[datetime]")) {
  t.title = t.textContent;
  t.textContent = new Date(t.dateTime).toLocaleString(undefined, {weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short"});
}
for (const b of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  b.hidden = false;
  b.addEventListener("click", async () => {
    const from = document.getElementById(b.dataset.copy);
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    document.getElementById("status").textContent = "Copied";
  });
}
const form = document.querySelector("form[data-leave]");
if (form) {
  const ask = (e) => e.preventDefault();
  window.addEventListener("beforeunload", ask);
  form.addEventListener("submit", () => window.removeEventListener("beforeunload", ask));
}

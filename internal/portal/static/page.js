// Adds to pages that work without it: times in the reader's zone, copying, a question before
// leaving a secret that has not been stored, a warning before an idle session ends.
"use strict";
for (const t of document.querySelectorAll("time[datetime]")) {
  t.title = t.textContent;
  t.textContent = new Date(t.dateTime).toLocaleString(document.documentElement.lang, {weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "seconds" in t.dataset ? "2-digit" : undefined, timeZoneName: "short"});
}
for (const b of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  b.hidden = false;
  b.addEventListener("click", async () => {
    const from = document.getElementById(b.dataset.copy);
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    document.getElementById("status").textContent = "Copied";
    b.firstChild.data = "Copied";
    setTimeout(() => { b.firstChild.data = "Copy"; document.getElementById("status").textContent = ""; }, 3000);
  });
}
const form = document.querySelector("form[data-leave]");
if (form) {
  const ask = (e) => e.preventDefault();
  window.addEventListener("beforeunload", ask);
  form.addEventListener("submit", () => window.removeEventListener("beforeunload", ask));
}
const idle = document.getElementById("idle");
if (idle) {
  const text = idle.firstChild;
  const begin = () => setTimeout(() => { text.hidden = false; }, (idle.dataset.seconds - 120) * 1000);
  text.querySelector("button").addEventListener("click", async () => {
    if ((await fetch("/account", {method: "HEAD"})).ok) {
      text.hidden = true;
      begin();
    }
  });
  begin();
}

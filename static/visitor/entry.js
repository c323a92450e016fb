// A page that the Back button takes out of the browser's memory shows a form that was used: ask for a new one.
const form = document.getElementById("entry");
let sent = false;
form?.addEventListener("submit", () => { sent = true; });
addEventListener("pageshow", (event) => { if (event.persisted && sent) location.reload(); });

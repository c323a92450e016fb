// A page restored by the Back button shows a form that was already used. Load a new one.
const form = document.getElementById("entry");
let sent = false;
form?.addEventListener("submit", () => { sent = true; });
addEventListener("pageshow", (event) => { if (event.persisted && sent) location.reload(); });

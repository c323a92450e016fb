// Sends messages and files without loading the page. Enter sends, and Shift + Enter breaks the
// line. What was typed is kept until the server has stored it. Errors are taken from the server's
// answer and shown at their field.

// Enter that confirms a word of an input method sends nothing. Safari reports it only by key code.
const isComposing = (event) => event.isComposing || event.keyCode === 229;
const SAID = { "X-Fetched": "1" };

const problem = (form, text) => {
  const place = form.querySelector("[data-problem]");
  place.textContent = text;
  place.hidden = !text;
};

// Shows the server's answer to a form: the form's errors, or the whole page if it no longer
// contains the form. A server error may return any page. Then only the form's own message is shown,
// and nothing typed is lost.
const show = (form, answer, failed) => {
  const page = new DOMParser().parseFromString(answer, "text/html");
  const same = [...page.forms].find((other) => other.action === form.action);
  if (!same && failed) return problem(form, form.dataset.unsent);
  if (!same) return document.dispatchEvent(new CustomEvent("composer:refused", { detail: page }));
  form.querySelector(".errorlist:not([data-problem]), .invalid-feedback")?.remove();
  const errors = same.querySelector(".errorlist:not([data-problem]), .invalid-feedback");
  const field = form.querySelector("textarea, input[type=file]");
  field.removeAttribute("aria-invalid");
  if (errors) {
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", errors.id);
    field.after(document.adoptNode(errors));
  }
  field.focus();
};
const clean = (form) => {
  form.querySelector(".errorlist:not([data-problem]), .invalid-feedback")?.remove();
  form.querySelector("textarea, input[type=file]").removeAttribute("aria-invalid");
  problem(form, "");
};

// Sends a form without loading the page, and shows the result.
const send = async (form, taken) => {
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers: SAID });
    if (response.status === 204) {
      clean(form);
      taken();
    } else if (response.redirected) {
      problem(form, form.dataset.unsent);
    } else {
      show(form, await response.text(), response.status >= 500);
    }
  } catch {
    problem(form, form.dataset.unsent);
  }
};

for (const form of document.querySelectorAll("form[data-composer]")) {
  const text = form.querySelector("textarea");
  text.enterKeyHint = "send";
  form.querySelector("[data-composer-hint]").hidden = false;

  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    if (text.value.trim()) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    // A button with its own URL, for example to take a conversation, loads a page.
    if (event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    // A second Enter before the answer arrives would send the message twice.
    if (text.readOnly) return;
    text.readOnly = true;
    await send(form, () => {
      text.value = "";
      document.dispatchEvent(new CustomEvent("composer:sent"));
    });
    text.readOnly = false;
    text.focus();
  });
}

// Loading the page again would end the call on it.
for (const form of document.querySelectorAll("form[data-note]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = [...form.querySelectorAll("textarea, input:not([type=hidden])")], stored = fields.map(({ value }) => value);
    send(form, () => {
      fields.forEach((field, place) => { field.defaultValue = stored[place]; });
      problem(form, form.dataset.note);
    });
  });
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  const progress = form.querySelector("progress"), button = form.querySelector("button");

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const request = new XMLHttpRequest();
    const done = () => { button.disabled = false; progress.hidden = true; };
    request.upload.addEventListener("progress", (sent) => {
      progress.value = sent.lengthComputable ? (100 * sent.loaded) / sent.total : 0;
    });
    request.addEventListener("load", () => {
      done();
      if (request.responseURL !== form.action) return problem(form, form.dataset.unsent);
      if (request.status !== 204) return show(form, request.responseText, request.status >= 500);
      form.reset();
      clean(form);
      form.closest("details").open = false;
      document.dispatchEvent(new CustomEvent("composer:sent"));
    });
    request.addEventListener("error", () => {
      done();
      problem(form, form.dataset.unsent);
    });
    const body = new FormData(form);
    button.disabled = true;
    progress.value = 0;
    progress.hidden = false;
    problem(form, "");
    request.open("POST", form.action);
    for (const [name, value] of Object.entries(SAID)) request.setRequestHeader(name, value);
    request.send(body);
  });
}

// In a frame on a site: tells the site's widget the state of the conversation, and receives the
// site's parameters. Only sites that the WebChat lists get an answer, at their exact origin, and it
// contains only the name of an event.
const { sites } = document.body.dataset;
let answer = () => {};

// The parameters are sent with the form, not earlier.
const keep = (params) => {
  const form = document.getElementById("entry");
  if (!form) return;
  for (const [name, value] of Object.entries(params ?? {})) {
    const field = form.elements.namedItem(`param.${name}`) ?? document.createElement("input");
    Object.assign(field, { type: "hidden", name: `param.${name}`, value: String(value) });
    form.append(field);
  }
};

const hear = ({ data, origin, source }) => {
  // The page of a room that is gone mentions no site, and answers every site that the room is gone.
  if (source !== parent || !(sites === "*" || sites.split(" ").includes(origin))) return;
  if (data?.mluviiGdpr === "hidden") document.dispatchEvent(new Event("call:hidden"));
  if (data?.mluviiGdpr !== "hello") return;
  answer = (event) => parent.postMessage({ mluviiGdpr: event }, origin);
  answer(document.body.dataset.state);
  keep(data.params);
};

if (parent !== window) {
  addEventListener("message", hear);
  // The page may receive the end of the conversation without being loaded again.
  new MutationObserver(() => answer(document.body.dataset.state)).observe(document.body, { attributeFilter: ["data-state"] });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) answer("close");
  });
  document.querySelectorAll("[data-framed]").forEach((element) => { element.hidden = false; });
  // Browsers ignore the autofocus attribute in a frame of another site.
  document.querySelector("[autofocus]")?.focus();
}

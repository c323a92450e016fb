// Within a frame on a site: says to the site's widget whether a conversation goes on, and takes its parameters. Only a
// site that the WebChat lists is answered, at its exact origin, and told nothing but the name of an event.
const { sites } = document.body.dataset;
let answer = () => {};

// Sent with the form, not before.
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
  if (source !== parent || !sites.split(" ").includes(origin)) return;
  if (data?.mluviiGdpr === "hidden") document.dispatchEvent(new Event("call:hidden"));
  if (data?.mluviiGdpr !== "hello") return;
  answer = (event) => parent.postMessage({ mluviiGdpr: event }, origin);
  answer(document.body.dataset.state);
  keep(data.params);
};

if (parent !== window) {
  addEventListener("message", hear);
  // The page may learn of the end without being loaded again.
  new MutationObserver(() => answer(document.body.dataset.state)).observe(document.body, { attributeFilter: ["data-state"] });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) answer("close");
  });
  document.querySelectorAll("[data-framed]").forEach((element) => { element.hidden = false; });
  // A browser lets no frame of another site focus a field by the attribute.
  document.querySelector("[autofocus]")?.focus();
}

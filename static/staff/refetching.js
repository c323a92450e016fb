// Returns a function that lets htmx fetch an element again. Its promise fails if there was no
// answer.
export const refetching = (element) => () => new Promise((fetched, failed) => {
  const end = (event) => (event.detail.xhr.status ? fetched() : failed());
  element.addEventListener("htmx:afterRequest", end, { once: true });
  element.dispatchEvent(new CustomEvent("refresh"));
});

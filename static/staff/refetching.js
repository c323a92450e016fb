// Returns a function that lets htmx fetch an element again. Its promise fails if there was no
// answer or an error of the server. If the server refuses the page, the page says so, and the
// promise fails with Refused.
import { Refused } from "../conversation/stream.js";

export const refetching = (element) => () => new Promise((fetched, failed) => {
  const end = ({ detail: { xhr: { status, statusText } } }) => {
    if (status === 403) {
      document.querySelector("[data-refused]").hidden = false;
      failed(new Refused(statusText));
    } else if (!status || status >= 500) {
      failed(new Error(statusText));
    } else {
      fetched();
    }
  };
  element.addEventListener("htmx:afterRequest", end, { once: true });
  element.dispatchEvent(new CustomEvent("refresh"));
});

// The button on a site and, after a click, a frame with the visitor's page. webchat/widget.py
// serves this file for each WebChat, without comments and spaces, and calls it with the WebChat's
// settings. Therefore a comment must be on lines of its own. A string must not contain a line end
// or a space next to one of ={}(),:?|&>. The script is short, because every visitor of a site loads
// it.
//
// It stores nothing, requests nothing before the button is pressed, and defines no global except
// window.mluviiGdpr. The styles are constructed and not inline, so that no policy of the site
// blocks them. The shadow root keeps out the site's own styles.
((config) => {
  if (window.mluviiGdpr) return;
  // Defined first, so that the site's calls raise no error, whatever this browser or site lacks.
  const api = window.mluviiGdpr = { open() {}, close() {}, on() {} };
  // The frame would refuse to connect. The server decides; this only avoids a useless button.
  if (!config.sites.includes(location.origin)) {
    return console.warn("mluviiGdpr", location.origin, "is not an allowed site of this WebChat");
  }
  const tag = document.currentScript || document.createElement("script");
  // Tag managers remove the attributes of a script, so a site can set the same values here.
  const settings = () => window.mluviiGdprSettings || {};
  const { origin } = new URL(config.base);
  const own = (tag.dataset.channel || settings().channel) === "showroom" ? "showroom" : "chat";
  const wished = [tag.dataset.lang, settings().lang, document.documentElement.lang, ...navigator.languages, config.language];
  const language = wished.map((code) => String(code).slice(0, 2).toLowerCase()).find((code) => config.words[code]);
  const words = config.words[language];
  const listeners = { ready: [], open: [], close: [], started: [], ended: [] };
  let state, frame, shown, before;

  // Each callback runs separately, so that an error in one does not affect the others.
  const emit = (event) => listeners[event].forEach((callback) => setTimeout(callback, 0, event));

  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  // Older browsers do not know properties such as ariaLabel.
  const aria = (element, name, value) => element.setAttribute(`aria-${name}`, value);

  const host = make("mluvii-gdpr");
  const x = make("button", { type: "button", className: "x" }, "×");
  aria(x, "label", words.close);
  const panel = make("div", { id: "panel", className: "panel", hidden: true }, x);
  panel.setAttribute("role", "dialog");
  const button = make("button", { type: "button", className: `button ${own}` }, words[own]);
  aria(button, "expanded", false);
  aria(button, "controls", "panel");
  const root = host.attachShadow({ mode: "open" });
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(config.css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    // Safari before 16.4 constructs no stylesheet.
    root.append(make("style", { nonce: tag.nonce }, config.css));
  }
  root.append(make("div", { className: config.position, lang: language }, button, panel));

  // The site's parameters are sent to our page in a message, never in a URL.
  const hello = () => {
    const params = {};
    for (const [name, value] of Object.entries(settings().params || {})) params[name] = `${value}`;
    for (const { name, value } of tag.attributes) {
      if (name.startsWith("data-param-")) params[name.slice(11)] = value;
    }
    frame.contentWindow.postMessage({ mluviiGdpr: "hello", params }, origin);
  };

  const load = (channel) => {
    if (frame) frame.remove();
    state = "";
    shown = channel;
    aria(panel, "label", words[channel]);
    frame = make("iframe", {
      title: words[channel],
      allow: `camera ${origin}; microphone ${origin}; autoplay ${origin}`,
      referrerPolicy: "strict-origin",
      src: `${config.base}${channel === "showroom" ? "showroom/" : ""}?lang=${language}`,
      onload: hello,
    });
    panel.append(frame);
  };

  const show = (isOpen) => {
    panel.hidden = !isOpen;
    aria(button, "expanded", isOpen);
    emit(isOpen ? "open" : "close");
  };

  const open = (channel) => {
    const asked = channel === "chat" || channel === "showroom" ? channel : shown || own;
    if (asked !== shown) load(asked);
    if (panel.hidden) {
      before = document.activeElement;
      show(true);
    }
    frame.focus();
  };

  // The focus returns to where it was before, unless the person has moved it since.
  const close = () => {
    if (panel.hidden) return;
    const isHere = document.activeElement === host;
    show(false);
    if (state === "started") frame.contentWindow.postMessage({ mluviiGdpr: "hidden" }, origin);
    if (!isHere) return;
    button.focus();
    if (before && before !== document.body) before.focus();
  };

  button.onclick = () => (panel.hidden ? open() : close());
  x.onclick = close;
  host.onkeydown = ({ key }) => {
    if (key === "Escape") close();
  };
  addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== origin) return;
    const said = event.data.mluviiGdpr;
    if (said === "close") close();
    else if (said !== state) {
      state = said;
      if (said) emit(said);
    }
  });

  Object.assign(api, {
    open,
    close,
    on(event, callback) {
      listeners[event].push(callback);
      if (event === "ready" && host.isConnected) setTimeout(callback, 0, event);
    },
  });

  // Sites such as those with Turbo replace the body instead of loading a page. Next to the body, the
  // host survives that, and an open conversation with it: a frame that is moved would load again.
  // Other libraries replace everything. The timeout prevents an endless loop with a site's script
  // that removes the host.
  const place = () => {
    if (host.isConnected) return;
    document.documentElement.append(host);
    observer.observe(document.documentElement, { childList: true });
  };
  const observer = new MutationObserver(() => setTimeout(place));
  const start = () => {
    // No entry form was chosen for this channel. The functions exist, but nothing is shown.
    if (own === config.shut) return console.log("closed");
    observer.observe(document, { childList: true });
    place();
    emit("ready");
  };
  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);
})

// The button on a site and, once it is pressed, a frame with the visitor's page. webchat/widget.py serves this file
// for each WebChat, without comments and spaces, and called with the WebChat's settings. So a comment has its lines to
// itself, and no string goes over a line's end or has a space beside one of ={}(),:?|&> in it. It is short because each
// visitor of a site loads it.
//
// Nothing is stored, nothing is asked for before the button is pressed, nothing but window.mluviiGdpr is global. The
// styles are constructed, not written: no policy of the site forbids them, and its own styles end at the shadow.
((config) => {
  if (window.mluviiGdpr) return;
  const tag = document.currentScript || document.createElement("script");
  const { origin } = new URL(config.base);
  const own = tag.dataset.channel === "showroom" ? "showroom" : "chat";
  const wished = [tag.dataset.lang, document.documentElement.lang, ...navigator.languages, config.language];
  const language = wished.map((code) => String(code).slice(0, 2).toLowerCase()).find((code) => config.words[code]);
  const words = config.words[language];
  const listeners = { ready: [], open: [], close: [], started: [], ended: [] };
  let state, frame, shown, before;

  // Each callback by itself: one that fails hinders nobody.
  const emit = (event) => listeners[event].forEach((callback) => setTimeout(callback, 0, event));

  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  const host = make("mluvii-gdpr");
  const x = make("button", { type: "button", className: "x", ariaLabel: words.close }, "×");
  const panel = make("div", { id: "panel", className: "panel", role: "dialog", hidden: true }, x);
  const button = make("button", { type: "button", className: `button ${own}`, ariaExpanded: "false" }, words[own]);
  button.setAttribute("aria-controls", "panel");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(config.css);
  root.adoptedStyleSheets = [sheet];
  root.append(make("div", { className: config.position, lang: language }, button, panel));

  // What the site wants to be kept with the conversation goes to our page itself, never into an address.
  const hello = () => {
    const params = {};
    for (const { name, value } of tag.attributes) {
      if (name.startsWith("data-param-")) params[name.slice(11)] = value;
    }
    frame.contentWindow.postMessage({ mluviiGdpr: "hello", params }, origin);
  };

  const load = (channel) => {
    if (frame) frame.remove();
    state = "";
    shown = channel;
    panel.ariaLabel = words[channel];
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
    button.ariaExpanded = isOpen;
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

  // The focus goes back to where it came from, unless the person is elsewhere by now.
  const close = () => {
    if (panel.hidden) return;
    const isHere = document.activeElement === host;
    show(false);
    if (state === "started") frame.contentWindow.postMessage({ mluviiGdpr: "hidden" }, origin);
    if (!isHere) return;
    button.focus();
    if (before !== document.body) before.focus();
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

  window.mluviiGdpr = {
    open,
    close,
    on(event, callback) {
      listeners[event].push(callback);
      if (event === "ready" && host.isConnected) setTimeout(callback, 0, event);
    },
  };

  const start = () => {
    document.body.append(host);
    emit("ready");
  };
  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);
})

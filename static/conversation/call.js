// A video call between the visitor's and the operator's page, directly from browser to browser. The
// server transports the signals by which the browsers find each other. An event says that there are
// new signals, and this script fetches them.
//
// Nothing happens before "Start": no camera is requested and no address is looked up. Then each
// side sends "ready", and the operator's side answers the visitor's "ready" with an offer. Later
// either side may send another offer (for example when a camera is switched off). If two offers
// cross, the visitor's offer is dropped ("perfect negotiation"). Each page and each attempt has a
// random number, so that a signal for a closed page or an earlier attempt is ignored.
const panel = document.querySelector("[data-call]");
const part = (name) => panel.querySelector(`[data-${name}]`);
const word = (name) => part("words").content.querySelector(`[data-word="${name}"]`).textContent;
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const side = panel.dataset.call, isPolite = side === "visitor", me = random();
const credentials = isPolite ? "omit" : "same-origin";
const KINDS = ["audio", "video"], RETRY = 2000;

let stay = 0, abandon = () => {};
let seen = Number(panel.dataset.seen), isIn = false, isLast = false, isOver = false, isRefused = false;
let connection, peer, attempt, isOffering = false, isIgnoring = false, early = [];
const local = new MediaStream(), remote = new MediaStream();
const isOn = { audio: false, video: false }, chosen = {};

// Display
// ------------------------------------------------------------------------------------------

const say = (state) => {
  panel.dataset.state = state;
  const text = word(state);
  if (part("status").textContent !== text) part("status").textContent = text;
};
const complain = (name) => {
  part("problem").textContent = name ? word(name) : "";
  part("problem").hidden = !name;
};
const show = () => {
  part("join").hidden = isIn;
  panel.querySelectorAll("[data-in]").forEach((element) => { element.hidden = !isIn; });
  for (const kind of KINDS) {
    const button = part(`off-${kind}`);
    button.dataset.turned = isOn[kind] ? "on" : "off";
    button.querySelector("[data-turn-off]").hidden = !isOn[kind];
    button.querySelector("[data-turn-on]").hidden = isOn[kind];
  }
  part("self").srcObject = isOn.video ? local : null;
  part("self").hidden = !isOn.video;
};
// Shows whether the other side sends sound and picture, as negotiated. The tracks themselves are
// not reliable: where two offers crossed, Chromium leaves one muted.
const showRemote = () => {
  const isThere = connection?.connectionState === "connected";
  const sends = (kind) => Boolean(line(kind)?.currentDirection?.includes("recv"));
  for (const kind of KINDS) part(`no-${kind}`).hidden = !isThere || sends(kind);
  panel.dataset.picture = String(isThere && sends("video"));
};

// Signals
// ------------------------------------------------------------------------------------------

const form = (fields) => {
  const token = panel.querySelector("[name=csrfmiddlewaretoken]")?.value;
  return new URLSearchParams(token ? { ...fields, csrfmiddlewaretoken: token } : fields);
};
// The call is over, or this page may no longer use it because a login or a permission ended.
const isRefusal = ({ status, redirected }) => redirected || [401, 403, 404, 409].includes(status);
// Signals are sent one after the other, because a candidate must not overtake its offer.
let posting = Promise.resolve();
const post = (fields) => {
  posting = posting.then(async () => {
    for (let tried = 0; tried < 5 && !isOver; tried += 1) {
      let pause = RETRY;
      try {
        const response = await fetch(panel.dataset.signals, { method: "POST", body: form(fields), credentials });
        if (isRefusal(response)) over();
        // This side has sent too many signals. The server says when it accepts the next one.
        if (response.status === 429) pause = 1000 * response.headers.get("Retry-After");
        else if (response.status < 500) return;
      } catch {
        // There is no network connection. The loop tries again.
      }
      await new Promise((wait) => { setTimeout(wait, pause); });
    }
  });
  return posting;
};
const send = (kind, content = {}) => post({ kind, body: JSON.stringify({ from: me, to: peer, call: attempt, ...content }) });

// Once connected, this page no longer needs the earlier signals, so the server may delete them.
let forgotten = 0;
const forget = () => {
  if (seen === forgotten || connection?.connectionState !== "connected") return;
  forgotten = seen;
  post({ kind: "connected", seen });
};

let isReading = false, isMore = false;
const read = async () => {
  isMore = true;
  if (isReading) return;
  isReading = true;
  while (isMore && !isOver) {
    isMore = false;
    try {
      const response = await fetch(`${panel.dataset.signals}?after=${seen}`, { cache: "no-store", credentials });
      if (isRefusal(response)) over();
      if (!response.ok) throw new Error(response.statusText);
      for (const signal of (await response.json()).signals) {
        seen = signal.id;
        // A step that waits for a connection may never finish if the connection was closed.
        if (!isOver) await Promise.race([take(signal).catch(beginAgain), new Promise((done) => { abandon = done; })]);
      }
      forget();
    } catch {
      if (!isOver) setTimeout(read, RETRY);
    }
  }
  isReading = false;
};

const take = async ({ sender, kind, body }) => {
  const content = JSON.parse(body), isMine = content.to === me && content.call === attempt;
  if (sender === side) {
    // If one side has several pages, the page that joined last continues. Signals from before it
    // joined are read first and are ignored.
    if (content.joins && content.from === me) isLast = true;
    else if (content.joins && isIn && isLast) leave("elsewhere");
  } else if (content.to && content.to !== me) {
    // The signal is for a page that is closed.
  } else if (kind === "ready") {
    await meet(content.from);
  } else if (kind === "bye") {
    if (!isIn && panel.dataset.state === "calling") say("idle");
    if (isIn && (!peer || content.from === peer)) { close(); say(content.why === "chat" ? "chat" : "left"); }
  } else if (!isIn) {
    // This page has hung up in the meantime.
  } else if (kind === "offer") {
    if (!isMine) await connect(content.from, content.call);
    await described("offer", content.sdp);
  } else if (isMine && kind === "answer") {
    await described("answer", content.sdp);
  } else if (isMine) {
    await reach(content.candidate);
  }
};

// After a signal that the browser could not process, both sides start again, at most three times.
let failures = 0;
const beginAgain = () => {
  if (!isIn) return;
  close();
  failures += 1;
  if (failures > 3) return say("lost");
  say("connecting");
  send("ready");
};

// Connection
// ---------------------------------------------------------------------------------------

const meet = async (other) => {
  if (isRefused) return send("bye", { to: other, why: "chat" });
  if (!isIn) return say("calling");
  if (isPolite) {
    close();
    peer = other;
    return send("ready");
  }
  await connect(other, random());
  for (const kind of connection ? KINDS : []) connection.addTransceiver(track(kind) ?? kind, { direction: direction(kind), streams: [local] });
  return undefined;
};

const track = (kind) => local.getTracks().find((one) => one.kind === kind);
const line = (kind) => connection?.getTransceivers().find((one) => one.receiver.track.kind === kind);
const direction = (kind) => (isOn[kind] ? "sendrecv" : "recvonly");
const servers = async () => {
  try {
    const response = await fetch(panel.dataset.ice, { cache: "no-store", credentials });
    return (await response.json()).iceServers;
  } catch {
    // A direct connection may still be possible.
    return [];
  }
};

const close = () => {
  connection?.close();
  connection = peer = attempt = undefined;
  isOffering = isIgnoring = false;
  early = [];
  remote.getTracks().forEach((one) => remote.removeTrack(one));
  showRemote();
};

const connect = async (other, call) => {
  close();
  peer = other;
  attempt = call;
  say("connecting");
  const own = new RTCPeerConnection({ iceServers: await servers() });
  if (!isIn) return own.close();
  connection = own;
  own.addEventListener("icecandidate", ({ candidate }) => { if (candidate && own === connection) send("candidate", { candidate }); });
  own.addEventListener("negotiationneeded", async () => {
    try {
      isOffering = true;
      await own.setLocalDescription();
      if (own === connection) send(own.localDescription.type, { sdp: own.localDescription.sdp });
    } catch {
      if (own === connection) beginAgain();
    }
    if (own === connection) isOffering = false;
  });
  own.addEventListener("track", (event) => {
    remote.addTrack(event.track);
    part("remote").srcObject = remote;
    part("remote").play().catch(() => {});
  });
  own.addEventListener("signalingstatechange", () => { if (own.signalingState === "stable") showRemote(); });
  own.addEventListener("connectionstatechange", async () => {
    if (own !== connection) return;
    showRemote();
    if (own.connectionState === "connected") { failures = 0; say("connected"); forget(); }
    if (own.connectionState === "disconnected") say("lost");
    if (own.connectionState === "failed") {
      say("lost");
      // The TURN credential may have expired in the meantime.
      const iceServers = await servers();
      if (own !== connection) return;
      own.setConfiguration({ iceServers });
      own.restartIce();
    }
  });
  return undefined;
};

const described = async (type, sdp) => {
  if (!connection) return;
  const isCollision = type === "offer" && (isOffering || connection.signalingState !== "stable");
  isIgnoring = isCollision && !isPolite;
  if (isIgnoring) return;
  await connection.setRemoteDescription({ type, sdp });
  for (const candidate of early.splice(0)) await reach(candidate);
  if (type !== "offer") return;
  await Promise.all(KINDS.map(apply));
  await connection.setLocalDescription();
  send("answer", { sdp: connection.localDescription.sdp });
};
const reach = async (candidate) => {
  if (!connection?.remoteDescription) early.push(candidate);
  else await connection.addIceCandidate(candidate).catch((error) => { if (!isIgnoring) throw error; });
};
// Makes the connection send the devices that are on, and tells the other side which ones are off.
const apply = async (kind) => {
  const ours = line(kind);
  if (!ours) return;
  await ours.sender.replaceTrack(track(kind) ?? null);
  ours.sender.setStreams?.(local);
  if (ours.direction !== direction(kind)) ours.direction = direction(kind);
};

// Camera and microphone
// ----------------------------------------------------------------------------

const release = (kind) => {
  const old = track(kind);
  if (old) { old.stop(); local.removeTrack(old); }
  isOn[kind] = false;
};
const acquire = async (...kinds) => {
  // "ideal" allows another device if the chosen one is no longer available.
  const wishes = Object.fromEntries(kinds.map((kind) => [kind, chosen[kind] ? { deviceId: { ideal: chosen[kind] } } : true]));
  const asked = stay, stream = await navigator.mediaDevices.getUserMedia(wishes);
  // The person may have hung up, or the call may have ended, while the browser asked.
  if (asked !== stay) return stream.getTracks().forEach((one) => one.stop());
  for (const one of stream.getTracks()) {
    release(one.kind);
    one.addEventListener("ended", () => { if (track(one.kind) === one) { release(one.kind); turn(one.kind, false); } });
    local.addTrack(one);
    isOn[one.kind] = true;
  }
  return fill();
};
const why = ({ name }) => ({ NotAllowedError: "denied", SecurityError: "denied", NotReadableError: "busy", AbortError: "busy" })[name] ?? "missing";

// A camera that is off is released, so that its light goes out. A microphone is only muted, so that
// it is available again immediately.
const turn = async (kind, on) => {
  complain("");
  try {
    if (on && !track(kind)) await acquire(kind);
    if (!on && kind === "video") release(kind);
    if (track(kind)) track(kind).enabled = on;
    isOn[kind] = on && Boolean(track(kind));
  } catch (error) {
    complain(why(error));
  }
  if (isOver || !isIn) return;
  show();
  await apply(kind);
};

const fill = async () => {
  const devices = await navigator.mediaDevices.enumerateDevices();
  for (const select of panel.querySelectorAll("select")) {
    const used = track(select.name)?.getSettings().deviceId;
    const found = devices.filter((device) => device.kind === `${select.name}input` && device.deviceId);
    select.replaceChildren(...found.map((device) => new Option(device.label, device.deviceId, false, device.deviceId === used)));
    select.disabled = !found.length;
  }
};

// Actions of the person
// ----------------------------------------------------------------------------

const join = async () => {
  let reason = navigator.mediaDevices && window.RTCPeerConnection ? "" : "insecure";
  const asked = stay;
  complain("");
  failures = 0;
  part("join").disabled = true;
  say("asking");
  for (const kinds of reason ? [] : [KINDS, ["audio"], ["video"]]) {
    try {
      await acquire(...kinds);
      break;
    } catch (error) {
      if (asked !== stay) break;
      reason ||= why(error);
    }
  }
  if (isOver) return;
  part("join").disabled = false;
  if (asked !== stay) return say("idle");
  isIn = isOn.audio || isOn.video;
  isRefused = !isIn;
  show();
  if (!isIn) {
    say("alone");
    complain(reason);
    send("bye", { why: "chat" });
    part("join").focus();
    return;
  }
  if (reason) complain(isOn.audio ? "sound" : "silent");
  say("waiting");
  part("off-audio").focus();
  isLast = false;
  send("ready", { joins: true });
};
const leave = (state) => {
  isIn = false;
  stay += 1;
  close();
  abandon();
  KINDS.forEach(release);
  complain("");
  show();
  say(state);
};
const over = () => {
  if (isOver) return;
  leave("over");
  isOver = true;
  panel.querySelectorAll("video, button, details").forEach((element) => element.remove());
};

part("join").addEventListener("click", join);
const hangUp = () => {
  send("bye");
  leave("idle");
};
part("leave").addEventListener("click", () => {
  hangUp();
  part("join").focus();
});
for (const kind of KINDS) part(`off-${kind}`).addEventListener("click", () => turn(kind, !isOn[kind]));
for (const select of panel.querySelectorAll("select")) {
  select.addEventListener("change", async () => {
    const wasOn = isOn[select.name];
    chosen[select.name] = select.value;
    release(select.name);
    await turn(select.name, wasOn);
  });
}
navigator.mediaDevices?.addEventListener("devicechange", () => { if (isIn) fill(); });
addEventListener("pagehide", () => {
  const body = form({ kind: "bye", body: JSON.stringify({ from: me, to: peer }) });
  if (isIn) fetch(panel.dataset.signals, { method: "POST", body, credentials, keepalive: true }).catch(() => {});
});
document.addEventListener("call:signal", read);
document.addEventListener("call:over", over);
// Another operator will take the conversation, on a different page.
document.addEventListener("call:left", () => { if (isIn) { close(); abandon(); say("waiting"); } });
// The widget's window was closed. Nobody must be seen or heard without noticing it.
document.addEventListener("call:hidden", () => { if (isIn) hangUp(); else stay += 1; });

panel.hidden = false;
show();
say("idle");

// A call between the visitor's page and the operator's, straight from browser to browser. The server carries the
// signals by which they find each other; an event says that there are some, and we fetch them.
//
// Nothing happens before "Start": no camera is asked for, no address is looked up. Then each side says "ready"; the
// operator's side answers that of the visitor with an offer. Later either side may offer again (a camera switched off):
// of two offers at once the visitor's gives way ("perfect negotiation"). Pages are told apart by random numbers, and so
// is each attempt, since what was meant for a page that is gone, or for an earlier attempt, must not be taken.
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

// What the person sees -----------------------------------------------------------------------------------------

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
// What the other side sends, as was agreed on. Its tracks do not tell: where two offers crossed, Chromium leaves one muted.
const showRemote = () => {
  const isThere = connection?.connectionState === "connected";
  const sends = (kind) => Boolean(line(kind)?.currentDirection?.includes("recv"));
  for (const kind of KINDS) part(`no-${kind}`).hidden = !isThere || sends(kind);
  panel.dataset.picture = String(isThere && sends("video"));
};

// Signals ------------------------------------------------------------------------------------------------------

const form = (fields) => {
  const token = panel.querySelector("[name=csrfmiddlewaretoken]")?.value;
  return new URLSearchParams(token ? { ...fields, csrfmiddlewaretoken: token } : fields);
};
// Over, or not for us any more: a login or a right is gone.
const isRefusal = ({ status, redirected }) => redirected || [401, 403, 404, 409].includes(status);
// One after the other: a candidate must not overtake its offer.
let posting = Promise.resolve();
const post = (fields) => {
  posting = posting.then(async () => {
    for (let tried = 0; tried < 5 && !isOver; tried += 1) {
      try {
        const response = await fetch(panel.dataset.signals, { method: "POST", body: form(fields), credentials });
        if (isRefusal(response)) over();
        if (response.status < 500) return;
      } catch {
        // no network: again
      }
      await new Promise((wait) => { setTimeout(wait, RETRY); });
    }
  });
  return posting;
};
const send = (kind, content = {}) => post({ kind, body: JSON.stringify({ from: me, to: peer, call: attempt, ...content }) });

// Who is connected needs nothing of what came before: let the server forget it.
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
        // What waits for a connection that is closed meanwhile may wait for ever.
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
    // Of several pages on one side the one that joined last goes on. Those of before it are read first, and not heeded.
    if (content.joins && content.from === me) isLast = true;
    else if (content.joins && isIn && isLast) leave("elsewhere");
  } else if (content.to && content.to !== me) {
    // meant for a page that is gone
  } else if (kind === "ready") {
    await meet(content.from);
  } else if (kind === "bye") {
    if (!isIn && panel.dataset.state === "calling") say("idle");
    if (isIn && (!peer || content.from === peer)) { close(); say(content.why === "chat" ? "chat" : "left"); }
  } else if (!isIn) {
    // hung up meanwhile
  } else if (kind === "offer") {
    if (!isMine) await connect(content.from, content.call);
    await described("offer", content.sdp);
  } else if (isMine && kind === "answer") {
    await described("answer", content.sdp);
  } else if (isMine) {
    await reach(content.candidate);
  }
};

// What a browser could not make sense of: let both begin from the start, but not for ever.
let failures = 0;
const beginAgain = () => {
  if (!isIn) return;
  close();
  failures += 1;
  if (failures > 3) return say("lost");
  say("connecting");
  send("ready");
};

// The connection -----------------------------------------------------------------------------------------------

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
    return []; // a direct way may lead there
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
      // A credential may have ended meanwhile.
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
// Lets the connection send what is on, and tell the other side what is off.
const apply = async (kind) => {
  const ours = line(kind);
  if (!ours) return;
  await ours.sender.replaceTrack(track(kind) ?? null);
  ours.sender.setStreams?.(local);
  if (ours.direction !== direction(kind)) ours.direction = direction(kind);
};

// Camera and microphone ----------------------------------------------------------------------------------------

const release = (kind) => {
  const old = track(kind);
  if (old) { old.stop(); local.removeTrack(old); }
  isOn[kind] = false;
};
const acquire = async (...kinds) => {
  // Another one, where the chosen one is gone.
  const wishes = Object.fromEntries(kinds.map((kind) => [kind, chosen[kind] ? { deviceId: { ideal: chosen[kind] } } : true]));
  const asked = stay, stream = await navigator.mediaDevices.getUserMedia(wishes);
  // They may have hung up, or been cut off, while the browser asked.
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

// A camera that is off is let go of, so that its light goes out; a microphone keeps silent and is back at once.
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

// What the person does -----------------------------------------------------------------------------------------

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
// Another operator will come, with a page of their own.
document.addEventListener("call:left", () => { if (isIn) { close(); abandon(); say("waiting"); } });
// The site's window was closed: nobody is seen and heard without seeing it.
document.addEventListener("call:hidden", () => { if (isIn) hangUp(); else stay += 1; });

panel.hidden = false;
show();
say("idle");

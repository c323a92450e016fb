// Follows a stream of events. While the stream is unavailable, the page polls instead.
// No feature depends on the stream.
//
//   follow(address, { after, credentials, on: { line(data) {}, … }, look() {}, lost(isLost) {} }) → stop(), stop.isOpen()
//
// "after" is the id of the page's state. The browser reconnects when the stream ends. If the server
// refuses the connection, this script retries with increasing pauses. "look" is called every few
// seconds while there is no stream. If the promise that it returns fails too, the connection is
// lost. If the promise fails with Refused, this script stops for good.

// A stream ends every few minutes and reconnects immediately. Only a longer interruption needs
// polling.
const OFTEN = 3000, SELDOM = 60000;

// The server refuses the page to its reader, who lost a permission. Another request would not help.
export class Refused extends Error {}

export const follow = (address, { after = "", credentials = false, on = {}, look, lost }) => {
  let source, looking, coming, pause = OFTEN, wait = OFTEN;

  const lookLater = () => {
    looking ??= setTimeout(async () => {
      try {
        await look();
        pause = OFTEN;
        lost(false);
      } catch (error) {
        if (error instanceof Refused) {
          stop();
          lost(false);
          return;
        }
        pause = Math.min(pause * 2, SELDOM);
        lost(true);
      }
      if (!looking) return;
      looking = undefined;
      lookLater();
    }, pause);
  };
  const lookNoMore = () => {
    clearTimeout(looking);
    looking = undefined;
  };
  const open = () => {
    clearTimeout(coming);
    source?.close();
    const url = new URL(address, location.href);
    if (after) url.searchParams.set("after", after);
    source = new EventSource(url, { withCredentials: credentials });
    source.addEventListener("open", () => {
      lookNoMore();
      pause = wait = OFTEN;
      lost(false);
    });
    source.addEventListener("error", () => {
      lookLater();
      if (source.readyState !== EventSource.CLOSED) return;
      wait = Math.min(wait * 2, SELDOM);
      coming = setTimeout(open, wait);
    });
    for (const [name, act] of Object.entries(on)) {
      source.addEventListener(name, (event) => {
        after = event.lastEventId || after;
        act(event.data);
      });
    }
  };
  const offline = () => {
    source.close();
    lost(true);
    lookLater();
  };
  const stop = () => {
    source.close();
    lookNoMore();
    clearTimeout(coming);
    removeEventListener("online", open);
    removeEventListener("offline", offline);
  };
  addEventListener("online", open);
  addEventListener("offline", offline);
  open();
  stop.isOpen = () => source.readyState === EventSource.OPEN;
  return stop;
};

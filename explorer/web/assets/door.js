// Take the key out of the link before anything else runs. It stands behind the #, which no request holds;
// the page's framework wants it in its own place, from which it removes it again.
(() => {
  "use strict";
  const kept = "explorer-key", given = new URLSearchParams(location.hash.slice(1)).get("key");
  try { if (given) sessionStorage.setItem(kept, given); } catch { /* a browser that keeps nothing asks for the link again */ }
  let key = given;
  try { key = key || sessionStorage.getItem(kept); } catch { /* as above */ }
  const to = new URLSearchParams({ sessionURL: `ws://${location.host}/ws`, ...(key ? { secret: key } : {}) });
  history.replaceState(null, "", `${location.pathname}?${to}`);

  // The framework reads its messages as blobs, and a browser fetches every part of a blob from another process.
  const asBlob = (bytes) => ({ slice: (...ends) => asBlob(bytes.slice(...ends)), arrayBuffer: async () => bytes });
  window.WebSocket = class extends WebSocket {
    get binaryType() { return super.binaryType; }
    set binaryType(_) { super.binaryType = "arraybuffer"; }
    set onmessage(handle) { super.onmessage = handle && (({ data }) => handle({ data: data instanceof ArrayBuffer ? asBlob(data) : data })); }
  };
})();

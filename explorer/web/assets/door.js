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
})();

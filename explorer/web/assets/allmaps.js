// All maps of the picture that is shown, laid over the cloud: a click makes one the current channel.

const MAP_ORDERS = [["index", "by number"], ["variance", "by variance"], ["response", "by answer to this picture"], ["cluster", "look-alikes together"]];
const LEAST_TILE = 64, MOST_TILE = 240, TILE_GAP = 10, TILE_TITLE = 22; // pixels

class AllMaps {
  constructor(view) {
    this.view = view;
    this.heading = el("h3");
    this.detail = el("span", { class: "quiet" });
    this.order = el("select", { class: "choice", "aria-label": "order of the maps", title: "by variance over all pictures, or by how far maps answer to this picture above others", onchange: () => this.read() }, ...MAP_ORDERS.map(([value, words]) => el("option", { value }, words)));
    this.list = el("div", { class: "map-tiles", role: "listbox", "aria-label": "maps", onkeydown: (event) => this.key(event) });
    this.scroller = el("div", { class: "map-tiles-scroll" }, this.list);
    this.element = el("section", { class: "all-maps", hidden: true, "aria-label": "all maps of this picture" },
      el("header", {}, el("div", { class: "all-maps-title" }, this.heading, this.detail), el("label", { class: "field" }, el("span", {}, "Order"), this.order), view.frame.button("close", "back to the cloud (F, Esc)", () => this.close())), this.scroller);
    this.element.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); this.close(); } });
    this.order.parentElement.hidden = !view.source.live; // a file knows no other
    view.frame.stages.after(this.element);
    this.button = view.frame.button("maps", "all maps of this picture (F)", () => this.toggle());
    this.button.classList.add("all-maps-button");
    view.side.panels.map.detail.replaceWith(this.button);
    new ResizeObserver(() => { if (this.open) this.size(); }).observe(this.element);
    this.seen = new IntersectionObserver((entries) => { for (const { target, isIntersecting } of entries) if (isIntersecting) { this.seen.unobserve(target); this.paint(target); } }, { root: this.scroller, rootMargin: "300px" });
  }

  get open() { return !this.element.hidden; }

  toggle() { if (this.open) this.close(); else this.show(); }

  show() {
    const { view } = this;
    if (!view.meta.spatial.length) { view.frame.say("this layer has one vector a picture: there are no maps"); return; }
    this.element.hidden = false;
    this.button.setAttribute("aria-pressed", "true");
    return this.read(true);
  }

  close() {
    if (!this.open) return;
    const inside = this.element.contains(document.activeElement);
    this.element.hidden = true;
    this.button.setAttribute("aria-pressed", "false");
    if (inside) this.button.focus();
  }

  /** What is shown has changed, perhaps. */
  update() {
    if (!this.open) return;
    const { view } = this;
    if (!view.meta.spatial.length) { this.close(); return; }
    if (this.shown !== this.now()) { this.read(); return; }
    if (this.theme !== `${view.theme} ${view.colourMap}`) this.colour();
    this.mark();
  }

  now() { const { view } = this; return [view.meta.shown || "", view.meta.layer, view.image, view.slice, this.order.value].join("\n"); }

  /** Ask for the maps and lay them out. */
  async read(focus = false) {
    const { view } = this, turn = (this.turn = (this.turn || 0) + 1);
    this.shown = this.now();
    let told;
    try { told = await view.frame.during(view.source.allMaps(view.meta.layer, view.image, view.slice, this.order.value), "all maps"); } catch (error) {
      if (turn === this.turn) { this.close(); view.frame.tell(String(error.message || error)); }
      return;
    }
    if (turn !== this.turn) return;
    this.told = told;
    const { channels } = told, n = channels.length;
    this.heading.textContent = `${view.meta.layer} · ${view.meta.names[view.image]}`;
    this.heading.title = this.heading.textContent;
    const slice = view.meta.spatial.length === 3 ? ` of slice ${view.slice}` : "", rest = view.meta.channels - n;
    this.detail.textContent = `${plural(n, "map")}${slice}${rest > 0 ? `, ${count(rest)} left out of this file` : ""} · each from its least to its most`;
    const held = this.list.children, same = held.length === n;
    if (!same) this.list.replaceChildren(...Array.from(channels, () => this.tile()));
    Array.from(channels).forEach((channel, i) => this.describe(held[i], channel, i));
    this.size();
    this.colour();
    this.mark();
    const current = this.list.querySelector("[aria-selected=true]") || held[0];
    if (focus && current) { current.scrollIntoView({ block: "nearest" }); current.focus({ preventScroll: true }); }
  }

  tile() {
    const own = el("button", { type: "button", class: "map-tile", role: "option", tabindex: "-1", onclick: () => this.take(Number(own.dataset.channel)) }, el("canvas"), el("span", {}, el("b"), el("i")));
    return own;
  }

  describe(own, channel, i) {
    const { low, high, because } = this.told, why = (because && because[i]) || "";
    own.dataset.channel = String(channel);
    own.dataset.at = String(i);
    own.title = `channel ${channel}: ${low[i] === high[i] ? `${figure(low[i])} everywhere` : `${figure(low[i])} to ${figure(high[i])}`}${why ? ` · ${why}` : ""}`;
    own.lastChild.firstChild.textContent = String(channel);
    own.lastChild.lastChild.textContent = why;
  }

  /** Tiles as large as let all of them be seen, where that is not too small. */
  size() {
    if (!this.told) return;
    const n = this.told.channels.length, { clientWidth: wide, clientHeight: tall } = this.scroller, ratio = this.view.shape;
    const room = wide - 32, most = Math.max(1, Math.floor((room + TILE_GAP) / (LEAST_TILE + TILE_GAP)));
    let columns = most;
    for (let c = Math.min(n, most); c >= 1; c--) {
      const width = Math.min(MOST_TILE, (room + TILE_GAP) / c - TILE_GAP), rows = Math.ceil(n / c);
      if (rows * (width / ratio + TILE_TITLE + TILE_GAP) > tall - 24) break;
      columns = c;
    }
    const width = Math.floor(Math.min(MOST_TILE, (room + TILE_GAP) / columns - TILE_GAP));
    this.columns = columns;
    this.list.style.setProperty("--tile", `${width}px`);
    this.list.style.setProperty("--tile-tall", `${Math.round(width / ratio)}px`);
    this.list.style.setProperty("--columns", String(columns));
    this.list.classList.toggle("narrow", width < 96);
  }

  /** Colour all anew, each when it comes into sight. */
  colour() {
    const { view } = this;
    this.theme = `${view.theme} ${view.colourMap}`;
    this.seen.disconnect();
    for (const own of this.list.children) this.seen.observe(own);
  }

  paint(own) {
    const { view, told } = this, [tall, wide] = view.cells, n = tall * wide, i = Number(own.dataset.at), canvas = own.firstChild;
    const bytes = told.values.subarray(i * n, (i + 1) * n), out = new Uint8ClampedArray(4 * n), plain = told.low[i] === told.high[i];
    const map = view.colourMap && view.colourMap !== "diverging" && view.inks.tables[view.colourMap] ? view.colourMap : "viridis", table = view.inks.table(map, view.theme);
    canvas.width = wide;
    canvas.height = tall;
    for (let k = 0; k < n; k++) {
      if (!bytes[k] || plain) continue; // what is no number, and a map without any difference, stay empty
      const at = 3 * Math.round(((bytes[k] - 1) / 254) * 255);
      out[4 * k] = table[at]; out[4 * k + 1] = table[at + 1]; out[4 * k + 2] = table[at + 2]; out[4 * k + 3] = 255;
    }
    canvas.getContext("2d").putImageData(new ImageData(out, wide, tall), 0, 0);
  }

  /** Which channel is the current one. */
  mark() {
    const [mode, channel] = modeOf(this.view.map);
    let any = null;
    for (const own of this.list.children) {
      const on = mode === "channel" && Number(own.dataset.channel) === channel;
      own.setAttribute("aria-selected", String(on));
      own.tabIndex = -1;
      if (on) any = own;
    }
    const first = any || this.list.firstChild;
    if (first) first.tabIndex = 0;
  }

  take(channel) {
    this.view.showMap(`channel:${channel}`);
    this.mark();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const tiles = this.list.children, at = [...tiles].indexOf(document.activeElement), next = tiles[at + step];
    if (next) next.focus();
  }
}

// The viewer: what is shown, chosen and hidden, and who has to be told when that changes.

class Viewer extends Looking {
  /** Build the page inside an element. @param {HTMLElement} root @param source where everything is read from */
  constructor(root, source) {
    super();
    this.root = root;
    this.source = source;
    this.font = getComputedStyle(root).fontFamily || "sans-serif";
    this.pointScale = 1;
    this.overlay = 0.62;
    this.hidden = new Set(); // codes of the colouring that is shown
    this.filters = new Map(); // names that are not shown, by the colouring that has those classes
    this.off = null;
    this.colourMap = null;
    this.sizeName = null;
    this.isolated = false;
    this.linked = [];
    this.hovered = null;
    this.focus = null;
    this.similarity = null;
    this.slice = 0;
    this.hiddenCount = 0;
    this.inkCache = new Map();
  }

  async start() {
    this.meta = await this.source.meta();
    const asked = new URLSearchParams(location.hash.slice(1)).get("theme");
    this.setTheme(asked || this.meta.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"), false);
    this.inks = new Inks(this.meta);
    this.stage = new Stage(this);
    this.legend = new Legend(this);
    this.side = new Side(this);
    this.strip = new Strip(this);
    this.frame = new Frame(this);
    this.pictures = new Pictures(this.source, (image) => this.insteadOfPicture(image));
    if (this.source.live) this.switches = new Switches(this);
    await this.load();
    if (this.meta.view) await this.restore(this.meta.view);
    if (this.switches) this.switches.describe();
    this.root.removeAttribute("aria-busy");
    this.ready = true;
  }

  /** Take the cloud that the source now gives; what was chosen stays chosen. */
  async load() {
    const meta = (this.meta = await this.source.meta()), cloud = await this.source.cloud();
    this.inks = new Inks(meta);
    this.points = cloud.points;
    this.places = cloud.places;
    this.each = Math.max(1, meta.spatial.reduce((a, b) => a * b, 1));
    const rank = meta.spatial.length;
    this.cells = rank === 0 ? [1, 1] : rank === 1 ? [1, meta.spatial[0]] : meta.spatial.slice(-2);
    this.shape = clamp(meta.pictures ? meta.pictures.width / meta.pictures.height : this.cells[1] / this.cells[0], 0.4, 3);
    this.index = meta.sampled ? indexOf(this.places, meta.nPositions) : null;
    const before = this.selection ? this.selection.how : "";
    if (!this.selection || this.selection.mask.length !== meta.nImages * this.each) this.selection = new Selection(meta.nImages, this.each);
    if (this.source.live) this.selection.take(await this.source.selection());
    this.selection.how = before;
    this.focus = this.source.live ? meta.focus : null;
    this.similarity = null;
    this.slice = rank === 3 ? Math.floor(meta.spatial[0] / 2) : 0;
    this.image = clamp(this.image ?? meta.image ?? 0, 0, meta.nImages - 1);
    this.map = this.maps().some(({ name }) => name === this.map) ? this.map : "norm";
    this.linked = [];
    this.codesOf = new Map();
    this.off = null;
    this.stage.load(this.points, meta);
    this.frame.describe();
    this.legend.options();
    this.side.options();
    const wanted = this.colours().some(({ name }) => name === this.colour) ? this.colour : meta.colour;
    await this.colourBy(this.colours().some(({ name }) => name === wanted) ? wanted : this.colours()[0].name);
    await this.refilter();
    await this.sizeBy(this.sizes().some(({ name }) => name === this.sizeName) ? this.sizeName : null);
    await this.side.update();
    this.side.describe();
    this.chosenShown();
    if (this.twin) await this.twin.match();
    if (this.focus !== null) this.focusPlace(this.focus);
  }

  /** The same points elsewhere, while a map is still being made. */
  unfold(points) {
    this.stage.unfold(points);
  }

  // ---- places: one number for image and position, the same under every projection of a layer

  placeOf(image, cell) { return image * this.each + this.slice * this.cells[0] * this.cells[1] * (this.meta.spatial.length === 3 ? 1 : 0) + cell; }
  cellOf(place) { return (place % this.each) % (this.cells[0] * this.cells[1]); }
  rowOf(place) { return this.index ? this.index[place] : place; }

  /** The point that stands for the chosen position: its own, or the nearest of the same picture that was projected. */
  focusRow() { return this.focus === null ? -1 : this.nearestRow(this.focus); }

  nearestRow(place) {
    const own = this.rowOf(place);
    if (own >= 0) return own;
    const from = place - (place % this.each), at = this.positionOf(place);
    let best = -1, least = Infinity;
    for (let other = from; other < from + this.each; other++) {
      const row = this.rowOf(other);
      if (row < 0) continue;
      const gap = this.positionOf(other).reduce((sum, v, k) => sum + (v - at[k]) ** 2, 0);
      if (gap < least) { least = gap; best = row; }
    }
    return best;
  }

  labelOf(image) { return this.meta.labels ? this.meta.classes[this.meta.labels[image]] : null; }

  positionOf(place) {
    let rest = place % this.each;
    return [...this.meta.spatial].reverse().map((size) => { const at = rest % size; rest = Math.floor(rest / size); return at; }).reverse();
  }

  focusCell() {
    if (this.focus === null || Math.floor(this.focus / this.each) !== this.image) return null;
    const cell = this.focus - this.placeOf(this.image, 0);
    return cell >= 0 && cell < this.cells[0] * this.cells[1] ? cell : null;
  }

  // ---- colours

  /** What the points can be coloured by: {name, title, group}. */
  colours() {
    const { meta } = this, list = [...meta.colours];
    if (this.similarity) list.push({ name: "similarity", title: "similarity to the chosen position", group: "Activation" });
    return list;
  }

  /** What the points' sizes can mean: whatever is a number. */
  sizes() {
    const classes = ["label", "image", "rgb", "cluster", "mask"];
    return this.colours().filter(({ name }) => !classes.includes(name) && this.numeric(name));
  }

  numeric(name) { return !(this.meta.classed || []).includes(name); }

  /** Give the points sizes that mean something, in five steps; null for one size. */
  async sizeBy(name) {
    const made = name === null ? null : await this.frame.during(colouringOf(this, name), "sizes");
    if (made && made.kind !== "scale") throw new Error(`${made.title}: sizes show numbers`);
    this.sizeName = name;
    this.sizing = made && { ...made, ...stepsOf(made.values) };
    this.grown = made && Uint8Array.from(this.sizing.steps, (step) => Math.round(64 * SIZES[step]));
    this.stage.cloud.grow(this.grown);
    if (this.twin) this.twin.grow();
    this.legend.update();
    this.stage.request();
  }

  /** Colour numbers with another table; null for the one that fits. */
  async mapColours(name) {
    this.colourMap = name;
    await this.colourBy(this.colour);
    this.side.draw();
  }

  scaled(scale) {
    const { colourMap: map } = this;
    if (!map || !scale || !(map === "diverging" || this.inks.tables[map])) return scale;
    const most = Math.max(Math.abs(scale.low), Math.abs(scale.high));
    return map === "diverging" ? { ...scale, low: -most, high: most, map } : { ...scale, map };
  }

  maps() {
    const axes = Array.from({ length: this.meta.components }, (_, k) => ({ name: `component:${k}`, title: `Component ${k + 1} of the map` }));
    return [...this.meta.maps, ...axes];
  }

  /** A number of every position; components are those of the positions that were projected. */
  async gridOf(name) {
    if (!name.startsWith("component:")) return this.source.grid(name);
    const axis = Number(name.slice(10)), { points } = this;
    return { signed: this.meta.methodKey === "pca", title: name, at: (place) => { const row = this.rowOf(place); return row < 0 ? NaN : points[3 * row + axis]; } };
  }

  async colourBy(name) {
    const turn = (this.colourTurn = (this.colourTurn || 0) + 1);
    const made = await this.frame.during(colouringOf(this, name), "colours");
    if (turn !== this.colourTurn) return;
    this.colour = name;
    this.colouring = made.kind === "scale" ? { ...made, scale: this.scaled(made.scale) } : made;
    if (made.kind === "classes") this.codesOf.set(name, made);
    this.hidden = this.hiddenCodes();
    if (this.filters.size && this.codesOf) await this.refilter();
    this.anchor();
    this.legend.options();
    this.legend.update();
    this.paint();
    this.frame.composition();
  }

  /** Middles of the classes, for their names. */
  anchor() {
    this.stage.anchors = [];
    if (this.colouring.kind !== "classes" || this.colouring.names.length > 40) return;
    const rows = this.colouring.names.map(() => []);
    this.colouring.codes.forEach((code, row) => rows[code].push(row));
    this.stage.anchors = rows.map((own, code) => ({ code, name: this.colouring.names[code], point: middleOf(this.points, own), weight: own.length })).filter(({ point }) => point);
  }

  hiddenRow(row) { return this.off !== null && this.off[row] === 1; }

  /** Which classes of the colouring that is shown are hidden. */
  hiddenCodes() {
    const { colouring: own } = this, names = this.filters.get(this.colour);
    if (own.kind !== "classes" || !names) return new Set();
    return new Set(own.names.map((_, code) => code).filter((code) => names.has(own.names[code])));
  }

  /** Find the rows that filters hide, those of other colourings too. */
  async refilter() {
    const n = this.places.length, off = new Uint8Array(n);
    let any = false;
    for (const [name, names] of this.filters) {
      if (!names.size || !this.colours().some((one) => one.name === name)) continue;
      if (!this.codesOf.has(name)) this.codesOf.set(name, await colouringOf(this, name));
      const own = this.codesOf.get(name);
      if (own.kind !== "classes") continue;
      const gone = own.names.map((word) => names.has(word));
      for (let i = 0; i < n; i++) if (gone[own.codes[i]]) { off[i] = 1; any = true; }
    }
    this.off = any ? off : null;
    this.hidden = this.hiddenCodes();
  }

  async hide(codes) {
    this.filters.set(this.colour, new Set(codes.map((code) => this.colouring.names[code])));
    await this.refilter();
    this.legend.update();
    this.paint();
  }

  /** Give every point its colour: the class's or the scale's, grey outside a selection, none when hidden. */
  paint() {
    const n = this.places.length, faint = this.bytes("--faint"), colours = this.inks.rows(this.colouring, this.theme, faint);
    const out = new Uint8Array(4 * n), any = this.selection.size > 0, only = this.isolated ? this.image : -1;
    let hidden = 0;
    for (let i = 0; i < n; i++) {
      const on = (!any || this.selection.mask[this.places[i]] === 1) && (only < 0 || Math.floor(this.places[i] / this.each) === only);
      out[4 * i] = on ? colours[3 * i] : faint[0];
      out[4 * i + 1] = on ? colours[3 * i + 1] : faint[1];
      out[4 * i + 2] = on ? colours[3 * i + 2] : faint[2];
      const off = this.hiddenRow(i);
      hidden += off ? 1 : 0;
      out[4 * i + 3] = off ? 0 : any || only >= 0 ? (on ? 255 : 128) : 200;
    }
    this.hiddenCount = hidden;
    this.chosenCodes = any && this.colouring.kind === "classes" ? this.codesChosen() : null;
    this.painted = out;
    this.plainColours = colours;
    this.stage.cloud.paint(out);
    this.stage.request();
    if (this.twin) this.twin.paint();
  }

  /** Classes of which something is selected: only those are named. */
  codesChosen() {
    const out = new Set();
    this.colouring.codes.forEach((code, row) => { if (this.selection.mask[this.places[row]]) out.add(code); });
    return out;
  }

  toggleClass(code) {
    const codes = new Set(this.hidden);
    if (!codes.delete(code)) codes.add(code);
    return this.hide([...codes]);
  }

  isolate(code) { return this.hide(this.colouring.names.map((_, i) => i).filter((i) => i !== code)); }

  /** Show everything again, whatever had hidden it. */
  async showClasses() {
    this.filters.clear();
    await this.refilter();
    this.legend.update();
    this.paint();
  }

  /** Only the picture that is shown keeps its colours, or all do. */
  isolateImage() {
    this.isolated = !this.isolated;
    this.paint();
    this.side.isolate();
  }

  // ---- the selection

  take(places, mode, how) {
    this.selection.take(places, mode);
    this.selection.how = how;
    this.chosenChanged();
  }

  takeClass(code, mode) {
    const places = [];
    this.colouring.codes.forEach((own, row) => { if (own === code) places.push(this.places[row]); });
    this.take(places, mode, `all of ${this.colouring.names[code]}`);
  }

  /** Select every position of the picture that is shown. */
  takeImage() {
    const from = this.image * this.each;
    this.take(Array.from({ length: this.each }, (_, i) => from + i), "replace", `all of ${shortened(this.meta.names[this.image], 28)}`);
  }

  /** Select cells of the picture that is shown, as they are painted. */
  paintCells(cells, mode, held) {
    if (!held.before) held.before = mode === "replace" ? new Uint32Array(0) : this.selection.places();
    this.selection.take(held.before, "replace");
    this.selection.take(cells.map((cell) => this.placeOf(this.image, cell)), mode === "remove" ? "remove" : "add");
    this.selection.how = "painted in a picture";
    this.chosenChanged(true);
  }

  clear() {
    if (!this.selection.size) return;
    this.selection.clear();
    this.chosenChanged();
  }

  /** The hand has chosen: show it, and tell the server. */
  chosenChanged(soon = false) {
    this.chosenShown(soon);
    if (!this.source.live) return;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.source.select(this.selection.places()), 150);
  }

  chosenShown(soon = false) {
    this.paint();
    this.side.draw();
    this.frame.chosen();
    clearTimeout(this.later);
    if (soon) this.later = setTimeout(() => this.strip.update(), 120);
    else this.strip.update();
    if (!soon && this.selection.size) this.showImage(this.selection.ranking()[0]);
  }

  // ---- the page

  setTheme(theme, redraw = true) {
    this.theme = theme;
    document.documentElement.dataset.theme = theme;
    this.inkCache.clear();
    if (!redraw) return;
    this.legend.update();
    this.paint();
    this.side.draw();
    this.side.describe();
    this.strip.update();
    this.frame.composition();
  }

  /** A colour of the style sheet. */
  ink(name) {
    if (!this.inkCache.has(name)) this.inkCache.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    return this.inkCache.get(name);
  }

  bytes(name) {
    const text = this.ink(name).slice(1);
    return [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16));
  }

  numbers(name) { return this.bytes(name).map((v) => v / 255); }

  /** As tall as leaves room for the facts and the first neighbours below. */
  get mapHeight() { return this.large ? clamp(window.innerHeight * 0.5, 240, 520) : clamp((window.innerHeight - 510) / 2, 150, 300); }

  /** One map below the other, as wide as the side; or four beside one another again. */
  enlarge() {
    this.large = !this.large;
    this.side.grid.classList.toggle("large", this.large);
    this.side.larger.setAttribute("aria-pressed", String(this.large));
    this.side.draw();
  }

  sizePoints(scale) {
    this.pointScale = scale;
    this.stage.request();
  }

  toolsChanged() { this.frame.tools(); }
}

/** Row of every place, or -1. */
function indexOf(places, n) {
  const out = new Int32Array(n).fill(-1);
  places.forEach((place, row) => { out[place] = row; });
  return out;
}

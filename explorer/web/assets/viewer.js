// The viewer: what is shown, chosen and hidden, and who has to be told when that changes.

class Viewer extends Meaning {
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

  /** Tell how far opening is, in words and as a share. */
  opening(words, share) {
    if (this.ready) return;
    this.root.dataset.opening = words;
    this.root.style.setProperty("--opened", String(share));
  }

  async start() {
    this.opening("opening…", 0.05);
    this.meta = await this.source.meta();
    this.opening(`opening ${plural(this.meta.nRows, "position")} of ${plural(this.meta.nImages, "picture")}`, 0.4);
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
    this.allMaps = new AllMaps(this);
    if (this.meta.epochs) this.epochs = new Epochs(this);
    await this.load();
    if (this.source.live && this.meta.model) this.ask = new Ask(this);
    if (this.meta.view) await this.restore({ ...this.meta.view, theme: this.theme }, "as it was left");
    if (this.switches) this.switches.describe();
    this.root.removeAttribute("aria-busy");
    this.ready = true;
  }

  /**
   * Take the cloud that the source now gives; what was chosen stays chosen.
   * @param {boolean} same whether these are the same positions at another time: then nothing but their places changes
   */
  async load(same = false) {
    const before = this.meta, meta = (this.meta = await this.source.meta()), cloud = await this.source.cloud();
    same = same && meta.components === before.components && meta.layer === before.layer && cloud.points.length === this.points.length && cloud.places.every((place, row) => place === this.places[row]);
    const looked = { image: this.image, slice: this.slice, colour: this.colour, anchors: this.stage.anchors };
    const twin = this.twin; // knows the rows of the map before: it is told when there are others
    if (!same) this.twin = null;
    this.opening("colours", 0.55);
    this.inks = new Inks(meta);
    this.points = cloud.points;
    this.places = cloud.places;
    this.each = Math.max(1, meta.spatial.reduce((a, b) => a * b, 1));
    const rank = meta.spatial.length;
    this.cells = rank === 0 ? [1, 1] : rank === 1 ? [1, meta.spatial[0]] : meta.spatial.slice(-2);
    this.shape = clamp(meta.pictures ? meta.pictures.width / meta.pictures.height : this.cells[1] / this.cells[0], 0.4, 3);
    this.index = meta.sampled ? indexOf(this.places, meta.nPositions) : null;
    this.onMap = new Uint32Array(meta.nImages);
    for (const place of this.places) this.onMap[Math.floor(place / this.each)]++;
    this.between = new Map();
    const first = !this.selection, kept = !first && this.selection.mask.length === meta.nImages * this.each; // places mean the same on both maps
    const how = this.selection ? this.selection.how : "";
    if (!this.selection || this.selection.mask.length !== meta.nImages * this.each) this.selection = new Selection(meta.nImages, this.each);
    if (this.source.live && !same) this.selection.take(await this.source.selection());
    this.selection.how = how;
    if (first || (!kept && this.focus !== null)) this.focus = this.source.live ? meta.focus : null;
    this.similarity = null;
    if (!same) this.slice = rank === 3 ? Math.floor(meta.spatial[0] / 2) : 0;
    this.image = clamp(this.image ?? meta.image ?? 0, 0, meta.nImages - 1);
    this.map = this.maps().some(({ name }) => name === this.map) ? this.map : "norm";
    this.linked = [];
    this.codesOf = new Map();
    this.off = null;
    if (!same) this.stage.load(this.points, meta);
    this.frame.describe();
    this.legend.options();
    this.side.options();
    if (this.epochs) [this.trail, this.stillRows] = [null, await this.epochs.still()];
    const wanted = this.colours().some(({ name }) => name === this.colour) ? this.colour : meta.colour;
    await this.colourBy(this.colours().some(({ name }) => name === wanted) ? wanted : this.colours()[0].name);
    await this.refilter();
    this.opening("pictures", 0.75);
    await this.sizeBy(this.sizes().some(({ name }) => name === this.sizeName) ? this.sizeName : null);
    await this.side.update();
    this.side.describe();
    this.chosenShown(same || kept);
    this.frame.views.describe();
    if (this.epochs) this.epochs.describe();
    if (same) this.stage.travel(this.points, looked.anchors);
    this.twin = twin;
    if (twin) await twin.match();
    if (same) await this.lookOn(looked);
    else if (this.focus !== null) this.focusPlace(this.focus, !kept);
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

  /** Nothing is selected, and nothing hidden. */
  clearAll() {
    this.clear();
    if (this.filters.size) this.showClasses();
  }

  /** The map over the picture, or alone. */
  switchOverlay() {
    this.overlay = this.overlay < 1 ? 1 : 0.62;
    this.side.draw();
  }

  /** The hand has chosen: show it, and tell the server. */
  chosenChanged(soon = false) {
    if (this.filtered && this.selection.size) this.frame.forget(); // what was searched would hide where it comes from
    this.chosenShown(soon);
    if (!this.source.live) return;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.tellSelection(), 150);
  }

  tellSelection() {
    clearTimeout(this.telling);
    this.telling = null;
    return this.source.select(this.selection.places());
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
  get mapHeight() { const below = 510; return this.large ? clamp(window.innerHeight * 0.5, 240, 520) : clamp((window.innerHeight - below) / 2, 150, 300); }

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

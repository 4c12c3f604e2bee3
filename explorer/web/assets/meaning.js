// The part of the viewer that gives points a meaning to the eye: colours, sizes, and what is hidden.

class Meaning extends Looking {
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

  /** The map of the next, or of the previous, channel that there is a map of. */
  stepChannel(by) {
    const all = this.maps().filter(({ name }) => name.startsWith("channel:")), at = all.findIndex(({ name }) => name === this.map);
    if (all.length) this.showMap(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length].name);
  }

  /** The map of the next kind: norm, channel, component. */
  nextMap() {
    const kinds = firstOfKinds(this.maps()), at = kinds.findIndex(({ name }) => kindOf(name) === kindOf(this.map));
    return this.showMap(kinds[(at + 1) % kinds.length].name);
  }

  /** Colours of the next, or of the previous, kind. */
  stepColour(by) {
    const kinds = firstOfKinds(this.colours()), at = kinds.findIndex(({ name }) => kindOf(name) === kindOf(this.wanted || this.colour));
    return this.colourBy(kinds[(at + by + kinds.length) % kinds.length].name).catch((error) => this.frame.tell(String(error.message || error)));
  }

  /** A number of every position; components are those of the positions that were projected. */
  async gridOf(name) {
    if (!name.startsWith("component:")) return this.source.grid(name);
    const axis = Number(name.slice(10)), { points } = this;
    return { signed: this.meta.methodKey === "pca", title: name, at: (place) => { const row = this.rowOf(place); return row < 0 ? NaN : points[3 * row + axis]; } };
  }

  async colourBy(name) {
    const turn = (this.colourTurn = (this.colourTurn || 0) + 1);
    let made;
    this.wanted = name;
    this.legend.waiting(true);
    try { made = await this.frame.during(colouringOf(this, name), "colours"); } finally {
      if (turn === this.colourTurn) { this.wanted = null; this.legend.waiting(false); }
    }
    if (turn !== this.colourTurn) return;
    this.colour = name;
    this.colouring = made.kind === "scale" ? { ...made, scale: this.scaled(made.scale) } : made;
    if (made.kind === "classes") this.codesOf.set(name, made);
    this.hidden = this.hiddenCodes();
    if (this.filters.size && this.codesOf) await this.refilter();
    this.legend.options();
    this.legend.update();
    this.paint();
    this.frame.composition();
  }

  /** Where each class is at its densest, for its name: of the rows that are seen in their colours. */
  anchorsOf(points, codeOf, seen) {
    const { colouring: own } = this;
    if (own.kind !== "classes" || own.names.length > 40) return [];
    const rows = own.names.map(() => []);
    for (let i = 0; i < seen.length; i++) if (seen[i]) rows[codeOf(i)].push(i);
    return rows.map((mine, code) => ({ code, name: own.names[code], point: middleOf(points, mine), weight: mine.length })).filter(({ point }) => point);
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
    const out = new Uint8Array(4 * n), seen = new Uint8Array(n), any = this.selection.size > 0, only = this.isolated ? this.image : -1, still = this.stillRows || null;
    let hidden = 0;
    for (let i = 0; i < n; i++) {
      const on = (!any || this.selection.mask[this.places[i]] === 1) && (only < 0 || Math.floor(this.places[i] / this.each) === only) && !(still && still[i]);
      out[4 * i] = on ? colours[3 * i] : faint[0];
      out[4 * i + 1] = on ? colours[3 * i + 1] : faint[1];
      out[4 * i + 2] = on ? colours[3 * i + 2] : faint[2];
      const off = this.hiddenRow(i);
      hidden += off ? 1 : 0;
      seen[i] = on && !off ? 1 : 0;
      out[4 * i + 3] = off ? 0 : any || only >= 0 || still ? (on ? 255 : 128) : 200;
    }
    this.hiddenCount = hidden;
    this.stage.anchors = this.anchorsOf(this.points, (row) => this.colouring.codes[row], seen);
    this.painted = out;
    this.plainColours = colours;
    this.stage.cloud.paint(out);
    this.stage.request();
    this.frame.views.refresh();
    if (this.twin) this.twin.paint();
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
}

/** What is listed as one of many: "channel" of "channel:3". */
const kindOf = (name) => name.split(":")[0];

/** Of a list, the first of each kind. */
function firstOfKinds(list) {
  const seen = new Set();
  return list.filter(({ name }) => !seen.has(kindOf(name)) && seen.add(kindOf(name)));
}

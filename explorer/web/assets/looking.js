// The part of the viewer that looks: at one position, at a picture and its maps, at what lies under the mouse.

class Looking {
  // ---- one position

  /** Look at a place: its picture is shown, unless only the map has changed. */
  async focusPlace(place, show = true) {
    this.focus = place;
    this.linked = [];
    // Asked first, and neighbours only after it: one answer does not wait for the other's reckoning.
    const asked = (this.nearDue = place === null ? null : this.source.similarity(place).catch(() => null));
    if (place === null) {
      this.similarity = null;
      if (this.colour === "similarity") await this.colourBy(this.meta.colour);
      else this.legend.options();
    } else {
      const image = Math.floor(place / this.each);
      if (this.meta.spatial.length === 3) this.slice = Math.floor((place % this.each) / (this.cells[0] * this.cells[1]));
      if (show && image !== this.image) this.showImage(image);
    }
    this.side.describe();
    this.side.draw();
    if (this.epochs) { this.trail = null; this.epochs.trace(this.focusRow()).catch(() => null); }
    this.stage.request(true);
    if (place === null) return;
    const near = await this.frame.during(asked, "similarity");
    if (this.focus !== place) return;
    this.similarity = near;
    if (this.colour === "similarity") this.colourBy("similarity"); else this.legend.options();
    this.side.drawSimilar();
    this.side.tellNorm();
  }

  /** What a position sees of its picture: {rows, columns: [first, behind last], of: [height, width]} in pixels of the input, or null. */
  receptiveBox(place) {
    const own = this.meta.receptive;
    if (!own || own.of.length !== 2) return null;
    const at = this.positionOf(place), [rows, columns] = own.spans.map((spans, k) => spans[own.axes[k] === null ? 0 : at[own.axes[k]]]);
    return rows[1] > rows[0] && columns[1] > columns[0] ? { rows, columns, of: own.of } : null;
  }

  /** Words for what a position sees. */
  sees(place) {
    const own = this.meta.receptive, box = this.receptiveBox(place);
    if (!own) return "not known for this layer";
    if (!box) return own.of.length === 2 ? "nothing but padding" : `${own.spans.map((spans, k) => spans[own.axes[k] === null ? 0 : this.positionOf(place)[own.axes[k]]]).map(([a, b]) => `${a} to ${b - 1}`).join(", ")} of ${own.of.join(" × ")}`;
    const [tall, wide] = [box.rows[1] - box.rows[0], box.columns[1] - box.columns[0]];
    const how = own.how === "measured" ? ", as measured" : "";
    if (tall === own.of[0] && wide === own.of[1]) return `the whole picture${how}`;
    return `rows ${box.rows[0]}–${box.rows[1] - 1}, columns ${box.columns[0]}–${box.columns[1] - 1} of ${own.of[0]} × ${own.of[1]} pixels${how}`;
  }

  moveFocus(down, right) {
    const [tall, wide] = this.cells, cell = this.focusCell() ?? Math.floor(tall / 2) * wide + Math.floor(wide / 2);
    const row = clamp(Math.floor(cell / wide) + down, 0, tall - 1), column = clamp((cell % wide) + right, 0, wide - 1);
    this.focusPlace(this.placeOf(this.image, row * wide + column));
  }

  link(original, map) {
    this.linked = [...map, ...original];
    this.stage.request(true);
  }

  // ---- what is selected, seen in a picture

  /** Whether everything selected stands on a map of some positions only: then the cells between follow their nearest. */
  get spread() {
    const { index, selection } = this, known = this.spreadKnown;
    if (known && known.index === index && known.selection === selection && known.version === selection.version) return known.is;
    const is = index !== null && selection.size > 0 && selection.places().every((place) => index[place] >= 0);
    this.spreadKnown = { index, selection, version: selection.version, is };
    return is;
  }

  /** Which cells of a picture are shown as selected. */
  chosenIn(image) {
    const from = this.placeOf(image, 0);
    if (!this.spread) return (cell) => this.selection.has(from + cell);
    if (!this.between.has(from)) this.between.set(from, nearestKnown((cell) => this.index[from + cell] >= 0, this.cells[1], this.cells[0]));
    const near = this.between.get(from);
    return (cell) => near[cell] >= 0 && this.selection.has(from + near[cell]);
  }

  /** The share of a picture that is selected: of its positions, or of those that are on the map. */
  shareOf(image) { return this.selection.perImage[image] / Math.max(1, this.spread ? this.onMap[image] : this.each); }

  // ---- pictures and maps

  showImage(image) {
    if (image === this.image) return;
    this.image = image;
    this.hovered = null;
    if (this.isolated) this.paint();
    this.side.update();
    this.strip.mark();
    this.strip.reveal(image);
  }

  stepImage(by) {
    const order = this.strip.order.length ? this.strip.order : [this.image], at = order.indexOf(this.image);
    this.showImage(order[(at + by + order.length) % order.length]);
  }

  showMap(name) {
    this.map = name;
    this.side.map.value = name;
    return this.side.update();
  }

  showSlice(slice) {
    this.slice = slice;
    this.side.draw();
  }

  async rgbGrid() { return this.meta.hasRgb ? this.source.rgb().catch(() => null) : null; }

  /** A picture of the layer's own colours, where the run keeps none. */
  async insteadOfPicture(image) {
    const rgb = await this.rgbGrid(), [tall, wide] = this.cells, out = new Uint8ClampedArray(4 * tall * wide).fill(128);
    for (let i = 0; i < tall * wide; i++) {
      if (rgb) for (let k = 0; k < 3; k++) out[4 * i + k] = rgb[3 * (image * this.each + i) + k];
      out[4 * i + 3] = 255;
    }
    return createImageBitmap(new ImageData(out, wide, tall));
  }

  /** Figures of a position: [words, value]. */
  async figuresOf(place, row) {
    const out = [], norm = await this.source.grid("norm").catch(() => null);
    if (norm) out.push(["norm", `≈ ${figure(norm.at(place))}`, "norm"]);
    if (row >= 0) {
      for (const { name, title } of this.meta.figures) {
        const own = await this.source.rows(name);
        out.push([title, own.kind === "classes" ? own.names[own.codes[row]] : figure(own.values[row], 2)]);
      }
      if (this.epochs) out.push(...(await this.epochs.moved(row)));
      const at = [...this.points.subarray(3 * row, 3 * row + this.meta.components)];
      out.push([this.meta.method, at.map((v) => figure(v)).join(", ")]);
    }
    return out;
  }

  // ---- hovering

  hover(row, at) {
    if (row < 0) {
      if (this.hovered) { this.hovered = null; this.side.draw(); }
      this.stage.tip.hidden = true;
      return;
    }
    if (this.hovered && this.hovered.row === row) { this.frame.moveTip(at); return; }
    const place = this.places[row];
    this.hovered = { row, image: Math.floor(place / this.each), cell: this.cellOf(place), fromCloud: true };
    this.frame.showTip(row, at);
    if (this.hovered.image === this.image) this.side.draw();
  }

  hoverRow(row) {
    const place = this.places[row];
    this.hovered = { row, image: Math.floor(place / this.each), cell: this.cellOf(place), fromCloud: false };
    this.stage.request(true);
    if (this.hovered.image === this.image) this.side.draw();
  }

  hoverCell(cell) {
    if (cell === null) { if (this.hovered) { this.hovered = null; this.side.draw(); this.stage.request(true); } return; }
    const row = this.rowOf(this.placeOf(this.image, cell));
    if (this.hovered && this.hovered.cell === cell && this.hovered.image === this.image) return;
    this.hovered = { row, image: this.image, cell, fromCloud: false };
    this.side.draw();
    this.stage.request(true);
  }
}

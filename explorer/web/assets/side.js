// The right-hand side: the picture with its maps, what is known of a position, and its neighbours.

class Side {
  constructor(view) {
    this.view = view;
    this.name = el("h2");
    this.label = el("span", { class: "chip" });
    const step = (by, name, words) => { const b = el("button", { type: "button", class: "icon", title: words, "aria-label": words, onclick: () => view.stepImage(by) }); b.append(icon(name)); return b; };
    this.whole = el("button", { type: "button", class: "icon", title: "select all of this picture", "aria-label": "select all of this picture", onclick: () => view.takeImage() });
    this.whole.append(icon("target"));
    this.only = el("button", { type: "button", class: "icon", title: "only this picture keeps its colours in the cloud (I)", "aria-label": "only this picture keeps its colours", "aria-pressed": "false", onclick: () => view.isolateImage() });
    this.only.append(icon("only"));
    this.larger = el("button", { type: "button", class: "icon", title: "larger or smaller maps (Shift + M)", "aria-label": "larger or smaller maps", onclick: () => view.enlarge() });
    this.larger.append(icon("fit"));
    this.head = el("header", { class: "side-head" }, step(-1, "left", "previous picture (P)"), el("div", { class: "side-name" }, this.name, this.label), this.larger, this.only, this.whole, step(1, "right", "next picture (N)"));
    this.map = el("select", { class: "choice small", "aria-label": "map", onchange: () => view.showMap(this.map.value) });
    this.slice = el("input", { type: "range", min: "0", value: "0", "aria-label": "slice", oninput: () => view.showSlice(Number(this.slice.value)) });
    this.sliceRow = el("label", { class: "field slice", hidden: true }, el("span", {}, "Slice"), this.slice);
    this.panels = { picture: new MapPanel(view, "picture", "Picture"), map: new MapPanel(view, "map", "Map"), rgb: new MapPanel(view, "rgb", "PCA → RGB"), similar: new MapPanel(view, "similar", "Similarity") };
    this.panels.map.title.replaceWith(this.map);
    this.grid = el("div", { class: "panels" }, ...Object.values(this.panels).map((panel) => panel.element));
    this.facts = el("section", { class: "facts" });
    this.near = el("section", { class: "near" });
    this.element = el("aside", { class: "side", "aria-label": "picture" }, this.head, this.sliceRow, this.grid, this.facts, this.near);
  }

  options() {
    const { view } = this;
    this.map.replaceChildren(...view.maps().map(({ name, title }) => el("option", { value: name }, title)));
    this.map.value = view.map;
    const deep = view.meta.spatial.length === 3 ? view.meta.spatial[0] : 1;
    this.sliceRow.hidden = deep < 2;
    this.slice.max = String(deep - 1);
  }

  isolate() { this.only.setAttribute("aria-pressed", String(this.view.isolated)); }

  /** Draw everything about the picture that is shown. */
  async update() {
    const { view } = this, { meta, image } = view, turn = (this.turn = (this.turn || 0) + 1);
    this.name.textContent = meta.names[image];
    this.name.title = meta.names[image];
    const label = view.labelOf(image);
    this.label.hidden = label === null;
    this.label.textContent = label === null ? "" : label;
    this.slice.value = String(view.slice);
    const [picture, rgb, grid] = await Promise.all([view.pictures.get(image), view.rgbGrid(), view.gridOf(view.map).catch(() => null)]);
    if (turn !== this.turn) return;
    this.held = { picture, rgb, grid };
    this.draw();
  }

  /** Draw again from what was read. */
  draw() {
    if (!this.held) return;
    this.slice.value = String(this.view.slice);
    const { view } = this, { picture, rgb, grid } = this.held, from = view.placeOf(view.image, 0), n = view.cells[0] * view.cells[1];
    const { meta } = view, kept = meta.pictures !== null;
    this.panels.picture.draw({ picture: kept ? picture : null, detail: meta.spatial.length ? `${meta.spatial.join(" × ")} positions` : "one position", note: kept ? "" : "no picture was kept with these activations" });
    if (grid) {
      const values = Float32Array.from({ length: n }, (_, i) => grid.at(from + i));
      this.panels.map.draw({ picture: kept ? picture : null, values, scale: view.scaled(scaleOf(values, { signed: grid.signed })), over: kept && view.overlay < 1, detail: view.map === "norm" ? `of ${plural(meta.channels, "channel")}` : "" });
    }
    if (rgb) this.panels.rgb.draw({ colours: rgb.subarray(3 * from, 3 * (from + n)), detail: "one basis for all" });
    this.drawSimilar();
  }

  /** The map of what resembles the chosen position. */
  drawSimilar() {
    if (!this.held) return;
    const { view } = this, { meta } = view, near = view.similarity;
    if (near) {
      const from = view.placeOf(view.image, 0), n = view.cells[0] * view.cells[1];
      const values = near.values.slice(from, from + n);
      const image = view.focus === null ? view.image : Math.floor(view.focus / view.each);
      const to = image === view.image ? "" : `, to ${shortened(view.meta.names[image], 12)}`;
      this.panels.similar.draw({ values, scale: view.scaled(similarityScale(near)), detail: `${near.note || "cosine"}${to}` });
    } else this.panels.similar.draw({ note: meta.vectors === null ? "the vectors that this needs were left out of this file" : "Click a place in a picture or a point: what resembles it lights up here." });
    for (const part of [view.ask, view.allMaps]) if (part) part.update();
  }

  /** What is known of the chosen position. */
  async describe() {
    const { view } = this, place = view.focus, turn = (this.told = (this.told || 0) + 1);
    this.element.classList.toggle("told", place !== null);
    if (place === null) {
      this.facts.replaceChildren(this.hint());
      this.near.replaceChildren();
      return;
    }
    const row = view.rowOf(place), at = view.positionOf(place), axes = { 0: [], 1: ["position"], 2: ["row", "column"], 3: ["slice", "row", "column"] }[at.length];
    const name = view.meta.names[Math.floor(place / view.each)], items = [["picture", shortened(name, 24)], ["position", at.map((v, i) => `${axes[i]} ${v}`).join(", ") || "the whole image"]];
    const label = view.labelOf(Math.floor(place / view.each));
    if (label !== null) items.push(["label", label]);
    items.push(...(await view.figuresOf(place, row).catch(() => [])));
    items.push(["sees", view.sees(place), "whole"]);
    if (turn !== this.told) return;
    const head = el("div", { class: "facts-head" }, el("h3", {}, "Chosen position"),
      view.meta.vectors ? el("button", { type: "button", class: "link", onclick: () => view.colourBy("similarity") }, "colour by similarity") : null);
    const list = el("dl", {}, ...items.flatMap(([name, value, kind]) => [el("dt", { class: kind || null }, name), el("dd", { class: kind || null, title: value }, value)]));
    this.facts.replaceChildren(head, list);
    this.tellNorm();
    const standing = view.focusRow();
    if (row < 0) {
      const where = standing < 0 ? "nor is any other of this picture" : `the dashed ring marks the nearest that is: ${view.positionOf(view.places[standing]).map((v, i) => `${axes[i]} ${v}`).join(", ")}`;
      this.facts.append(el("p", { class: "warn" }, `Not among the ${count(view.meta.nRows)} positions that were projected; ${where}.`));
    }
    if (standing < 0) this.near.replaceChildren(); else this.neighbours(standing, turn);
  }

  /** The norm as it is, where the server has told it; what a page holds is rounded to a byte. */
  tellNorm() {
    const { similarity, focus } = this.view, told = this.facts.querySelector("dd.norm");
    if (told && similarity && similarity.place === focus) told.textContent = told.title = figure(similarity.norm);
  }

  hint() {
    const key = (text) => el("kbd", {}, text);
    return el("div", { class: "hint" },
      el("p", {}, "Every point of the cloud is one place in one picture."),
      el("ul", {},
        el("li", {}, el("b", {}, "Click"), " a point, or a place in a picture, to see the other."),
        el("li", {}, el("b", {}, "Circle points"), " with ", key("Shift"), " + drag: the strip ranks the pictures they come from."),
        el("li", {}, el("b", {}, "Paint"), " over a map: those points light up in the cloud.")));
  }

  /** Nearest in the layer's own space beside nearest on the map. */
  async neighbours(row, turn) {
    const { view } = this, k = 6;
    this.near.replaceChildren(el("h3", {}, "Nearest neighbours"), el("p", { class: "quiet" }, "…"));
    await view.nearDue;
    if (turn !== this.told) return;
    const exact = view.source.live && row !== view.rowOf(view.focus); // what the map left out has neighbours of its own
    const found = await view.source.neighbours(row, exact ? view.focus : view.places[row]).catch((error) => ({ original: null, why: error.message }));
    const onMap = nearestOnMap(view.points, row, k);
    if (turn !== this.told) return;
    const original = found.original ? found.original.slice(0, k) : null;
    view.link(original ? original.map((other) => [other, "original"]) : [], onMap.map((other) => [other, "map"]));
    const both = original ? original.filter((other) => onMap.includes(other)).length : 0;
    const column = (title, rows, shared, note) => el("div", { class: "near-column" }, el("h4", {}, title), el("div", { class: "near-grid" }, ...(rows || []).map((other) => this.thumb(other, shared.includes(other)))), note ? el("p", { class: "quiet" }, note) : null);
    this.near.replaceChildren(
      el("div", { class: "facts-head" }, el("h3", {}, "Nearest neighbours"), original ? el("span", { class: "quiet" }, `${both} of ${original.length} shared`) : null),
      el("div", { class: "near-columns" },
        column(`in ${view.meta.layer}, ${plural(view.meta.channels, "channel")}`, original, onMap, original ? [found.note, view.meta.sampled ? "of those on the map" : ""].filter(Boolean).join(" · ") : found.why),
        column(`on the map, ${view.meta.method}`, onMap, original || [], row === view.rowOf(view.focus) ? "" : "of the dashed ring")));
  }

  thumb(row, shared) {
    const { view } = this, place = view.places[row], image = Math.floor(place / view.each), canvas = el("canvas");
    const wide = 62, height = clamp(wide / view.shape, 40, 76), width = Math.min(wide, height * view.shape);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const label = view.labelOf(image), at = view.positionOf(place).join(", ");
    const button = el("button", { type: "button", class: `near-thumb${shared ? " shared" : ""}`, title: `${view.meta.names[image]} · ${at}${label === null ? "" : ` · ${label}`}`, "data-row": row, onclick: () => view.focusPlace(place), onpointerenter: () => view.hoverRow(row), onpointerleave: () => view.hover(-1) },
      canvas, el("span", {}, label === null ? at : label));
    view.pictures.get(image).then((bitmap) => drawThumb(view, canvas, bitmap, image, { width, height, focus: view.cellOf(place), masked: false }));
    return button;
  }
}

// A second map beside the first: its eye is tied to the first one's, its colours, filters and selection are the same.

/** Where the middle of each place of one grid lies on another, for one picture; -1 where nothing stands for it. */
function middles(from, to) {
  const each = from.reduce((a, b) => a * b, 1), out = new Int32Array(each).fill(to.length ? -1 : 0);
  if (!to.length || from.length !== to.length) return out;
  for (let cell = 0; cell < each; cell++) {
    let rest = cell, at = 0, step = 1;
    for (let k = from.length - 1; k >= 0; k--) {
      at += Math.floor(((2 * (rest % from[k]) + 1) * to[k]) / (2 * from[k])) * step;
      step *= to[k];
      rest = Math.floor(rest / from[k]);
    }
    out[cell] = at;
  }
  return out;
}

/** The second cloud as its stage sees it: whatever is not said here is the first one's. */
function twinOf(view, told) {
  const twin = Object.create(view);
  const { coordinates, places, meta } = told, grid = view.meta.spatial;
  const points = spread(numbersOf(coordinates), meta.components), own = places ? numbersOf(places) : Uint32Array.from({ length: meta.nRows }, (_, i) => i);
  const each = Math.max(1, meta.spatial.reduce((a, b) => a * b, 1)), index = indexOf(own, view.meta.nImages * each);
  const to = middles(meta.spatial, grid), back = middles(grid, meta.spatial), whole = meta.spatial.length !== grid.length;
  const picture = (place) => Math.floor(place / each), theirs = (place) => Math.floor(place / view.each);
  // The first map's place and row of each of our points, and ours of one of its places.
  const first = Int32Array.from(own, (place) => (to[place % each] < 0 ? -1 : picture(place) * view.each + to[place % each]));
  const rows = Int32Array.from(first, (place) => (place < 0 ? -1 : view.rowOf(place)));
  const ours = (place) => (back[place % view.each] < 0 ? -1 : index[theirs(place) * each + back[place % view.each]]);
  let painted = null;
  const parts = {
    points, places: own, meta: { ...view.meta, ...meta }, told: told.named, id: told.id, lacks: rows.reduce((n, row) => n + (row < 0), 0), first, rowsOfFirst: rows, hiddenCount: 0,
    alike: ordered(meta.spatial) === ordered(grid), whole,
    hiddenRow: (i) => rows[i] >= 0 && view.hiddenRow(rows[i]),
    rowOf: (place) => (place === null ? -1 : ours(place)),
    focusRow: () => (view.focus === null ? -1 : ours(view.focus)),
    clear: () => view.clear(), takeClass: (...asked) => view.takeClass(...asked), toolsChanged: () => view.toolsChanged(),
    focusPlace: (place) => view.focusPlace(place === null ? null : toFirst(place)),
    take: (chosen, mode, how) => view.take(placesOfFirst(chosen), mode, how),
    hover(row, at) {
      if (row < 0) { twin.stage.tip.hidden = true; view.hover(-1); view.stage.request(true); return; }
      if (rows[row] < 0) { twin.stage.tip.hidden = true; return; }
      if (view.hovered && view.hovered.row === rows[row]) { view.frame.moveTip(at, twin.stage); return; }
      view.hoverRow(rows[row]);
      view.frame.showTip(rows[row], at, twin.stage);
    },
    unhover: () => {},
  };
  const toFirst = (place) => (to[place % each] >= 0 ? picture(place) * view.each + to[place % each] : picture(place) * view.each);

  /** Our places on the first map's grid, as `Selection.to` brings them there. */
  function placesOfFirst(chosen) {
    const out = new Set();
    if (whole) for (const place of chosen) for (let i = 0; i < view.each; i++) out.add(picture(place) * view.each + i);
    else {
      const held = new Set(chosen);
      for (const place of chosen) out.add(toFirst(place));
      if (!parts.alike) for (const image of new Set([...held].map(picture))) for (let cell = 0; cell < view.each; cell++) if (held.has(image * each + back[cell])) out.add(image * view.each + cell);
    }
    return [...out];
  }

  /** Which of our places the first map's selection lights. */
  function lit() {
    const { mask } = view.selection, out = new Uint8Array(view.meta.nImages * each);
    if (parts.alike) return mask;
    if (whole) view.selection.perImage.forEach((n, image) => { if (n) out.fill(1, image * each, (image + 1) * each); });
    else {
      own.forEach((place, i) => { if (first[i] >= 0 && mask[first[i]]) out[place] = 1; });
      mask.forEach((on, place) => { if (on) out[theirs(place) * each + back[place % view.each]] = 1; });
    }
    return out;
  }

  Object.defineProperties(twin, Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, { value, writable: true }])));
  // Maps of all epochs are of one space: the way through them is the same on each.
  Object.defineProperty(twin, "trail", { get: () => (meta.epoch !== undefined && view.trail ? { ...view.trail, at: view.meta.epochs.names.indexOf(meta.epoch) } : null) });
  Object.defineProperty(twin, "painted", { get: () => painted });
  Object.defineProperty(twin, "linked", { get: () => view.linked.map(([row, kind]) => [ours(view.places[row]), kind]).filter(([row]) => row >= 0) });
  Object.defineProperty(twin, "hovered", { get: () => view.hovered && { ...view.hovered, row: ours(view.placeOf(view.hovered.image, view.hovered.cell)), fromCloud: false } });
  twin.paint = () => {
    const n = own.length, from = view.painted, faint = view.bytes("--faint"), any = view.selection.size > 0, on = any ? lit() : null, only = view.isolated ? view.image : -1, still = view.stillRows || null;
    painted = new Uint8Array(4 * n);
    const seen = new Uint8Array(n);
    let hidden = 0;
    for (let i = 0; i < n; i++) {
      const row = rows[i], shown = row >= 0, off = shown && view.hiddenRow(row), light = (!any || on[own[i]] === 1) && (only < 0 || picture(own[i]) === only) && !(still && shown && still[row]);
      // The selection greys the first map's colours; here the colour itself is wanted.
      for (let k = 0; k < 3; k++) painted[4 * i + k] = shown && light ? view.plainColours[3 * row + k] : faint[k];
      painted[4 * i + 3] = off ? 0 : any || only >= 0 || still ? (light ? 255 : 128) : shown ? 200 : 128;
      hidden += off ? 1 : 0;
      seen[i] = shown && light && !off ? 1 : 0;
    }
    twin.hiddenCount = hidden;
    const stage = twin.stage;
    stage.anchors = view.anchorsOf(points, (i) => view.colouring.codes[rows[i]], seen);
    stage.cloud.paint(painted);
    stage.request();
    return from;
  };
  twin.grow = () => {
    const { grown } = view;
    twin.stage.cloud.grow(grown && Uint8Array.from(rows, (row) => (row < 0 ? 64 : grown[row])));
    twin.stage.request();
  };
  return twin;
}

/** Two clouds in one frame. */
class Beside {
  constructor(view) { this.view = view; this.id = null; }

  get first() { return this.view.stage; }
  get told() { return this.twin ? this.twin.told : null; }
  paint() { if (this.twin) this.twin.paint(); }
  grow() { if (this.twin) this.twin.grow(); }
  request(...asked) { if (this.twin) this.twin.stage.request(...asked); }

  /** Show a kept map beside the first. */
  async open(id) {
    const { view } = this;
    const told = await view.frame.during(view.source.beside(id), "opening the second map");
    const twin = twinOf(view, told), before = this.twin, stage = before ? before.stage : new Stage(twin);
    stage.view = twin;
    stage.bare = true;
    twin.stage = stage;
    this.twin = twin;
    this.id = id;
    view.twin = this;
    stage.tool = view.stage.tool;
    if (!before) {
      view.frame.stages.append(stage.element);
      this.captions = [view.stage, stage].map((one) => { const words = el("div", { class: "caption" }); one.element.append(words); return words; });
    }
    view.frame.stages.classList.add("two");
    view.frame.stages.append(view.legend.element, view.frame.chosenBox);
    stage.load(twin.points, twin.meta);
    stage.opening = view.stage.opening;
    stage.tied = view.stage;
    view.stage.tied = stage;
    this.caption();
    twin.paint();
    twin.grow();
    view.stage.ledFrom = null;
    if (before) view.stage.lead(); else view.stage.fly(view.stage.home(), 1);
  }

  /** The first map has changed: match anew, or close where it is the second one itself. */
  async match() {
    const { view } = this, { projections, shown } = view.meta, { layer, method, parameters } = this.told;
    // Another epoch has maps of its own: the one that was made alike, or none.
    const alike = (one) => one.layer === layer && one.method === method && ordered(one.parameters) === ordered(parameters);
    const epoch = view.meta.epochs && view.meta.epochs.maps.find((one) => one.id === this.id);
    const found = epoch || projections.find((one) => one.id === this.id) || projections.find(alike);
    // An epoch that stands on the right stays there while the left one goes by.
    if (epoch || (found && found.id !== shown)) await this.open(found.id); else this.close();
  }

  caption() {
    const { view, twin } = this, { meta } = view, epochs = meta.epochs;
    const words = (one, epoch) => `${epoch === undefined ? "" : `epoch ${epoch} · `}${one.method} ${one.components}D · ${one.layer}`;
    const how = twin.alike ? "" : twin.whole ? " · pictures matched whole" : ` · ${twin.meta.spatial.join(" × ")} matched to ${meta.spatial.join(" × ")} by their middles`;
    const grey = twin.lacks ? ` · grey: ${count(twin.lacks)} not in the left map` : "";
    this.captions[0].replaceChildren(el("b", {}, words(meta, epochs && epochs.names[epochs.at])));
    this.captions[1].replaceChildren(el("b", {}, words(twin.meta, twin.meta.epoch)), el("span", {}, how + grey));
  }

  close() {
    const { view } = this;
    if (!this.twin) return;
    this.twin.stage.tied = view.stage.tied = null;
    this.twin.stage.points = null;
    this.twin.stage.element.remove();
    for (const words of this.captions) words.remove();
    this.twin = view.twin = null;
    this.id = null;
    view.frame.stages.classList.remove("two");
    view.stage.element.append(view.legend.element, view.frame.chosenBox);
    view.stage.fly(view.stage.home(), 1);
  }
}

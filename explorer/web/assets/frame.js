// The frame around cloud and pictures: heading, tools, search, what is selected, help and downloads.

// The letters are those of the desktop window, for what both can do.
const KEYS = [
  ["drag", "turn; in 2D, move"], ["right drag", "move"], ["wheel", "come nearer"], ["double-click", "fly to a point; beside the points, show all"],
  ["Shift + drag", "circle points"], ["Alt", "while selecting: take away"],
  ["space", "drag turns"], ["B  L  G", "drag selects a box, with a lasso, a sphere (press on its middle, drag outwards)"], ["Y", "select only what is seen"], ["X", "clear selection and filters"],
  ["N  P", "next, previous picture"], ["]  [", "next, previous channel"], ["M", "map: norm, channel or component"], ["O", "map over the picture or alone"], ["F", "all maps of this picture"], ["Shift + M", "larger maps"],
  ["C", "next colours of the points; with Shift the previous"], ["I", "only this picture in colour"], ["J", "class names in the cloud"], ["T", "light or dark"],
  ["R", "opening view"], ["V", "views along the axes"], ["D", "the same map flat or in space"], ["+  -  Home", "nearer, farther, opening view"],
  ["arrow keys", "turn; over a map, move the chosen position"], ["/", "find a picture"], ["Esc", "back: what is laid over, then the selection"], ["H", "this list"],
];
const LIVE_KEYS = [["Z", "a second map beside this one"], ["W", "why it lies together: a page"], ["S", "take it away"]];

class Frame {
  constructor(view) {
    this.view = view;
    const { stage, legend, side, strip } = view;
    this.title = el("h1");
    this.crumbs = el("div", { class: "crumbs" });
    this.quality = el("div", { class: "quality" });
    this.slot = el("div", { class: "slot" });
    this.search = el("input", { type: "search", class: "search", placeholder: "Find a picture", title: "find a picture by its name or label (/)", "aria-label": "find a picture or label", oninput: () => this.find(), onkeydown: (event) => this.found(event) });
    this.themeButton = this.button("sun", "light or dark (T)", () => this.toggleTheme());
    this.about = this.button("info", "about this map", () => this.open(this.aboutBox));
    this.saveButton = this.button("save", "take it away (S)", () => this.open(this.saveBox));
    const actions = el("div", { class: "actions" }, this.search, this.about, this.saveButton, this.themeButton, this.button("help", "keys (H)", () => this.open(this.helpBox)));
    this.busy = el("div", { class: "busy", hidden: true, role: "progressbar" }, el("i"), el("span"));
    const top = el("header", { class: "top" }, mark(), el("div", { class: "titles" }, this.title, this.crumbs), this.slot, this.quality, actions);
    this.toolbar = el("div", { class: "tools card-like", role: "toolbar", "aria-label": "tools" });
    this.chosenBox = el("div", { class: "chosen card-like", hidden: true, role: "status" });
    this.aboutBox = this.dialog("About this map");
    this.saveBox = this.dialog("Take it away");
    this.helpBox = this.dialog("Mouse and keys", el("dl", { class: "keys" }, ...(view.source.live ? [...KEYS, ...LIVE_KEYS] : [...KEYS, LIVE_KEYS[2]]).flatMap(([key, words]) => [el("dt", {}, ...key.split(" ").filter(Boolean).map((part) => (part === "+" ? "+" : el("kbd", {}, part)))), el("dd", {}, words)])));
    stage.element.append(this.toolbar, legend.element, this.chosenBox);
    this.stages = el("div", { class: "stages" }, stage.element);
    view.root.append(top, el("main", {}, this.stages, strip.element, side.element), this.busy, this.aboutBox, this.saveBox, this.helpBox);
    this.taking = new Taking(view, this);
    this.views = new Views(view, this);
    stage.element.append(this.views.element);
    this.makeTools();
    document.addEventListener("keydown", (event) => this.key(event));
    let timer = 0;
    new ResizeObserver(() => { clearTimeout(timer); timer = setTimeout(() => { if (view.ready) { side.draw(); strip.update(); } }, 80); }).observe(view.root);
  }

  button(name, words, act) {
    const button = el("button", { type: "button", class: "icon", title: words, "aria-label": words, onclick: act });
    button.append(icon(name));
    return button;
  }

  dialog(title, ...content) {
    const box = el("dialog", { "aria-label": title });
    const body = el("div", { class: "dialog-body" }, ...content);
    box.append(el("header", {}, el("h2", {}, title), this.button("close", "close", () => box.close())), body);
    box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
    box.body = body;
    return box;
  }

  open(box) {
    if (box === this.saveBox) this.taking.fill(box);
    box.showModal();
  }

  /** Heading and facts of the map that is shown. */
  describe() {
    const { meta } = this.view;
    document.title = `${meta.title} · ${meta.layer} · ${meta.method}`;
    this.title.textContent = meta.title;
    const points = meta.sampled ? `${count(meta.nRows)} of ${count(meta.nPositions)} positions` : plural(meta.nRows, "position");
    const shown = this.view.source.live ? [] : [meta.layer, `${meta.method} ${meta.components}D`];
    this.crumbs.replaceChildren(...[...shown, points, plural(meta.nImages, "picture")].map((words) => el("span", {}, words)));
    this.crumbs.title = meta.facts;
    this.quality.replaceChildren(...meta.quality.slice(0, 1).map((own) => this.meter(own)));
    const rows = meta.quality.map(({ title, value, beside, means }) => [title, [el("b", {}, figure(value)), beside ? ` ${beside}` : "", means ? el("span", { class: "quiet means" }, means) : null]]);
    this.aboutBox.body.replaceChildren(...[
      el("p", {}, meta.facts),
      rows.length ? el("dl", { class: "keys" }, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, ...value)])) : null,
      meta.notes.length ? el("h3", {}, "Kept in this file") : null,
      meta.notes.length ? el("ul", {}, ...meta.notes.map((words) => el("li", {}, words))) : null,
      meta.left.length ? el("h3", {}, "Left out of this file") : null,
      meta.left.length ? el("ul", { class: "left-out" }, ...meta.left.map((words) => el("li", {}, words))) : null,
    ].filter(Boolean));
    this.about.classList.toggle("told", meta.left.length > 0);
    this.about.title = meta.left.length ? `about this map · ${plural(meta.left.length, "thing")} left out of this file` : "about this map";
    this.tools();
  }

  /** How far a map can be trusted, as a small bar with what a random map scores. */
  meter({ title, value, random, pca, beside }) {
    const less = pca !== undefined && pca > value + 0.0005; // by more than is written of it
    const fill = el("i", { class: less ? "less" : null }), at = el("b");
    if (less) beside = `${beside}: PCA of the same positions is truer here`;
    fill.style.width = `${100 * clamp(value, 0, 1)}%`;
    at.style.left = `${100 * clamp(random ?? 0, 0, 1)}%`;
    return el("button", { type: "button", class: "meter", title: beside ? `${title} ${figure(value)} (${beside})` : title, onclick: () => this.open(this.aboutBox) }, el("span", {}, title), el("span", { class: "track" }, fill, random === undefined ? null : at), el("span", { class: "value" }, figure(value, 2)));
  }

  makeTools() {
    const { stage } = this.view;
    const tool = (name, words) => { const b = this.button(name, words, () => this.use(name)); b.dataset.tool = name; return b; };
    this.flat = el("button", { type: "button", class: "icon words", title: "flat or in space (D)", onclick: () => stage.flatten(stage.camera.flatness < 0.5) }, "2D");
    this.seen = this.button("views", "select only what is seen (Y)", () => this.toggleVisible());
    this.toolbar.append(
      tool("turn", "turn (space)"), tool("lasso", "lasso (L, or Shift + drag)"), tool("box", "box (B)"), tool("sphere", "sphere: press on its middle, drag outwards (G)"), this.seen, el("hr"),
      this.flat, this.button("fit", "show all (R)", () => stage.fly(stage.home())), this.views.button,
      this.names = this.button("names", "names (J)", () => this.toggleNames()));
  }

  /** Show which tool is in the hand. */
  tools() {
    const { stage, meta } = this.view;
    for (const button of this.toolbar.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === stage.tool));
    this.seen.setAttribute("aria-pressed", String(stage.visible));
    this.names.setAttribute("aria-pressed", String(stage.named));
    const flat = stage.camera && ((stage.motion && stage.motion.flatness) ?? stage.camera.flatness) > 0.5; // where a flight leads
    this.flat.textContent = flat ? "3D" : "2D";
    this.flat.hidden = meta.components === 2;
    stage.over.style.cursor = stage.tool === "turn" ? "grab" : "crosshair";
  }

  use(name) { this.view.stage.tool = name; if (this.view.twin) this.view.twin.twin.stage.tool = name; this.tools(); }
  toggleVisible() { const { stage } = this.view; stage.visible = !stage.visible; if (this.view.twin) this.view.twin.twin.stage.visible = stage.visible; this.tools(); this.say(stage.visible ? "Selecting only the points that are visible" : "Selecting all points within, also those behind"); }
  toggleNames() { const { stage } = this.view; stage.named = !stage.named; if (this.view.twin) this.view.twin.twin.stage.named = stage.named; this.tools(); stage.request(true); }
  toggleTheme() { this.view.setTheme(this.view.theme === "light" ? "dark" : "light"); }

  /** Tell what went wrong, until it is read. */
  tell(words) {
    const box = this.dialog("That did not work", el("p", {}, words));
    box.addEventListener("close", () => box.remove());
    this.view.root.append(box);
    box.showModal();
  }

  /** Tell something in passing. */
  say(words) {
    const { status } = this.view.stage;
    status.textContent = words;
    clearTimeout(this.unsay);
    this.unsay = setTimeout(() => this.view.stage.request(), 2500);
  }

  key(event) {
    const { view } = this, { stage } = view;
    if (event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) {
      if (event.key === "Escape" && event.target === this.search) { this.search.value = ""; this.find(); this.search.blur(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.closest("button, summary")) return; // it presses what has the focus
    const acts = {
      " ": () => this.use("turn"), l: () => this.use("lasso"), b: () => this.use("box"), g: () => this.use("sphere"), y: () => this.toggleVisible(), x: () => view.clearAll(),
      n: () => view.stepImage(1), p: () => view.stepImage(-1), "]": () => view.stepChannel(1), "[": () => view.stepChannel(-1), m: () => view.nextMap(), o: () => view.switchOverlay(), f: () => view.allMaps.toggle(), M: () => view.enlarge(),
      c: () => view.stepColour(1), C: () => view.stepColour(-1), i: () => view.isolateImage(), j: () => this.toggleNames(), t: () => this.toggleTheme(),
      r: () => stage.fly(stage.home()), Home: () => stage.preset("opening"), v: () => this.views.along(), d: () => stage.flatten(stage.camera.flatness < 0.5),
      z: () => view.switches && view.switches.second.focus(), w: () => view.source.live && view.selection.size && this.taking.why(), s: () => this.open(this.saveBox),
      "/": () => this.search.focus(), h: () => this.open(this.helpBox), "?": () => this.open(this.helpBox),
      a: () => (event.shiftKey && view.ask ? view.ask.press() : view.epochs ? view.epochs.play() : this.views.keep()), e: () => view.epochs && view.epochs.switchMoved(), ",": () => (view.epochs || this.views).step(-1), ".": () => (view.epochs || this.views).step(1),
      Escape: () => { if (view.allMaps.open) view.allMaps.close(); else if (view.selection.size) view.clear(); else view.focusPlace(null); },
    };
    const act = acts[event.key] || acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // ---- search

  find() {
    const { view } = this, text = this.search.value.trim().toLowerCase();
    view.filtered = text ? view.meta.names.map((_, i) => i).filter((i) => view.meta.names[i].toLowerCase().includes(text) || (view.labelOf(i) || "").toLowerCase() === text || (text.length > 1 && (view.labelOf(i) || "").toLowerCase().includes(text))) : null;
    view.strip.update();
  }

  /** All pictures again. */
  forget() {
    this.search.value = "";
    this.find();
  }

  found(event) {
    const { view } = this;
    if (event.key === "Enter" && view.filtered && view.filtered.length) { view.showImage(view.filtered[0]); this.search.blur(); }
  }

  // ---- what is selected

  chosen() {
    const { view } = this, { selection } = view, none = selection.size === 0;
    this.chosenBox.hidden = none;
    if (none) { this.chosenBox.replaceChildren(); return; }
    const pictures = selection.perImage.reduce((n, own) => n + (own > 0), 0);
    this.mixed = el("div", { class: "mixed" });
    const close = this.button("close", "drop the selection (Esc)", () => view.clear());
    this.chosenBox.replaceChildren(el("div", { class: "chosen-words" }, el("b", {}, plural(selection.size, "position")), ` in ${plural(pictures, "picture")}`, el("span", { class: "quiet" }, ` · ${selection.how || "selected"}`)), this.mixed, el("div", { class: "chosen-acts" }, view.source.live ? el("button", { type: "button", class: "link", title: "why these positions lie together: a report of one page", onclick: () => this.taking.why() }, "why?") : "", el("button", { type: "button", class: "link", title: "the selection as CSV", onclick: () => this.taking.selection() }, "CSV")), close);
    this.composition();
  }

  /** Which classes the selection is made of: of the colours, or the labels where those say nothing. */
  composition() {
    const { view } = this;
    if (!view.selection.size || !this.mixed) return;
    const own = view.colouring.kind === "classes" ? view.colouring : null, { labels } = view.meta;
    const kinds = [own && { names: own.names, of: (row) => own.codes[row] }, labels && { names: view.meta.classes, of: (row) => labels[Math.floor(view.places[row] / view.each)] }].filter(Boolean);
    const all = kinds.map((kind) => this.counted(kind)), told = all.find(({ order }) => order.length > 1) || all[0];
    if (!told) { this.mixed.replaceChildren(); return; }
    const { names, counts, order, total } = told, coloured = own !== null && names === own.names;
    const bar = el("div", { class: "mixed-bar" }, ...order.map((i, place) => {
      const part = el("i", { title: `${names[i]}: ${count(counts[i])}, ${percent(counts[i] / total)}` });
      part.style.flexGrow = String(counts[i]);
      part.style.background = coloured ? `rgb(${view.inks.one(i, view.theme)})` : "var(--muted)";
      if (!coloured) part.style.opacity = String(Math.max(0.25, 0.9 - 0.3 * place)); // the cloud's colours mean something else
      return part;
    }));
    const words = order.slice(0, 3).map((i) => `${shortened(names[i], 16)}: ${percent(counts[i] / total)}`).join(", ");
    this.mixed.replaceChildren(bar, el("span", { class: "quiet" }, words));
  }

  /** How many of the chosen points each class has, and the classes that have any, the largest first. */
  counted({ names, of }) {
    const { view } = this, counts = new Float64Array(names.length);
    let total = 0;
    view.places.forEach((place, row) => { if (view.selection.mask[place]) { counts[of(row)]++; total++; } });
    return { names, counts, total, order: [...counts.keys()].filter((i) => counts[i]).sort((a, b) => counts[b] - counts[a]) };
  }

  // ---- hovering

  showTip(row, at, stage = this.view.stage) {
    const { view } = this, { tip } = stage, place = view.places[row], image = Math.floor(place / view.each);
    const canvas = el("canvas"), tall = 72, height = tall, width = clamp(tall * view.shape, 48, 128), label = view.labelOf(image);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const axes = { 0: [], 1: ["position"], 2: ["row", "column"], 3: ["slice", "row", "column"] }[view.meta.spatial.length];
    const where = view.positionOf(place).map((v, i) => `${axes[i]} ${v}`).join(", ");
    tip.replaceChildren(canvas, el("div", {}, el("b", {}, view.meta.names[image]), el("span", {}, where), label === null ? null : el("span", {}, `label ${label}`), this.valueOf(row)));
    tip.dataset.row = String(row);
    tip.hidden = false;
    this.moveTip(at, stage);
    view.pictures.get(image).then((bitmap) => { if (canvas.isConnected) drawThumb(view, canvas, bitmap, image, { width, height, focus: view.cellOf(place), masked: false }); });
  }

  /** What the point's colour means, where it is a number. */
  valueOf(row) {
    const own = this.view.colouring;
    if (own.kind === "scale") return el("span", {}, `${own.title}: ${figure(own.values[row])}`);
    return own.kind === "classes" && own.name !== "label" && own.name !== "image" ? el("span", {}, `${own.title}: ${own.names[own.codes[row]]}`) : null;
  }

  moveTip(at, stage = this.view.stage) {
    const { tip, width, height } = stage, wide = tip.offsetWidth, tall = tip.offsetHeight;
    const x = at.x + 18 + wide > width ? at.x - wide - 14 : at.x + 18, y = clamp(at.y + 16, 6, height - tall - 6);
    tip.style.transform = `translate(${Math.max(6, x)}px, ${y}px)`;
  }

  // ---- progress

  /** Show that something is on its way when it takes longer than half a second. */
  async during(promise, words) {
    const timer = setTimeout(() => this.working(words), 400);
    try { return await promise; } finally { clearTimeout(timer); this.working(null); }
  }

  working(words, share = null) {
    this.busy.hidden = words === null;
    if (words === null) return;
    this.busy.lastChild.textContent = words;
    this.busy.firstChild.classList.toggle("some", share !== null);
    this.busy.firstChild.style.transform = share === null ? "" : `scaleX(${share})`;
  }
}

/** The product's mark: three cells of a map that have become points. */
function mark() {
  const box = el("span", { class: "mark", "aria-hidden": "true" });
  for (let i = 0; i < 4; i++) box.append(el("i"));
  return box;
}

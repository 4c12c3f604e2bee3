// What the model has answered: a map in the last panel, or a grown picture, with a card that says what it is.

const WAYS = {
  gradient: "gradient", "gradient-x-input": "gradient × input", smoothgrad: "SmoothGrad", "integrated-gradients": "integrated gradients", "grad-cam": "Grad-CAM",
  "grad-cam++": "Grad-CAM++", "guided-backprop": "guided backpropagation", occlusion: "occlusion", rollout: "attention roll-out",
};

const SHORT = { ...WAYS, "integrated-gradients": "integrated", "guided-backprop": "guided", rollout: "roll-out" }; // where there is little room

/** The model's answer as a panel: a map as fine as its inputs, over the picture in grey where that is wished, or a grown picture. */
class AnswerPanel extends MapPanel {
  constructor(view) {
    super(view, "answer", "the model's answer");
    this.element.classList.add("answer-panel");
    this.epoch = el("span", { class: "of-epoch", hidden: true });
    this.box.append(this.epoch);
  }

  /** Say over it that it is of another epoch than is shown; of the one that is shown nothing is laid over it. */
  dated(epoch, shown) {
    const other = Boolean(epoch) && epoch.at !== shown.at;
    this.epoch.hidden = !other;
    this.element.classList.toggle("elsewhere", other);
    this.epoch.textContent = other ? `epoch ${shortened(epoch.name, 10)}, not ${shortened(shown.names[shown.at], 10)}` : "";
  }

  /** A canvas as large as the other panels' that leaves a picture its shape. */
  canvasFor(ratio) {
    const { view, canvas } = this;
    let width = this.box.clientWidth || 160, height = width / ratio;
    if (height > view.mapHeight) { height = view.mapHeight; width = height * ratio; }
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    this.box.style.minHeight = `${height}px`;
    const context = fitted(canvas, width, height);
    context.fillStyle = view.ink("--well");
    context.fillRect(0, 0, width, height);
    return [context, width, height];
  }

  showGrown(bitmap) {
    const [context, width, height] = this.canvasFor(clamp(bitmap.width / bitmap.height, 0.4, 3));
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, width, height);
    this.showScale(null, null);
  }

  showMap({ values, shape: [tall, wide], scale, signed }, picture, over) {
    const { view } = this, held = view.scaled(scale), [context, width, height] = this.canvasFor(view.shape);
    context.imageSmoothingEnabled = false;
    if (over && picture) {
      context.imageSmoothingEnabled = picture.width > width * 0.6;
      context.filter = "grayscale(1)";
      context.drawImage(picture, 0, 0, width, height);
      context.filter = "none";
      context.imageSmoothingEnabled = true;
    }
    const least = over && picture ? (signed ? 0 : held.low) : null, key = [view.theme, held.map, least].join();
    if (this.drawnOf !== values || this.drawnAs !== key) this.drawn = cellImage(this.inked(values, held, least), wide, tall);
    this.drawnOf = values;
    this.drawnAs = key;
    context.drawImage(this.drawn, 0, 0, width, height);
    this.marks(context, width / view.cells[1], height / view.cells[0]);
    this.showScale(held, values);
  }

  /** Colours of numbers; over a picture what is near `least` lets it through. */
  inked(values, scale, least) {
    const { view } = this, out = new Uint8ClampedArray(4 * values.length), span = least === null || !(scale.high > least) ? 1 : scale.high - least;
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i])) continue;
      out.set(view.inks.at(scale, values[i], view.theme), 4 * i);
      out[4 * i + 3] = least === null ? 255 : 235 * clamp(Math.abs(values[i] - (scale.map === "diverging" ? 0 : least)) / span, 0, 1) ** 0.7;
    }
    return out;
  }
}

/** The last answer, in the last panel and on a card. */
class Answered {
  /** @param complain takes a line that says what went wrong @param again asks the epoch that is shown the same */
  constructor(view, complain, again) {
    this.view = view;
    this.complain = complain;
    this.again = again;
    this.answer = null;
    this.over = true;
    this.shows = true;
    this.note = "";
    this.panel = new AnswerPanel(view);
    this.card = el("div", { class: "answer", hidden: true });
    this.switches = [view.side.panels.similar, this.panel].map((panel) => {
      const own = el("select", { class: "choice small answer-switch", "aria-label": "similarity or the model's answer", onchange: () => { this.shows = own.value === "answer"; this.draw(); this.switches[this.shows ? 1 : 0].focus(); } });
      panel.title.before(own);
      return own;
    });
    this.panel.title.hidden = true;
    view.side.panels.similar.element.after(this.panel.element);
    this.draw();
  }

  /** Read the answer as it is for the picture that is shown. */
  async fetch() {
    const { view } = this, turn = (this.turn = (this.turn || 0) + 1);
    const told = await view.source.ask("answer", view.image, view.slice);
    if (turn !== this.turn) return;
    const other = told && (!this.answer || told.number !== this.answer.number);
    if (other) this.shows = true;
    await this.take(told);
    if (other) this.card.scrollIntoView({ block: "nearest", behavior: view.stage.still ? "auto" : "smooth" });
  }

  /** Show a picture on its way; what went before comes back where nothing comes of it. */
  async grow(told) {
    if (this.answer === null || !this.answer.growing) this.before = this.answer;
    this.shows = true;
    await this.take({ ...told, number: 0, growing: true });
  }

  dropGrowing() { if (this.answer && this.answer.growing) this.set(this.before); }

  /** Show an answer once its pictures are read; null takes it away. */
  async take(told) {
    const turn = (this.taking = (this.taking || 0) + 1), made = told && { ...told, shownFor: this.looked };
    if (told && told.picture) made.bitmap = await bitmapOf(told.picture);
    if (told && told.real) made.reals = await Promise.all(told.real.map((one) => bitmapOf(one.picture)));
    if (told && told.values) made.values = numbersOf(told.values);
    if (turn === this.taking) this.set(made);
  }

  /** What the answer depends on beside the question: picture, slice, and the epoch of a training. */
  get looked() { const { image, slice, meta } = this.view; return [image, slice, meta.epochs ? meta.epochs.at : ""].join(); }

  set(answer) {
    this.answer = answer;
    this.built = null;
    this.draw();
  }

  /** Draw the answer; of another picture it is asked for first. */
  draw() {
    const { answer, view, card, panel } = this, { similar } = view.side.panels, there = answer !== null && (answer.kind === "grown" || answer.image !== null);
    card.hidden = !answer;
    panel.element.hidden = !there || !this.shows;
    similar.element.hidden = !panel.element.hidden;
    similar.title.hidden = there;
    for (const own of this.switches) own.hidden = !there;
    if (!answer) { card.replaceChildren(); this.built = null; return; }
    if (!answer.growing && answer.shownFor !== this.looked && (answer.kind === "map" || answer.epoch)) {
      answer.shownFor = this.looked;
      this.fetch().catch((error) => this.complain(error.message));
      return;
    }
    if (this.built !== answer) {
      this.built = answer;
      card.replaceChildren(...(answer.kind === "map" ? this.mapped(answer) : this.grown(answer)));
      const title = answer.kind === "grown" ? "Maximised" : SHORT[answer.method] || answer.method;
      for (const own of this.switches) own.replaceChildren(el("option", { value: "similarity" }, "Similarity"), el("option", { value: "answer" }, title));
      panel.detail.textContent = answer.kind === "grown" ? (answer.reached === null ? "growing" : figure(answer.reached)) : answer.short;
      panel.canvas.setAttribute("aria-label", `${title}; arrow keys move the chosen position`);
      panel.canvas.classList.toggle("grown", answer.kind === "grown");
      panel.dated(answer.epoch, view.meta.epochs);
    }
    for (const own of this.switches) own.value = this.shows ? "answer" : "similarity";
    if (panel.element.hidden) return;
    if (answer.kind === "grown") { panel.showGrown(answer.bitmap); return; }
    view.pictures.get(view.image).then((picture) => { if (this.answer === answer && answer.values) panel.showMap(answer, view.meta.pictures ? picture : null, this.over); });
  }

  head(title) {
    const close = this.view.frame.button("close", "close the answer", () => { this.take(null); this.view.source.ask("ask_close"); });
    return el("div", { class: "answer-head" }, el("h4", { title }, title[0].toUpperCase() + title.slice(1)), close);
  }

  /** " at epoch 9" of a training. */
  get when() { const { epoch } = this.answer; return epoch ? ` at epoch ${shortened(epoch.name, 14)}` : ""; }

  /** That another epoch is shown than the answer is of, with the way to an answer of that one, and back. */
  elsewhere() {
    const { answer, view } = this, { epoch, growing } = answer, { epochs } = view.meta;
    if (this.here) return null;
    const link = (words, act) => el("button", { type: "button", class: "link", onclick: act }, words), here = shortened(epochs.names[epochs.at], 14);
    return el("p", { class: "warn elsewhere" }, `This is of epoch ${shortened(epoch.name, 14)}; epoch ${here} is shown. `, growing ? null : link(`Ask epoch ${here} the same`, () => this.again(false)), " ", link(`Go to epoch ${shortened(epoch.name, 14)}`, () => view.epochs.go(epoch.at)));
  }

  /** Whether it is of the epoch that is shown; what is of no training always is. */
  get here() { const { epoch } = this.answer; return !epoch || epoch.at === this.view.meta.epochs.at; }

  /** That the run keeps it, where it was read and not computed, with the way to compute it all the same. */
  kept({ again, kind, kept }) {
    if (!again) return null;
    const words = kind === "map" ? `Kept in the run as ${shortened(kept, 40)}` : "Kept in the run";
    return el("p", { class: "quiet kept" }, `${words}; not computed again.`, this.here ? el("button", { type: "button", class: "link", onclick: () => this.again(true) }, "Compute it anew") : null);
  }

  acts(...more) {
    const png = el("button", { type: "button", class: "link", title: "this answer as a picture, with its title", onclick: () => this.file() }, "Sheet as PNG");
    return el("div", { class: "answer-acts" }, ...more.filter(Boolean), this.answer.sheet ? png : null);
  }

  mapped(answer) {
    const { view } = this, [first] = answer.images, name = (image) => shortened(view.meta.names[image], 24);
    const title = WAYS[answer.method] || answer.method;
    if (answer.image === null) {
      const go = el("button", { type: "button", class: "link", onclick: () => view.showImage(first) }, `show ${name(first)}`);
      return [this.head(`${title}${this.when}`), el("p", { class: "quiet" }, "The model was asked about another picture: ", go)];
    }
    const own = answer.target.replace(/ \(answered\)$/, ""), facts = Object.entries(answer.facts).filter(([key]) => key !== "at").map(([key, value]) => `${key} ${value}`).join(", ");
    const over = el("button", { type: "button", class: "link", onclick: () => { this.over = !this.over; over.textContent = words(); this.draw(); } });
    const words = () => (this.over ? "Map alone" : "Over the picture");
    over.textContent = words();
    const meaning = answer.signed ? "Red speaks for it, blue against it" : "The brighter, the more it matters";
    return [
      this.head(answer.images.length > 1 ? `${title} of all ${plural(answer.images.length, "picture")}${this.when}` : `${title} of ${name(answer.image)}${this.when}`),
      this.elsewhere(),
      el("p", {}, "What drives ", el("b", {}, own), own === answer.target ? "." : ", the model's answer.", answer.missed ? ` The map's sum misses what this gains by ${answer.missed}.` : ""),
      el("p", { class: "quiet" }, `${meaning}: ${[answer.averaged, facts].filter(Boolean).join(", ")}.`),
      this.kept(answer),
      this.acts(view.meta.pictures ? over : null, answer.colour && this.here ? el("button", { type: "button", class: "link", onclick: () => view.colourBy(answer.colour) }, "Colour the cloud") : null),
    ].filter(Boolean);
  }

  grown(answer) {
    const { view } = this, whole = answer.reached !== null, name = `${answer.layer}-${answer.name}.png`.replace(/[^\w.-]+/g, "-");
    const save = el("button", { type: "button", class: "link", title: "the grown picture alone, as large as it is", onclick: () => view.frame.taking.give(new Blob([plainBytes(answer.picture.bytes)], { type: "image/png" }), name) }, "Picture as PNG");
    const real = answer.real.map((one, rank) => {
      const bitmap = answer.reals[rank], own = el("canvas", { width: bitmap.width, height: bitmap.height }), label = view.labelOf(one.image), where = one.position.length ? ` at ${one.position.join(", ")}` : "";
      own.getContext("2d").drawImage(bitmap, 0, 0);
      return el("button", { type: "button", class: "near-thumb", title: `${view.meta.names[one.image]}${where}${label === null ? "" : ` · ${label}`}`, onclick: () => this.goTo(one, answer.layer) }, own, el("span", {}, figure(one.value)));
    });
    const best = real.length ? `, the strongest of ${plural(answer.of, "real picture")} ${figure(answer.real[0].value)}` : "";
    return [
      this.head(`${answer.name} in ${answer.layer}, maximised${this.when}`),
      this.elsewhere(),
      whole ? el("p", {}, "The grown picture reaches ", el("b", {}, figure(answer.reached)), `${best}.`) : el("p", { class: "quiet" }, "It grows …"),
      real.length ? el("div", { class: "reals", role: "group", "aria-label": "the strongest real pictures, cut to what their strongest position sees" }, ...real) : null,
      this.kept(answer),
      whole && this.note ? el("p", { class: "warn" }, this.note) : null,
      whole ? this.acts(save) : null,
    ].filter(Boolean);
  }

  /** Where a real picture answers most; of another layer than is shown it is the picture alone. */
  goTo({ image, position }, layer) {
    const { view } = this;
    if (layer !== view.meta.layer) view.showImage(image);
    else view.focusPlace(position.reduce((at, k, axis) => at * view.meta.spatial[axis] + k, image));
  }


  async file() {
    const { view } = this;
    try {
      const { name, type, bytes } = await view.frame.during(view.source.ask("answer_file", view.image, view.theme), "drawing");
      view.frame.taking.give(new Blob([plainBytes(bytes)], { type }), name);
    } catch (error) { this.complain(String(error.message || error)); }
  }
}

function bitmapOf({ type, bytes }) { return createImageBitmap(new Blob([plainBytes(bytes)], { type })); }

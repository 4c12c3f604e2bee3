// What the model is asked: which pixels drive what is chosen, and the picture that a channel answers to most.

const WAYS = {
  gradient: "gradient", "gradient-x-input": "gradient × input", smoothgrad: "SmoothGrad", "integrated-gradients": "integrated gradients", "grad-cam": "Grad-CAM",
  "grad-cam++": "Grad-CAM++", "guided-backprop": "guided backpropagation", occlusion: "occlusion", rollout: "attention roll-out",
};

/** One map of the model's answer: as fine as its inputs, over the picture in grey where that is wished. */
class AnswerPanel extends MapPanel {
  constructor(view) {
    super(view, "answer", "answer");
    this.element.classList.add("answer-map");
    this.canvas.setAttribute("aria-label", "the model's answer; arrow keys move the chosen position");
  }

  show({ values, shape: [tall, wide], scale, signed }, picture, over) {
    const { view, canvas } = this, ratio = clamp(picture ? picture.width / picture.height : wide / tall, 0.4, 3);
    let width = this.box.clientWidth || 160, height = width / ratio;
    const most = Math.max(150, view.mapHeight);
    if (height > most) { height = most; width = most * ratio; }
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = fitted(canvas, width, height), held = view.scaled(scale);
    context.fillStyle = view.ink("--well");
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    if (over && picture) {
      context.imageSmoothingEnabled = picture.width > width * 0.6;
      context.filter = "grayscale(1)";
      context.drawImage(picture, 0, 0, width, height);
      context.filter = "none";
      context.imageSmoothingEnabled = true;
    }
    context.drawImage(cellImage(this.inked(values, held, over && picture ? (signed ? 0 : held.low) : null), wide, tall), 0, 0, width, height);
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

class Ask {
  constructor(view) {
    this.view = view;
    this.over = true;
    this.answer = null;
    const choice = (words, change = null) => el("select", { class: "choice", "aria-label": words, title: words, onchange: change });
    this.of = choice("what is to be explained", () => { this.className.hidden = this.of.value !== "name"; if (!this.className.hidden) this.className.focus(); });
    this.className = el("input", { class: "class-name-input", hidden: true, placeholder: "name or number", "aria-label": "a class by name or number", list: "ask-classes", onkeydown: (event) => { if (event.key === "Enter") this.saliency(); } });
    this.way = choice("how");
    this.where = choice("in which pictures");
    this.grows = choice("what a picture is grown for");
    this.askButton = el("button", { type: "button", class: "act", onclick: () => this.saliency() }, "Ask");
    this.growButton = el("button", { type: "button", class: "act", onclick: () => this.maximise() }, "Grow");
    this.name = el("span", { class: "quiet ask-model" });
    this.bar = el("i");
    this.progress = el("div", { class: "ask-progress", role: "progressbar", "aria-label": "the model's answer" }, this.bar);
    this.words = el("span", { role: "status" });
    this.stopButton = el("button", { type: "button", class: "link", onclick: () => this.stop() }, "Stop");
    this.running = el("div", { class: "ask-running", hidden: true }, this.progress, this.words, this.stopButton);
    this.problem = el("p", { class: "warn", role: "alert", hidden: true });
    this.panel = new AnswerPanel(view);
    this.card = el("div", { class: "answer", hidden: true });
    const row = (words, ...content) => el("div", { class: "ask-row" }, el("span", {}, words), ...content);
    this.element = el("section", { class: "ask", "aria-label": "ask the model" },
      el("div", { class: "facts-head" }, el("h3", {}, "Ask the model"), this.name),
      row("What drives", this.of, this.className), row("by", this.way, this.where, this.askButton), row("What most excites", this.grows, this.growButton),
      el("datalist", { id: "ask-classes" }, ...view.meta.classes.map((value) => el("option", { value }))), this.running, this.problem, this.card);
    view.side.grid.after(this.element);
    this.model(view.meta.model);
    this.update();
    this.look().then((told) => { if (told && told.running) this.watch(told); else if (told && told.number) this.fetch(); }).catch(() => {});
  }

  look() { return this.view.source.ask("asking"); }

  /** What the model can do, as far as that is known before it is opened. */
  model({ name, methods, without, why }) {
    const chosen = this.way.value || "gradient", notes = { occlusion: "any framework", rollout: "transformers" };
    this.name.textContent = name;
    this.name.title = why || name;
    this.way.replaceChildren(...methods.map((key) => el("option", { value: key, disabled: without.includes(key) }, [WAYS[key] || key, without.includes(key) ? "no gradients" : notes[key]].filter(Boolean).join(" · "))));
    this.way.value = without.includes(chosen) ? methods.find((key) => !without.includes(key)) : chosen;
    this.without = without.length > 0;
    this.why = why;
    this.growButton.disabled = this.grows.disabled = this.without;
    this.growButton.title = why;
  }

  /** The channel that is looked at: in the map, else in the colours. */
  get channel() {
    const { view } = this, found = [view.map, view.colour].map(modeOf).find(([mode]) => mode === "channel");
    return found ? found[1] : (view.meta.view && view.meta.view.channel) || 0;
  }

  /** List what can be asked about what is chosen now; what was chosen last is offered first. */
  update() {
    const { view } = this, { selection, focus, meta } = view, here = selection.perImage[view.image] || 0;
    const key = [selection.size, here, focus, view.image, this.channel, meta.layer, view.theme, view.colourMap, view.hovered ? view.hovered.cell : -1, this.over, view.large].join();
    if (key === this.told) return;
    this.told = key;
    const chosen = `${selection.size},${selection.how},${meta.layer}`, held = this.of.value || "class";
    let of = held;
    if (chosen !== this.chosen) of = selection.size ? "selection" : held === "selection" ? "class" : held;
    if (focus !== this.focused) of = focus !== null ? "position" : held === "position" ? (selection.size ? "selection" : "class") : of;
    this.chosen = chosen;
    this.focused = focus;
    const options = (select, list, value) => {
      select.replaceChildren(...list.map(([own, words, off]) => el("option", { value: own, disabled: Boolean(off) }, words)));
      select.value = value;
      if (select.selectedIndex < 0 || select.selectedOptions[0].disabled) select.value = list.find((one) => !one[2])[0];
    };
    const every = this.where.value === "every", many = plural(selection.size, "selected position");
    options(this.of, [
      ["class", "the class it is answered with"], ["name", "another class …"], ["channel", `channel ${this.channel}`],
      ...(focus === null ? [] : [["position", `the chosen position${meta.spatial.length ? `, ${view.positionOf(focus).join(", ")}` : ""}`]]),
      ...(selection.size ? [["selection", here || every ? `the ${many}` : `the ${many}, none of them here`]] : []),
    ], of);
    this.className.hidden = this.of.value !== "name";
    if (this.where.options.length !== 2) options(this.where, [["one", "this picture"], ["every", `all ${plural(meta.nImages, "picture")}`]], "one");
    options(this.grows, [["channel", `channel ${this.channel}`], ["selection", selection.size ? `the direction of the ${many}` : "the selection's direction", !selection.size]], selection.size && this.grows.value === "selection" ? "selection" : "channel");
    this.draw();
  }

  /** What the page shows and has chosen. */
  seen() {
    const { view } = this;
    clearTimeout(view.telling);
    return { image: view.image, slice: view.slice, channel: this.channel, focus: view.focus, places: Array.from(view.selection.places()) };
  }

  async saliency() {
    const named = this.of.value === "name", target = named ? this.className.value.trim() : null;
    if (named && !target) { this.className.focus(); return; }
    await this.ask("ask_saliency", { method: this.way.value, of: named ? "class" : this.of.value, target, every: this.where.value === "every" });
  }

  async maximise() {
    const of = this.grows.value, channel = this.channel;
    if (of === "channel" && this.view.map !== `channel:${channel}`) this.view.showMap(`channel:${channel}`); // what is grown for is seen beside it
    await this.ask("ask_maximise", of);
  }

  async ask(question, wish) {
    this.complain("");
    try { await this.watch(await this.view.source.ask(question, this.seen(), wish)); } catch (error) { this.complain(String(error.message || error)); }
  }

  complain(words) {
    this.problem.hidden = !words;
    this.problem.textContent = words;
  }

  async stop() {
    this.stopButton.disabled = true;
    await this.view.source.ask("ask_stop");
  }

  /** Follow a question to its answer. */
  async watch(first) {
    let told = first;
    this.running.hidden = false;
    this.askButton.disabled = this.growButton.disabled = true;
    this.stopButton.disabled = false;
    try {
      while (told.running) {
        this.far(told);
        if (told.growing) this.take({ ...told.growing, number: 0 });
        await new Promise((done) => setTimeout(done, 250));
        told = await this.look();
      }
    } finally {
      this.running.hidden = true;
      this.askButton.disabled = false;
      this.growButton.disabled = this.without;
    }
    if (told.model) this.model(told.model);
    if (told.error) { this.complain(told.error); if (this.answer && this.answer.number === 0) this.take(null); return; }
    this.note = told.note || "";
    await this.fetch();
    if (told.colour) await this.coloured(told.colour);
  }

  far({ words, done, total, seconds, stopping }) {
    const share = total ? done / total : 0;
    this.bar.style.transform = share ? `scaleX(${share})` : "";
    this.progress.classList.toggle("some", share > 0);
    this.words.textContent = `${words}${stopping ? " · stopping" : done ? ` · ${count(done)} of ${count(total)}` : ""}${seconds > 0.5 ? ` · ${Math.round(seconds)} s` : ""}`;
    this.words.title = this.words.textContent;
  }

  /** A kept saliency has become a colour: list it and show it. */
  async coloured(name) {
    const { view } = this, { source } = view;
    source.kept.delete("meta");
    source.kept.delete(`rows ${name}`);
    const meta = await source.meta();
    view.meta.colours = meta.colours;
    view.meta.figures = meta.figures;
    view.codesOf.delete(name);
    await view.colourBy(name);
    if (view.sizeName === name) await view.sizeBy(name);
  }

  /** Read the answer as it is for the picture that is shown. */
  async fetch() {
    const { view } = this, turn = (this.turn = (this.turn || 0) + 1);
    const told = await view.source.ask("answer", view.image, view.slice);
    if (turn === this.turn) await this.take(told);
  }

  /** Show an answer, whole or growing; null takes it away. */
  async take(told) {
    this.answer = told && { ...told, shownFor: `${this.view.image},${this.view.slice}` };
    if (told && told.picture) this.answer.bitmap = await bitmapOf(told.picture);
    if (told && told.real) this.answer.reals = await Promise.all(told.real.map((one) => bitmapOf(one.picture)));
    if (told && told.values) this.answer.values = numbersOf(told.values);
    this.built = null;
    this.draw();
  }

  /** Draw the answer; of another picture it is asked for first. */
  draw() {
    const { answer, view, card } = this;
    card.hidden = !answer;
    if (!answer) { card.replaceChildren(); return; }
    if (answer.kind === "map" && answer.shownFor !== `${view.image},${view.slice}`) {
      answer.shownFor = `${view.image},${view.slice}`;
      this.fetch().catch((error) => this.complain(error.message));
      return;
    }
    if (this.built !== answer) { this.built = answer; card.replaceChildren(...(answer.kind === "map" ? this.mapped(answer) : this.grown(answer))); }
    if (answer.kind === "map" && answer.image !== null) {
      view.pictures.get(view.image).then((picture) => { if (this.answer === answer) this.panel.show(answer, view.meta.pictures ? picture : null, this.over); });
    }
  }

  head(title) {
    const close = this.view.frame.button("close", "close the answer", () => this.take(null));
    return el("div", { class: "answer-head" }, el("h4", { title }, title), close);
  }

  acts(...more) {
    const png = el("button", { type: "button", class: "link", title: "this answer as a picture with its title", onclick: () => this.file() }, "PNG");
    return el("div", { class: "answer-acts" }, ...more.filter(Boolean), this.answer.sheet ? png : null);
  }

  mapped(answer) {
    const { view } = this, [first] = answer.images, name = (image) => shortened(view.meta.names[image], 24);
    const title = WAYS[answer.method] || answer.method;
    if (answer.image === null) {
      const go = el("button", { type: "button", class: "link", onclick: () => view.showImage(first) }, `show ${name(first)}`);
      return [this.head(title), el("p", { class: "quiet" }, "The model was asked about another picture. ", go)];
    }
    const own = answer.target.replace(/ \(answered\)$/, ""), facts = Object.entries(answer.facts).filter(([key]) => key !== "at").map(([key, value]) => `${key} ${value}`).join(", ");
    const over = el("button", { type: "button", class: "link", "aria-pressed": String(this.over), onclick: () => { this.over = !this.over; over.textContent = words(); over.setAttribute("aria-pressed", String(this.over)); this.draw(); } });
    const words = () => (this.over ? "map alone" : "over the picture");
    over.textContent = words();
    this.panel.title.textContent = "";
    const lines = [
      el("p", {}, "what drives ", el("b", {}, own), own === answer.target ? "" : ", as which it is answered"),
      el("p", { class: "quiet" }, answer.signed ? "red speaks for it, blue against it" : "the brighter, the more it matters"),
      answer.missed ? el("p", { class: "quiet" }, `the map's sum misses what the target gains by ${answer.missed}`) : null,
      el("p", { class: "quiet" }, [answer.averaged, facts].filter(Boolean).join(" · ")),
    ];
    return [this.head(answer.images.length > 1 ? `${title}, all ${plural(answer.images.length, "picture")}` : `${title} · ${name(answer.image)}`), el("div", { class: "answer-two" }, this.panel.element, el("div", { class: "answer-words" }, ...lines.filter(Boolean), this.acts(view.meta.pictures ? over : null)))];
  }

  grown(answer) {
    const { view } = this, whole = answer.reached !== null, canvas = el("canvas", { class: "grown", role: "img", "aria-label": `the picture that ${answer.name} answers to most` });
    const paint = (own, bitmap) => { own.width = bitmap.width; own.height = bitmap.height; own.getContext("2d").drawImage(bitmap, 0, 0); };
    paint(canvas, answer.bitmap);
    const save = el("button", { type: "button", class: "link", title: "the grown picture alone, as it is", onclick: () => view.frame.taking.give(new Blob([plainBytes(answer.picture.bytes)], { type: "image/png" }), `${answer.layer}-${answer.name}.png`.replace(/[^\w.-]+/g, "-")) }, "picture");
    const real = answer.real.map((one, rank) => {
      const own = el("canvas"), label = view.labelOf(one.image), where = one.position.length ? ` at ${one.position.join(", ")}` : "";
      paint(own, answer.reals[rank]);
      return el("button", { type: "button", class: "near-thumb", title: `${view.meta.names[one.image]}${where}${label === null ? "" : ` · ${label}`}`, onclick: () => view.focusPlace(this.placeOf(one)) }, own, el("span", {}, figure(one.value)));
    });
    const words = whole ? ["reached ", el("b", {}, figure(answer.reached)), real.length ? `, strongest real ${figure(answer.real[0].value)}` : ""] : ["growing …"];
    return [
      this.head(`${answer.name} of ${answer.layer}, maximised`),
      el("div", { class: "answer-two" }, el("div", { class: "grown-box" }, canvas, el("p", {}, ...words)),
        el("div", { class: "answer-words" }, real.length ? el("p", { class: "quiet" }, `the strongest of ${plural(answer.of, "real picture")}, where they are`) : null, el("div", { class: "reals" }, ...real), whole && this.note ? el("p", { class: "warn" }, this.note) : null, whole ? this.acts(save) : null)),
    ];
  }

  placeOf({ image, position }) { return position.reduce((at, k, axis) => at * this.view.meta.spatial[axis] + k, image); }

  async file() {
    const { view } = this;
    try {
      const { name, type, bytes } = await view.frame.during(view.source.ask("answer_file", view.image, view.theme), "drawing");
      view.frame.taking.give(new Blob([plainBytes(bytes)], { type }), name);
    } catch (error) { this.complain(String(error.message || error)); }
  }
}

function bitmapOf({ type, bytes }) { return createImageBitmap(new Blob([plainBytes(bytes)], { type })); }

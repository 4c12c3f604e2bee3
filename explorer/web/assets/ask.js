// What the model is asked: which pixels drive what is chosen, and the picture that a channel answers to most.

class Ask {
  constructor(view) {
    this.view = view;
    const choice = (words, change = null) => el("select", { class: "choice", "aria-label": words, title: words, onchange: change });
    this.of = choice("what is to be explained", () => { this.className.hidden = this.of.value !== "name"; if (!this.className.hidden) this.className.focus(); });
    this.className = el("input", { class: "class-name-input", hidden: true, placeholder: "name or number", "aria-label": "a class by name or number", list: "ask-classes", onkeydown: (event) => { if (event.key === "Enter") this.saliency(); } });
    this.way = choice("how");
    this.where = choice("in which pictures", () => this.update());
    this.grows = choice("what a picture is grown for");
    this.askButton = el("button", { type: "button", class: "act", title: "ask the model (Shift + A)", onclick: () => this.saliency() }, "Ask");
    view.frame.helpBox.querySelector(".keys").append(...keyHelp("ask the model what drives it", "Shift", "+", "A"));
    this.growButton = el("button", { type: "button", class: "act", onclick: () => this.maximise() }, "Grow");
    this.name = el("span", { class: "quiet ask-model" });
    this.bar = el("i");
    this.progress = el("div", { class: "ask-progress", role: "progressbar", "aria-label": "the model's answer" }, this.bar);
    this.words = el("span", { role: "status" });
    this.stopButton = el("button", { type: "button", class: "link", onclick: () => this.stop() }, "Stop");
    this.running = el("div", { class: "ask-running", hidden: true }, this.progress, this.words, this.stopButton);
    this.problem = el("p", { class: "warn", role: "alert", hidden: true });
    this.answered = new Answered(view, (words) => this.complain(words), (anew) => this.ask("ask_again", anew));
    const row = (words, ...content) => el("div", { class: "ask-row" }, el("span", {}, words), ...content);
    this.element = el("section", { class: "ask", "aria-label": "ask the model" },
      el("div", { class: "facts-head" }, el("h3", {}, "Ask the model"), this.name),
      row("What drives", this.of, this.className, this.askButton), el("div", { class: "ask-row how" }, el("span", {}, "by"), this.way, el("span", {}, "in"), this.where), row("What excites", this.grows, this.growButton),
      el("datalist", { id: "ask-classes" }, ...view.meta.classes.map((value) => el("option", { value }))), this.running, this.problem, this.answered.card);
    view.side.grid.after(this.element);
    this.model(view.meta.model);
    this.update();
    this.look().then((told) => { if (told && told.running) this.watch(told); else if (told && told.number) this.answered.fetch(); }).catch(() => {});
  }

  look() { return this.view.source.ask("asking"); }

  /** What the model can do, as far as that is known before it is opened. */
  model({ name, methods, without, why }) {
    const chosen = this.way.value || "gradient", kinds = { occlusion: "in any framework", rollout: "of transformers" };
    const option = (key) => el("option", { value: key, disabled: without.includes(key) }, without.includes(key) ? `${WAYS[key] || key} · no gradients` : WAYS[key] || key);
    this.file = name;
    this.way.replaceChildren(...["by gradients", ...Object.values(kinds)].map((label) => el("optgroup", { label }, ...methods.filter((key) => (kinds[key] || "by gradients") === label).map(option))));
    this.way.value = without.includes(chosen) ? methods.find((key) => !without.includes(key)) : chosen;
    this.without = without.length > 0;
    this.why = why;
    this.named();
    this.growButton.disabled = this.grows.disabled = this.without;
    this.growButton.title = why;
  }

  /** Which model is asked: of a training with the weights of the epoch that is shown. */
  named() {
    const { epochs } = this.view.meta;
    this.name.textContent = epochs ? `${this.file}, epoch ${epochs.names[epochs.at]}` : this.file;
    this.name.title = this.why || this.name.textContent;
  }

  /** The channel that is looked at: in the map, else in the colours. */
  get channel() {
    const { view } = this, found = [view.map, view.colour].map(modeOf).find(([mode]) => mode === "channel");
    return found ? found[1] : (view.meta.view && view.meta.view.channel) || 0;
  }

  /** List what can be asked about what is chosen now; what was chosen last is offered first. */
  update() {
    this.named();
    const { view } = this, { selection, focus, meta } = view, here = selection.perImage[view.image] || 0;
    const key = [selection.size, selection.how, here, focus, this.channel, meta.layer, this.where.value].join();
    if (key === this.told) { this.answered.draw(); return; }
    this.told = key;
    const chosen = `${selection.size},${selection.how},${meta.layer}`, held = this.of.value || "class";
    let of = held;
    if (chosen !== this.chosen) of = selection.size ? "selection" : held === "selection" ? "class" : held;
    if (focus !== this.focused) of = focus !== null ? "position" : held === "position" ? (selection.size ? "selection" : "class") : of;
    if (focus !== this.focused && focus !== null) this.answered.shows = false; // what was done last is seen
    this.chosen = chosen;
    this.focused = focus;
    const options = (select, list, value) => {
      select.replaceChildren(...list.map(([own, words, off]) => el("option", { value: own, disabled: Boolean(off) }, words)));
      select.value = value;
      if (select.selectedIndex < 0 || select.selectedOptions[0].disabled) select.value = list.find((one) => !one[2])[0];
      select.title = `${select.getAttribute("aria-label")}: ${select.selectedOptions[0].textContent}`;
    };
    const every = this.where.value === "every";
    options(this.of, [
      ["class", "the model's answer"], ["name", "another class …"], ["channel", `channel ${this.channel}`],
      ...(focus === null ? [] : [["position", meta.spatial.length ? `position ${view.positionOf(focus).join(", ")}` : "the chosen position"]]),
      ...(selection.size ? [["selection", `the selection (${count(selection.size)}${here || every ? "" : ", none here"})`]] : []),
    ], of);
    this.className.hidden = this.of.value !== "name";
    if (this.where.options.length !== 2) options(this.where, [["one", "this picture"], ["every", "all pictures"]], "one");
    options(this.grows, [["channel", `channel ${this.channel}`], ["selection", "the selection's direction", !selection.size]], selection.size && this.grows.value === "selection" ? "selection" : "channel");
    this.answered.draw();
  }

  /** What the page shows and has chosen. */
  seen() {
    const { view } = this;
    clearTimeout(view.telling);
    return { image: view.image, slice: view.slice, channel: this.channel, focus: view.focus, places: Array.from(view.selection.places()) };
  }

  /** The key: ask what is set, or bring the question before that is not answered yet into view. */
  press() {
    this.element.scrollIntoView({ block: "nearest", behavior: this.view.stage.still ? "auto" : "smooth" });
    if (this.askButton.disabled) this.view.frame.say("the model is being asked: Stop ends it");
    else this.saliency();
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

  async ask(question, ...wish) {
    this.complain("");
    try { await this.watch(await this.view.source.ask(question, this.seen(), ...wish)); } catch (error) { this.complain(String(error.message || error)); }
  }

  complain(words, quiet = false) {
    this.problem.className = quiet ? "quiet" : "warn";
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
        if (told.growing) await this.answered.grow(told.growing);
        await new Promise((done) => setTimeout(done, 250));
        told = await this.look();
      }
    } finally {
      this.running.hidden = true;
      this.askButton.disabled = false;
      this.growButton.disabled = this.without;
    }
    if (told.model) this.model(told.model);
    if (told.error) { this.complain(told.error, told.stopping); this.answered.dropGrowing(); return; }
    this.answered.note = told.note || "";
    await this.answered.fetch();
    if (told.colour) await this.coloured(told.colour);
  }

  far({ words, done, total, seconds, stopping }) {
    const share = total ? done / total : 0, [first] = words.split(" "), what = (WAYS[first] || first) + words.slice(first.length);
    this.bar.style.transform = share ? `scaleX(${share})` : "";
    this.progress.classList.toggle("some", share > 0);
    this.words.textContent = [stopping ? "stopping" : share ? percent(share) : "", seconds > 0.5 ? `${Math.round(seconds)} s` : "", what].filter(Boolean).join(" · ");
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
}

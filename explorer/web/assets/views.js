// Views of the cloud, the usual ones and those that were kept, as small pictures to go to.

const USUAL = [["opening", "opening", "R"], ["front", "front", "V"], ["side", "side", "V"], ["top", "top", "V"]];
const SMALL = [104, 62]; // pixels of a view's picture

class Views {
  constructor(view, frame) {
    this.view = view;
    this.frame = frame;
    this.usual = el("div", { class: "view-cards" });
    this.own = el("div", { class: "view-cards" });
    this.none = el("p", { class: "quiet" }, "Turn the cloud, keep what you see, and come back to it with one click.");
    this.keeper = el("button", { type: "button", class: "link", title: view.meta.epochs ? "keep this view" : "keep this view (A)", onclick: () => this.keep() }, "keep this view");
    this.heading = el("h3", {}, "Kept");
    const close = frame.button("close", "close", () => this.toggle(false));
    this.element = el("section", { class: "views card-like", role: "dialog", "aria-label": "views", hidden: true, onkeydown: (event) => this.key(event) },
      el("div", { class: "facts-head" }, el("h3", {}, "Views"), close), this.usual, el("div", { class: "facts-head" }, this.heading, this.keeper), this.none, this.own);
    this.button = frame.button("camera", "views, the usual ones and those that were kept", () => this.toggle());
    this.button.setAttribute("aria-pressed", "false");
    // Over a training these keys are the epochs', as in the window.
    if (!view.meta.epochs) frame.helpBox.querySelector(".keys").append(...keyHelp("keep this view", "A"), ...keyHelp("kept view before or after", ",", "."));
  }

  get stage() { return this.view.stage; }

  /** What was kept of the map that is shown, as `Camera.to_dict` says it. */
  get kept() { return (this.view.meta.view && this.view.meta.view.views) || []; }

  toggle(open = this.element.hidden) {
    this.element.hidden = !open;
    this.button.setAttribute("aria-pressed", String(open));
    if (open) { this.describe(); this.keeper.focus({ preventScroll: true }); } else if (this.element.contains(document.activeElement)) this.button.focus();
  }

  key(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.toggle(false);
  }

  /** Keep the view as it is now. */
  keep() {
    if (this.stage.motion) { this.frame.say("a view is kept when the cloud stands still"); return null; }
    this.frame.say(`kept as view ${this.kept.length + 1}`);
    return this.take([...this.kept, this.stage.cameraTold()]);
  }

  forget(index) { return this.take(this.kept.filter((_, k) => k !== index)); }

  /** Let these be the kept views; the server keeps them where the window keeps its own. */
  async take(views) {
    const { meta, source } = this.view, fit = views.filter((one) => this.stage.cameraFrom(one));
    if (ordered(fit) === ordered(this.kept)) return;
    meta.view = { ...meta.view, views: fit };
    this.describe();
    if (source.live) await source.keepViews(fit).catch((error) => this.frame.tell(String(error.message || error)));
  }

  /** Look along the next of the axes. */
  along() {
    this.axis = ((this.axis ?? -1) + 1) % 3;
    this.stage.preset(USUAL[1 + this.axis][0]);
  }

  goTo(index) {
    this.stage.fly(this.stage.cameraFrom(this.kept[index]));
    this.at = index;
  }

  /** Go to the next kept view, or the one before, from the one that was gone to last. */
  step(by) {
    const n = this.kept.length, here = (k) => this.seen(this.stage.cameraFrom(this.kept[k]));
    if (!n) { this.frame.say("no view is kept yet: A keeps this one"); return; }
    const near = this.at < n && (this.stage.motion || here(this.at)) ? this.at : this.kept.findIndex((_, k) => here(k));
    const from = near >= 0 ? near : Math.min(this.at ?? (by > 0 ? -1 : n), n);
    this.goTo((from + by + n) % n);
    this.frame.say(`view ${this.at + 1} of ${n}`);
  }

  /** Whether the eye stands where a view has it. */
  seen(to) {
    const { camera } = this.stage, close = Math.abs(camera.reach / to.reach - 1) < 0.01 && Math.abs(camera.flatness - to.flatness) < 0.01;
    return close && Math.hypot(...along(camera.focus, to.focus, -1)) < 0.01 * to.reach && camera.basis.every((row, k) => dot(row, to.basis[k]) > 0.9999);
  }

  /** List what there is, when somebody looks. */
  describe() {
    if (this.element.hidden || !this.stage.points) return;
    const { stage, kept } = this, flat = this.view.meta.components === 2;
    this.cards = [];
    const card = (words, key, to, act, forget) => {
      const canvas = el("canvas", { "aria-hidden": "true" });
      const button = el("button", { type: "button", class: "view-card", title: key ? `${words} (${key})` : words, onclick: act }, canvas, el("span", {}, words, key ? el("kbd", {}, key) : null));
      this.cards.push({ canvas, button, to });
      return forget ? el("div", { class: "view-own" }, button, forget) : button;
    };
    this.usual.replaceChildren(...USUAL.filter(([name]) => !flat || name === "opening").map(([name, words, key]) => card(words, key, stage.presetView(name), () => stage.preset(name))));
    this.own.replaceChildren(...kept.map((told, k) => card(`view ${k + 1}`, null, stage.cameraFrom(told), () => this.goTo(k), this.crossFor(k))));
    this.heading.textContent = kept.length ? `Kept · ${kept.length}` : "Kept";
    this.none.hidden = kept.length > 0;
    this.mark();
    this.refresh();
  }

  crossFor(index) {
    const cross = this.frame.button("close", `forget view ${index + 1}`, () => this.forget(index));
    cross.classList.add("forget");
    return cross;
  }

  /** Say which of them is seen now. */
  mark() {
    if (this.element.hidden || !this.cards) return;
    for (const { button, to } of this.cards) button.classList.toggle("on", this.seen(to));
  }

  /** Draw the small pictures anew, once for everything that happens in a moment. */
  refresh() {
    if (this.element.hidden) return;
    clearTimeout(this.due);
    this.due = setTimeout(() => this.draw(), 60);
  }

  draw() {
    const { stage, view } = this, page = view.numbers("--page"), [wide, tall] = SMALL, sharp = Math.min(2, window.devicePixelRatio || 1);
    if (this.element.hidden || !stage.width || !view.painted) return;
    if (stage.moving) { this.refresh(); return; }
    const was = stage.camera.copy(), ratio = (Math.max(wide, (tall * stage.width) / stage.height) * sharp * 2) / stage.width;
    for (const { canvas, to } of this.cards) {
      stage.camera.set(to);
      stage.cloud.miniature(stage.camera, { page, scale: view.pointScale * 1.7, light: view.theme === "light", ratio });
      canvas.width = wide * sharp;
      canvas.height = tall * sharp;
      // The frame's middle, as much of it as the small picture's shape holds.
      const { width, height } = stage.canvas, share = Math.min(width / wide, height / tall), [w, h] = [wide * share, tall * share];
      canvas.getContext("2d").drawImage(stage.canvas, (width - w) / 2, (height - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
    }
    stage.camera.set(was);
    stage.render(false);
  }
}

/** Draw a small picture of some of the points onto the canvas; who asks draws the full picture again. */
Points.prototype.miniature = function miniature(camera, look) {
  const { budget, coarse } = this;
  [this.budget, this.coarse] = [Math.min(budget, 20000), 1];
  this.draw(camera, { ...look, rough: true });
  [this.budget, this.coarse] = [budget, coarse];
};

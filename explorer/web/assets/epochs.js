// A training on the page: one epoch after the other, each point on its way from where it was.

const WAY = 700; // milliseconds from one epoch to the next

/** Go from epoch to epoch, and what was measured of the one that is shown. */
class Epochs {
  constructor(view) {
    this.view = view;
    const { names } = view.meta.epochs, step = (by, name, words) => { const b = view.frame.button(name, words, () => this.step(by)); return b; };
    this.before = step(-1, "left", "epoch before (,)");
    this.after = step(1, "right", "epoch after (.)");
    this.range = el("input", { type: "range", min: "0", max: String(names.length - 1), step: "1", "aria-label": "epoch", oninput: () => this.go(Number(this.range.value)), onkeydown: (event) => this.key(event) });
    this.name = el("b");
    // As wide as the longest name: the buttons stay under the mouse from epoch to epoch.
    this.name.style.minWidth = `${Math.min(12, Math.max(...names.map((name) => name.length)))}ch`;
    this.element = el("div", { class: "epochs", role: "group", "aria-label": "epochs" }, this.before, this.range, this.after, el("span", { class: "epoch-name" }, "epoch ", this.name));
    this.figures = el("section", { class: "facts epoch-figures", "aria-label": "figures of the epoch" });
    view.frame.slot.prepend(this.element);
    view.side.facts.before(this.figures);
    view.frame.helpBox.querySelector(".keys").append(el("dt", {}, el("kbd", {}, ","), el("kbd", {}, ".")), el("dd", {}, "epoch before or after"));
    this.wanted = view.meta.epochs.at;
    this.describe();
  }

  key(event) {
    const by = { ",": -1, ".": 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.step(by);
  }

  /** Say where we are, and what was measured there. */
  describe() {
    const { names, at, figures } = this.view.meta.epochs, { wanted } = this;
    this.range.value = String(wanted);
    this.range.setAttribute("aria-valuetext", `epoch ${names[wanted]}, ${wanted + 1} of ${names.length}`);
    this.range.title = `epoch ${names[wanted]}, ${wanted + 1} of ${names.length}`;
    this.name.textContent = names[wanted];
    this.before.disabled = wanted === 0;
    this.after.disabled = wanted === names.length - 1;
    this.figures.replaceChildren(
      el("div", { class: "facts-head" }, el("h3", {}, `Epoch ${names[at]}`), el("span", { class: "quiet" }, `${at + 1} of ${names.length}`)),
      el("dl", {}, ...figures.flatMap(({ title, value, says }) => [el("dt", { title: says }, title), el("dd", { title: says }, value)])));
  }

  step(by) { return this.go(clamp(this.wanted + by, 0, this.view.meta.epochs.names.length - 1)); }

  /** Go to the epoch of a name. */
  show(name) {
    const at = this.view.meta.epochs.names.indexOf(name);
    if (at < 0) throw new Error(`epoch ${name}: this training has ${this.view.meta.epochs.names.join(", ")}`);
    return this.go(at);
  }

  /** Go to an epoch; who asks for others meanwhile gets to the last that was asked for. */
  go(number) {
    this.wanted = number;
    this.describe();
    if (!this.going) this.going = this.follow().finally(() => { this.going = null; });
    return this.going;
  }

  async follow() {
    const { view } = this, { source, switches } = view;
    try {
      while (this.wanted !== view.meta.epochs.at) {
        clearTimeout(view.telling);
        switches.wanted = (switches.wanted || 0) + 1; // a map in the making is of the epoch before
        const number = this.wanted;
        await view.frame.during((async () => {
          await source.select(view.selection.places());
          await source.epoch(number);
          await view.load(true);
        })(), `opening epoch ${view.meta.epochs.names[number]}`);
      }
    } catch (error) {
      view.frame.tell(String(error.message || error));
    }
    this.wanted = view.meta.epochs.at;
    this.describe();
    switches.describe();
  }
}

/** What was looked at before an epoch was shown is looked at still. */
Viewer.prototype.lookOn = async function lookOn({ image, slice, colour }) {
  const place = this.focus, asked = place === null ? null : this.focusPlace(place);
  this.slice = slice;
  this.showImage(image);
  this.side.draw();
  await asked;
  if (colour === "similarity" && this.focus === place && this.similarity) await this.colourBy(colour);
};

/** Bring the points to other places, and the names of their classes with them; the eye stays where it is. */
Stage.prototype.travel = function travel(points, named) {
  const from = this.points, to = this.anchors, old = this.camera.bounds, next = boundsOf(points, old.flat), started = performance.now();
  const before = new Map(named.map((one) => [one.name, one.point])), home = this.home(), eye = this.camera.copy();
  const part = (a, b, t) => a.map((v, k) => mix(v, b[k], t));
  const untouched = Math.abs(eye.reach / home.reach - 1) < 0.02 && Math.hypot(...along(eye.focus, home.focus, -1)) < 0.02 * home.reach;
  const held = new Float32Array(points.length);
  const put = (t) => {
    const eased = t * t * (3 - 2 * t);
    if (t < 1) for (let i = 0; i < held.length; i++) held[i] = from[i] + (points[i] - from[i]) * eased;
    this.points = t < 1 ? held : points;
    this.cloud.move(this.points);
    this.camera.bounds = { ...next, centre: part(old.centre, next.centre, eased), radius: mix(old.radius, next.radius, eased) };
    this.anchors = t < 1 ? to.map((one) => ({ ...one, point: before.has(one.name) ? part(before.get(one.name), one.point, eased) : one.point })) : to;
  };
  this.points = points;
  const there = this.framed(eye.basis, eye.flatness);
  this.points = from;
  // Who looks at all of it goes on seeing all of it; nearer it is not brought, so that a cloud that grows is seen to grow.
  if (untouched && there.reach > eye.reach) this.fly({ ...there, basis: eye.basis }, WAY);
  this.journey = (now) => {
    const t = this.still ? 1 : clamp((now - started) / WAY, 0, 1);
    put(t);
    if (t >= 1) this.journey = null;
  };
  this.touch();
};

/** Take other places for the same points. */
Points.prototype.move = function move(places) {
  const { gl, n, order } = this, mixed = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < 3; k++) mixed[3 * i + k] = places[3 * order[i] + k];
  this.places = places;
  gl.bindBuffer(gl.ARRAY_BUFFER, this.where);
  gl.bufferSubData(gl.ARRAY_BUFFER, 0, mixed);
};

// A training on the page: one epoch after the other, each point on its way from where it was.

const WAY = 700; // milliseconds from one epoch to the next
const REST = 600; // milliseconds that playing rests at each

/** Go from epoch to epoch, what was measured of the one that is shown, and the way of the chosen position. */
class Epochs {
  constructor(view) {
    this.view = view;
    this.onlyMoved = Boolean(view.meta.view && view.meta.view.only_moved);
    this.line = new Timeline(this);
    view.frame.stages.after(this.line.element);
    view.frame.stages.parentElement.classList.add("training");
    view.frame.helpBox.querySelector(".keys").append(...keyHelp("epoch before or after", ",", "."), ...keyHelp("play the epochs", "A"), ...(view.meta.epochs.seeded ? keyHelp("grey what has not moved beyond another seed", "E") : []));
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
    this.line.show(this.wanted);
    this.line.moved.setAttribute("aria-pressed", String(this.onlyMoved));
    this.line.moved.disabled = !this.view.meta.epochs.ours;
  }

  step(by) {
    this.halt();
    return this.go(clamp(this.wanted + by, 0, this.view.meta.epochs.names.length - 1));
  }

  /** Go to the epoch of a name. */
  show(name) {
    const at = this.view.meta.epochs.names.indexOf(name);
    if (at < 0) throw new Error(`epoch ${name}: this training has ${this.view.meta.epochs.names.join(", ")}`);
    return this.go(at);
  }

  /** Go through the epochs, from the first where the last is shown; again to stop. */
  async play() {
    if (this.played) { this.halt(); return; }
    const last = this.view.meta.epochs.names.length - 1, turn = (this.played = {});
    this.line.play(true);
    if (this.wanted === last) await this.go(0);
    while (this.played === turn && this.wanted < last) {
      await new Promise((done) => setTimeout(done, WAY + REST));
      if (this.played === turn) await this.go(this.wanted + 1);
    }
    if (this.played === turn) this.halt();
  }

  halt() {
    this.played = null;
    this.line.play(false);
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
        if (switches) switches.wanted = (switches.wanted || 0) + 1; // a map in the making is of the epoch before
        const number = this.wanted;
        await view.frame.during((async () => {
          await source.select(view.selection.places());
          await source.epoch(number);
          await view.load(true);
        })(), `opening epoch ${view.meta.epochs.names[number]}`);
      }
    } catch (error) {
      this.halt();
      view.frame.tell(String(error.message || error));
    }
    this.wanted = view.meta.epochs.at;
    this.describe();
    if (switches) switches.describe();
  }

  // ---- movement

  /** Which rows have not moved beyond what another seed moves, where that is asked for; null where all count. */
  async still() {
    const { at, seeded, ours } = this.view.meta.epochs;
    return this.onlyMoved && seeded && ours && at > 0 ? (await this.view.source.beyond()).map((moved) => 1 - moved) : null;
  }

  switchMoved() { return this.only(!this.onlyMoved).catch((error) => this.view.frame.tell(String(error.message || error))); }

  /** Grey what has not moved since the epoch before, or nothing. */
  async only(on) {
    const { view } = this, { names, at, seeded } = view.meta.epochs;
    if (on === this.onlyMoved || !seeded) return;
    this.onlyMoved = on;
    this.describe();
    await view.source.onlyMoved(on);
    view.stillRows = await this.still();
    view.paint();
    if (on) view.frame.say(at ? `in colour: what has moved since epoch ${names[at - 1]} beyond another seed` : "nothing comes before the first epoch");
  }

  /** Find the way of a row through all epochs, and how far it has moved; a row of -1 has none. */
  async trace(row) {
    const { view } = this, { at, ours } = view.meta.epochs;
    const found = row < 0 || !ours ? null : await view.source.way(row);
    if (at !== view.meta.epochs.at || row !== view.focusRow()) return;
    view.trail = found && { ...found, points: found.places.map((place) => [...place, 0].slice(0, 3)), at };
    view.stage.request(true);
  }

  /** How far a position has moved since the epoch before, and whether that is more than another seed does. */
  async moved(row) {
    const { at, seeded, ours } = this.view.meta.epochs;
    if (row < 0 || !ours || !at) return [];
    const { movement, beyond } = await this.view.source.way(row);
    return [["moved", figure(movement[at - 1], 2) + (seeded ? (beyond[at - 1] ? ", beyond seed" : ", as by seed") : "")]];
  }
}

/** The way of the chosen position: strong where it is behind, faint ahead, dashed where another seed moves as far. */
Marks.prototype.trail = function trail(context) {
  const { stage } = this, { view } = stage, { points, beyond, at } = view.trail;
  const seen = points.map((point) => stage.camera.project(point, stage.width, stage.height));
  if (!seen.every(([, , depth]) => depth > 0)) return;
  for (const behind of [false, true]) {
    seen.slice(1).forEach(([x, y], k) => {
      if ((k + 1 <= at) !== behind) return;
      const path = new Path2D();
      path.moveTo(seen[k][0], seen[k][1]);
      path.lineTo(x, y);
      context.setLineDash(beyond[k] ? [] : [6, 7]);
      context.lineCap = beyond[k] ? "round" : "butt";
      stroked(context, path, view.ink(behind ? "--accent" : "--muted"), behind ? 2.4 : 1.5, view.ink("--under"));
    });
  }
  context.setLineDash([]);
  context.lineCap = "butt";
  seen.forEach(([x, y], k) => {
    for (const [radius, colour] of [[4.6, "--page"], [3.2, k <= at ? "--accent" : "--muted"]]) {
      context.fillStyle = view.ink(colour);
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
    }
  });
};

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

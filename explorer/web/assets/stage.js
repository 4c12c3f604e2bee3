// The cloud's stage: mouse, touch and keys, the motion of the eye, and what is written over the points.

class Stage extends Framing {
  constructor(view) {
    super();
    this.view = view;
    this.canvas = el("canvas", { class: "points" });
    this.over = el("canvas", { class: "over", tabindex: "0", role: "application", "aria-label": "point cloud; arrow keys turn it, plus and minus zoom, ? lists all keys" });
    this.status = el("div", { class: "status", role: "status" });
    this.tip = el("div", { class: "tip", hidden: true });
    this.element = el("div", { class: "stage" }, this.canvas, this.over, this.tip, this.status);
    this.cloud = new Points(this.canvas);
    this.tool = "turn";
    this.visible = false; // whether a selection takes only what is seen
    this.named = true;
    this.moving = 0;
    this.labels = [];
    this.anchors = [];
    this.marks = new Marks(this);
    this.still = window.matchMedia && matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.element);
  }

  get width() { return this.element.clientWidth; }
  get height() { return this.element.clientHeight; }

  /** Take a new cloud. */
  load(points, meta) {
    this.points = points;
    this.journey = null;
    const bounds = boundsOf(points, meta.flat);
    this.camera = new Camera(bounds);
    this.opening = meta.opening;
    this.cloud.load(points);
    this.resize();
    this.camera.set(this.home());
    this.anchors = [];
  }

  /** Take other coordinates for the same points, and go on looking from where the eye is. */
  unfold(points) {
    this.journey = null;
    const bounds = boundsOf(points, this.camera.bounds.flat), grown = bounds.radius / this.camera.bounds.radius;
    this.points = points;
    this.camera.reach *= grown;
    this.camera.focus = bounds.centre;
    this.camera.bounds = bounds;
    this.anchors = [];
    this.cloud.load(points);
    this.cloud.paint(this.view.painted);
    this.request();
  }

  resize() {
    if (this.width && this.height) this.request();
  }

  listen() {
    const { over } = this;
    over.addEventListener("pointerdown", (event) => this.press(event));
    over.addEventListener("pointermove", (event) => this.drag(event));
    for (const kind of ["pointerup", "pointercancel"]) over.addEventListener(kind, (event) => this.release(event));
    over.addEventListener("pointerleave", () => { if (!this.held) this.view.hover(-1); });
    over.addEventListener("contextmenu", (event) => event.preventDefault());
    over.addEventListener("dblclick", (event) => this.dive(event));
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = this.at(event), half = this.height / 2;
      this.camera.zoom(Math.exp(clamp(event.deltaY, -120, 120) * (event.ctrlKey ? 0.008 : 0.0016)), (x - this.width / 2) / half, (half - y) / half);
      this.touch();
    }, { passive: false });
    over.addEventListener("keydown", (event) => this.key(event));
    this.fingers = new Map();
  }

  at(event) {
    const box = this.over.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  press(event) {
    if (!this.points) return;
    this.over.setPointerCapture(event.pointerId);
    this.over.focus({ preventScroll: true });
    const { x, y } = this.at(event);
    this.fingers.set(event.pointerId, { x, y });
    this.motion = null;
    const choosing = event.button === 0 && (this.tool !== "turn" || event.shiftKey) && this.fingers.size === 1;
    const panning = event.button === 1 || event.button === 2 || event.ctrlKey || event.metaKey || this.camera.flatness > 0.5;
    this.held = { x, y, startX: x, startY: y, time: performance.now(), kind: choosing ? (this.tool === "box" || this.tool === "sphere" ? this.tool : "lasso") : panning ? "pan" : "turn", moved: false, path: [[x, y]], speed: [0, 0] };
    this.held.mode = event.altKey ? "remove" : (this.tool !== "turn" && event.shiftKey ? "add" : "replace");
    if (this.held.kind === "sphere") this.plant(x, y);
    this.view.hover(-1);
  }

  drag(event) {
    const { x, y } = this.at(event), held = this.held;
    if (!held) { this.look(x, y, event); return; }
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    if (this.fingers.size === 2) this.pinch(event.pointerId, x, y);
    this.fingers.set(event.pointerId, { x, y });
    if (!held.moved && Math.hypot(x - held.startX, y - held.startY) < 4) return;
    held.moved = true;
    const dx = x - held.x, dy = y - held.y, now = performance.now();
    held.x = x; held.y = y;
    if (held.kind === "turn" && this.fingers.size === 1) {
      const step = (2.4 * Math.PI) / (2 * Math.min(this.width, this.height));
      this.camera.turn(dx * step, dy * step);
      held.speed = [dx * step, dy * step].map((v) => v / Math.max(8, now - held.time));
      held.time = now;
      this.touch();
    } else if (held.kind === "pan" || this.fingers.size > 1) {
      this.camera.pan(dx / this.fingers.size, dy / this.fingers.size, this.height);
      this.touch();
    } else {
      if (held.kind === "sphere") {
        held.radius = Math.hypot(x - held.middleX, y - held.middleY) * held.unit;
        held.rows = rowsWithin(this.points, this.camera, held.centre, held.radius, (row) => this.view.hiddenRow(row));
      } else if (held.kind === "box") held.path = [[held.startX, held.startY], [x, held.startY], [x, y], [held.startX, y]];
      else if (Math.hypot(x - held.path[held.path.length - 1][0], y - held.path[held.path.length - 1][1]) > 2) held.path.push([x, y]);
      this.request(true);
    }
  }

  pinch(id, x, y) {
    const [other] = [...this.fingers].filter(([key]) => key !== id).map(([, at]) => at), before = this.fingers.get(id);
    const ratio = Math.hypot(before.x - other.x, before.y - other.y) / Math.max(1, Math.hypot(x - other.x, y - other.y));
    const half = this.height / 2, mx = (x + other.x) / 2, my = (y + other.y) / 2;
    this.camera.zoom(ratio, (mx - this.width / 2) / half, (half - my) / half);
    this.touch();
  }

  release(event) {
    const held = this.held;
    this.fingers.delete(event.pointerId);
    if (!held || this.fingers.size) return;
    this.held = null;
    if (event.type === "pointercancel") { this.request(); return; }
    if (held.kind === "sphere") {
      if (held.moved) this.chooseBall(held);
      else this.click(held.startX, held.startY, event);
      this.request();
    } else if (held.kind === "box" || held.kind === "lasso") {
      if (held.moved && held.path.length > 2) this.choose(held.path, held.mode);
      else this.click(held.startX, held.startY, event);
      this.request();
    } else if (!held.moved) this.click(held.startX, held.startY, event);
    else if (held.kind === "turn" && !this.still && performance.now() - held.time < 60 && Math.hypot(...held.speed) > 4e-4) this.coast(held.speed);
    else this.settle();
  }

  /** Select the points inside an outline. */
  choose(outline, mode) {
    if (this.visible) this.render(false);
    const { view } = this;
    const rows = rowsInside(this.points, this.camera, outline, { width: this.width, height: this.height, hidden: (row) => view.hiddenRow(row), cloud: this.cloud, visible: this.visible });
    view.take(rows.map((row) => view.places[row]), mode, this.visible ? "only what is visible" : "all within");
  }

  click(x, y, event) {
    const label = this.labels.find((box) => x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h);
    if (label) { this.view.takeClass(label.code, event.shiftKey ? "add" : event.altKey ? "remove" : "replace"); return; }
    const row = this.pick(x, y);
    if (row >= 0) this.view.focusPlace(this.view.places[row]);
    else if (this.view.focus !== null) this.view.focusPlace(null);
    else this.view.clear();
  }

  /** Double click: come nearer to a point, or go back to the view of all. */
  dive(event) {
    const { x, y } = this.at(event), row = this.pick(x, y);
    if (row < 0) { this.fly(this.home()); return; }
    const p = this.camera.pressed([...this.points.subarray(3 * row, 3 * row + 3)]);
    this.fly({ ...this.camera.copy(), focus: p, reach: Math.min(this.camera.reach, this.camera.bounds.radius * 0.3) });
  }

  pick(x, y) {
    if (this.moving) this.render(false);
    return this.cloud.pick(x, y, 6);
  }

  look(x, y, event) {
    if (this.moving || !this.points) return;
    this.pointer = { x, y };
    if (this.looking) return;
    this.looking = requestAnimationFrame(() => {
      this.looking = 0;
      if (this.moving || this.held) return;
      if (this.cloud.busy) { this.look(this.pointer.x, this.pointer.y, event); return; }
      const onLabel = this.labels.find((box) => this.pointer.x >= box.x && this.pointer.x <= box.x + box.w && this.pointer.y >= box.y && this.pointer.y <= box.y + box.h);
      this.over.title = onLabel ? `select all of ${onLabel.text}` : "";
      const row = onLabel ? -1 : this.cloud.pick(this.pointer.x, this.pointer.y, 5);
      this.over.style.cursor = onLabel || row >= 0 ? "pointer" : this.tool === "turn" ? "grab" : "crosshair";
      this.view.hover(row, this.pointer);
    });
  }

  key(event) {
    const step = event.shiftKey ? 0.02 : 0.12, { camera } = this;
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (keys && (event.altKey || camera.flatness > 0.5)) camera.pan(-40 * keys[0], -40 * keys[1], this.height);
    else if (keys) camera.turn(step * keys[0], step * keys[1]);
    else if (event.key === "+" || event.key === "=") camera.zoom(0.85, 0, 0);
    else if (event.key === "-") camera.zoom(1 / 0.85, 0, 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.touch();
  }

  /** The eye was moved: draw roughly now, and in full when it rests. */
  touch() {
    this.moving = performance.now();
    this.request();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.settle(), 160);
  }

  settle() {
    if (this.held && this.held.moved && !["lasso", "box", "sphere"].includes(this.held.kind)) { this.rest = setTimeout(() => this.settle(), 120); return; }
    if (this.motion || this.journey) return;
    this.moving = 0;
    this.before = 0;
    this.request();
    if (this.view.ready) this.view.frame.views.mark();
  }

  /** Go on turning after the hand lets go, ever slower. */
  coast(speed) {
    let last = performance.now();
    this.motion = (now) => {
      const time = Math.min(60, now - last), slower = Math.exp(-time / 260);
      last = now;
      this.camera.turn(speed[0] * time, speed[1] * time);
      speed = speed.map((v) => v * slower);
      if (Math.hypot(...speed) < 1.5e-5) this.motion = null;
    };
    this.touch();
  }

  /** Travel smoothly to a view. */
  fly(to, time = 650) {
    const from = this.camera.copy(), start = performance.now();
    if (this.still) { this.camera.set(to); this.settle(); this.view.toolsChanged(); return; }
    this.motion = (now) => {
      const t = clamp((now - start) / time, 0, 1), eased = t * t * (3 - 2 * t);
      this.camera.set({
        focus: from.focus.map((v, k) => mix(v, to.focus[k], eased)),
        basis: between(from.basis, to.basis, eased),
        field: mix(from.field, to.field, eased),
        flatness: mix(from.flatness, to.flatness, eased),
        reach: Math.exp(mix(Math.log(from.reach), Math.log(to.reach), eased)),
      });
      if (t >= 1) { this.camera.set(to); this.motion = null; }
    };
    this.motion.flatness = to.flatness;
    this.touch();
    this.view.toolsChanged();
  }

  preset(name) { this.fly(this.presetView(this.view.meta.components === 2 ? "opening" : name)); }

  /** Switch between the cloud in space and the same cloud pressed flat. */
  flatten(flat) {
    if (this.view.meta.components === 2) return;
    this.fly(this.framed(flat ? this.camera.bounds.flat : this.opening, flat ? 1 : 0), 800);
  }

  request(overOnly = false) {
    if (!overOnly) this.dirty = true;
    if (overOnly && this.view.twin && this === this.view.twin.first) this.view.twin.request(true);
    if (this.waiting) return;
    this.waiting = requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    this.waiting = 0;
    if (!this.points || !this.width) return;
    if (this.motion) {
      this.motion(now);
      this.dirty = true;
      if (!this.motion) { clearTimeout(this.rest); this.rest = setTimeout(() => this.settle(), 60); }
    }
    if (this.journey) {
      this.journey(now);
      this.dirty = true;
      if (!this.journey) { clearTimeout(this.rest); this.rest = setTimeout(() => this.settle(), 60); }
    }
    const rough = this.moving > 0;
    this.lead();
    if (this.dirty) {
      this.dirty = false;
      if (rough && this.before) this.cloud.adapt(now - this.before);
      this.before = rough ? now : 0;
      this.render(rough);
    }
    this.marks.draw();
    if (this.motion || this.journey) this.request();
  }

  /** Pixels of the screen for one of the page. */
  get ratio() { return Math.min(2, window.devicePixelRatio || 1); }

  render(rough, ratio = this.ratio, transparent = false) {
    const page = this.view.numbers("--page");
    const shown = this.cloud.draw(this.camera, { page, rough, scale: this.view.pointScale, light: this.view.theme === "light", ratio, once: ratio !== this.ratio, opaque: !transparent });
    this.drawn = (this.drawn || 0) + 1;
    const n = this.cloud.n, hidden = this.view.hiddenCount;
    this.status.textContent = shown < n ? `moving: ${count(shown)} of ${count(n)} points drawn` : `${hidden ? `${count(n - hidden)} of ${count(n)}` : count(n)} points`;
    this.status.classList.toggle("thin", shown < n);
  }
}

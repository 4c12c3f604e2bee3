// Heatmaps of one picture, and small pictures with the chosen positions marked in them.

/** An element with attributes, listeners (on…) and children; text is always text, never markup. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A canvas fitted to its box at the screen's resolution; returns its context in CSS pixels. */
function fitted(canvas, width, height, scale = null) {
  const ratio = scale || Math.min(3, window.devicePixelRatio || 1);
  const wide = Math.max(1, Math.round(width * ratio)), tall = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== wide || canvas.height !== tall) { canvas.width = wide; canvas.height = tall; }
  const context = canvas.getContext("2d");
  context.setTransform(wide / width, 0, 0, tall / height, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Cells (r, g, b, a, …) as a small canvas that can be drawn at any size. */
function cellImage(colours, wide, tall) {
  const canvas = document.createElement("canvas");
  canvas.width = wide;
  canvas.height = tall;
  canvas.getContext("2d").putImageData(new ImageData(colours, wide, tall), 0, 0);
  return canvas;
}

/** The outline of some cells as a path: only edges between a chosen and another cell. */
function outlineOf(chosen, wide, tall, x, y) {
  const path = new Path2D();
  const on = (column, row) => column >= 0 && row >= 0 && column < wide && row < tall && chosen(row * wide + column);
  for (let row = 0; row < tall; row++) {
    for (let column = 0; column < wide; column++) {
      if (!chosen(row * wide + column)) continue;
      if (!on(column, row - 1)) { path.moveTo(column * x, row * y); path.lineTo((column + 1) * x, row * y); }
      if (!on(column, row + 1)) { path.moveTo(column * x, (row + 1) * y); path.lineTo((column + 1) * x, (row + 1) * y); }
      if (!on(column - 1, row)) { path.moveTo(column * x, row * y); path.lineTo(column * x, (row + 1) * y); }
      if (!on(column + 1, row)) { path.moveTo((column + 1) * x, row * y); path.lineTo((column + 1) * x, (row + 1) * y); }
    }
  }
  return path;
}

function filledOf(chosen, wide, tall, x, y) {
  const path = new Path2D();
  for (let row = 0; row < tall; row++) for (let column = 0; column < wide; column++) if (chosen(row * wide + column)) path.rect(column * x, row * y, x, y);
  return path;
}

/** Stroke twice: wide in a tone that parts it from any picture, then narrow in its colour. */
function stroked(context, path, colour, width, under, margin = 2) {
  context.lineJoin = "round";
  context.lineCap = "round";
  context.strokeStyle = under;
  context.lineWidth = width + margin;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

function hatch(context, width, height, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = -height; x < width; x += 7) { context.moveTo(x, height); context.lineTo(x + height, 0); }
  context.stroke();
}

/** A picture, its chosen cells lit and the rest dimmed, one cell ringed. */
function drawThumb(view, canvas, bitmap, image, { width, height, focus = null, masked = true }) {
  const context = fitted(canvas, width, height), [tall, wide] = view.cells;
  const chosen = view.chosenIn(image);
  const any = masked && view.selection.perImage[image] > 0;
  context.imageSmoothingEnabled = bitmap.width > width * 0.6;
  context.globalAlpha = any ? 0.32 : 1;
  context.drawImage(bitmap, 0, 0, width, height);
  context.globalAlpha = 1;
  if (any) {
    const x = width / wide, y = height / tall;
    context.save();
    context.clip(filledOf(chosen, wide, tall, x, y));
    context.drawImage(bitmap, 0, 0, width, height);
    context.restore();
    if (Math.min(x, y) >= 0.6) stroked(context, outlineOf(chosen, wide, tall, x, y), view.ink("--accent"), Math.min(x, y) < 2.5 ? 0.75 : 1.25, view.ink("--under"), Math.min(x, y) < 2.5 ? 1 : 2);
  }
  if (focus !== null) ring(view, context, focus, width / wide, height / tall, 7);
}

/** Ring one cell of a map, never smaller than can be seen. */
function ring(view, context, cell, x, y, least, colour = "--accent") {
  const wide = view.cells[1], column = cell % wide, row = Math.floor(cell / wide);
  const w = Math.max(x, least), h = Math.max(y, least), path = new Path2D();
  // At an edge it is moved inwards, so that no side of it is cut off.
  const left = clamp((column + 0.5) * x - w / 2, 1.5, Math.max(1.5, wide * x - w - 1.5)), top = clamp((row + 0.5) * y - h / 2, 1.5, Math.max(1.5, view.cells[0] * y - h - 1.5));
  path.rect(left, top, w, h);
  stroked(context, path, view.ink(colour), 2, view.ink("--under"));
}

/** One heatmap panel: a heading, the map, and a bar that says what its colours mean. */
class MapPanel {
  constructor(view, kind, title) {
    this.view = view;
    this.kind = kind;
    this.title = el("span", { class: "panel-title" }, title);
    this.detail = el("span", { class: "panel-detail" });
    this.canvas = el("canvas", { class: "map", tabindex: "0", role: "img", "aria-label": `${title}; arrow keys move the chosen position` });
    this.low = el("span"); this.high = el("span"); this.bar = el("span", { class: "bar" });
    this.scale = el("div", { class: "scale" }, this.low, this.bar, this.high);
    this.box = el("div", { class: "map-box" }, this.canvas);
    this.element = el("figure", { class: "panel" }, el("figcaption", {}, this.title, this.detail), this.box, this.scale);
    this.listen();
  }

  listen() {
    const { canvas, view } = this;
    let painting = null;
    canvas.addEventListener("pointerdown", (event) => {
      const cell = this.cellAt(event);
      if (cell === null || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      painting = { from: cell, moved: false, mode: event.altKey ? "remove" : event.shiftKey ? "add" : "replace", cells: new Set([cell]) };
    });
    canvas.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(event);
      view.hoverCell(cell, event);
      if (!painting || cell === null || painting.cells.has(cell)) return;
      painting.moved = true;
      painting.cells.add(cell);
      view.paintCells([...painting.cells], painting.mode, painting);
    });
    const done = (event) => {
      if (painting && !painting.moved && event.type === "pointerup") {
        if (painting.mode === "replace") view.focusPlace(view.placeOf(view.image, painting.from));
        else view.paintCells([painting.from], painting.mode, painting);
      }
      painting = null;
    };
    canvas.addEventListener("pointerup", done);
    canvas.addEventListener("pointercancel", done);
    canvas.addEventListener("pointerleave", () => view.hoverCell(null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      view.moveFocus(...step);
    });
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect(), [tall, wide] = this.view.cells;
    const column = Math.floor(((event.clientX - box.left) / box.width) * wide), row = Math.floor(((event.clientY - box.top) / box.height) * tall);
    return column < 0 || row < 0 || column >= wide || row >= tall ? null : row * wide + column;
  }

  /** Show numbers on a scale, or colours as they are, over a picture or alone. */
  draw({ picture = null, values = null, colours = null, scale = null, over = false, note = "", detail = "", title = null }) {
    if (title !== null) this.title.textContent = title;
    this.detail.textContent = detail;
    const { view } = this, [tall, wide] = view.cells, shape = view.shape;
    const room = this.box.clientWidth || 160, most = view.mapHeight;
    let width = room, height = room / shape;
    if (height > most) { height = most; width = most * shape; }
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.box.style.minHeight = `${height}px`;
    const context = fitted(this.canvas, width, height);
    context.fillStyle = view.ink("--well");
    context.fillRect(0, 0, width, height);
    if (picture && (over || (!values && !colours))) {
      context.imageSmoothingEnabled = picture.width > width * 0.6;
      context.drawImage(picture, 0, 0, width, height);
    }
    if (values || colours) {
      if (!over || !picture) hatch(context, width, height, view.ink("--line"));
      context.globalAlpha = over && picture ? view.overlay : 1;
      context.imageSmoothingEnabled = false;
      context.drawImage(cellImage(this.pixels(values, colours, scale), wide, tall), 0, 0, width, height);
      context.globalAlpha = 1;
    }
    if (note) {
      context.fillStyle = view.ink("--muted");
      context.font = `12px ${view.font}`;
      context.textAlign = "center";
      wrapped(context, note, width / 2, height / 2, width - 24, 16);
    }
    if (this.kind === "picture" && picture) this.veil(context, width, height);
    if (!note || picture) this.marks(context, width / wide, height / tall);
    this.showScale(scale, values);
  }

  pixels(values, colours, scale) {
    const { view } = this, n = view.cells[0] * view.cells[1], out = new Uint8ClampedArray(4 * n);
    for (let i = 0; i < n; i++) {
      if (values && !Number.isFinite(values[i])) continue;
      const [r, g, b] = colours ? colours.subarray(3 * i, 3 * i + 3) : view.inks.at(scale, values[i], view.theme);
      out[4 * i] = r; out[4 * i + 1] = g; out[4 * i + 2] = b; out[4 * i + 3] = 255;
    }
    return out;
  }

  /** What of the picture is not chosen is dimmed: an outline alone does not say which side of it is meant. */
  veil(context, width, height) {
    const { view } = this, [tall, wide] = view.cells;
    if (!view.selection.perImage[view.image]) return;
    const chosen = view.chosenIn(view.image), [r, g, b] = view.bytes("--well"), cells = new Uint8ClampedArray(4 * tall * wide);
    for (let i = 0; i < tall * wide; i++) cells.set([r, g, b, chosen(i) ? 0 : 150], 4 * i);
    context.imageSmoothingEnabled = false;
    context.drawImage(cellImage(cells, wide, tall), 0, 0, width, height);
  }

  marks(context, x, y) {
    const { view } = this, [tall, wide] = view.cells;
    if (view.selection.perImage[view.image]) {
      const fine = Math.min(x, y) < 4; // narrow cells are not to be covered by their outline
      stroked(context, outlineOf(view.chosenIn(view.image), wide, tall, x, y), view.ink("--accent"), fine ? 0.9 : 1.5, view.ink("--under"), fine ? 0.9 : 2);
    }
    if (view.hovered && view.hovered.image === view.image) ring(view, context, view.hovered.cell, x, y, 6, "--text");
    const focus = view.focusCell(), seen = this.kind === "picture" && focus !== null ? view.receptiveBox(view.focus) : null;
    if (seen) {
      const path = new Path2D(), across = (x * wide) / seen.of[1], down = (y * tall) / seen.of[0];
      path.rect(seen.columns[0] * across + 1, seen.rows[0] * down + 1, (seen.columns[1] - seen.columns[0]) * across - 2, (seen.rows[1] - seen.rows[0]) * down - 2);
      context.setLineDash([5, 3]);
      stroked(context, path, view.ink("--accent"), 1.5, view.ink("--under"));
      context.setLineDash([]);
    }
    if (focus !== null) ring(view, context, focus, x, y, 10);
  }

  showScale(scale, values) {
    this.scale.style.visibility = scale && values ? "visible" : "hidden";
    if (!scale) return;
    const sign = beyond(scale);
    this.low.textContent = sign[0] + figure(scale.low);
    this.high.textContent = sign[1] + figure(scale.high);
    this.bar.style.background = this.view.inks.gradient(scale.map, this.view.theme);
  }
}

/** Words in lines about a middle. */
function wrapped(context, words, x, y, width, line) {
  const lines = [""];
  for (const word of words.split(" ")) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (context.measureText(longer).width > width && lines[lines.length - 1]) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  lines.forEach((text, i) => context.fillText(text, x, y + (i - (lines.length - 1) / 2) * line));
}

/** Pictures of a run as bitmaps, the last few hundred kept. */
class Pictures {
  constructor(source, instead) {
    this.source = source;
    this.instead = instead;
    this.kept = new Map();
  }

  get(image) {
    const held = this.kept.get(image);
    if (held) { this.kept.delete(image); this.kept.set(image, held); return held; }
    const made = this.read(image);
    this.kept.set(image, made);
    if (this.kept.size > 600) this.kept.delete(this.kept.keys().next().value);
    return made;
  }

  async read(image) {
    const blob = await this.source.picture(image);
    return blob ? createImageBitmap(blob) : this.instead(image);
  }
}

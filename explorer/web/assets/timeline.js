// The epochs under the cloud: what was measured as small plots with one cursor, and the slider that moves it.

const SVG = "http://www.w3.org/2000/svg";
const PLOT = [100, 30]; // a plot's own units, stretched to its place

/** An element of a drawing. */
function drawn(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** One figure over the epochs. */
class Plot {
  constructor({ titles, values, words, low, high, says }, names, go) {
    this.words = words;
    this.points = values.map((value, k) => (value === null ? null : [(100 * k) / Math.max(1, values.length - 1), 100 - (100 * (clamp(value, low, high) - low)) / (high - low || 1)]));
    this.value = el("b");
    this.cursor = el("i", { class: "cursor" });
    this.dots = this.points.map((at, k) => {
      const dot = el("i", { class: "dot", hidden: at === null });
      if (at) { dot.style.left = `${at[0]}%`; dot.style.top = `${at[1]}%`; }
      dot.title = words[k] === null ? "" : `epoch ${names[k]}: ${words[k]}`;
      return dot;
    });
    const line = drawn("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    for (const piece of this.pieces()) line.append(drawn("polyline", { points: piece.map((at) => at.join()).join(" "), "vector-effect": "non-scaling-stroke" }));
    this.area = el("div", { class: "plot-area" }, line, this.cursor, ...this.dots);
    this.element = el("div", { class: "plot", title: `${titles[0]}: ${says}` }, el("div", { class: "plot-head" }, el("span", { class: "long" }, titles[0]), el("span", { class: "short" }, titles[1]), this.value), el("div", { class: "plot-box", onclick: (event) => {
      const box = this.area.getBoundingClientRect();
      go(clamp(Math.round(((event.clientX - box.left) / Math.max(1, box.width)) * (names.length - 1)), 0, names.length - 1));
    } }, this.area));
  }

  /** Stretches of points without a gap. */
  pieces() {
    const found = [[]];
    for (const at of this.points) { if (at) found[found.length - 1].push(at); else found.push([]); }
    return found.filter((piece) => piece.length > 1);
  }

  show(at) {
    this.value.textContent = this.words[at] === null ? "–" : this.words[at];
    this.cursor.style.left = `${(100 * at) / Math.max(1, this.points.length - 1)}%`;
    this.dots.forEach((dot, k) => dot.classList.toggle("on", k === at));
  }
}

/** Plots, slider, and the buttons beside it. */
class Timeline {
  constructor(epochs) {
    const { frame, meta } = epochs.view, { names, figures, seeded } = meta.epochs;
    this.epochs = epochs;
    this.names = names;
    this.plots = figures.map((one) => new Plot(one, names, (at) => epochs.go(at)));
    const button = (name, words, act) => frame.button(name, words, act);
    this.before = button("left", "epoch before (,)", () => epochs.step(-1));
    this.playing = button("play", "play the epochs (A)", () => epochs.play());
    this.after = button("right", "epoch after (.)", () => epochs.step(1));
    this.range = el("input", { type: "range", min: "0", max: String(names.length - 1), step: "1", "aria-label": "epoch", oninput: () => epochs.go(Number(this.range.value)), onkeydown: (event) => epochs.key(event) });
    this.ticks = names.map((name, k) => { const tick = el("button", { type: "button", tabindex: "-1", "aria-hidden": "true", onclick: () => epochs.go(k) }, name); return tick; });
    this.scale = el("div", { class: "ticks" }, ...this.ticks);
    this.heading = el("h3", { class: "epoch-name" });
    this.moved = el("button", { type: "button", class: "toggle", "aria-pressed": "false", title: "grey what has not moved since the epoch before beyond what another seed moves (E)", onclick: () => epochs.switchMoved() }, "only moved");
    this.moved.hidden = !seeded;
    const steps = el("div", { class: "epochs", role: "group", "aria-label": "epochs" }, this.before, this.playing, this.after);
    this.element = el("section", { class: "timeline epoch-figures", "aria-label": "epochs" }, el("div", { class: "plots" }, ...this.plots.map(({ element }) => element)), el("div", { class: "slide" }, steps, this.heading, el("div", { class: "track-box" }, this.range, this.scale), this.moved));
    new ResizeObserver(() => this.space()).observe(this.scale);
  }

  /** Say where we are, or where the way leads. */
  show(at) {
    const { names } = this, words = `Epoch ${names[at]}, ${at + 1} of ${names.length}`;
    this.range.value = String(at);
    this.range.setAttribute("aria-valuetext", words);
    this.range.title = words;
    this.heading.replaceChildren(`Epoch ${shortened(names[at], 14)}`);
    this.heading.title = words;
    this.before.disabled = at === 0;
    this.after.disabled = at === names.length - 1;
    for (const plot of this.plots) plot.show(at);
    this.ticks.forEach((tick, k) => tick.classList.toggle("on", k === at));
    this.at = at;
    this.space();
  }

  /** Name as many epochs as fit under the slider, the one that is shown in any case. */
  space() {
    const wide = this.scale.clientWidth, n = this.names.length, taken = [];
    if (!wide || this.at === undefined) return;
    for (const k of [this.at, ...this.names.keys()]) {
      const tick = this.ticks[k], half = tick.offsetWidth / 2, middle = 8 + ((wide - 16) * k) / Math.max(1, n - 1), x = clamp(middle, half, wide - half);
      const free = k === this.at || taken.every(([left, right]) => x + half + 4 < left || right + 4 < x - half);
      tick.style.left = `${x}px`;
      tick.classList.toggle("away", !free);
      if (free) taken.push([x - half, x + half]);
    }
  }

  /** Whether the epochs are being played. */
  play(on) {
    this.playing.replaceChildren(icon(on ? "pause" : "play"));
    this.playing.title = on ? "stop (A)" : "play the epochs (A)";
    this.playing.setAttribute("aria-label", this.playing.title);
  }
}

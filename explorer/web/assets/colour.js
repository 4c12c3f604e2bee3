// What colours mean: classes, numbers on a scale, or colours as they are. Tables and palettes come with the data.

const CLIP = 0.005; // share of values beyond either end of a colour bar

/** Words for a number: short, without false digits. */
function figure(x, digits = 3) {
  if (!Number.isFinite(x)) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-3) return x.toExponential(digits - 1).replace("e+", "e").replace("-", "−");
  const text = size >= 1000 ? Math.round(x).toLocaleString("en") : String(Number(x.toPrecision(digits)));
  return text.replace("-", "−");
}
const count = (n) => n.toLocaleString("en");
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

/** A name shortened in its middle: names differ at both ends. */
function shortened(name, most) {
  if (name.length <= most) return name;
  const tail = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - tail)}…${name.slice(name.length - tail)}`;
}

const percent = (share) => (share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`);

/** The scale that fits numbers: viridis, or blue to red about zero when both signs matter. */
function scaleOf(values, { signed = true, clip = 0 } = {}) {
  const finite = values.filter(Number.isFinite);
  if (!finite.length) return { low: 0, high: 0, map: "viridis", clipped: false };
  let least = Infinity, most = -Infinity;
  for (const v of finite) { if (v < least) least = v; if (v > most) most = v; }
  let low = least, high = most;
  if (clip && high > low) {
    const sorted = Float32Array.from(finite.length > 200000 ? finite.filter((_, i) => i % Math.ceil(finite.length / 200000) === 0) : finite).sort();
    const a = sorted[Math.floor(clip * (sorted.length - 1))], b = sorted[Math.ceil((1 - clip) * (sorted.length - 1))];
    if (b > a) { low = a; high = b; }
  }
  if (signed && low < 0 && high > 0 && -low > 0.1 * high && high > -0.1 * low) {
    high = Math.max(-low, high);
    return { low: -high, high, map: "diverging", clipped: least < -high || most > high };
  }
  return { low, high, map: "viridis", clipped: least < low || most > high };
}

/** One scale for similarities wherever they are shown, from every n-th of them. */
function similarityScale(near) {
  const step = Math.ceil(near.values.length / 8192);
  near.scale = near.scale || scaleOf(near.values.filter((_, i) => i % step === 0), { clip: CLIP });
  // nothing is more alike than 1, and that much every place is to itself
  return near.scale.map === "diverging" ? near.scale : { ...near.scale, high: 1, whole: true };
}

/** What stands before the ends of a colour bar: ≤ and ≥ where values lie beyond them. */
const beyond = ({ clipped, whole }) => [clipped ? "≤ " : "", clipped && !whole ? "≥ " : ""];

const SIZES = [0.55, 0.8, 1.15, 1.6, 2.2]; // of the usual diameter, for the five steps of a size that means something

/** Five steps, 0 to 4, evenly over the middle 98 % of values; the smallest where not a number. */
function stepsOf(values) {
  const sorted = values.filter(Number.isFinite).sort(), steps = new Uint8Array(values.length);
  if (!sorted.length) return { steps, low: NaN, high: NaN };
  const low = sorted[Math.round(0.01 * (sorted.length - 1))], high = sorted[Math.round(0.99 * (sorted.length - 1))], span = high > low ? high - low : 1;
  for (let i = 0; i < steps.length; i++) steps[i] = Number.isFinite(values[i]) ? clamp(Math.floor(((values[i] - low) / span) * 5), 0, 4) : 0;
  return { steps, low, high };
}

class Inks {
  /** @param meta the data's palettes and colour tables */
  constructor(meta) {
    this.palettes = meta.palette;
    this.tables = Object.fromEntries(Object.entries(meta.tables).map(([name, text]) => [name, bytesOf(text)]));
  }

  table(map, theme) { return this.tables[map === "diverging" ? `diverging-${theme}` : map]; }

  one(index, theme) {
    const palette = this.palettes[theme];
    return palette[index % palette.length];
  }

  /** Three bytes for a number on a scale. */
  at(scale, value, theme) {
    const table = this.table(scale.map, theme);
    const unit = scale.high > scale.low ? clamp((value - scale.low) / (scale.high - scale.low), 0, 1) : 0.5;
    const k = 3 * Math.round(unit * 255);
    return [table[k], table[k + 1], table[k + 2]];
  }

  /** Colours (r, g, b, r, …) of every row of a colouring. */
  rows(colouring, theme, faint) {
    if (colouring.kind === "rgb") return colouring.colours;
    const n = colouring.n, out = new Uint8Array(3 * n);
    if (colouring.kind === "classes") {
      const palette = colouring.names.map((_, i) => this.one(i, theme));
      for (let i = 0; i < n; i++) out.set(palette[colouring.codes[i]] || faint, 3 * i);
      return out;
    }
    const { low, high, map } = colouring.scale, table = this.table(map, theme), values = colouring.values;
    const span = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < n; i++) {
      const v = values[i];
      if (!Number.isFinite(v)) { out.set(faint, 3 * i); continue; }
      const k = 3 * (span ? clamp(Math.round((v - low) * span), 0, 255) : 128);
      out[3 * i] = table[k]; out[3 * i + 1] = table[k + 1]; out[3 * i + 2] = table[k + 2];
    }
    return out;
  }

  gradient(map, theme) {
    const table = this.table(map, theme), stops = [];
    for (let i = 0; i <= 16; i++) { const k = 3 * Math.round((i / 16) * 255); stops.push(`rgb(${table[k]},${table[k + 1]},${table[k + 2]})`); }
    return `linear-gradient(to right, ${stops.join(",")})`;
  }
}

/** One number at every position of a layer, kept in a byte each: 0 is missing, 1 to 255 from low to high. */
class Grid {
  constructor(values, low, high, title, signed = true) {
    Object.assign(this, { values, low, high, title, signed });
    this.each = low.length ? values.length / low.length : 0;
  }

  at(place) {
    const image = Math.floor(place / this.each), byte = this.values[place];
    return byte ? this.low[image] + ((byte - 1) / 254) * (this.high[image] - this.low[image]) : NaN;
  }

  /** Numbers at the cells of one image. */
  image(index) {
    const out = new Float32Array(this.each), from = index * this.each;
    for (let i = 0; i < this.each; i++) out[i] = this.at(from + i);
    return out;
  }

  /** Numbers at these places. */
  rows(places) { return Float32Array.from(places, (place) => this.at(place)); }
}

/** The colouring of this name, from whatever it is derived. */
async function colouringOf(view, name) {
  const { meta, source, places, each } = view, n = places.length;
  const images = () => Int32Array.from(places, (place) => Math.floor(place / each));
  if (name === "label") {
    const codes = Uint16Array.from(places, (place) => meta.labels[Math.floor(place / each)]);
    return { name, kind: "classes", title: "label", names: meta.classes, codes, n };
  }
  if (name === "image") {
    if (meta.nImages <= meta.mostClasses) return { name, kind: "classes", title: "picture", names: meta.names, codes: images(), n };
    return { name, kind: "scale", title: "picture, in the run's order", values: images(), scale: { low: 0, high: meta.nImages - 1, map: "viridis" }, n };
  }
  if (name === "row" || name === "column") {
    const [tall, wide] = view.cells;
    const values = Float32Array.from(places, (place) => (name === "column" ? place % wide : Math.floor((place % each) / wide) % tall));
    const last = (name === "column" ? wide : tall) - 1;
    const title = name === "column" ? "column of the position, from the left" : "row of the position, from the top";
    return { name, kind: "scale", title, values, scale: { low: 0, high: last, map: "viridis" }, n };
  }
  if (name.startsWith("component:")) {
    const axis = Number(name.slice(10)), values = new Float32Array(n);
    for (let i = 0; i < n; i++) values[i] = view.points[3 * i + axis];
    return { name, kind: "scale", title: `component ${axis + 1} of the projection`, values, scale: scaleOf(values, { signed: meta.methodKey === "pca", clip: CLIP }), n };
  }
  if (name === "rgb") {
    const grid = await source.rgb(), colours = new Uint8Array(3 * n);
    for (let i = 0; i < n; i++) colours.set(grid.subarray(3 * places[i], 3 * places[i] + 3), 3 * i);
    return { name, kind: "rgb", title: "PCA → RGB, first three principal components", colours, n };
  }
  if (name === "similarity") {
    const values = Float32Array.from(places, (place) => view.similarity.values[place]);
    return { name, kind: "scale", title: "cosine similarity to the chosen position", values, scale: similarityScale(view.similarity), n };
  }
  if (name === "norm" || name.startsWith("channel:")) {
    const grid = await source.grid(name), values = grid.rows(places);
    return { name, kind: "scale", title: grid.title, values, scale: scaleOf(values, { clip: CLIP }), n };
  }
  const own = await source.rows(name);
  if (own.kind === "classes") return { name, kind: "classes", title: own.title, note: own.note, names: own.names, codes: own.codes, n };
  const scale = own.scale || scaleOf(own.values, { clip: CLIP, signed: own.signed });
  return { name, kind: "scale", title: own.title, note: own.note, values: own.values, scale, n };
}

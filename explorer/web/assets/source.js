// Where everything is read from. A source answers, each time with a promise:
//   meta(), cloud(), grid(name), rgb(), rows(name), similarity(place), neighbours(row), picture(image)
// `FileSource` reads what is embedded in the page; a server's source answers the same from a run.

/** Base64 as bytes. */
function bytesOf(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

const ARRAYS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };

/** Whole numbers from low to high as points (x, y, z, …); two columns get a third of zeros. */
function unpacked(whole, low, high) {
  const axes = low.length, n = whole.length / axes, out = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < axes; k++) out[3 * i + k] = low[k] + (whole[axes * i + k] / 65535) * (high[k] - low[k]);
  }
  return out;
}

class FileSource {
  /** @param {Document} page that holds the data in script elements of a type that nothing runs */
  constructor(page) {
    this.page = page;
    this.kept = new Map();
    this.live = false;
  }

  async meta() {
    if (!this.read) this.read = JSON.parse(this.page.getElementById("data-meta").textContent);
    return this.read;
  }

  async typical() { return (await this.meta()).typical; }

  has(name) { return this.page.getElementById(`data-${name}`) !== null; }

  /** A block of numbers, unpacked when it is first asked for. */
  block(name) {
    if (!this.kept.has(name)) this.kept.set(name, this.open(name));
    return this.kept.get(name);
  }

  async open(name) {
    const element = this.page.getElementById(`data-${name}`);
    if (!element) throw new Error(`${name} is not kept in this file`);
    let bytes = bytesOf(element.textContent.trim());
    if (element.dataset.packed === "gzip") {
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    }
    element.textContent = "";
    return new ARRAYS[element.dataset.type](bytes.buffer);
  }

  async cloud() {
    const { low, high, sampled, nRows } = await this.meta();
    const points = unpacked(await this.block("coordinates"), low, high);
    if (!sampled) return { points, places: Uint32Array.from({ length: nRows }, (_, i) => i) };
    const places = (await this.block("places")).slice();
    for (let i = 1; i < places.length; i++) places[i] += places[i - 1];
    return { points, places };
  }

  async grid(name) {
    const { grids } = await this.meta();
    const own = grids[name];
    if (!own) throw new Error(`the map of ${name} is not kept in this file`);
    const [numbers, ends] = await Promise.all([this.block(own.block), this.block(`${own.block}-ends`)]), n = ends.length / 2;
    return new Grid(numbers, ends.subarray(0, n), ends.subarray(n), own.title);
  }

  rgb() { return this.block("rgb"); }

  async rows(name) {
    const own = (await this.meta()).rows[name], numbers = await this.block(own.block);
    if (own.kind === "classes") return { ...own, codes: numbers };
    const values = Float32Array.from(numbers, (byte) => (byte ? own.low + ((byte - 1) / 254) * (own.high - own.low) : NaN));
    return { ...own, values, scale: own.scale };
  }

  /** Cosine of every position with one, from the vectors that are kept, as few and coarse as they are. */
  async similarity(place) {
    const own = (await this.meta()).vectors;
    if (!own) return null;
    const bytes = await this.block("vectors"), d = own.width, n = bytes.length / d, values = new Float32Array(n);
    const lengths = this.lengths || (this.lengths = lengthsOf(bytes, own.scale));
    const one = Float32Array.from({ length: d }, (_, k) => bytes[place * d + k] * own.scale[k] * own.scale[k]);
    for (let i = 0, j = 0; i < n; i++) {
      let sum = 0;
      for (let k = 0; k < d; k++, j++) sum += bytes[j] * one[k];
      values[i] = sum / (lengths[i] * lengths[place]);
    }
    return { values, note: own.note };
  }

  async neighbours(row) {
    const { near } = await this.meta();
    if (!near) return { original: null, why: "left out of this file" };
    const all = await this.block("near");
    return { original: Array.from(all.subarray(row * near.k, (row + 1) * near.k)), note: near.note };
  }

  /** Every kept channel's map of one picture, or of one slice of it, each from its least to its most. */
  async allMaps(layer, image, slice) {
    const { maps, spatial } = await this.meta(), names = maps.map(({ name }) => name).filter((name) => name.startsWith("channel:"));
    const channels = Uint32Array.from(names, (name) => Number(name.slice(8))).sort(), n = spatial.slice(-2).reduce((a, b) => a * b, 1);
    const values = new Uint8Array(channels.length * n), low = new Float32Array(channels.length), high = new Float32Array(channels.length);
    for (const [i, channel] of channels.entries()) {
      const grid = await this.grid(`channel:${channel}`), from = image * grid.each + (spatial.length === 3 ? slice * n : 0);
      const bytes = grid.values.subarray(from, from + n), known = bytes.filter(Boolean), worth = (byte) => grid.low[image] + ((byte - 1) / 254) * (grid.high[image] - grid.low[image]);
      const [least, most] = known.length ? [Math.min(...known), Math.max(...known)] : [1, 1];
      low[i] = worth(least);
      high[i] = worth(most);
      bytes.forEach((byte, k) => { values[i * n + k] = byte ? 1 + Math.round((254 * (byte - least)) / (most - least || 1)) : 0; });
    }
    return { channels, values, low, high, because: [] };
  }

  async picture(image) {
    const { pictures } = await this.meta();
    if (!pictures) return null;
    const bytes = await this.block("pictures");
    return new Blob([bytes.subarray(pictures.starts[image], pictures.starts[image + 1])], { type: pictures.type });
  }
}

function lengthsOf(bytes, scale) {
  const d = scale.length, out = new Float32Array(bytes.length / d);
  for (let i = 0, j = 0; i < out.length; i++) {
    let sum = 0;
    for (let k = 0; k < d; k++, j++) sum += (bytes[j] * scale[k]) ** 2;
    out[i] = sum ? Math.sqrt(sum) : NaN;
  }
  return out;
}

/** The rows that lie nearest to one on the map: all of them are looked at. */
function nearestOnMap(points, row, k) {
  const n = points.length / 3, rows = [], gaps = [];
  const [x, y, z] = points.subarray(3 * row, 3 * row + 3);
  let worst = Infinity;
  for (let i = 0, j = 0; i < n; i++, j += 3) {
    const gap = (points[j] - x) ** 2 + (points[j + 1] - y) ** 2 + (points[j + 2] - z) ** 2;
    if (!(gap < worst) || i === row) continue;
    let at = gaps.length;
    while (at > 0 && gaps[at - 1] > gap) at--;
    rows.splice(at, 0, i);
    gaps.splice(at, 0, gap);
    if (rows.length > k) { rows.pop(); gaps.pop(); }
    if (rows.length === k) worst = gaps[k - 1];
  }
  return rows;
}

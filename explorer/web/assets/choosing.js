// The chosen positions: a byte a place of the layer's grid, so that they stay the same through every filter.

class Selection {
  /** @param {number} images @param {number} each positions of one image */
  constructor(images, each) {
    this.each = each;
    this.mask = new Uint8Array(images * each);
    this.perImage = new Uint32Array(images);
    this.size = 0;
    this.how = "";
    this.version = 0;
  }

  has(place) { return this.mask[place] === 1; }

  set(place, on) {
    if ((this.mask[place] === 1) === on) return;
    this.mask[place] = on ? 1 : 0;
    const step = on ? 1 : -1;
    this.perImage[Math.floor(place / this.each)] += step;
    this.size += step;
    this.version++;
  }

  clear() {
    this.mask.fill(0);
    this.perImage.fill(0);
    this.size = 0;
    this.version++;
  }

  /** Take places: "replace" what is chosen, "add" to it, or "remove" from it. */
  take(places, mode = "replace") {
    if (mode === "replace") this.clear();
    for (const place of places) if (place >= 0 && place < this.mask.length) this.set(place, mode !== "remove");
  }

  /** All chosen places, in the grid's order. */
  places() {
    const out = new Uint32Array(this.size);
    let k = 0;
    for (let i = 0; k < out.length; i++) if (this.mask[i]) out[k++] = i;
    return out;
  }

  /** Images by how much of them is chosen, most first; those of which nothing is are left out. */
  ranking() {
    const images = [];
    this.perImage.forEach((n, image) => { if (n) images.push(image); });
    return images.sort((a, b) => this.perImage[b] - this.perImage[a] || a - b);
  }
}

/**
 * Of each cell of a grid, the nearest one that is known, as steps over its sides go; -1 where none is.
 * @param {(cell: number) => boolean} known
 */
function nearestKnown(known, wide, tall) {
  const near = new Int32Array(wide * tall).fill(-1), queue = [];
  for (let cell = 0; cell < near.length; cell++) if (known(cell)) { near[cell] = cell; queue.push(cell); }
  for (let at = 0; at < queue.length; at++) {
    const cell = queue[at], column = cell % wide;
    for (const [next, is] of [[cell - wide, cell >= wide], [cell - 1, column > 0], [cell + 1, column < wide - 1], [cell + wide, cell < near.length - wide]]) {
      if (!is || near[next] >= 0) continue;
      near[next] = near[cell];
      queue.push(next);
    }
  }
  return near;
}

/** Whether a point lies inside a closed outline [[x, y], …] (even–odd). */
function inside(outline, x, y) {
  let odd = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
    const [ax, ay] = outline[i], [bx, by] = outline[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

/** Rows whose points project into an outline; `visible` keeps those of which a pixel is seen. */
function rowsInside(points, camera, outline, { width, height, hidden, cloud, visible }) {
  const xs = outline.map((p) => p[0]), ys = outline.map((p) => p[1]);
  const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), bottom = Math.max(...ys);
  const at = camera.projectAll(points, width, height), rows = [];
  for (let i = 0; i < at.length / 2; i++) {
    const x = at[2 * i], y = at[2 * i + 1];
    if (!(x >= left && x <= right && y >= top && y <= bottom) || hidden(i)) continue;
    if (inside(outline, x, y)) rows.push(i);
  }
  if (!visible) return rows;
  const reach = 8, found = cloud.seen(left - reach, top - reach, right - left + 2 * reach, bottom - top + 2 * reach);
  const seen = new Set(found ? found.rows : []);
  return rows.filter((row) => seen.has(row));
}

/** Rows within a distance of a place; in the flat view, within a circle of the picture. */
function rowsWithin(points, camera, centre, radius, hidden) {
  const flat = camera.flatness > 0.5, [right, up] = camera.basis, rows = [], most = radius * radius;
  for (let i = 0, j = 0; j < points.length; i++, j += 3) {
    const gap = [points[j] - centre[0], points[j + 1] - centre[1], points[j + 2] - centre[2]];
    const far = flat ? dot(gap, right) ** 2 + dot(gap, up) ** 2 : dot(gap, gap);
    if (far <= most && !hidden(i)) rows.push(i);
  }
  return rows;
}

/** Those of some rows of which a pixel is seen. */
function onlySeen(rows, cloud, width, height) {
  const found = cloud.seen(0, 0, width, height), seen = new Set(found ? found.rows : []);
  return rows.filter((row) => seen.has(row));
}

/** Where a class is at its densest, as a point: the mean of its fullest small cube and of that cube's neighbours. */
function middleOf(points, rows) {
  if (!rows.length) return null;
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (const row of rows) for (let k = 0; k < 3; k++) {
    const v = points[3 * row + k];
    if (v < low[k]) low[k] = v;
    if (v > high[k]) high[k] = v;
  }
  const parts = rows.length > 2000 ? 12 : 6;
  const cell = (row) => [0, 1, 2].map((k) => (high[k] > low[k] ? Math.min(parts - 1, Math.floor(((points[3 * row + k] - low[k]) / (high[k] - low[k])) * parts)) : 0));
  const counts = new Uint32Array(parts ** 3);
  const cells = rows.map((row) => { const [a, b, c] = cell(row); const id = (a * parts + b) * parts + c; counts[id]++; return id; });
  let best = 0;
  counts.forEach((n, id) => { if (n > counts[best]) best = id; });
  const split = (id) => [Math.floor(id / parts / parts), Math.floor(id / parts) % parts, id % parts];
  const home = split(best), sum = [0, 0, 0];
  let n = 0;
  rows.forEach((row, i) => {
    const own = split(cells[i]);
    if (own.some((v, k) => Math.abs(v - home[k]) > 1)) return;
    for (let k = 0; k < 3; k++) sum[k] += points[3 * row + k];
    n++;
  });
  return sum.map((v) => v / n);
}

/** Places for labels so that none covers another: largest class first, moved a little where it must be. */
function placeLabels(wanted, width, height) {
  const placed = [];
  const free = (box) => box.x >= 4 && box.y >= 4 && box.x + box.w <= width - 4 && box.y + box.h <= height - 4 &&
    placed.every((p) => box.x + box.w + 3 < p.x || p.x + p.w + 3 < box.x || box.y + box.h + 2 < p.y || p.y + p.h + 2 < box.y);
  for (const label of [...wanted].sort((a, b) => b.weight - a.weight)) {
    search: for (let ring = 0; ring <= 5; ring++) {
      const turns = ring ? 8 : 1;
      for (let k = 0; k < turns; k++) {
        const angle = (k / turns) * 2 * Math.PI + ring;
        const box = { x: label.x - label.w / 2 + Math.cos(angle) * ring * 17, y: label.y - label.h / 2 + Math.sin(angle) * ring * 14, w: label.w, h: label.h };
        if (!free(box)) continue;
        placed.push({ ...label, ...box, fromX: label.x, fromY: label.y, moved: ring > 0 });
        break search;
      }
    }
  }
  return placed;
}

// Where the eye stands and what it sees. The same few lines are in the shader and, for the tests, in Python.

const FIELD = (26 * Math.PI) / 180; // vertical angle of the perspective view
const FLAT_FIELD = (0.6 * Math.PI) / 180; // so narrow that it is as good as parallel
const KEPT_DEPTH = 0.03; // depth left in the flat view, so that overlapping points keep an edge

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const along = (a, b, t) => [a[0] + b[0] * t, a[1] + b[1] * t, a[2] + b[2] * t];
const unit = (a) => {
  const length = Math.hypot(a[0], a[1], a[2]) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
};
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const mix = (a, b, t) => a + (b - a) * t;

/** Turn a vector about an axis of length 1 (Rodrigues). */
function turned(v, axis, angle) {
  const c = Math.cos(angle), s = Math.sin(angle), k = dot(axis, v) * (1 - c);
  const side = cross(axis, v);
  return [0, 1, 2].map((i) => v[i] * c + side[i] * s + axis[i] * k);
}

/** Rows right, up and back made orthonormal again; back is kept as it is. */
function straightened(basis) {
  const back = unit(basis[2]);
  const right = unit(cross(basis[1], back));
  return [right, cross(back, right), back];
}

/** Part of the way from one orientation to another, about their common axis. */
function between(from, to, t) {
  // The rotation that takes `from` to `to`, as axis and angle.
  const m = [0, 1, 2].map((i) => [0, 1, 2].map((j) => to[0][i] * from[0][j] + to[1][i] * from[1][j] + to[2][i] * from[2][j]));
  const angle = Math.acos(clamp((m[0][0] + m[1][1] + m[2][2] - 1) / 2, -1, 1));
  if (angle < 1e-5) return to;
  let axis = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]];
  if (Math.hypot(...axis) < 1e-4) axis = Math.abs(dot(from[1], to[1])) > 0.9 ? from[1] : from[2];
  axis = unit(axis);
  return straightened(from.map((row) => turned(row, axis, angle * t)));
}

class Camera {
  /** @param {{centre: number[], radius: number, flat: number[][]}} bounds of the cloud; `flat` are its principal axes. */
  constructor(bounds) {
    this.bounds = bounds;
    this.focus = [...bounds.centre];
    this.basis = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    this.field = FIELD;
    this.flatness = 0; // 0 in space, 1 pressed onto the principal plane
    this.distance = (bounds.radius * 1.1) / Math.tan(FIELD / 2);
  }

  copy() {
    return { focus: [...this.focus], basis: this.basis.map((r) => [...r]), field: this.field, flatness: this.flatness, reach: this.reach };
  }

  /** Half the frame's height at the focus, in the projection's units: what zooming changes. */
  get reach() { return this.distance * Math.tan(this.field / 2); }
  set reach(value) { this.distance = value / Math.tan(this.field / 2); }

  get eye() { return along(this.focus, this.basis[2], this.distance); }

  set(state) {
    this.focus = [...state.focus];
    this.basis = straightened(state.basis);
    this.field = state.field;
    this.flatness = state.flatness;
    this.reach = state.reach;
  }

  turn(x, y) {
    const [right, up] = this.basis;
    let rows = this.basis.map((row) => turned(row, up, -x));
    rows = rows.map((row) => turned(row, right, -y));
    this.basis = straightened(rows);
  }

  roll(angle) { this.basis = straightened(this.basis.map((row) => turned(row, this.basis[2], angle))); }

  /** Move by pixels of a frame of `height`. */
  pan(x, y, height) {
    const step = (2 * this.reach) / height;
    this.focus = along(along(this.focus, this.basis[0], -x * step), this.basis[1], y * step);
  }

  /** Come nearer by a factor, keeping what lies at (x, y), in half frame heights from the middle, where it is. */
  zoom(factor, x, y) {
    const before = this.reach;
    const least = this.bounds.radius * 1e-3, most = this.bounds.radius * 8;
    this.reach = clamp(before * factor, least, most);
    const moved = before - this.reach;
    this.focus = along(along(this.focus, this.basis[0], x * moved), this.basis[1], y * moved);
  }

  /** A point as it is drawn: pressed towards the principal plane in the flat view. */
  pressed(point) {
    const away = dot(along(point, this.bounds.centre, -1), this.bounds.flat[2]);
    return along(point, this.bounds.flat[2], -away * this.flatness * (1 - KEPT_DEPTH));
  }

  /** Pixels from the left and top of a frame, and depth in front of the eye. */
  project(point, width, height) {
    const p = along(this.pressed(point), this.focus, -1);
    const depth = this.distance - dot(p, this.basis[2]);
    const half = depth * Math.tan(this.field / 2);
    return [width / 2 + (dot(p, this.basis[0]) / half) * (height / 2), height / 2 - (dot(p, this.basis[1]) / half) * (height / 2), depth];
  }

  /** The place under a pixel, as far from the eye as the one it looks at. */
  under(x, y, width, height) {
    const step = (2 * this.reach) / height;
    return along(along(this.focus, this.basis[0], (x - width / 2) * step), this.basis[1], (height / 2 - y) * step);
  }

  /** What a pixel measures at a place, in the projection's units. */
  unitAt(point, height) {
    const depth = this.distance - dot(along(this.pressed(point), this.focus, -1), this.basis[2]);
    return (2 * depth * Math.tan(this.field / 2)) / height;
  }

  /** All points (x, y, z, x, …) at once: two numbers a point, NaN behind the eye. */
  projectAll(points, width, height) {
    const n = points.length / 3, out = new Float32Array(n * 2);
    const [r, u, b] = this.basis, f = this.focus, c = this.bounds.centre, w = this.bounds.flat[2];
    const tan = Math.tan(this.field / 2), press = this.flatness * (1 - KEPT_DEPTH), half = height / 2;
    for (let i = 0, j = 0; i < n; i++, j += 3) {
      let x = points[j], y = points[j + 1], z = points[j + 2];
      const away = press * ((x - c[0]) * w[0] + (y - c[1]) * w[1] + (z - c[2]) * w[2]);
      x -= f[0] + away * w[0]; y -= f[1] + away * w[1]; z -= f[2] + away * w[2];
      const depth = this.distance - (x * b[0] + y * b[1] + z * b[2]);
      const scale = depth > 0 ? half / (depth * tan) : NaN;
      out[2 * i] = width / 2 + (x * r[0] + y * r[1] + z * r[2]) * scale;
      out[2 * i + 1] = half - (x * u[0] + y * u[1] + z * u[2]) * scale;
    }
    return out;
  }

  /** Nearest and farthest depth of the cloud's ball, for the depth buffer. */
  range() {
    const to = dot(along(this.eye, this.bounds.centre, -1), this.basis[2]);
    const radius = this.bounds.radius * 1.02;
    const far = Math.max(to + radius, this.distance * 0.02);
    return [Math.max(to - radius, far * 1e-4, this.distance * 1e-3), far];
  }

  /** The state from which the points just fill the frame, or what a share of its width on the left leaves of it. */
  framed(points, basis, aspect, { flatness = 0, margin = 0.9, left = 0 } = {}) {
    const field = flatness ? FLAT_FIELD : FIELD;
    const n = points.length / 3, step = Math.max(1, Math.ceil(n / 30000));
    const seen = [];
    const kept = this.flatness;
    this.flatness = flatness;
    for (let i = 0; i < n; i += step) {
      const p = along(this.pressed([points[3 * i], points[3 * i + 1], points[3 * i + 2]]), this.bounds.centre, -1);
      const local = basis.map((row) => dot(p, row));
      if (local.every(Number.isFinite)) seen.push(local);
    }
    this.flatness = kept;
    // Slopes from the eye to the middle of what is free, and from there to its edges.
    const tan = Math.tan(field / 2), middle = [tan * aspect * left, 0], slopes = [tan * aspect * (1 - left) * margin, tan * margin];
    let shift = [0, 0], distance = 0;
    for (let round = 0; round < 16; round++) {
      distance = 1e-9;
      for (const p of seen) {
        for (let axis = 0; axis < 2; axis++) {
          const off = p[axis] - shift[axis];
          distance = Math.max(distance, off / (slopes[axis] + (off > 0 ? middle[axis] : -middle[axis])) * (off > 0 ? 1 : -1) + p[2]);
        }
      }
      const low = [Infinity, Infinity], high = [-Infinity, -Infinity], deep = [[1, 1], [1, 1]];
      for (const p of seen) {
        for (let axis = 0; axis < 2; axis++) {
          const depth = Math.max(distance - p[2], 1e-9), at = (p[axis] - shift[axis]) / depth;
          if (at < low[axis]) { low[axis] = at; deep[axis][0] = depth; }
          if (at > high[axis]) { high[axis] = at; deep[axis][1] = depth; }
        }
      }
      if (!seen.length) break;
      // Near points move farther than those behind: a step is as long as the outermost two need it.
      const step = deep.map(([a, b]) => (2 * a * b) / (a + b));
      shift = shift.map((s, axis) => s + ((low[axis] + high[axis]) / 2 - middle[axis]) * step[axis]);
    }
    const focus = along(along(this.bounds.centre, basis[0], shift[0]), basis[1], shift[1]);
    return { focus, basis, field, flatness, reach: distance * Math.tan(field / 2) };
  }
}

/** Middle, radius and principal axes of a cloud. */
function boundsOf(points, flat) {
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i++) {
    const v = points[i], k = i % 3;
    if (v < low[k]) low[k] = v;
    if (v > high[k]) high[k] = v;
  }
  const centre = low.map((v, k) => (Number.isFinite(v) ? (v + high[k]) / 2 : 0));
  let radius = 0;
  for (let i = 0; i < points.length; i += 3) {
    const gap = Math.hypot(points[i] - centre[0], points[i + 1] - centre[1], points[i + 2] - centre[2]);
    if (gap > radius) radius = gap;
  }
  return { centre, radius: radius || 1, flat };
}

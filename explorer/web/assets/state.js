// A view as plain values, in the one format that Python's `save_state` and `load_state` have too.

/** JSON with its keys in order: equal values give equal text. */
function ordered(value) {
  if (Array.isArray(value)) return `[${value.map(ordered).join()}]`;
  if (value && typeof value === "object") return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${ordered(value[key])}`).join()}}`;
  return JSON.stringify(value);
}

/** "channel:3" as Python says it: what is shown, and of which one. */
function modeOf(name) {
  const found = /^(channel|component):(\d+)$/.exec(name || "");
  return found ? [found[1], Number(found[2])] : [name, null];
}

/** Increasing places as [first, length] of stretches without a gap. */
function runsOf(places) {
  const runs = [];
  for (const place of places) {
    const last = runs[runs.length - 1];
    if (last && last[0] + last[1] === place) last[1]++; else runs.push([place, 1]);
  }
  return runs;
}

/** What this stage's eye sees, as `Camera.to_dict` says it. */
Stage.prototype.cameraTold = function cameraTold() {
  const { camera } = this, flat = camera.flatness > 0.5, away = flat ? 3 * camera.bounds.radius : camera.distance;
  return {
    position: along(camera.focus, camera.basis[2], away), focal_point: [...camera.focus], view_up: [...camera.basis[1]],
    view_angle: flat ? (FIELD * 180) / Math.PI : (camera.field * 180) / Math.PI, parallel_scale: flat ? camera.reach : null,
  };
};

/** The camera that `Camera.to_dict` told of; null where that is none. */
Stage.prototype.cameraFrom = function cameraFrom(told) {
  const vectors = told && [told.position, told.focal_point, told.view_up];
  if (!vectors || !vectors.every((v) => Array.isArray(v) && v.length === 3 && v.every(Number.isFinite))) return null;
  const back = along(told.position, told.focal_point, -1), distance = Math.hypot(...back), flat = Number.isFinite(told.parallel_scale);
  const field = flat ? FLAT_FIELD : ((told.view_angle || 26) * Math.PI) / 180, reach = flat ? told.parallel_scale : distance * Math.tan(field / 2);
  if (!(distance > 0) || !(reach > 0)) return null;
  return { focus: [...told.focal_point], basis: straightened([[1, 0, 0], told.view_up, unit(back)]), field, flatness: flat ? 1 : 0, reach };
};

/** Everything that says what is shown; `scene.load_state` and this page bring it back. */
Viewer.prototype.state = function state() {
  const { meta, stage } = this, held = meta.view || {}, number = { channel: held.channel || 0, component: held.component || 0 };
  const [colour, size, map] = [this.colour, this.sizeName, this.map].map((name) => modeOf(name));
  for (const [mode, k] of [map, size, colour]) if (k !== null) number[mode] = k;
  const position = this.focus === null ? null : [Math.floor(this.focus / this.each), ...this.positionOf(this.focus)];
  return {
    format: 1, run: meta.run || meta.title, ...(meta.epochs ? { epoch: meta.epochs.names[meta.epochs.at], only_moved: this.epochs.onlyMoved } : {}), projection: { layer: meta.layer, method: meta.methodKey, parameters: meta.parameters }, beside: this.twin && this.twin.id !== meta.shown ? this.twin.told : null,
    theme: this.theme, colour: colour[0], colour_map: this.colourMap, size: size[0], image: this.image, channel: number.channel, map: map[0], component: number.component,
    overlaid: this.overlay < 1, isolated: this.isolated, named: stage.named, flat: stage.camera.flatness > 0.5, slice: meta.spatial.length === 3 ? this.slice : null,
    camera: stage.cameraTold(), views: held.views || [], turn: meta.opening, looking: this.focus !== null,
    hidden: Object.fromEntries([...this.filters].filter(([, names]) => names.size).map(([name, names]) => [name, [...names].sort()])),
    clustering: this.clustering(), focus: position, selection: { grid_shape: [meta.nImages, ...meta.spatial], runs: runsOf(this.selection.places()) },
    // What a page tells apart and a scene does not: another channel in the colours than in the map.
    page: { colour: this.colour, map: this.map, size: this.sizeName, points: this.pointScale },
  };
};

Viewer.prototype.clustering = function clustering() {
  const held = (this.meta.view && this.meta.view.clustering) || { method: "kmeans", on: "features", n: 8, least: null };
  return { ...held, ...(this.legend.found || {}) };
};

/** Bring back what `state` or Python's `save_state` told. */
Viewer.prototype.restore = async function restore(state, how = "from a saved view") {
  if (!state || state.format !== 1 || !state.projection || !state.selection) throw new Error("expected a view that this page or Python's save_state wrote");
  const shape = [this.meta.nImages, ...this.meta.spatial];
  if (this.epochs && state.epoch !== undefined) await this.epochs.show(state.epoch);
  if (this.epochs && typeof state.only_moved === "boolean") await this.epochs.only(state.only_moved);
  await this.showMapOf(state.projection);
  const { meta, stage } = this, own = state.page || {}, grid = [meta.nImages, ...meta.spatial], each = this.each;
  const named = (mode) => (mode === "channel" || mode === "component" ? `${mode}:${state[mode]}` : mode);
  const known = (list, ...names) => names.find((name) => list.some((one) => one.name === name)) ?? null;
  if (state.theme === "light" || state.theme === "dark") this.setTheme(state.theme);
  if (this.source.live && state.clustering && ordered(state.clustering) !== ordered(this.clustering())) {
    this.legend.found = { method: state.clustering.method, on: state.clustering.on, n: state.clustering.n };
    await this.source.clusters(this.legend.found.method, this.legend.found.on, this.legend.found.n);
  }
  const place = Array.isArray(state.focus) && state.focus.length === grid.length && state.focus.every((at, k) => Number.isInteger(at) && at >= 0 && at < grid[k])
    ? state.focus.reduce((sum, at, k) => sum * grid[k] + at, 0) : null;
  await this.focusPlace(place);
  this.filters = new Map(Object.entries(state.hidden || {}).map(([mode, names]) => [mode, new Set(names.map(String))]));
  this.colourMap = typeof state.colour_map === "string" ? state.colour_map : null;
  this.isolated = Boolean(state.isolated);
  this.overlay = state.overlaid === false ? 1 : 0.62;
  stage.named = state.named !== false;
  if (Number.isFinite(own.points)) this.legend.size.value = String((this.pointScale = clamp(own.points, 0.4, 2.5)));
  await this.colourBy(known(this.colours(), own.colour, named(state.colour)) || this.colour);
  await this.refilter();
  await this.sizeBy(known(this.sizes(), own.size, named(state.size)));
  await this.showMap(known(this.maps(), own.map, named(state.map)) || this.map);
  if (ordered(state.selection.grid_shape) === ordered(grid)) {
    const places = state.selection.runs.flatMap(([first, n]) => Array.from({ length: Math.max(0, n) }, (_, i) => first + i)).filter((one) => one >= 0 && one < meta.nImages * each);
    if (places.length || this.selection.size) this.take(places, "replace", how);
  } else if (state.selection.runs.length) this.frame.say(`the selection was of a grid of ${state.selection.grid_shape.slice(1).join(" × ")}, this map's is ${shape.slice(1).join(" × ")}: not brought back`);
  if (Number.isInteger(state.image) && state.image >= 0 && state.image < meta.nImages) this.showImage(state.image);
  if (Number.isInteger(state.slice) && meta.spatial.length === 3) this.showSlice(clamp(state.slice, 0, meta.spatial[0] - 1));
  if (Array.isArray(state.turn) && state.turn.length === 3) stage.opening = meta.opening = straightened(state.turn);
  if (Array.isArray(state.views)) await this.frame.views.take(state.views);
  this.legend.update();
  this.paint();
  this.side.isolate();
  this.frame.tools();
  const camera = stage.cameraFrom(state.camera);
  if (camera) stage.fly(camera);
  else if (state.flat && meta.components === 3 && stage.camera.flatness < 0.5) stage.flatten(true);
  if (this.switches) await this.switches.restore(state.beside);
};

/** Show the map that a view is of, where this page can. */
Viewer.prototype.showMapOf = async function showMapOf(wanted) {
  const same = (one) => one.layer === wanted.layer && (one.methodKey || one.method) === wanted.method && ordered(one.parameters) === ordered(wanted.parameters);
  if (same(this.meta)) return;
  const found = (this.meta.projections || []).find(same);
  if (!found || !this.switches) throw new Error(`a view of ${wanted.method} of ${wanted.layer}: this ${this.source.live ? "run keeps" : "file holds"} no such map`);
  await this.switches.show(found.id);
};

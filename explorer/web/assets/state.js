// A view as plain values, to be kept in a file and brought back.

/** Camera, colours and selection as plain values, and back. */
Viewer.prototype.state = function state() {
  const camera = this.stage.camera.copy();
  return {
    format: 1, layer: this.meta.layer, method: this.meta.methodKey, components: this.meta.components, camera, colour: this.colour, map: this.map, image: this.image, theme: this.theme,
    hidden: [...this.hidden], focus: this.focus, selection: [...this.selection.places()],
  };
};

Viewer.prototype.restore = async function restore(state) {
  const whole = (v, most) => Number.isInteger(v) && v >= 0 && v < most;
  if (!state || state.format !== 1 || state.layer !== this.meta.layer) throw new Error(`expected a view of ${this.meta.layer} that this page saved`);
  if (state.theme === "light" || state.theme === "dark") this.setTheme(state.theme);
  if (this.colours().some(({ name }) => name === state.colour)) await this.colourBy(state.colour);
  if (this.maps().some(({ name }) => name === state.map)) await this.showMap(state.map);
  this.hidden = new Set((state.hidden || []).filter((code) => whole(code, 1e6)));
  this.legend.update();
  this.take((state.selection || []).filter((place) => whole(place, this.selection.mask.length)), "replace", "from a saved view");
  if (whole(state.image, this.meta.nImages)) this.showImage(state.image);
  await this.focusPlace(whole(state.focus, this.selection.mask.length) ? state.focus : null);
  const c = state.camera;
  if (c && [...c.focus, ...c.basis.flat(), c.field, c.flatness, c.reach].every(Number.isFinite) && c.reach > 0) this.stage.fly(c);
};

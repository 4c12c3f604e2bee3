// The part of a stage that finds views: the cloud fills what tools and legend leave of the frame.

class Framing extends Tied {
  /** The view that shows most; for two components the view from the front. */
  home() {
    const flat = this.view.meta.components === 2;
    const basis = flat ? [[1, 0, 0], [0, 1, 0], [0, 0, 1]] : this.opening;
    return this.framed(basis, flat || (this.camera.flatness > 0.5) ? 1 : 0);
  }

  framed(basis, flatness) {
    const rows = flatness && this.view.meta.components > 2 ? this.camera.bounds.flat : basis;
    // The tools and the legend stand on the left: the cloud is framed in what they leave.
    const taken = this.bare ? 0 : this.tied ? 64 : Math.min(190, this.width * 0.17), first = this.framedBeside(rows, flatness, taken);
    if (this.bare || this.tied || !this.covered(first)) return first;
    return this.framedBeside(rows, flatness, this.legendBox().right + 6);
  }

  framedBeside(rows, flatness, taken) {
    const left = this.width > 0 ? Math.min(0.42, taken / this.width) : 0, aspect = Math.max(0.4, this.width / Math.max(1, this.height));
    return this.camera.framed(this.points, rows, aspect, { flatness, margin: 0.88, left });
  }

  /** Where the legend stands on this stage, in pixels of it. */
  legendBox() {
    const box = this.view.legend.element.getBoundingClientRect(), own = this.element.getBoundingClientRect();
    return { right: box.right - own.left, top: box.top - own.top };
  }

  /** Whether the legend would hide more than a few points of a view. */
  covered(to) {
    const { right, top } = this.legendBox(), was = this.camera.copy(), few = Math.ceil(this.points.length / 3 / 4000);
    if (!(right > 0) || right > 0.4 * this.width) return false; // not laid out yet, or no room that could be left to it
    this.camera.set(to);
    let under = 0, all = 0;
    for (let i = 0; i < this.points.length; i += 3 * few, all++) {
      const [x, y] = this.camera.project([this.points[i], this.points[i + 1], this.points[i + 2]], this.width, this.height);
      if (x < right && y > top) under++;
    }
    this.camera.set(was);
    return under > 0.002 * all;
  }

  /** One of the usual views: the one that shows most, or along an axis. */
  presetView(name) {
    const flat = this.camera.bounds.flat, back = this.view.meta.components === 2;
    const bases = {
      opening: this.opening,
      front: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
      side: [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
      top: [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    };
    return this.framed(name === "opening" && back ? flat : bases[name], back ? 1 : 0);
  }
}

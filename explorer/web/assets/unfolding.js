// A small picture of a map in the making that takes other positions than the one that is shown.

class Unfolding {
  constructor(view) {
    this.view = view;
    this.canvas = el("canvas");
    this.words = el("figcaption");
    this.element = el("figure", { class: "unfolding", hidden: true, "aria-live": "off" }, this.words, this.canvas);
    view.frame.stages.append(this.element);
  }

  /** Take the positions of a map that is begun: places of the layer's grid, of which a picture has `each`. */
  begin({ places, each }) {
    const { view } = this, { meta } = view, taken = places && numbersOf(places);
    const classed = meta.labels && meta.classes.length <= meta.mostClasses;
    this.codeOf = (row) => {
      const image = Math.floor((taken ? taken[row] : row) / each);
      return classed ? meta.labels[image] : image;
    };
    this.inkOf = classed || meta.nImages <= meta.mostClasses
      ? (code) => view.inks.one(code, view.theme)
      : (code) => view.inks.at({ low: 0, high: meta.nImages - 1, map: "viridis" }, code, view.theme);
  }

  /** Draw it as it is by now, seen from the front. */
  draw(points, words) {
    const width = 280, height = 200, n = points.length / 3;
    this.element.hidden = false;
    this.words.textContent = words;
    const context = fitted(this.canvas, width, height), ends = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < n; i++) {
      const x = points[3 * i], y = points[3 * i + 1];
      if (x < ends[0]) ends[0] = x;
      if (x > ends[1]) ends[1] = x;
      if (y < ends[2]) ends[2] = y;
      if (y > ends[3]) ends[3] = y;
    }
    const scale = Math.min((width - 16) / (ends[1] - ends[0] || 1), (height - 16) / (ends[3] - ends[2] || 1));
    const [midX, midY] = [(ends[0] + ends[1]) / 2, (ends[2] + ends[3]) / 2], size = n > 10000 ? 1 : 1.6, rowsOf = new Map();
    for (let i = 0; i < n; i++) {
      const code = this.codeOf(i);
      if (!rowsOf.has(code)) rowsOf.set(code, []);
      rowsOf.get(code).push(i);
    }
    for (const [code, rows] of rowsOf) {
      context.fillStyle = `rgb(${[...this.inkOf(code)].join(", ")})`;
      for (const i of rows) context.fillRect(width / 2 + (points[3 * i] - midX) * scale - size / 2, height / 2 - (points[3 * i + 1] - midY) * scale - size / 2, size, size);
    }
  }

  end() { this.element.hidden = true; }
}

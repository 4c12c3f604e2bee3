// What is written over the cloud: names of classes, rings, threads to neighbours, the outline being drawn.

class Marks {
  constructor(stage) { this.stage = stage; }

  /** Draw onto the cloud's upper canvas, or onto another with `ratio` pixels for one of the page. */
  draw(canvas = this.stage.over, ratio = null) {
    const { stage } = this, { view } = stage, context = fitted(canvas, stage.width, stage.height, ratio);
    this.axes(context);
    if (view.trail) this.trail(context);
    if (stage.named) this.names(context); else stage.labels = [];
    for (const [row, kind] of view.linked) this.link(context, row, kind);
    if (view.hovered && view.hovered.row >= 0 && (!view.hovered.fromCloud)) this.circle(context, view.hovered.row, "--text", 7);
    if (view.focusRow() >= 0) {
      if (view.rowOf(view.focus) < 0) context.setLineDash([3, 3]);
      this.circle(context, view.focusRow(), "--accent", 9);
      context.setLineDash([]);
    }
    const { held } = stage;
    if (held && held.moved && held.kind === "sphere") this.ball(context, held);
    if (held && held.moved && (held.kind === "box" || held.kind === "lasso")) {
      const path = new Path2D();
      held.path.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
      path.closePath();
      context.fillStyle = view.ink("--accent-wash");
      context.fill(path);
      context.setLineDash([5, 4]);
      context.strokeStyle = view.ink("--accent");
      context.lineWidth = 1.5;
      context.stroke(path);
      context.setLineDash([]);
    }
  }

  /** The ball that is being drawn, and how many points it holds. */
  ball(context, held) {
    const { view } = this.stage, radius = held.radius / held.unit, path = new Path2D();
    path.arc(held.middleX, held.middleY, radius, 0, 7);
    const shine = context.createRadialGradient(held.middleX - radius * 0.3, held.middleY - radius * 0.3, radius * 0.1, held.middleX, held.middleY, Math.max(1, radius));
    shine.addColorStop(0, "transparent");
    shine.addColorStop(1, view.ink("--accent-wash"));
    context.fillStyle = shine;
    context.fill(path);
    stroked(context, path, view.ink("--accent"), 1.5, view.ink("--under"));
    context.font = `600 12.5px ${view.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const words = plural(held.rows ? held.rows.length : 0, "point"), wide = context.measureText(words).width + 16;
    context.fillStyle = view.ink("--label");
    context.beginPath();
    context.roundRect(held.middleX - wide / 2, held.middleY + radius + 6, wide, 22, 11);
    context.fill();
    context.fillStyle = view.ink("--text");
    context.fillText(words, held.middleX, held.middleY + radius + 17.5);
  }

  spot(row) {
    const { points, camera, width, height } = this.stage;
    return camera.project([points[3 * row], points[3 * row + 1], points[3 * row + 2]], width, height);
  }

  circle(context, row, colour, radius) {
    const [x, y, depth] = this.spot(row);
    if (!(depth > 0)) return;
    const path = new Path2D();
    path.arc(x, y, radius, 0, 7);
    stroked(context, path, this.stage.view.ink(colour), 2.25, this.stage.view.ink("--under"));
  }

  /** A thread from the chosen point to a neighbour. */
  link(context, row, kind) {
    const { view } = this.stage, focus = view.focusRow();
    if (focus < 0) return;
    const [x, y] = this.spot(focus), [a, b] = this.spot(row), path = new Path2D();
    path.moveTo(x, y);
    path.lineTo(a, b);
    if (kind === "original") stroked(context, path, view.ink("--accent"), 1.1, view.ink("--under"));
    const end = new Path2D();
    end.arc(a, b, 4, 0, 7);
    stroked(context, end, view.ink(kind === "original" ? "--accent" : "--text"), 1.4, view.ink("--under"));
  }

  names(context) {
    const { stage } = this, { view, width, height } = stage;
    context.font = `600 12.5px ${view.font}`;
    const wanted = [];
    for (const anchor of stage.anchors) {
      const [x, y, depth] = stage.camera.project(anchor.point, width, height);
      if (!(depth > 0) || x < 0 || y < 0 || x > width || y > height) continue;
      const text = shortened(anchor.name, 24);
      wanted.push({ code: anchor.code, text, x, y, w: context.measureText(text).width + 27, h: 22, weight: anchor.weight });
    }
    stage.labels = placeLabels(wanted, width, height);
    context.textBaseline = "middle";
    context.textAlign = "left";
    for (const label of stage.labels) {
      if (label.moved) {
        context.strokeStyle = view.ink("--muted");
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(label.fromX, label.fromY);
        context.lineTo(label.x + label.w / 2, label.y + label.h / 2);
        context.stroke();
      }
    }
    for (const label of stage.labels) {
      context.beginPath();
      context.roundRect(label.x, label.y, label.w, label.h, 11);
      context.fillStyle = view.ink("--label");
      context.fill();
      context.strokeStyle = view.ink("--line");
      context.lineWidth = 1;
      context.stroke();
      const [r, g, b] = view.inks.one(label.code, view.theme);
      context.beginPath();
      context.arc(label.x + 11, label.y + label.h / 2, 4, 0, 7);
      context.fillStyle = `rgb(${r},${g},${b})`;
      context.fill();
      context.fillStyle = view.ink("--text");
      context.fillText(label.text, label.x + 19, label.y + label.h / 2 + 0.5);
    }
  }

  /** A small cross of axes, so that a turn is seen as one. */
  axes(context) {
    const { view, camera, width, height, tied } = this.stage, long = 26;
    const [x0, y0] = tied ? [48, height - 52] : [width - 48, 66]; // what is selected is told over the tops of two maps
    const word = view.meta.method;
    context.font = `11px ${view.font}`;
    context.textBaseline = "middle";
    context.lineWidth = 1.5;
    const arms = [0, 1, 2].slice(0, view.meta.components).map((k) => ({ k, x: camera.basis[0][k], y: -camera.basis[1][k], z: camera.basis[2][k] })).sort((a, b) => a.z - b.z);
    for (const arm of arms) {
      if (Math.hypot(arm.x, arm.y) < 0.05) continue;
      context.globalAlpha = 0.55 + 0.45 * clamp((arm.z + 1) / 2, 0, 1);
      context.strokeStyle = view.ink("--muted");
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo(x0 + arm.x * long, y0 + arm.y * long);
      context.stroke();
      context.fillStyle = view.ink("--muted");
      context.textAlign = "center";
      context.fillText(String(arm.k + 1), x0 + arm.x * (long + 9), y0 + arm.y * (long + 9));
    }
    context.globalAlpha = 1;
    context.fillStyle = view.ink("--muted");
    context.textAlign = "right";
    if (!tied) context.fillText(word, width - 12, 14); // two maps have captions
  }
}

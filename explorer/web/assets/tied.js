// The part of a stage that reaches beyond its own picture: balls in space, and an eye tied to another stage's.

class Tied {
  /** Put the middle of a ball on the point under the mouse, or where nothing is at the depth that is looked at. */
  plant(x, y) {
    const row = this.pick(x, y), { camera, held } = this;
    held.centre = row >= 0 ? [...this.points.subarray(3 * row, 3 * row + 3)] : camera.under(x, y, this.width, this.height);
    [held.middleX, held.middleY] = camera.project(held.centre, this.width, this.height);
    held.unit = camera.unitAt(held.centre, this.height);
    held.radius = 0;
  }

  /** Select the points of a ball. */
  chooseBall(held) {
    if (this.visible) this.render(false);
    this.lastBall = held;
    const { view } = this, rows = this.visible ? onlySeen(held.rows, this.cloud, this.width, this.height) : held.rows;
    const shape = this.camera.flatness > 0.5 ? "circle" : "sphere";
    view.take(rows.map((row) => view.places[row]), held.mode, `${shape} of radius ${figure(held.radius)}${this.visible ? ", only what is visible" : ""}`);
  }

  /** Tell a cloud beside this one where the eye has gone. */
  lead() {
    if (!this.tied || !this.tied.points) return;
    const seen = JSON.stringify(this.camera.copy());
    if (seen === this.ledFrom) return;
    this.ledFrom = seen;
    this.tied.follow(this);
  }

  /** The view of all, reckoned once for a frame of this size. */
  kept() {
    const key = [this.width, this.height, this.camera.flatness > 0.5].join();
    if (this.keptFor !== key || this.keptOf !== this.points) [this.keptFor, this.keptOf, this.keptHome] = [key, this.points, this.home()];
    return this.keptHome;
  }

  /** Stand as far from this cloud's home as another stage does from its own; two clouds in space turn as one. */
  follow(other) {
    const at = other.camera, alike = this.view.meta.components === other.view.meta.components;
    if (alike) [this.camera.flatness, this.camera.field] = [at.flatness, at.field];
    const home = this.kept(), from = other.kept(), scale = home.reach / from.reach, level = this.camera.flatness > 0.5;
    const basis = alike && !level ? at.basis : alike ? home.basis : this.camera.basis, gap = along(at.focus, from.focus, -1);
    let focus = home.focus;
    if (alike && !level) focus = along(focus, gap, scale);
    else for (const k of [0, 1]) focus = along(focus, basis[k], dot(gap, at.basis[k]) * scale);
    this.camera.set({ focus, basis, field: this.camera.field, flatness: this.camera.flatness, reach: at.reach * scale });
    this.ledFrom = JSON.stringify(this.camera.copy());
    this.touch();
  }
}

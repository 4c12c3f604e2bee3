// What is taken away from the page: pictures, the selection, the view, lines of Python.

const WIDEST = 3840; // pixels of a picture for print

class Taking {
  constructor(view, frame) {
    this.view = view;
    this.frame = frame;
  }

  /** List what there is to take. */
  fill(box) {
    const { view, frame } = this, { source, selection } = view, none = selection.size === 0;
    const act = (words, quiet, go, off = false) => el("button", { type: "button", class: "row-button", disabled: off, onclick: () => { box.close(); go(); } }, el("b", {}, words), el("span", {}, quiet));
    const scale = WIDEST / view.stage.width, nothing = "nothing is selected";
    const written = el("div", { class: "writers" });
    box.body.replaceChildren(
      el("h3", {}, "From this page"),
      act("Picture of the cloud", `PNG, ${WIDEST} pixels wide, with title, names and legend`, () => this.picture(scale)),
      act("Picture without background", `the same, transparent, for slides`, () => this.picture(scale, true)),
      act("Selection", none ? nothing : `CSV of ${plural(selection.size, "position")}: picture, position, label, coordinates`, () => this.selection(), none),
      act("This view", "JSON: camera, colours, filters and selection; drop the file on the page, or load it in Python", () => this.state()),
      ...(source.live ? [act("Lines of Python", "that bring this map, camera and selection back; copied to the clipboard", () => this.code()), written] : []));
    if (source.live) source.endings().then((endings) => written.replaceChildren(...this.writers(endings, act, none ? nothing : "")), (error) => { written.textContent = error.message; });
  }

  /** What the server can write of this view, under headings. */
  writers(endings, act, why) {
    const { view, frame } = this, rows = [];
    const go = (ending, words) => async () => {
      try { this.give(...(await frame.during(view.source.written(view.state(), ending), `writing ${words}`))); } catch (error) { frame.tell(String(error.message || error)); }
    };
    let heading = "";
    for (const { ending, title, words, group, selected } of endings) {
      if (group !== heading) rows.push(el("h3", {}, (heading = group)));
      rows.push(act(`${title} · .${ending}`, selected && why ? why : words, go(ending, title), Boolean(selected && why)));
    }
    return rows;
  }

  give(blob, name) {
    const link = el("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  get name() { return [this.view.meta.title, this.view.meta.layer, this.view.meta.methodKey].join("-").replace(/[^\w.-]+/g, "-"); }

  selection() {
    const { view } = this, axes = view.meta.spatial.map((_, i) => `axis_${i}`), names = ["x", "y", "z"].slice(0, view.meta.components);
    // A cell that a spreadsheet would take for a formula is marked as text.
    const quoted = (text) => `"${String(text).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
    const lines = [["image", "name", "label", ...axes, "row", ...names].join(",")];
    for (const place of view.selection.places()) {
      const image = Math.floor(place / view.each), row = view.rowOf(place), label = view.labelOf(image);
      const at = row < 0 ? names.map(() => "") : [...view.points.subarray(3 * row, 3 * row + names.length)];
      lines.push([image, quoted(view.meta.names[image]), label === null ? "" : quoted(label), ...view.positionOf(place), row < 0 ? "" : row, ...at].join(","));
    }
    this.give(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }), "selection.csv");
  }

  async code() {
    const { view, frame } = this;
    try {
      const lines = await view.source.code(view.state());
      await navigator.clipboard.writeText(lines).then(() => frame.say("copied"), () => this.give(new Blob([lines], { type: "text/x-python" }), "view.py"));
    } catch (error) { frame.tell(error.message); }
  }

  /** Have the report on the selection written; it opens in a tab of its own, or is kept as a file. */
  async why() {
    const { view, frame } = this, places = view.selection.places();
    try {
      const { blob, name, headline } = await frame.during(view.source.why(places), `reasons for ${plural(places.length, "position")}`);
      const address = URL.createObjectURL(blob);
      const link = (words, about) => el("a", { class: "row-button", href: address, onclick: () => box.close(), ...about }, el("b", {}, words));
      const box = frame.dialog("Why these lie together", el("p", {}, headline), link("Open the report", { target: "_blank", rel: "noopener" }), link(`Keep it as a file · ${name}`, { download: name }));
      box.addEventListener("close", () => { box.remove(); setTimeout(() => URL.revokeObjectURL(address), 60000); });
      view.root.append(box);
      box.showModal();
    } catch (error) { frame.tell(String(error.message || error)); }
  }

  state() { this.give(new Blob([JSON.stringify(this.view.state())], { type: "application/json" }), `${this.name}-view.json`); }

  /** The cloud with title, names and legend, `scale` times as large as on the screen. */
  picture(scale, transparent = false) {
    const { view } = this, { stage } = view, { width, height } = stage, out = el("canvas"), over = el("canvas");
    stage.render(false, scale, transparent);
    out.width = stage.canvas.width;
    out.height = stage.canvas.height;
    const context = out.getContext("2d");
    context.drawImage(stage.canvas, 0, 0);
    stage.render(false);
    stage.marks.draw(over, scale);
    context.drawImage(over, 0, 0);
    context.scale(out.width / width, out.height / height);
    this.title(context, 20, 28);
    this.legend(context, 20, height - 20);
    out.toBlob((blob) => this.give(blob, `${this.name}.png`));
  }

  title(context, x, y) {
    const { view } = this, { meta } = view;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillStyle = view.ink("--text");
    context.font = `600 15px ${view.font}`;
    context.fillText(`${meta.title} · ${meta.layer} · ${meta.method}`, x, y);
    context.font = `12px ${view.font}`;
    context.fillStyle = view.ink("--muted");
    const many = meta.sampled ? `${count(meta.nRows)} of ${count(meta.nPositions)} positions` : plural(meta.nRows, "position");
    const trust = meta.quality.length ? ` · ${meta.quality[0].title} ${figure(meta.quality[0].value)}` : "";
    context.fillText(`${many} of ${plural(meta.nImages, "picture")}${trust}`, x, y + 20);
  }

  legend(context, x, bottom) {
    const { view } = this, own = view.colouring;
    context.font = `12px ${view.font}`;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillStyle = view.ink("--text");
    if (own.kind === "classes") {
      const shown = own.names.map((name, code) => [name, code]).filter(([, code]) => !view.hidden.has(code)).slice(0, 24);
      shown.forEach(([name, code], i) => {
        const y = bottom - (shown.length - i) * 18 + 9;
        context.fillStyle = `rgb(${view.inks.one(code, view.theme)})`;
        context.beginPath();
        context.arc(x + 5, y, 5, 0, 7);
        context.fill();
        context.fillStyle = view.ink("--text");
        context.fillText(name, x + 17, y);
      });
      context.fillText(own.names.length > shown.length ? `${own.title} (${shown.length} of ${own.names.length})` : own.title, x, bottom - shown.length * 18 - 10);
      return;
    }
    if (own.kind !== "scale") { context.fillText(own.title, x, bottom - 9); return; }
    const table = view.inks.table(own.scale.map, view.theme);
    for (let i = 0; i < 200; i++) {
      const k = 3 * Math.round((i / 199) * 255);
      context.fillStyle = `rgb(${table[k]},${table[k + 1]},${table[k + 2]})`;
      context.fillRect(x + i, bottom - 28, 1.5, 9);
    }
    context.fillStyle = view.ink("--text");
    context.fillText(own.title, x, bottom - 42);
    context.fillText(figure(own.scale.low), x, bottom - 9);
    context.textAlign = "right";
    context.fillText(figure(own.scale.high), x + 200, bottom - 9);
  }
}

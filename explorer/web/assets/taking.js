// What is taken away from the page: pictures, the selection, the view, lines of Python.

const WIDEST = 3840; // pixels of a picture for print
const HEAD = 64; // room for the title over two maps

class Taking {
  constructor(view, frame) {
    this.view = view;
    this.frame = frame;
  }

  /** List what there is to take. */
  fill(box) {
    const { view, frame } = this, { source, selection } = view, none = selection.size === 0, both = Boolean(view.twin);
    const wide = view.stage.width + (both ? view.twin.twin.stage.width : 0);
    const act = (words, quiet, go, off = false) => el("button", { type: "button", class: "row-button", disabled: off, onclick: () => { box.close(); go(); } }, el("b", {}, words), el("span", {}, quiet));
    const scale = WIDEST / wide, nothing = "nothing is selected";
    const written = el("div", { class: "writers" });
    box.body.replaceChildren(
      el("h3", {}, "From this page"),
      act(both ? "Picture of both clouds" : "Picture of the cloud", `PNG, ${WIDEST} pixels wide, with title, names and legend`, () => this.picture(scale)),
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

  /** What is shown with title, names and legend, `scale` times as large as on the screen: one cloud, or both. */
  picture(scale, transparent = false) {
    const { view } = this, two = Boolean(view.twin), stages = two ? [view.stage, view.twin.twin.stage] : [view.stage];
    const top = two ? HEAD : 0, below = two ? this.legendTall(view.stage.width + stages[1].width - 40) + 28 : 0;
    const width = stages.reduce((sum, one) => sum + one.width, 0), height = view.stage.height, out = el("canvas");
    out.width = Math.round(width * scale);
    out.height = Math.round((top + height + below) * scale);
    const context = out.getContext("2d");
    context.scale(out.width / width, out.height / (top + height + below));
    if (!transparent) { context.fillStyle = view.ink("--page"); context.fillRect(0, 0, width, top + height + below); }
    let left = 0;
    for (const stage of stages) {
      this.cloud(context, stage, { left, top, scale, transparent });
      if (two) this.caption(context, view.twin.captions[stages.indexOf(stage)].textContent, left + stage.width - 20, top + height - 14, stage.width - 40);
      if (left) { context.fillStyle = view.ink("--line"); context.fillRect(left - 0.5, top, 1, height); }
      left += stage.width;
    }
    this.title(context, 20, 28);
    if (two) this.flatLegend(context, 20, top + height + 14, width - 40);
    else this.legend(context, 20, height - 20);
    out.toBlob((blob) => this.give(blob, `${this.name}.png`));
  }

  /** One cloud and what is written over it, drawn into a larger picture. */
  cloud(context, stage, { left, top, scale, transparent }) {
    const over = el("canvas");
    stage.render(false, scale, transparent);
    context.drawImage(stage.canvas, left, top, stage.width, stage.height);
    stage.render(false);
    stage.marks.draw(over, scale);
    context.drawImage(over, left, top, stage.width, stage.height);
  }

  /** Which of two maps it is. */
  caption(context, words, x, y, room) {
    const { view } = this;
    context.font = `600 12.5px ${view.font}`;
    context.fillStyle = view.ink("--text");
    context.textAlign = "right";
    context.textBaseline = "alphabetic";
    context.fillText(words, x, y, room);
  }

  title(context, x, y) {
    const { view } = this, { meta } = view;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillStyle = view.ink("--text");
    context.font = `600 15px ${view.font}`;
    const epoch = meta.epochs ? ` · epoch ${meta.epochs.names[meta.epochs.at]}` : "";
    context.fillText(view.twin ? meta.title : `${meta.title} · ${meta.layer} · ${meta.method}${epoch}`, x, y);
    context.font = `12px ${view.font}`;
    context.fillStyle = view.ink("--muted");
    const many = meta.sampled ? `${count(meta.nRows)} of ${count(meta.nPositions)} positions` : plural(meta.nRows, "position");
    const trust = meta.quality.length ? ` · ${meta.quality[0].title} ${figure(meta.quality[0].value)}` : "";
    const { sizing } = view, size = sizing ? ` · size: ${sizing.title}, ${figure(sizing.low)} to ${figure(sizing.high)}` : "";
    context.fillText(`${many} of ${plural(meta.nImages, "picture")}${trust}${size}`, x, y + 20);
  }

  /** What colours and sizes mean, as [colour or null, words] in rows that fit a width, for a band under two maps. */
  legendRows(wide) {
    const { view } = this, own = view.colouring, context = el("canvas").getContext("2d"), rows = [[]];
    context.font = `12px ${view.font}`;
    const shown = own.kind === "classes" ? own.names.map((name, code) => [code, name]).filter(([code]) => !view.hidden.has(code)) : [];
    let x = 0;
    for (const item of [[null, own.title], ...shown]) {
      const long = context.measureText(item[1]).width + (item[0] === null ? 18 : 36);
      if (x + long > wide && x) { rows.push([]); x = 0; }
      rows[rows.length - 1].push([...item, x]);
      x += long;
    }
    return rows;
  }

  legendTall(wide) { return 20 * this.legendRows(wide).length + (this.view.colouring.kind === "scale" ? 28 : 0); }

  flatLegend(context, x, top, wide) {
    const { view } = this, own = view.colouring, rows = this.legendRows(wide);
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `12px ${view.font}`;
    rows.forEach((row, i) => row.forEach(([code, words, at]) => {
      const y = top + 20 * i + 10, dot = code !== null;
      if (dot) this.dot(context, `rgb(${view.inks.one(code, view.theme)})`, x + at + 5, y);
      context.fillStyle = view.ink("--text");
      context.fillText(words, x + at + (dot ? 17 : 0), y);
    }));
    if (own.kind === "scale") this.bar(context, x, top + 20 * rows.length + 4);
  }

  dot(context, colour, x, y) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, 5, 0, 7);
    context.fill();
  }

  /** A bar of the scale with its ends. */
  bar(context, x, y) {
    const { view } = this, { scale } = view.colouring, table = view.inks.table(scale.map, view.theme);
    for (let i = 0; i < 200; i++) {
      const k = 3 * Math.round((i / 199) * 255);
      context.fillStyle = `rgb(${table[k]},${table[k + 1]},${table[k + 2]})`;
      context.fillRect(x + i, y, 1.5, 9);
    }
    const sign = beyond(scale);
    context.fillStyle = view.ink("--text");
    context.textAlign = "left";
    context.fillText(sign[0] + figure(scale.low), x, y + 19);
    context.textAlign = "right";
    context.fillText(sign[1] + figure(scale.high), x + 200, y + 19);
    context.textAlign = "left";
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
        this.dot(context, `rgb(${view.inks.one(code, view.theme)})`, x + 5, y);
        context.fillStyle = view.ink("--text");
        context.fillText(name, x + 17, y);
      });
      context.fillText(own.names.length > shown.length ? `${own.title} (${shown.length} of ${own.names.length})` : own.title, x, bottom - shown.length * 18 - 10);
      return;
    }
    if (own.kind !== "scale") { context.fillText(own.title, x, bottom - 9); return; }
    context.fillText(own.title, x, bottom - 42);
    this.bar(context, x, bottom - 28);
  }
}

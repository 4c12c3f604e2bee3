// The source of the live page: every question goes to the server, over the page framework's own connection.

const OF_NO_MAP = new Set(["meta", "show", "beside", "export", "endings", "picture", "start", "progress", "stop", "epoch", "why", "all_maps", "asking", "ask_stop", "ask_close", "answer", "answer_file"]);

class LiveSource {
  /** @param ask sends a question, its arguments and the map that is meant, and gives {answer} or {error} */
  constructor(ask) {
    this.send = ask;
    this.live = true;
    this.forget();
  }

  forget() {
    this.kept = new Map();
    this.shown = null;
  }

  async ask(question, ...args) {
    // What is asked of one map is not answered from another that is shown by now.
    const { answer, error } = await this.send(question, args, OF_NO_MAP.has(question) ? null : this.shown);
    if (error) throw new Error(error);
    return answer;
  }

  /** Ask once and keep the answer, until another map is shown. */
  once(key, make) {
    if (!this.kept.has(key)) {
      const made = make();
      this.kept.set(key, made);
      made.catch(() => this.kept.delete(key));
    }
    return this.kept.get(key);
  }

  meta() {
    return this.once("meta", async () => {
      const meta = await this.ask("meta");
      this.shown = meta.shown;
      return meta;
    });
  }

  async cloud() {
    const [meta, { coordinates, places }] = await Promise.all([this.meta(), this.ask("cloud")]);
    return { points: spread(numbersOf(coordinates), meta.components), places: places ? numbersOf(places) : Uint32Array.from({ length: meta.nRows }, (_, i) => i) };
  }

  grid(name) {
    return this.once(`grid ${name}`, async () => {
      const { values, low, high, title } = await this.ask("grid", name);
      return new Grid(numbersOf(values), low, high, title);
    });
  }

  /** How far each picture lies from the usual of its label: of the whole layer, so not asked for unless it is wanted. */
  typical() { return this.once("typical", () => this.ask("typical")); }

  rgb() { return this.once("rgb", async () => numbersOf(await this.ask("rgb"))); }

  rows(name) {
    return this.once(`rows ${name}`, async () => {
      const own = await this.ask("rows", name), numbers = numbersOf(own.numbers);
      if (own.names.length) return { ...own, kind: "classes", codes: numbers };
      return { ...own, kind: "scale", values: numbers, scale: own.limits ? { low: own.limits[0], high: own.limits[1], map: "viridis" } : null };
    });
  }

  async similarity(place) {
    const { numbers, norm } = await this.ask("similarity", place);
    return { values: numbersOf(numbers), norm, place, note: "cosine" };
  }
  neighbours(row, place) { return this.ask("neighbours", place); }

  async picture(image) {
    const own = await this.ask("picture", image);
    return own && new Blob([plainBytes(own.bytes)], { type: own.type });
  }

  /** Show another kept projection; `forget` first what belonged to the one before. */
  async show(id) {
    await this.ask("show", id);
    this.forget();
  }

  /** Show another epoch; `forget` first what belonged to the one before. */
  async epoch(number) {
    await this.ask("epoch", number);
    this.forget();
  }

  /** A row's way through all epochs. */
  way(row) { return this.once(`way ${row}`, () => this.ask("way", row)); }
  /** Which rows moved since the epoch before beyond what another seed moves. */
  beyond() { return this.once("beyond", async () => numbersOf(await this.ask("beyond"))); }
  onlyMoved(on) { return this.ask("only_moved", on); }

  select(places) { return this.ask("select", Array.from(places)); }
  async selection() { return numbersOf(await this.ask("selection")); }
  clusters(method, on, n) {
    for (const key of [...this.kept.keys()]) if (key === "rows cluster") this.kept.delete(key);
    return this.ask("clusters", method, on, n);
  }
  beside(id) { return this.ask("beside", id); }
  keepViews(views) { return this.ask("views", views); }
  code(view) { return this.ask("code", view); }
  endings() { return this.once("endings", () => this.ask("endings")); }
  async written(view, ending) {
    const { type, bytes, name } = await this.ask("export", view, ending);
    return [new Blob([plainBytes(bytes)], { type }), name];
  }
  async why(places) {
    const { type, bytes, name, headline } = await this.ask("why", Array.from(places));
    return { blob: new Blob([plainBytes(bytes)], { type }), name, headline };
  }
  async selectionFile(ending) {
    const { type, bytes } = await this.ask("selection_file", ending);
    return new Blob([plainBytes(bytes)], { type });
  }
  async allMaps(...asked) {
    const { channels, values, low, high, because } = await this.ask("all_maps", ...asked);
    return { channels: numbersOf(channels), values: numbersOf(values), low: numbersOf(low), high: numbersOf(high), because };
  }
  start(layer, method, components) { return this.ask("start", layer, method, components); }
  progress() { return this.ask("progress"); }
  stop() { return this.ask("stop"); }
}

/** What came over the wire as bytes of its own: a copy, so that numbers lie where they may. */
function plainBytes(bytes) {
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes.slice(0));
  return new Uint8Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

function numbersOf({ kind, bytes }) { return new ARRAYS[kind](plainBytes(bytes).buffer); }

/** Coordinates of two or three columns as (x, y, z, …). */
function spread(values, axes) {
  if (axes === 3) return values;
  const n = values.length / axes, out = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < axes; k++) out[3 * i + k] = values[axes * i + k];
  return out;
}

/** Layer, method and dimensions, to choose from: what the run keeps at once, anything else made and watched. */
class Switches {
  constructor(view) {
    this.view = view;
    const choice = (words, change) => el("select", { class: "choice", "aria-label": words, title: words, onchange: change });
    this.layer = choice("layer", () => this.change());
    this.method = choice("method", () => this.change());
    this.axes = choice("dimensions", () => this.change());
    this.stopButton = el("button", { type: "button", class: "link", hidden: true, onclick: () => view.source.stop() }, "stop here");
    this.second = choice("a second map beside this one", () => this.pair());
    this.beside = new Beside(view);
    this.unfolding = new Unfolding(view);
    view.frame.slot.append(this.layer, this.method, this.axes, this.second, this.stopButton);
  }

  /** Open or close the second map. */
  async pair() {
    const { view } = this;
    try {
      if (this.second.value) await this.beside.open(this.second.value); else this.beside.close();
    } catch (error) { view.frame.tell(String(error.message || error)); }
    this.describe();
  }

  /** Bring back the second map of a saved view. */
  async restore(wanted) {
    const same = (one) => wanted && one.layer === wanted.layer && one.method === wanted.method && ordered(one.parameters) === ordered(wanted.parameters);
    const { projections, epochs } = this.view.meta, named = wanted && wanted.epoch;
    const found = named === undefined || named === null ? projections.find(same) : (epochs ? epochs.maps : []).find((one) => one.epoch === named);
    if (found) await this.beside.open(found.id); else this.beside.close();
    this.describe();
  }

  /** List what there is. */
  describe() {
    const { meta } = this.view, options = (list, chosen) => list.map(([value, words]) => el("option", { value, selected: value === chosen }, words));
    const own = meta.projections.filter((one) => !meta.methods.some(({ key }) => key === one.method)).map((one) => [one.method, one.method]);
    const kept = (key) => meta.projections.some((one) => one.layer === meta.layer && one.method === key);
    this.layer.replaceChildren(...options(meta.layers.map((name) => [name, name]), meta.layer));
    this.method.replaceChildren(...options([...meta.methods.map(({ key, title }) => [key, kept(key) ? title : `${title} · to be made`]), ...new Map(own)], meta.methodKey));
    const others = meta.projections.filter((one) => one.id !== meta.shown), times = meta.epochs && meta.epochs.ours ? meta.epochs.maps : [];
    const chosen = this.beside.id || "", listed = others.map((one) => [one.id, `${one.layer === meta.layer ? "" : `${one.layer} · `}${one.title}`]);
    const passed = times.filter((one) => one.id !== meta.shown || one.id === chosen).map((one) => [one.id, `epoch ${one.epoch}`]);
    this.second.replaceChildren(...options([["", chosen ? "one map" : "compare…"], ...passed, ...listed], chosen));
    this.second.hidden = !others.length && !passed.length;
    this.second.classList.toggle("idle", !this.beside.id);
    this.axes.replaceChildren(...options([["2", "2D map"], ["3", "3D map"]], String(meta.components)));
  }

  async change() {
    this.wanted = (this.wanted || 0) + 1;
    const { view } = this, [layer, method, components] = [this.layer.value, this.method.value, Number(this.axes.value)];
    const fits = view.meta.projections.filter((one) => one.layer === layer && one.method === method && one.components === components);
    try {
      if (fits.length) await this.show(fits[fits.length - 1].id);
      else await this.make(layer, method, components);
    } catch (error) {
      this.describe();
      view.frame.tell(String(error.message || error));
    }
  }

  async show(id) {
    const { view } = this, all = [this.layer, this.method, this.axes];
    for (const choice of all) choice.disabled = true;
    try {
      // The server brings the selection to the other grid: it has to know it, however quickly the map is changed.
      const told = view.telling ? view.tellSelection() : Promise.resolve();
      await view.frame.during(told.then(() => view.source.show(id)).then(() => view.load()), "opening the map");
    } finally {
      for (const choice of all) choice.disabled = false;
      this.describe();
    }
  }

  /** Make a projection and watch it unfold; everything else stays usable. */
  async make(layer, method, components) {
    const { view } = this, { source, frame } = view, turn = this.wanted;
    let told = await source.start(layer, method, components);
    this.unfolding.begin(told);
    this.stopButton.hidden = false;
    try {
      while (told.running) {
        frame.working(`${told.words} · ${told.iteration ? `step ${count(told.iteration)} · ` : ""}${Math.round(told.seconds)} s`);
        await new Promise((done) => setTimeout(done, 300));
        told = await source.progress();
        if (!told.coordinates || turn !== this.wanted) continue;
        const points = spread(numbersOf(told.coordinates), told.axes);
        // The same positions go where they belong; others are shown beside the map, which keeps its meaning.
        if (layer === view.meta.layer && points.length === view.points.length) view.unfold(points);
        else this.unfolding.draw(points, `${told.words} · step ${count(told.iteration)}`);
      }
      if (told.error) throw new Error(told.error);
      if (!told.made) told = await source.progress();
      // Whoever has gone on to another map meanwhile stays there; this one is kept in the run.
      if (turn === this.wanted && told.made) await this.show(told.made);
      else if (turn !== this.wanted) frame.say(`${told.words} is made`);
    } finally {
      this.stopButton.hidden = true;
      this.unfolding.end();
      frame.working(null);
      this.describe();
    }
  }
}

/** What the page framework installs: one component that is our whole page. */
window.activationExplorer = {
  install(app) {
    app.component("explorer-page", {
      inject: ["trame"],
      template: '<div id="explorer" ref="page" aria-busy="true"></div>',
      mounted() {
        const session = this.trame.client.getConnection().getSession();
        openViewer(this.$refs.page, new LiveSource((...asked) => session.call("explorer.ask", asked)));
      },
    });
  },
};

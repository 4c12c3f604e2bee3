// The legend: what the colours mean, which of them are shown, and the choice of another meaning.

class Legend {
  constructor(view) {
    this.view = view;
    const told = (promise) => promise.catch((error) => { view.frame.tell(String(error.message || error)); this.options(); });
    this.choice = el("select", { class: "choice", "aria-label": "colour by", onchange: () => told(view.colourBy(this.choice.value)) });
    this.sizeChoice = el("select", { class: "choice", "aria-label": "size by", onchange: () => told(view.sizeBy(this.sizeChoice.value || null)) });
    this.sizeScale = el("div", { class: "size-scale", hidden: true });
    this.title = el("div", { class: "legend-title" });
    this.body = el("div", { class: "legend-body" });
    this.size = el("input", { type: "range", min: "0.4", max: "2.5", step: "0.1", value: "1", "aria-label": "point size", title: "point size", oninput: () => view.sizePoints(Number(this.size.value)) });
    this.element = el("section", { class: "legend card-like", "aria-label": "legend" },
      el("label", { class: "field" }, el("span", {}, "Colour by"), this.choice), this.title, this.body,
      el("div", { class: "field size-by" }, el("span", {}, "Size by"), this.sizeChoice, this.size), this.sizeScale);
  }

  /** List what the points can be coloured by. */
  options() {
    const { view } = this, colours = view.colours(), sizes = view.sizes(), listed = JSON.stringify([colours, sizes]);
    if (listed !== this.listed) {
      this.choice.replaceChildren(...grouped(colours));
      this.sizeChoice.replaceChildren(el("option", { value: "" }, "alike"), ...grouped(sizes));
      this.listed = listed;
    }
    this.choice.value = view.wanted || view.colour;
    this.sizeChoice.value = view.sizeName || "";
  }

  /** What the sizes mean: five discs from small to large, with the numbers at either end. */
  sizeLegend() {
    const { sizing, sizeName } = this.view;
    this.sizeChoice.value = sizeName || "";
    this.sizeScale.hidden = !sizing;
    if (!sizing) return;
    this.sizeScale.title = `size: ${sizing.title}`;
    const disc = (factor) => { const one = el("i"); one.style.width = one.style.height = `${(6 * factor).toFixed(1)}px`; return one; };
    this.sizeScale.replaceChildren(el("span", {}, `≤ ${figure(sizing.low)}`), el("span", { class: "discs", role: "img", "aria-label": `size: ${sizing.title}` }, ...SIZES.map(disc)), el("span", {}, `≥ ${figure(sizing.high)}`));
  }

  /** Others are on their way: what still stands here is not to be read, nor clicked, as theirs. */
  waiting(on) {
    clearTimeout(this.later);
    if (on) this.later = setTimeout(() => this.element.classList.add("waiting"), 200);
    else this.element.classList.remove("waiting");
  }

  update() {
    const { view } = this, own = view.colouring;
    this.choice.value = view.wanted || view.colour;
    this.sizeLegend();
    // A class is named beside its colour; what the classes are is said where their heading does not.
    const said = own.kind === "classes" && (own.name === "label" || own.name === "image") ? "" : own.title;
    this.title.textContent = [said, own.note].filter(Boolean).join(" · ");
    this.title.hidden = !this.title.textContent;
    const [chosen] = this.choice.selectedOptions;
    this.title.classList.toggle("same", Boolean(chosen) && chosen.textContent === this.title.textContent);
    if (own.kind === "classes") this.classes(own);
    else if (own.kind === "scale") this.scale(own);
    else this.body.replaceChildren(el("div", { class: "swatches" }, ...["PC 1", "PC 2", "PC 3"].map((name, k) => el("span", {}, swatch([[214, 48, 49], [38, 166, 91], [52, 104, 219]][k]), name))));
  }

  scale(own) {
    const { low, high, map } = own.scale, bar = el("div", { class: "bar wide" });
    bar.style.background = this.view.inks.gradient(map, this.view.theme);
    const sign = beyond(own.scale);
    const tables = [["", "fitting colours"], ["viridis", "viridis"], ["cividis", "cividis"], ["magma", "magma"], ["gray", "grey"], ["diverging", "about zero"]];
    const { view } = this, wish = view.colourMap || "";
    if (!tables.some(([name]) => name === wish)) tables.push([wish, wish]);
    const choice = el("select", { class: "choice small tables", "aria-label": "colours of the scale", title: "colours of the scale", onchange: () => view.mapColours(choice.value || null) }, ...tables.map(([value, words]) => el("option", { value, selected: value === wish }, words)));
    const gone = view.off ? el("button", { type: "button", class: "link", onclick: () => view.showClasses() }, `show all · ${count(view.hiddenCount || view.off.reduce((n, one) => n + one, 0))} hidden`) : null;
    this.body.replaceChildren(...[el("div", { class: "scale-box" }, bar, el("div", { class: "ends" }, el("span", {}, sign[0] + figure(low)), el("span", {}, map === "diverging" ? "0" : figure((low + high) / 2)), el("span", {}, sign[1] + figure(high)))), choice, gone].filter(Boolean));
  }

  classes(own) {
    const { view } = this, counts = new Uint32Array(own.names.length);
    for (const code of own.codes) counts[code]++;
    const clusters = own.name === "cluster", short = (name) => (clusters ? name.replace(/^cluster /, "") : name); // the title says it
    const rows = own.names.map((name, code) => {
      const hidden = view.hidden.has(code), item = el("button", {
        type: "button", class: `class${hidden ? " off" : ""}`, "aria-pressed": String(!hidden), "data-code": code,
        title: `${name} · ${plural(counts[code], "point")}\nclick: hide or show · double-click: show only this`, onclick: (event) => this.clicked(code, event),
      }, swatch(view.inks.one(code, view.theme)), el("span", { class: "class-name" }, shortened(short(name), 22)), el("span", { class: "class-count" }, count(counts[code])));
      const take = el("button", { type: "button", class: "take", title: `select all ${name}`, "aria-label": `select all ${name}`, onclick: () => view.takeClass(code, "replace") });
      take.append(icon("target"));
      return el("div", { class: "class-row" }, item, take);
    });
    // Its place is kept while it has nothing to show: the classes must not move under the mouse.
    const all = el("button", { type: "button", class: "link", disabled: view.off === null, onclick: () => view.showClasses() }, view.off ? `show all ${count(own.names.length)}` : `${count(own.names.length)} ${own.names.length === 1 ? "class" : "classes"}`);
    const scrolled = this.body.querySelector(".classes");
    // Many short names stand beside one another: a legend that has to be scrolled is read by nobody.
    const longest = Math.max(0, ...own.names.map((name) => short(name).length)), list = el("div", { class: own.names.length > (clusters ? 5 : 8) && longest <= 8 ? "classes dense" : "classes" }, ...rows), top = scrolled ? scrolled.scrollTop : 0;
    list.style.setProperty("--wide", `${7.5 * longest + 36}px`);
    this.body.replaceChildren(...[this.clusters(own), list, all].filter(Boolean));
    list.scrollTop = top;
  }

  /** How clusters are found, where a server can find others. */
  clusters(own) {
    const { view } = this, { source } = view;
    if (own.name !== "cluster" || !source.live) return null;
    const held = this.found || (this.found = { method: "kmeans", on: "features", n: 8 });
    const change = async () => {
      try {
        await source.clusters(held.method, held.on, held.n);
        await view.colourBy("cluster");
      } catch (error) { view.frame.tell(error.message); }
    };
    const choice = (words, key, options) => {
      const select = el("select", { class: "choice small", "aria-label": words, title: words, onchange: () => { held[key] = select.value; change(); } }, ...options.map(([value, text]) => el("option", { value, selected: value === held[key] }, text)));
      return select;
    };
    const n = el("input", { type: "number", class: "number", min: "2", max: "60", value: held.n, "aria-label": "number of clusters", title: "number of clusters", onchange: () => { held.n = clamp(Math.round(Number(n.value)) || 8, 2, 60); change(); } });
    n.hidden = held.method !== "kmeans";
    return el("div", { class: "clusters" }, choice("how clusters are found", "method", [["kmeans", "k-means"], ["hdbscan", "HDBSCAN"]]), n, choice("what they are found on", "on", [["features", "layer"], ["map", "map"]]));
  }

  /** One click hides or shows, two in a row show this class alone. */
  clicked(code, event) {
    const { view, last } = this, twice = last && last.code === code && event.timeStamp - last.time < 400;
    // Counted here and not by the browser, which forgets the first click when the list is drawn anew.
    this.last = twice ? null : { code, time: event.timeStamp };
    if (twice) view.isolate(code); else view.toggleClass(code);
  }
}

/** Choices under their headings. */
function grouped(list) {
  const groups = new Map();
  for (const { name, title, group } of list) {
    if (!groups.has(group)) groups.set(group, el("optgroup", { label: group }));
    groups.get(group).append(el("option", { value: name }, title));
  }
  return groups.values();
}

function swatch([r, g, b]) {
  const dot = el("i", { class: "swatch" });
  dot.style.background = `rgb(${r},${g},${b})`;
  return dot;
}

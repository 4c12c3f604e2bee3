// The strip of pictures under the cloud: in the run's order, or ranked by how much of them is chosen.

class Strip {
  constructor(view) {
    this.view = view;
    this.heading = el("span", { class: "strip-title" });
    this.detail = el("span", { class: "strip-detail" });
    this.sort = el("select", { class: "choice small", "aria-label": "order of the pictures", onchange: () => this.sortBy() },
      ...[["run", "in the run's order"], ["typical", "most typical of their label first"], ["odd", "oddest of their label first"], ["name", "by name"]].map(([value, words]) => el("option", { value }, words)));
    this.list = el("div", { class: "strip-list", role: "listbox", "aria-label": "pictures", tabindex: "0" });
    this.scroller = el("div", { class: "strip-scroll" }, this.list);
    this.element = el("section", { class: "strip", "aria-label": "pictures" }, el("header", {}, this.heading, this.detail, this.sort), this.scroller);
    this.cards = new Map();
    this.order = [];
    this.scroller.addEventListener("scroll", () => this.fill(), { passive: true });
    this.scroller.addEventListener("wheel", (event) => {
      if (Math.abs(event.deltaY) <= Math.abs(event.deltaX)) return;
      event.preventDefault();
      this.scroller.scrollLeft += event.deltaY;
    }, { passive: false });
    this.list.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const at = this.order.indexOf(view.image), next = this.order[clamp(at + step, 0, this.order.length - 1)];
      view.showImage(next);
    });
  }

  /** Width and height of one picture. */
  get size() {
    const tall = 84;
    return [clamp(tall * this.view.shape, 56, 150), tall];
  }

  get step() { return this.size[0] + 12; }

  /** Order and draw anew. */
  update() {
    const { view } = this, { selection } = view;
    const ranked = selection.size > 0 && !view.filtered;
    if (ranked) {
      this.order = selection.ranking();
      this.heading.textContent = "Where it comes from";
      const others = view.meta.nImages - this.order.length;
      this.detail.textContent = `${plural(this.order.length, "picture")} by how much of them is selected${view.spread ? ", of what is on the map; cells between follow the nearest" : ""}${others ? ` · nothing of ${others === 1 ? "the other" : `the other ${count(others)}`}` : ""}`;
    } else {
      this.order = this.sorted(view.filtered || Array.from({ length: view.meta.nImages }, (_, i) => i));
      this.heading.textContent = view.filtered ? "Found" : "Pictures";
      this.detail.textContent = view.filtered ? `${count(this.order.length)} of ${count(view.meta.nImages)} pictures` : `${count(view.meta.nImages)}`;
    }
    this.sort.hidden = ranked;
    this.list.style.width = `${this.order.length * this.step}px`;
    this.list.replaceChildren();
    this.cards.clear();
    if (ranked || view.filtered) this.scroller.scrollLeft = 0;
    this.fill();
  }

  /** Order the pictures anew; how usual each is, is asked for first where that is what counts. */
  async sortBy() {
    const { view } = this, { meta } = view;
    if (this.bySense && !meta.typical) {
      try { meta.typical = await view.frame.during(view.source.typical(), "typical pictures"); } catch (error) { this.sort.value = "run"; view.frame.tell(error.message); }
    }
    this.update();
  }

  get bySense() { return this.sort.value === "typical" || this.sort.value === "odd"; }

  /** Pictures in the order that is asked for. */
  sorted(images) {
    const { names, typical } = this.view.meta, order = this.sort.value;
    if (order === "run") return images;
    if (this.bySense && !typical) { this.sortBy(); return images; } // of another map than before: it comes
    const by = { name: (a, b) => names[a].localeCompare(names[b], undefined, { numeric: true }), typical: (a, b) => typical[a] - typical[b], odd: (a, b) => typical[b] - typical[a] }[order];
    return [...images].sort((a, b) => by(a, b) || a - b);
  }

  /** Make the cards that are in sight, and let the others go. */
  fill() {
    const left = this.scroller.scrollLeft, width = this.scroller.clientWidth || 1000;
    const first = Math.max(0, Math.floor(left / this.step) - 2), last = Math.min(this.order.length, Math.ceil((left + width) / this.step) + 2);
    for (const [at, card] of this.cards) if (at < first || at >= last) { card.remove(); this.cards.delete(at); }
    for (let at = first; at < last; at++) if (!this.cards.has(at)) this.cards.set(at, this.card(at));
    this.mark();
  }

  card(at) {
    const { view } = this, image = this.order[at], [width, height] = this.size;
    const share = view.shareOf(image), chosen = view.selection.size > 0;
    const canvas = el("canvas", { class: "thumb" });
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const label = view.labelOf(image), name = view.meta.names[image];
    const fill = el("i");
    fill.style.width = `${100 * share}%`;
    const words = chosen ? percent(share) : (label === null ? name : label);
    const card = el("button", { class: "card", type: "button", role: "option", tabindex: "-1", title: label === null ? name : `${name} · ${label}`, "data-image": image, onclick: () => view.showImage(image) },
      canvas, chosen ? el("span", { class: "share" }, fill) : null, el("span", { class: "card-name" }, el("b", {}, words), chosen ? ` ${label === null ? name : label}` : (label === null ? "" : ` ${name}`)));
    card.style.left = `${at * this.step}px`;
    card.style.width = `${width}px`;
    this.list.append(card);
    view.pictures.get(image).then((bitmap) => { if (card.isConnected) drawThumb(view, canvas, bitmap, image, { width, height }); });
    return card;
  }

  /** Mark the picture that is shown. */
  mark() {
    for (const [at, card] of this.cards) {
      const on = this.order[at] === this.view.image;
      card.classList.toggle("on", on);
      card.setAttribute("aria-selected", String(on));
    }
  }

  /** Bring a picture into sight. */
  reveal(image) {
    const at = this.order.indexOf(image);
    if (at < 0) return;
    const left = at * this.step, { scrollLeft, clientWidth } = this.scroller;
    if (left < scrollLeft || left + this.step > scrollLeft + clientWidth) this.scroller.scrollLeft = left - clientWidth / 2 + this.step / 2;
    this.fill();
  }
}

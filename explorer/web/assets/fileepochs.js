// A file that holds a training: each epoch answers from its own numbers, what all share is kept once.

class FileEpochs extends FileSource {
  constructor(page) {
    super(page);
    this.told = new Map();
    this.at = null;
  }

  async meta() {
    const all = await super.meta();
    if (this.at === null) this.at = all.epochs.at;
    const { at } = this;
    if (!this.told.has(at)) this.told.set(at, { ...all, ...all.epochs.each[at], epochs: { ...all.epochs, at } });
    return this.told.get(at);
  }

  /** A block of the epoch that is shown, or the one that all share. */
  block(name) {
    const own = `e${this.at}-${name}`;
    return super.block(this.has(own) ? own : name);
  }

  async epoch(number) {
    await this.meta();
    this.at = number;
    this.lengths = null; // of the vectors of the epoch before
  }

  /** A row's places at all epochs, how far it moves to each next one, and whether that is beyond another seed. */
  async way(row) {
    const { low, high, nRows, epochs } = await this.meta(), axes = low.length, steps = [...epochs.names.keys()].slice(1);
    const all = await Promise.all(epochs.names.map((_, k) => super.block(`e${k}-coordinates`)));
    const moved = await super.block("movement"), beyond = epochs.seeded ? await super.block("beyond") : null;
    return {
      places: all.map((whole) => [...unpacked(whole.subarray(axes * row, axes * (row + 1)), low, high)]),
      movement: steps.map((k) => (moved[(k - 1) * nRows + row] / 65535) * epochs.farthest),
      beyond: steps.map((k) => Boolean(beyond && beyond[(k - 1) * nRows + row])),
    };
  }

  /** Which rows moved since the epoch before beyond what another seed moves. */
  async beyond() {
    const { nRows, epochs } = await this.meta(), all = await super.block("beyond");
    return all.slice((epochs.at - 1) * nRows, epochs.at * nRows);
  }

  // What is selected and greyed is the page's own business here.
  async select() {}
  async onlyMoved() {}
}

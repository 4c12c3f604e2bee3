// Start: in a file the data stands in the page; a server hands its own source to `openViewer`.

/** Build a viewer inside an element; a problem is told in the page. */
async function openViewer(root, source) {
  const viewer = new Viewer(root, source);
  window.explorerViewer = viewer;
  try {
    await viewer.start();
  } catch (error) {
    root.removeAttribute("aria-busy");
    root.replaceChildren(el("p", { class: "failed" }, String(error.message || error)));
    throw error;
  }
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", async (event) => {
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (!file) return;
    try { await viewer.restore(JSON.parse(await file.text())); } catch (error) { viewer.frame.say(`${file.name}: ${error.message}`); }
  });
  return viewer;
}

if (document.getElementById("data-meta")) openViewer(document.getElementById("explorer"), new (typeof FileEpochs === "undefined" ? FileSource : FileEpochs)(document));

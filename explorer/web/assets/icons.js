// Icons, drawn here: one line each on a square of 24.

const ICONS = {
  turn: "M12 4a8 8 0 1 0 8 8M12 4l3-2.5M12 4l3 2.5M4.6 9.5c2 3 12.800 3 14.800 0",
  lasso: "M12 5c5 0 8.500 2.300 8.500 5.500S17 16 12 16s-8.500-2.300-8.500-5.500S7 5 12 5zM7.500 15.500c-1.500 1-1.500 3 .5 3.500s2 2-.5 3",
  box: "M4 4h4M11 4h3M17 4h3v3M20 10v4M20 17v3h-3M14 20h-3M8 20H4v-3M4 14v-4M4 7V4",
  sphere: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM4 12c0 1.800 3.600 3 8 3s8-1.200 8-3",
  only: "M4 5h16v14H4zM8 9h4v4H8z",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  deep: "M12 3l8 4.500v9L12 21l-8-4.500v-9zM12 12l8-4.500M12 12v9M12 12L4 7.500",
  front: "M4 7.500L12 3l8 4.500-8 4.500z",
  views: "M3 12s3.500-6 9-6 9 6 9 6-3.500 6-9 6-9-6-9-6zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  camera: "M4 8h3l1.500-2.500h7L17 8h3v11H4zM12 16.500a3.200 3.200 0 1 0 0-6.400 3.200 3.200 0 0 0 0 6.400z",
  names: "M4 4h7l9 9-7 7-9-9zM8 8h.01",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600L19 19M5 19l1.400-1.400M17.600 6.400L19 5",
  help: "M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 17.500h.01M12 22a10 10 0 1 0 0-20 10 10 0 0 0 0 20z",
  save: "M12 3v12M7 11l5 5 5-5M4 20h16",
  close: "M6 6l12 12M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  play: "M8 5.500l10 6.500-10 6.500z",
  pause: "M9 6v12M15 6v12",
  target: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 2v5M12 17v5M2 12h5M17 12h5",
  maps: "M4 4h4v4H4zM10 4h4v4h-4zM16 4h4v4h-4zM4 10h4v4H4zM10 10h4v4h-4zM16 10h4v4h-4zM4 16h4v4H4zM10 16h4v4h-4zM16 16h4v4h-4z",
  info: "M12 11v6M12 7h.01M12 22a10 10 0 1 0 0-20 10 10 0 0 0 0 20z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** One line of the list of keys: what they do, and the keys. */
const keyHelp = (words, ...keys) => [el("dt", {}, ...keys.map((key) => (key === "+" ? key : el("kbd", {}, key)))), el("dd", {}, words)];

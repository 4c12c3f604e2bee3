// The cloud on the graphics card: round points, depth shading, a level of detail while it moves, and who is where.

const VERTEX = `#version 300 es
precision highp float;
layout(location=0) in vec3 place;
layout(location=1) in vec4 colour;
layout(location=2) in float bulk;
uniform mat3 basis; uniform vec3 focus, centre, normal;
uniform float distance_, tangent, aspect, press, near, far, size, radius;
flat out vec4 tint; flat out uint who; flat out float haze;
void main() {
  vec3 p = place - normal * dot(place - centre, normal) * press - focus;
  vec3 e = vec3(dot(p, basis[0]), dot(p, basis[1]), dot(p, basis[2]));
  float depth = distance_ - e.z;
  who = uint(gl_VertexID) + 1u;
  tint = colour;
  haze = clamp((depth - near) / max(far - near, 1e-9), 0.0, 1.0);
  if (colour.a < 0.1 || depth <= 0.0) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); gl_PointSize = 0.0; return; }
  float z = ((far + near) * depth - 2.0 * far * near) / (far - near);
  gl_Position = vec4(e.x / (tangent * aspect), e.y / tangent, z, depth);
  float grown = colour.a > 0.95 ? 1.35 : (colour.a < 0.6 ? 0.8 : 1.0);
  gl_PointSize = clamp(size * grown * bulk / 64.0 * clamp(distance_ / depth, 0.35, 3.5), 1.0, 64.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float; precision highp int;
flat in vec4 tint; flat in uint who; flat in float haze;
uniform vec3 page; uniform float fog;
layout(location=0) out vec4 colour;
layout(location=1) out vec4 name;
void main() {
  vec2 d = gl_PointCoord * 2.0 - 1.0;
  float r = dot(d, d);
  if (r > 1.0) discard;
  float lit = 1.0 + 0.10 * (dot(d, vec2(-0.5, -0.6))) - 0.16 * r * r;
  // Greyed points are shaded less: they are the ground on which the selected ones stand.
  bool greyed = tint.a < 0.6;
  colour = vec4(mix(greyed ? tint.rgb : tint.rgb * lit, page, haze * haze * fog), greyed ? 0.08 : 1.0);
  name = vec4(float(who & 255u), float((who >> 8) & 255u), float((who >> 16) & 255u), float(who >> 24)) / 255.0;
}`;

const SCREEN = `#version 300 es
void main() { gl_Position = vec4(float((gl_VertexID << 1) & 2) * 2.0 - 1.0, float(gl_VertexID & 2) * 2.0 - 1.0, 0.0, 1.0); }`;

// Eye-dome lighting (Boucheny 2009): a pixel is darkened by how far its neighbours stand in front of it.
const SHADE = `#version 300 es
precision highp float;
uniform sampler2D colours, depths;
uniform float near, far, radius, strength, opaque; uniform int fine; uniform vec2 step_, scale; uniform vec3 page;
out vec4 result;
float eye(ivec2 at) {
  float z = texelFetch(depths, at, 0).r;
  return z >= 1.0 ? 1e9 : 2.0 * far * near / (far + near - (2.0 * z - 1.0) * (far - near));
}
vec4 one(ivec2 at, ivec2 size) {
  float here = eye(at);
  if (here > 1e8) return vec4(page * opaque, opaque);
  float sum = 0.0;
  for (int ring = 1; ring <= 2; ring++) {
    for (int k = 0; k < 4; k++) {
      vec2 way = ring == 1 ? vec2(k < 2 ? (k == 0 ? 1 : -1) : 0, k < 2 ? 0 : (k == 2 ? 1 : -1)) : vec2(k < 2 ? 1 : -1, (k & 1) == 0 ? 1 : -1) * 1.8;
      ivec2 there = clamp(at + ivec2(round(way * step_)), ivec2(0), size - 1);
      sum += clamp((here - eye(there)) / radius, 0.0, 0.22);
    }
    if (fine == 0) { sum *= 2.0; break; }
  }
  vec4 tint = texelFetch(colours, at, 0);
  return vec4(tint.rgb * exp(-strength * tint.a * sum), 1.0);
}
void main() {
  ivec2 size = textureSize(colours, 0);
  ivec2 at = ivec2(floor(gl_FragCoord.xy * scale));
  if (scale.x > 1.5) {
    ivec2 base = ivec2(floor(gl_FragCoord.xy)) * 2;
    result = (one(base, size) + one(base + ivec2(1, 0), size) + one(base + ivec2(0, 1), size) + one(base + ivec2(1, 1), size)) / 4.0;
  } else result = one(clamp(at, ivec2(0), size - 1), size);
}`;

const FEW = 30000; // points while the cloud moves before the picture gets coarser still
const FEWEST = 8000; // points that are always drawn while it moves

class Points {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true, preserveDrawingBuffer: true, powerPreference: "high-performance" });
    if (!gl) throw new Error("This browser offers no WebGL 2, which the cloud is drawn with; a current Chrome, Edge, Firefox or Safari does.");
    this.gl = gl;
    this.n = 0;
    this.budget = 60000; // points while moving, adapted to the machine
    this.coarse = 1; // pixels while moving, as a share of the frame's
    this.build();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.build(); if (this.places) this.load(this.places); if (this.painted) this.paint(this.painted); this.grow(this.grown || null); });
  }

  build() {
    const gl = this.gl;
    this.cloud = this.program(VERTEX, FRAGMENT);
    this.screen = this.program(SCREEN, SHADE);
    this.array = gl.createVertexArray();
    this.where = gl.createBuffer();
    this.tints = gl.createBuffer();
    this.bulks = gl.createBuffer();
    this.nothing = gl.createVertexArray();
    this.frames = new Map();
  }

  program(vertex, fragment) {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    const names = {};
    for (let i = 0; i < (gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) || 0); i++) {
      const { name } = gl.getActiveUniform(program, i);
      names[name] = gl.getUniformLocation(program, name);
    }
    return { program, names };
  }

  /** Take points (x, y, z, …). They are kept in a random order, so that the first few are a fair sample. */
  load(places) {
    const gl = this.gl, n = places.length / 3;
    this.places = places;
    this.n = n;
    this.order = shuffled(n);
    const mixed = new Float32Array(n * 3);
    for (let i = 0; i < n; i++) mixed.set(places.subarray(3 * this.order[i], 3 * this.order[i] + 3), 3 * i);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.where);
    gl.bufferData(gl.ARRAY_BUFFER, mixed, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.tints);
    gl.bufferData(gl.ARRAY_BUFFER, 4 * n, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.bindVertexArray(null);
    this.grow(null);
  }

  /** Take sizes, a byte a row in 64ths of the usual diameter; null for one size. */
  grow(sizes) {
    const { gl } = this;
    this.grown = sizes;
    gl.bindVertexArray(this.array);
    if (sizes) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.bulks);
      gl.bufferData(gl.ARRAY_BUFFER, Uint8Array.from(this.order, (row) => sizes[row]), gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(2);
      gl.vertexAttribPointer(2, 1, gl.UNSIGNED_BYTE, false, 0, 0);
    } else {
      gl.disableVertexAttribArray(2);
      gl.vertexAttrib1f(2, 64);
    }
    gl.bindVertexArray(null);
  }

  /** Take colours (r, g, b, a) a row; a says 0 hidden, 128 greyed, 200 usual, 255 selected. */
  paint(colours) {
    this.painted = colours;
    const from = new Uint32Array(colours.buffer, colours.byteOffset, this.n), mixed = new Uint32Array(this.n);
    for (let i = 0; i < this.n; i++) mixed[i] = from[this.order[i]];
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.tints);
    this.gl.bufferSubData(this.gl.ARRAY_BUFFER, 0, new Uint8Array(mixed.buffer));
  }

  /** A frame to draw into: colours, names of points, and depths. */
  frame(kind, width, height) {
    const gl = this.gl, held = this.frames.get(kind);
    if (held && held.width === width && held.height === height) return held;
    if (held) for (const texture of held.textures) gl.deleteTexture(texture);
    if (held) gl.deleteFramebuffer(held.buffer);
    const made = { width, height, buffer: gl.createFramebuffer(), textures: [] };
    gl.bindFramebuffer(gl.FRAMEBUFFER, made.buffer);
    const formats = [
      [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, gl.COLOR_ATTACHMENT0],
      [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, gl.COLOR_ATTACHMENT1],
      [gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, gl.DEPTH_ATTACHMENT],
    ];
    for (const [inner, format, type, at] of formats) {
      const texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, inner, width, height, 0, format, type, null);
      for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, at, gl.TEXTURE_2D, texture, 0);
      made.textures.push(texture);
    }
    // Who is where is asked only of the full picture.
    gl.drawBuffers([gl.COLOR_ATTACHMENT0, kind === "rough" ? gl.NONE : gl.COLOR_ATTACHMENT1]);
    this.frames.set(kind, made);
    return made;
  }

  /** Diameter of a point in CSS pixels: smaller the more of them share the frame. */
  diameter(width, height) {
    return clamp(1.15 * Math.sqrt((width * height * 0.32) / Math.max(1, this.n)), 2.4, 11);
  }

  /**
   * Draw. Returns how many points were drawn.
   * @param {Camera} camera
   * @param {{page: number[], rough: boolean, scale: number, light: boolean, ratio: number, once?: boolean, opaque?: boolean}} look
   */
  draw(camera, look) {
    const gl = this.gl, canvas = this.canvas;
    // While it moves, a slow machine draws fewer pixels too; the browser stretches them.
    const ratio = look.ratio * (look.rough ? this.coarse : 1);
    const across = Math.max(2, Math.round(canvas.clientWidth * ratio)), down = Math.max(2, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== across || canvas.height !== down) { canvas.width = across; canvas.height = down; }
    const shown = look.rough ? Math.min(this.n, Math.round(this.budget)) : this.n;
    const large = canvas.width * canvas.height > 4_500_000;
    const factor = look.rough || ratio >= 1.9 || large || this.plain ? 1 : 2;
    const width = Math.max(2, Math.round(canvas.width * factor)), height = Math.max(2, Math.round(canvas.height * factor));
    const frame = this.frame(look.rough ? "rough" : "fine", width, height), [near, far] = camera.range();
    const thin = look.rough && shown < this.n ? Math.min(1.9, Math.sqrt(Math.sqrt(this.n / shown))) : 1;
    const size = this.diameter(canvas.clientWidth, canvas.clientHeight) * look.scale * thin * ratio * factor;
    const zoom = Math.sqrt(clamp(camera.bounds.radius / camera.reach, 0.6, 12));
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame.buffer);
    gl.viewport(0, 0, width, height);
    gl.clearBufferfv(gl.COLOR, 0, [...look.page, 1]);
    if (!look.rough) gl.clearBufferfv(gl.COLOR, 1, [0, 0, 0, 0]);
    gl.clearBufferfv(gl.DEPTH, 0, [1]);
    gl.enable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    const { program, names } = this.cloud;
    gl.useProgram(program);
    gl.uniformMatrix3fv(names.basis, false, new Float32Array(camera.basis.flat()));
    gl.uniform3fv(names.focus, camera.focus);
    gl.uniform3fv(names.centre, camera.bounds.centre);
    gl.uniform3fv(names.normal, camera.bounds.flat[2]);
    gl.uniform3fv(names.page, look.page);
    const numbers = { distance_: camera.distance, tangent: Math.tan(camera.field / 2), aspect: width / height, press: camera.flatness * (1 - KEPT_DEPTH), near, far, size: size * zoom, fog: (look.light ? 0.34 : 0.45) * (1 - camera.flatness) };
    for (const [name, value] of Object.entries(numbers)) gl.uniform1f(names[name], value);
    gl.bindVertexArray(this.array);
    gl.drawArrays(gl.POINTS, 0, shown);
    this.shade(camera, look, frame, { near, far, size: size * zoom, factor });
    if (!look.rough) this.last = frame;
    if (!look.rough && !look.once) this.watch();
    return shown;
  }

  /** See how long a full picture takes; where that is long, the next ones are drawn with one sample a pixel. */
  watch() {
    const gl = this.gl, began = performance.now(), fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    this.fence = fence;
    const look = () => {
      if (this.fence !== fence) { gl.deleteSync(fence); return; }
      if (!gl.isContextLost() && gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED) { setTimeout(look, 15); return; }
      gl.deleteSync(fence);
      this.fence = null;
      if (performance.now() - began > 1200) this.plain = true;
    };
    setTimeout(look, 15);
  }

  /** Whether a full picture is still being drawn, so that asking what is seen in it would wait. */
  get busy() { return Boolean(this.fence); }

  shade(camera, look, frame, { near, far, size, factor }) {
    const gl = this.gl, { program, names } = this.screen;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.disable(gl.DEPTH_TEST);
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, frame.textures[0]);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, frame.textures[2]);
    gl.uniform1i(names.colours, 0);
    gl.uniform1i(names.depths, 1);
    gl.uniform1i(names.fine, look.rough ? 0 : 1);
    gl.uniform2f(names.step_, Math.max(1, size / 5), Math.max(1, size / 5));
    gl.uniform2f(names.scale, factor, factor);
    gl.uniform3fv(names.page, look.page);
    const kept = mix(1, KEPT_DEPTH, camera.flatness);
    const numbers = { near, far, radius: camera.bounds.radius * kept, strength: look.light ? 1.25 : 1.9, opaque: look.opaque === false ? 0 : 1 };
    for (const [name, value] of Object.entries(numbers)) gl.uniform1f(names[name], value);
    gl.bindVertexArray(this.nothing);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.bindVertexArray(null);
  }

  /** Fewer pixels and points when frames come slowly, more when there is time to spare. */
  adapt(milliseconds) {
    const slow = milliseconds > 45, spare = milliseconds < 24;
    if (slow && this.coarse > 0.6) this.coarse = Math.max(0.6, this.coarse * 0.8);
    else if (slow && this.budget > FEW) this.budget = Math.max(FEW, this.budget * clamp(40 / milliseconds, 0.5, 0.9));
    else if (slow && this.coarse > 0.4) this.coarse = Math.max(0.4, this.coarse * 0.85);
    else if (slow) this.budget = Math.max(FEWEST, this.budget * 0.85);
    else if (spare && this.budget < FEW) this.budget *= 1.15;
    else if (spare && this.coarse < 1) this.coarse = Math.min(1, this.coarse * 1.08);
    else if (spare && this.budget < this.n) this.budget = Math.min(this.n, this.budget * 1.12);
  }

  /** Rows whose points are seen in a rectangle of CSS pixels of the last full picture, by the pixel: {rows, width, height}. */
  seen(x, y, width, height) {
    const gl = this.gl, frame = this.last;
    if (!frame) return null;
    const scale = frame.width / Math.max(1, this.canvas.clientWidth);
    const left = clamp(Math.round(x * scale), 0, frame.width - 1), right = clamp(Math.round((x + width) * scale), left + 1, frame.width);
    const top = clamp(Math.round(y * scale), 0, frame.height - 1), bottom = clamp(Math.round((y + height) * scale), top + 1, frame.height);
    const wide = right - left, tall = bottom - top, raw = new Uint8Array(wide * tall * 4);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame.buffer);
    gl.readBuffer(gl.COLOR_ATTACHMENT1);
    gl.readPixels(left, frame.height - bottom, wide, tall, gl.RGBA, gl.UNSIGNED_BYTE, raw);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    const rows = new Int32Array(wide * tall).fill(-1);
    for (let row = 0; row < tall; row++) {
      for (let column = 0; column < wide; column++) {
        const at = 4 * (row * wide + column);
        const who = raw[at] + raw[at + 1] * 256 + raw[at + 2] * 65536 + raw[at + 3] * 16777216;
        if (who) rows[(tall - 1 - row) * wide + column] = this.order[who - 1];
      }
    }
    return { rows, width: wide, height: tall, scale };
  }

  /** The row seen nearest to a CSS pixel within `reach`, or -1. */
  pick(x, y, reach = 5) {
    const found = this.seen(x - reach, y - reach, 2 * reach, 2 * reach);
    if (!found) return -1;
    const left = Math.max(0, x - reach) * found.scale, top = Math.max(0, y - reach) * found.scale;
    let best = -1, least = (reach * found.scale) ** 2;
    for (let i = 0; i < found.rows.length; i++) {
      if (found.rows[i] < 0) continue;
      const dx = left + (i % found.width) + 0.5 - x * found.scale, dy = top + Math.floor(i / found.width) + 0.5 - y * found.scale;
      if (dx * dx + dy * dy < least) { least = dx * dx + dy * dy; best = found.rows[i]; }
    }
    return best;
  }
}

/** 0 to n - 1 in a random but always equal order. */
function shuffled(n) {
  const order = new Uint32Array(n);
  let seed = 0x9e3779b9;
  for (let i = 0; i < n; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((seed / 4294967296) * (i + 1));
    order[i] = order[j];
    order[j] = i;
  }
  return order;
}

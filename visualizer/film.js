// Plays every film of a page: the cloud, the pictures and the video move by one slider.
"use strict";

(() => {
  const FOVY = Math.PI / 4, BIAS_M = 0.012, NEAR_M = 0.02, PALE = 0.45, SPEEDS = [0.25, 0.5, 1, 2, 4];

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const inflate = async (text) => {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const words = (planes) => {  // The low bytes of all numbers come first, then the high ones.
    const half = planes.length / 2, out = new Uint16Array(half);
    for (let i = 0; i < half; i++) out[i] = planes[i] | (planes[half + i] << 8);
    return out;
  };
  const summed = (steps, size) => {  // Each frame is kept as what differs from the one before.
    for (let i = size; i < steps.length; i++) steps[i] += steps[i - size];
    return steps;
  };
  const make = (name, about = {}, ...inside) => {
    const made = Object.assign(document.createElement(name), about);
    made.append(...inside);
    return made;
  };
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const packed = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;
  const minus = (a, b) => a.map((x, i) => x - b[i]);
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => a.map((x) => x / Math.hypot(...a));

  const load = async (said) => {
    const film = { ...said, xyz: words(await inflate(said.xyz)) };
    for (const name of ["roles", "rgb"]) if (said[name]) film[name] = await inflate(said[name]);
    film.cameras = await Promise.all(said.cameras.map(async (camera) => {
      const loaded = { ...camera };
      if (camera.depth_mm) {
        const size = camera.grid[0] * camera.grid[1];
        loaded.depth_mm = summed(words(await inflate(camera.depth_mm)), size);
      }
      if (camera.sheet) {
        loaded.image = make("img", { src: camera.sheet });
        await loaded.image.decode();
      }
      return loaded;
    }));
    return film;
  };

  // The place of one tile in the sheet of a camera's pictures.
  const tileOf = ({ tile: [width, height], columns }, index) =>
    [(index % columns) * width, Math.floor(index / columns) * height, width, height];

  const square = ({ width, height, pixels, depths }, u, v, depth, radius, colour) => {
    const left = Math.max(0, Math.round(u - radius)), right = Math.min(width, Math.round(u + radius));
    const low = Math.max(0, Math.round(v - radius)), high = Math.min(height, Math.round(v + radius));
    for (let row = low; row < high; row++)
      for (let at = row * width + left; at < row * width + right; at++)
        if (depth < depths[at]) {
          depths[at] = depth;
          pixels[at] = colour;
        }
  };
  const disc = ({ width, height, pixels, depths }, u, v, depth, radius, colour) => {
    const low = Math.max(0, Math.round(v - radius)), high = Math.min(height, Math.round(v + radius));
    for (let row = low; row < high; row++) {
      const half = Math.sqrt(Math.max(0, radius ** 2 - (row + 0.5 - v) ** 2));
      const left = Math.max(0, Math.round(u - half)), right = Math.min(width, Math.round(u + half));
      for (let at = row * width + left; at < row * width + right; at++)
        if (depth < depths[at]) {
          depths[at] = depth;
          pixels[at] = colour;
        }
    }
  };

  class Cloud {
    constructor(canvas, film) {
      Object.assign(this, { canvas, film, points: document.createElement("canvas") });
      this.context = canvas.getContext("2d");
      this.colours = film.roles ? "roles" : film.rgb ? "rgb" : "height";
      this.around = film.cameras.some((camera) => camera.depth_mm);
      this.nameColours = film.names.map(({ colour }) => packed(rgb(colour)));
      this.ramp = film.ramp.map(packed);
      this.home();
    }

    home() {
      const away = minus(this.film.view.position, this.film.view.target);
      this.distance = Math.hypot(...away);
      this.yaw = Math.atan2(away[1], away[0]);
      this.pitch = Math.asin(away[2] / this.distance);
    }

    aim() {
      const flat = Math.cos(this.pitch), target = this.film.view.target;
      const back = [flat * Math.cos(this.yaw), flat * Math.sin(this.yaw), Math.sin(this.pitch)];
      this.eye = target.map((x, i) => x + this.distance * back[i]);
      this.forward = back.map((x) => -x);
      this.right = unit(cross(this.forward, [0, 0, 1]));
      this.down = cross(this.forward, this.right);
      const { width, height } = this.canvas;
      this.focal = (0.5 * Math.min(height, width * 0.8)) / Math.tan(FOVY / 2);
      this.middle = [width / 2, height / 2];
    }

    // Pixel and depth of a world point.
    see(x, y, z) {
      const { eye, right, down, forward, middle } = this;
      const dx = x - eye[0], dy = y - eye[1], dz = z - eye[2];
      const depth = forward[0] * dx + forward[1] * dy + forward[2] * dz, scale = this.focal / depth;
      return [
        middle[0] + scale * (right[0] * dx + right[1] * dy + right[2] * dz),
        middle[1] + scale * (down[0] * dx + down[1] * dy + down[2] * dz),
        depth,
      ];
    }

    draw(index) {
      const box = this.canvas.getBoundingClientRect(), dpr = Math.min(2, window.devicePixelRatio);
      const width = Math.round(box.width * dpr), height = Math.round(box.height * dpr);
      if (!width || !height) return;
      if (this.canvas.width !== width || this.canvas.height !== height)
        for (const one of [this.canvas, this.points]) Object.assign(one, { width, height });
      this.dpr = dpr;
      this.style = getComputedStyle(this.canvas);
      this.aim();
      this.context.clearRect(0, 0, width, height);
      this.drawGrid();
      this.drawPoints(index, width, height);
      this.drawMarks(index);
    }

    drawGrid() {
      const { centre, half, step } = this.film.grid;
      for (let i = -half; i <= half; i++) {
        const away = i * step, end = half * step, [x, y, z] = centre;
        const colour = this.style.getPropertyValue(i % 5 ? "--grid" : "--grid-strong");
        this.line([[x + away, y - end, z], [x + away, y + end, z]], colour, 1);
        this.line([[x - end, y + away, z], [x + end, y + away, z]], colour, 1);
      }
    }

    // Draws dots into a depth buffer of its own: it needs no WebGL, and no sorting.
    drawPoints(index, width, height) {
      const image = new ImageData(width, height);
      const into = { width, height, pixels: new Uint32Array(image.data.buffer) };
      into.depths = new Float32Array(width * height).fill(1e9);
      if (this.around) for (const camera of this.film.cameras) this.drawAround(camera, index, into);
      this.drawCloud(index, into);
      this.points.getContext("2d").putImageData(image, 0, 0);
      this.context.drawImage(this.points, 0, 0);
    }

    drawCloud(index, into) {
      const { points, low, step, extent, xyz } = this.film, size = 0.0055 * extent * this.focal;
      for (let i = 0, at = 3 * points * index; i < points; i++, at += 3) {
        const z = low[2] + step[2] * xyz[at + 2];
        const [u, v, depth] = this.see(low[0] + step[0] * xyz[at], low[1] + step[1] * xyz[at + 1], z);
        if (depth > NEAR_M) disc(into, u, v, depth - BIAS_M, size / depth, this.colourOf(index, i, z));
      }
    }

    // All that a camera sees, lifted from its depth and paled, so that the cloud stands out.
    drawAround(camera, index, into) {
      if (!camera.depth_mm) return;
      const [width, height] = camera.grid, [fx, fy, cx, cy] = camera.lens, depths = camera.depth_mm;
      const colours = this.pale(camera, index, width, height), { focal, middle } = this;
      const [right, down, ahead] = [this.right, this.down, this.forward].map((axis) => this.seenFrom(axis, camera.pose));
      let at = index * width * height;
      for (let v = 0; v < height; v++) for (let u = 0; u < width; u++, at++) {
        const z = 0.001 * depths[at];
        if (!z) continue;
        const x = ((u - cx) / fx) * z, y = ((v - cy) / fy) * z;
        const depth = ahead[0] * x + ahead[1] * y + ahead[2] * z + ahead[3];
        if (depth < NEAR_M) continue;
        const scale = focal / depth, radius = Math.max(0.5, (0.65 * z * scale) / fx);
        const across = right[0] * x + right[1] * y + right[2] * z + right[3];
        const below = down[0] * x + down[1] * y + down[2] * z + down[3];
        square(into, middle[0] + scale * across, middle[1] + scale * below, depth, radius, colours[v * width + u]);
      }
    }

    // One axis of this view, as a row of the matrix from a camera's frame to here.
    seenFrom(axis, pose) {
      const row = [0, 1, 2, 3].map((k) => axis[0] * pose[0][k] + axis[1] * pose[1][k] + axis[2] * pose[2][k]);
      row[3] -= axis[0] * this.eye[0] + axis[1] * this.eye[1] + axis[2] * this.eye[2];
      return row;
    }

    // A camera's picture at another size, its colours drawn towards the background's.
    pale(camera, index, width, height) {
      camera.small ??= make("canvas", { width, height });
      const context = camera.small.getContext("2d", { willReadFrequently: true });
      Object.assign(context, { globalAlpha: 1, fillStyle: "#888" });
      context.fillRect(0, 0, width, height);
      if (camera.image) context.drawImage(camera.image, ...tileOf(camera, index), 0, 0, width, height);
      context.globalAlpha = PALE;
      context.fillStyle = this.style.getPropertyValue("--stage");
      context.fillRect(0, 0, width, height);
      return new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
    }

    colourOf(index, point, z) {
      const { points, roles, rgb: own, heights } = this.film, at = index * points + point;
      if (this.colours === "roles") return this.nameColours[roles[at]];
      if (this.colours === "rgb") return packed(own.subarray(3 * at, 3 * at + 3));
      const share = (z - heights[0]) / Math.max(heights[1] - heights[0], 1e-6), last = this.ramp.length - 1;
      return this.ramp[Math.round(last * Math.min(1, Math.max(0, share)))];
    }

    drawMarks(index) {
      const { edges, cameras, paths, held, marks } = this.film, ink = this.style.color;
      for (const ends of edges) this.line(ends, "#d64045", 1.2);
      for (const camera of cameras) {
        for (const ends of camera.edges) this.line(ends, "#8290a8", 1);
        this.label(camera.edges[0][0], `camera ${camera.name}`, ink);
      }
      const path = held.length ? paths[held[index]] : null;
      if (path) this.line(path, "#d64045", 2.4);
      if (path) this.ring(path[path.length - 1], "#d64045", 3, true);
      for (const mark of marks) {
        this.ring(mark.places[index], mark.colour, 8, false);
        this.label(mark.places[index], mark.name, mark.colour);
      }
    }

    line(corners, colour, width) {
      const seen = corners.map((corner) => this.see(...corner));
      if (seen.some(([, , depth]) => depth < NEAR_M)) return;
      const context = this.context;
      context.beginPath();
      for (const [u, v] of seen) context.lineTo(u, v);
      Object.assign(context, { strokeStyle: colour, lineWidth: width * this.dpr });
      context.stroke();
    }

    ring(place, colour, radius, filled) {
      const [u, v] = this.see(...place), context = this.context;
      context.beginPath();
      context.arc(u, v, radius * this.dpr, 0, 2 * Math.PI);
      Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: 2 * this.dpr });
      if (filled) context.fill();
      else context.stroke();
    }

    label(place, text, colour) {
      const [u, v, depth] = this.see(...place), context = this.context;
      if (depth < NEAR_M) return;
      context.font = `600 ${12 * this.dpr}px system-ui, sans-serif`;
      const width = context.measureText(text).width, gap = 12 * this.dpr;
      const left = Math.min(u + gap, this.canvas.width - width - 4);
      const stage = this.style.getPropertyValue("--stage");
      Object.assign(context, { strokeStyle: stage, lineWidth: 3.5 * this.dpr, fillStyle: colour });
      context.strokeText(text, left, v - gap / 2);
      context.fillText(text, left, v - gap / 2);
    }
  }

  Object.assign(window, { sodpFilm: { Cloud, SPEEDS, load, make, tileOf } });
})();

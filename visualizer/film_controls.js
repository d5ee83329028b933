// The slider, the buttons and the legend of every film; films of one row move together.
"use strict";

(() => {
  const { Cloud, SPEEDS, load, make, tileOf } = window.sodpFilm;
  const COLOURS = { roles: "what points lie on", rgb: "their own colour", height: "height" };

  class Player {
    constructor(box, film) {
      Object.assign(this, { box, film, index: 0, playing: false, speed: 1, since: 0 });
      this.canvas = make("canvas", { tabIndex: 0, title: "Drag to turn; click, then scroll, to zoom" });
      this.cloud = new Cloud(this.canvas, film);
      this.video = box.querySelector("video");
      this.pictures = film.cameras.filter((camera) => camera.image).map((camera) => this.addPicture(camera));
      const beside = make("div", { className: "beside" });
      if (this.video) beside.append(this.video.parentElement);
      beside.append(...this.pictures.map(({ figure }) => figure));
      const stage = make("div", { className: "stage" }, this.canvas);
      if (beside.children.length) stage.append(beside);
      stage.classList.toggle("alone", !beside.children.length);
      this.legend = make("p", { className: "legend" });
      box.replaceChildren(stage, this.addBar(), this.legend);
      this.listen();
      this.describe();
      this.show(0);
    }

    get fellows() {
      const row = this.box.closest(".instep");
      return row ? [...row.querySelectorAll(".film")].map((box) => box.player).filter(Boolean) : [this];
    }

    addPicture(camera) {
      const canvas = make("canvas", { width: camera.tile[0], height: camera.tile[1] });
      const caption = make("figcaption", { textContent: `camera ${camera.name}` });
      return { camera, canvas, figure: make("figure", {}, canvas, caption) };
    }

    addBar() {
      const last = this.film.frames - 1;
      this.button = make("button", { type: "button", textContent: "Play" });
      this.slider = make("input", { type: "range", min: 0, max: last, value: 0, ariaLabel: "step" });
      this.status = make("output");
      const rates = SPEEDS.map((rate) => make("option", { value: rate, textContent: `${rate} ×`, selected: rate === 1 }));
      this.rates = make("select", { ariaLabel: "speed" }, ...rates);
      const in_time = last ? [this.button, this.slider, this.status, this.rates] : [];
      const bar = make("div", { className: "bar" }, ...in_time);
      const kinds = ["roles", "rgb", "height"].filter((kind) => kind === "height" || this.film[kind]);
      const names = kinds.map((kind) => make("option", { value: kind, textContent: COLOURS[kind] }));
      this.kinds = make("select", { ariaLabel: "colours" }, ...names);
      if (kinds.length > 1) bar.append(make("label", {}, "colours: ", this.kinds));
      this.around = make("input", { type: "checkbox", checked: this.cloud.around });
      if (this.cloud.around) bar.append(make("label", {}, this.around, " all that the camera sees"));
      return bar;
    }

    listen() {
      this.button.onclick = () => {
        const playing = !this.playing;
        this.fellows.forEach((one) => one.run(playing));
      };
      this.slider.oninput = () => this.fellows.forEach((one) => {
        one.run(false);
        one.show(Math.min(Number(this.slider.value), one.film.frames - 1));
      });
      this.rates.onchange = () => this.fellows.forEach((one) => one.setSpeed(Number(this.rates.value)));
      this.kinds.onchange = () => this.fellows.forEach((one) => one.setColours(this.kinds.value));
      this.around.onchange = () => this.fellows.forEach((one) => one.setAround(this.around.checked));
      this.canvas.onpointermove = (event) => {
        if (event.buttons) this.turn(-0.008 * event.movementX, 0.008 * event.movementY, 1);
      };
      this.canvas.onpointerdown = (event) => this.canvas.setPointerCapture(event.pointerId);
      this.canvas.ondblclick = () => this.fellows.forEach((one) => { one.cloud.home(); one.draw(); });
      this.canvas.addEventListener("wheel", (event) => {
        if (document.activeElement !== this.canvas) return;  // The page scrolls.
        event.preventDefault();
        this.turn(0, 0, Math.exp(0.0015 * event.deltaY));
      }, { passive: false });
      new ResizeObserver(() => this.draw()).observe(this.canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    }

    turn(yaw, pitch, zoom) {
      for (const { cloud } of this.fellows) {
        cloud.yaw += yaw;
        cloud.pitch = Math.min(1.5, Math.max(-1.5, cloud.pitch + pitch));
        cloud.distance *= zoom;
      }
      this.fellows.forEach((one) => one.draw());
    }

    setSpeed(speed) {
      Object.assign(this, { speed });
      this.rates.value = speed;
      this.run(this.playing);
    }

    setColours(kind) {
      if (kind !== "height" && !this.film[kind]) return;
      this.kinds.value = this.cloud.colours = kind;
      this.describe();
      this.draw();
    }

    setAround(shown) {
      this.around.checked = this.cloud.around = shown;
      this.draw();
    }

    describe() {
      const chip = (colour, text) => make("span", {}, make("i", { style: `background: ${colour}` }), text);
      const { names, heights, marks, held, edges } = this.film, chips = [];
      if (this.cloud.colours === "roles") chips.push(...names.map(({ colour, name }) => chip(colour, name)));
      if (this.cloud.colours === "height") {
        const ramp = this.film.ramp.map((colour) => `rgb(${colour})`).join(",");
        chips.push(chip(`linear-gradient(90deg, ${ramp}); width: 5rem`,
          `height, ${heights[0].toFixed(2)} to ${heights[1].toFixed(2)} m`));
      }
      if (held.length) chips.push(chip("#d64045; height: .2rem", "planned path of the hand"));
      if (edges.length) chips.push(chip("#d64045; height: .2rem", "crop box"));
      const ring = (colour) => `transparent; border: 2px solid ${colour}; border-radius: 50%`;
      chips.push(...marks.map(({ name, colour }) => chip(ring(colour), `where the ${name} is`)));
      this.legend.replaceChildren(...chips);
    }

    // Frames go on by the video's own clock where there is a video, else by this page's.
    run(playing) {
      this.playing = playing;
      this.button.textContent = playing ? "Pause" : "Play";
      if (playing && this.index === this.film.frames - 1) this.show(0);
      this.since = performance.now() - (1000 * this.index) / (this.film.rate * this.speed);
      if (this.video) {
        this.video.playbackRate = this.speed;
        if (playing) this.video.play().catch(() => {});
        else this.video.pause();
      }
      if (playing && !this.ticking) requestAnimationFrame(() => this.tick());
    }

    tick() {
      this.ticking = this.playing;
      if (!this.playing) return;
      const { frames, rate } = this.film, video = this.video;
      const by_video = video && !video.paused && video.readyState >= 2;
      const time_s = by_video ? video.currentTime : ((performance.now() - this.since) / 1000) * this.speed;
      const index = Math.min(frames - 1, Math.floor(time_s * rate + 0.01));
      if (index !== this.index) this.show(index, by_video);
      if (index === frames - 1 || (video && video.ended)) {
        this.run(false);
        this.ticking = false;
        return;
      }
      requestAnimationFrame(() => this.tick());
    }

    show(index, by_video = false) {
      this.index = index;
      this.slider.value = index;
      const { numbers, steps, rate } = this.film, said = [`step ${steps[index]} of ${steps[steps.length - 1]}`];
      for (const [name, values] of Object.entries(numbers)) {
        if (index < values.length) said.push(`${name} ${values[index]}`);
      }
      this.status.textContent = said.join(" · ");
      if (this.video && !by_video) this.video.currentTime = (index + 0.5) / rate;
      for (const { camera, canvas } of this.pictures) {
        const { width, height } = canvas, context = canvas.getContext("2d");
        context.setTransform(...(camera.hangs ? [-1, 0, 0, -1, width, height] : [1, 0, 0, 1, 0, 0]));
        context.drawImage(camera.image, ...tileOf(camera, index), 0, 0, width, height);
      }
      this.draw();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        this.cloud.draw(this.index);
        this.box.dataset.ready = "yes";
      });
    }
  }

  const begin = async (box) => {
    box.player = new Player(box, await load(JSON.parse(box.querySelector("script").textContent)));
  };
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      begin(target);
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll(".film").forEach((box) => watcher.observe(box));
})();

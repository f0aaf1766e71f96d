"use strict";
(() => {
  const form = document.getElementById("filters");
  const takes = [...document.querySelectorAll("[data-take]")].map((element) => ({
    element,
    shot: element.dataset.shot,
    model: element.dataset.model,
    state: element.dataset.state,
    label: JSON.parse(element.dataset.labels),
    text: (element.closest("[data-request]") || element).textContent.toLowerCase(),
    credits: Number(element.dataset.credits || 0),
  }));
  const names = ["shot", "model", "label", "state", "text"];
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");

  function wanted() {
    const values = {};
    for (const name of names) {
      const value = form.elements[name] ? form.elements[name].value.trim() : "";
      if (value) values[name] = value;
    }
    return values;
  }

  function matches(take, values) {
    return Object.entries(values).every(([name, value]) => {
      if (name === "text") return take.text.includes(value.toLowerCase());
      return name === "label" ? take.label.includes(value) : take[name] === value;
    });
  }

  function hideEmpty(selector) {
    for (const box of document.querySelectorAll(selector)) {
      const takes = [box, ...box.querySelectorAll("[data-take]")];
      box.hidden = !takes.some((each) => each.matches("[data-take]:not([hidden])"));
    }
  }

  function apply() {
    const values = wanted();
    let count = 0;
    let credits = 0;
    for (const take of takes) {
      const visible = matches(take, values);
      take.element.hidden = !visible;
      if (visible) {
        count += 1;
        credits += take.credits;
      } else {
        take.element.querySelectorAll("video").forEach((video) => video.pause());
      }
    }
    hideEmpty("[data-request]");
    hideEmpty("[data-shot-section]");
    none.hidden = count > 0 || takes.length === 0;
    const things = takes.length === 1 ? shown.dataset.thing : shown.dataset.things;
    const of = count === takes.length ? "" : ` of ${takes.length.toLocaleString("en")}`;
    shown.textContent = `${count.toLocaleString("en")}${of} ${things}, ${credits.toLocaleString("en")} credits`;
    return values;
  }

  function remember(values) {
    const hash = new URLSearchParams(values).toString();
    if (hash !== window.location.hash.slice(1)) window.location.replace(`#${hash}`);
  }

  function recall() {
    const hash = window.location.hash.slice(1);
    if (hash && !hash.includes("=")) return;
    const values = new URLSearchParams(hash);
    for (const name of names) {
      const field = form.elements[name];
      if (!field) continue;
      const value = values.get(name) || "";
      if (field.value !== value) field.value = value;
      if (field.selectedIndex === -1) field.selectedIndex = 0;
    }
    apply();
  }

  if (form && takes.length) {
    form.hidden = false;
    form.addEventListener("input", () => remember(apply()));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => remember(apply()), 0));
    window.addEventListener("hashchange", recall);
    recall();
    apply();
  }

  function withButton(video) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "play";
    button.setAttribute("aria-label", `Play ${video.getAttribute("aria-label")}`);
    button.append(document.getElementById("play-sign").content.cloneNode(true));
    video.controls = false;
    video.after(button);
    const begin = () => {
      video.controls = true;
      button.remove();
    };
    video.addEventListener("play", begin, { once: true });
    button.addEventListener("click", () => {
      begin();
      video.focus();
      video.play().catch(() => {});
    });
  }

  document.querySelectorAll(".frame video").forEach(withButton);

  for (const button of document.querySelectorAll("[data-together]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const videos = [...button.closest("[data-request]").querySelectorAll("[data-take]:not([hidden]) video")];
      const play = videos.some((video) => video.paused);
      for (const video of videos) {
        if (!play) video.pause();
        else {
          video.currentTime = 0;
          video.play().catch(() => {});
        }
      }
      button.textContent = play ? "Pause the takes" : "Play the takes together";
    });
  }
})();

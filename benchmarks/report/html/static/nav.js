"use strict";

/** The bar of sections: it marks the one in view, and leads to one without losing other choices. */
const nav = (() => {
  const links = [...document.querySelectorAll("nav a")];
  const sections = links.map((link) => document.querySelector(link.hash));

  links.forEach((link, i) => {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      state.set({ section: sections[i].id });
      sections[i].scrollIntoView();
    });
  });

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const link = links[sections.indexOf(target)];
        if (isIntersecting) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    },
    { rootMargin: "-30% 0px -69% 0px" }, // a line below the top, which one section covers
  );
  sections.forEach((section) => observer.observe(section));

  // In the next frame, when the charts above are drawn.
  requestAnimationFrame(() => {
    document.getElementById(state.get("section"))?.scrollIntoView({ behavior: "instant" });
  });

  return { sections };
})();

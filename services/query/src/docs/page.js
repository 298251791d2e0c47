"use strict";
(() => {
  const find = (selector) => [...document.querySelectorAll(selector)];
  // Requests to copy go to where this page is from, unless it was kept as a file.
  if (location.protocol.startsWith("http")) {
    for (const code of find("code.request")) {
      code.textContent = code.textContent.replaceAll("http://localhost:8080", location.origin);
    }
  }
  if (navigator.clipboard) {
    for (const sample of find(".sample")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(sample.querySelector("code").textContent);
          button.textContent = "Copied";
        } catch {
          button.textContent = "Not allowed";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      sample.append(button);
    }
  }
  const search = document.getElementById("search");
  const found = document.getElementById("found");
  search.parentElement.hidden = false;
  const parts = find("section.call, section.shape").map((section) => ({
    section, text: section.textContent.toLowerCase(), entry: document.querySelector(`aside a[href="#${section.id}"]`),
  }));
  const groups = find(".tag");
  const narrow = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { section, text, entry } of parts) {
      const fits = words.every((word) => text.includes(word));
      section.hidden = !fits;
      if (entry) entry.parentElement.hidden = !fits;
      if (fits) count += 1;
    }
    for (const group of groups) {
      const isEmpty = ![...group.querySelectorAll("section, li")].some((one) => !one.hidden);
      group.hidden = words.length > 0 && isEmpty;
    }
    found.textContent = words.length === 0 ? "" : `${count} of ${parts.length} calls and shapes`;
  };
  search.addEventListener("input", narrow);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search.value = ""; narrow(); }
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    }
  });
  // What a link points at is shown: unfolded, and also while something else is searched for.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target instanceof HTMLDetailsElement) target.open = true;
    if (target.hidden) { search.value = ""; narrow(); target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();
})();

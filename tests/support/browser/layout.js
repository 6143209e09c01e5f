// Returns what is wrong with the layout of a page: what is cut off, lies on something else, or makes it scroll sideways.
() => {
  const found = [];
  const all = [];
  const gather = (root) => {
    for (const element of root.querySelectorAll("*")) {
      all.push(element);
      if (element.shadowRoot) gather(element.shadowRoot);
    }
  };
  gather(document.body);
  const parentOf = (element) => element.parentElement ?? element.getRootNode().host;
  // What only screen readers find is clipped.
  const clipped = (element) => element && (getComputedStyle(element).clipPath !== "none" || clipped(parentOf(element)));
  const shown = (element) => element.checkVisibility() && element.getClientRects().length && !clipped(element);
  const nameOf = (element) => `<${element.localName} class="${element.className}">${element.textContent.trim().slice(0, 40)}`;
  const ownText = (element) => [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const visible = all.filter(shown);
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");

  for (const element of visible) {
    const { overflowX, textOverflow } = getComputedStyle(element);
    if (!ownText(element).length || overflowX === "visible" || element.scrollWidth <= element.clientWidth + 1) continue;
    if (textOverflow === "ellipsis" && element.title) continue; // the whole text can still be read
    found.push(`cut off: ${nameOf(element)}`);
  }

  const boxes = [];
  for (const element of visible) {
    if (element.closest("option, title")) continue;
    for (const node of ownText(element)) {
      const range = document.createRange();
      range.selectNodeContents(node);
      const card = element.getRootNode().host?.closest("section") ?? element.closest("section, header, footer");
      const edge = card?.getBoundingClientRect();
      const { overflowX } = getComputedStyle(element);
      for (const { left, right, top, bottom } of range.getClientRects()) {
        if (right - left < 1 || bottom - top < 1) continue;
        if (edge && overflowX === "visible" && (right > edge.right + 1 || left < edge.left - 1)) found.push(`outside: ${nameOf(element)}`);
        const end = overflowX === "visible" ? right : Math.min(right, element.getBoundingClientRect().right);
        boxes.push({ element, left, right: end, top: top + 2, bottom: bottom - 2 });
      }
    }
  }
  const controls = visible.filter((element) => element.matches("button, select, summary, [part~=drop]"));
  for (const element of controls) {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    boxes.push({ element, left, right, top, bottom });
  }
  const within = (a, b) => a === b || a.contains(b) || b.contains(a) || a.contains(b.getRootNode().host ?? null);
  for (const [index, a] of boxes.entries()) {
    for (const b of boxes.slice(index + 1)) {
      const apart = a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
      if (apart || within(a.element, b.element)) continue;
      // What is in a slot is drawn in the element that has the slot.
      if ([a, b].some(({ element }) => element.closest("[slot], uploadsvc-dropzone > *") && !element.matches("select"))) continue;
      found.push(`${nameOf(a.element)} lies on ${nameOf(b.element)}`);
    }
  }
  return found;
}

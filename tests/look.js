// Runs in a page: what of its look is wrong now, as [check, element, figure].
"use strict";

(() => {
  const NAMES = /^(input|select|textarea|button|summary|progress|meter|img|svg|canvas|video|iframe)$/i;
  const WHOLE = ".whole, .badge, button, .button, th, summary, .ago";
  // Of a list and of facts words are kept whole that are no longer: letters and digits, and what joins them.
  const CELLS = "td, dd";
  const CELL_LETTERS = 32;
  // Nothing longer has to be kept whole, nor what a narrow window has no room for.
  const WORD_LETTERS = 40;
  const WORD_EDGES = 64;

  function short(element) {
    const name = (one) => {
      const classes = [...one.classList]
        .slice(0, 2)
        .map((word) => `.${word}`)
        .join("");
      return one.localName + (one.id ? `#${one.id}` : "") + classes;
    };
    const path = [];
    for (let one = element; one && one !== document.body && path.length < 4; one = one.parentElement)
      path.unshift(name(one));
    return path.join(" > ") || element.localName;
  }

  const quoted = (text) => {
    const plain = text.replace(/\s+/g, " ").trim();
    return `"${plain.length > 30 ? `${[...plain].slice(0, 30).join("")}...` : plain}"`;
  };

  /// What each look needs to know of an element, found out once.
  function knowledge() {
    const styles = new Map(),
      hidden = new Map(),
      clips = new Map(),
      layers = new Map();
    const cached = (map, make) =>
      function get(element) {
        if (!map.has(element)) map.set(element, make(element, get));
        return map.get(element);
      };
    const style = cached(styles, (element) => getComputedStyle(element));
    // What is there to be heard only, or waits outside until it has the focus.
    const isHidden = cached(hidden, (element, get) => {
      if (!element || element === document.documentElement) return false;
      const own = style(element);
      if (own.clipPath.startsWith("inset(50%") || own.opacity === "0") return true;
      if (own.position === "absolute" || own.position === "fixed") {
        const box = element.getBoundingClientRect();
        if (box.right <= 0 || box.bottom + scrollY <= 0 || (box.width <= 1 && box.height <= 1)) return true;
      }
      return get(element.parentElement);
    });
    const isShown = (element) =>
      element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && !isHidden(element);
    /// The box that an element's content is seen in.
    const clip = cached(clips, (element, get) => {
      if (!element || element === document.body || element === document.documentElement) {
        return { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity };
      }
      const own = style(element);
      const outer = own.position === "fixed" ? get(null) : get(element.parentElement);
      if (own.display === "inline" || (own.overflowX === "visible" && own.overflowY === "visible")) return outer;
      const box = element.getBoundingClientRect();
      return {
        left: own.overflowX === "visible" ? outer.left : Math.max(outer.left, box.left),
        right: own.overflowX === "visible" ? outer.right : Math.min(outer.right, box.right),
        top: own.overflowY === "visible" ? outer.top : Math.max(outer.top, box.top),
        bottom: own.overflowY === "visible" ? outer.bottom : Math.min(outer.bottom, box.bottom),
      };
    });
    /// What it moves with while all else is scrolled.
    const layer = cached(layers, (element, get) => {
      if (!element || element === document.documentElement) return null;
      return /^(fixed|sticky)$/.test(style(element).position) ? element : get(element.parentElement);
    });
    return { style, isShown, clip, layer };
  }

  /// Texts, line by line, and controls.
  function itemsOf(root, know) {
    const items = [];
    const add = (node, element, boxes, isText) => {
      const clip = know.clip(isText ? element : element.parentElement);
      for (const whole of boxes) {
        const box = {
          left: Math.max(whole.left, clip.left),
          right: Math.min(whole.right, clip.right),
          top: Math.max(whole.top, clip.top),
          bottom: Math.min(whole.bottom, clip.bottom),
        };
        if (box.right - box.left > 0.5 && box.bottom - box.top > 0.5)
          items.push({ node, element, isText, box, layer: know.layer(element) });
      }
    };
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.currentNode; node; node = walker.nextNode()) {
      if (node.nodeType === Node.ELEMENT_NODE) {
        if (NAMES.test(node.localName) && know.isShown(node)) add(node, node, [node.getBoundingClientRect()], false);
      } else if (
        node.data.trim() &&
        !node.parentElement.closest("script, style, option, textarea, svg, noscript, title") &&
        know.isShown(node.parentElement)
      ) {
        const range = document.createRange();
        range.selectNodeContents(node);
        add(node, node.parentElement, range.getClientRects(), true);
      }
    }
    return items;
  }

  const named = (item) => (item.isText ? `${short(item.element)} ${quoted(item.node.data)}` : short(item.element));

  function overlaps(items, say) {
    const sorted = [...items].sort((a, b) => a.box.top - b.box.top);
    let open = [];
    for (const one of sorted) {
      open = open.filter((other) => other.box.bottom > one.box.top + 1);
      for (const other of open) {
        if (
          other.node === one.node ||
          other.node.contains(one.node) ||
          one.node.contains(other.node) ||
          other.layer !== one.layer
        )
          continue;
        const wide = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
        const high = Math.min(one.box.bottom, other.box.bottom) - one.box.top;
        const least = Math.min(one.box.bottom - one.box.top, other.box.bottom - other.box.top);
        // The letters of some fonts are higher than their line.
        if (wide > 2 && high > Math.max(2, least / 4)) {
          say(
            "overlap",
            one.element,
            `${Math.round(wide)} x ${Math.round(high)} of ${named(one)} over ${named(other)}`,
          );
        }
      }
      open.push(one);
    }
  }

  function outside(items, say, know) {
    const boxes = new Map();
    /// The nearest box around that can be seen.
    const boxOf = (element) => {
      if (!element || element === document.body) return null;
      if (!boxes.has(element)) {
        const own = know.style(element);
        const isBox = own.display !== "inline" && (own.borderRightWidth !== "0px" || alpha(own.backgroundColor) > 0);
        boxes.set(element, isBox ? element : boxOf(element.parentElement));
      }
      return boxes.get(element);
    };
    for (const { element, isText, box, node } of items) {
      const name = isText ? quoted(node.data) : "";
      if (box.right > innerWidth + 1)
        say("beyond the right edge", element, `${Math.round(box.right - innerWidth)} px ${name}`);
      else if (box.left < -1) say("beyond the left edge", element, `${Math.round(-box.left)} px ${name}`);
      const around = boxOf(isText ? element : element.parentElement);
      if (around) {
        const edge = around.getBoundingClientRect();
        const over = Math.max(box.right - edge.right, edge.left - box.left);
        if (over > 1.5) say("outside its box", element, `${Math.round(over)} px ${name} outside ${short(around)}`);
      }
    }
  }

  function cuts(root, say, know) {
    for (const element of [root, ...root.querySelectorAll("*")]) {
      if (/^(input|select|textarea|progress|meter|html|option|svg|br|script|style)$/i.test(element.localName)) continue;
      const { overflowX, overflowY } = know.style(element);
      if (overflowX === "visible" && overflowY === "visible") continue;
      if (!element.clientWidth || !know.isShown(element)) continue;
      const wide = element.scrollWidth - element.clientWidth,
        high = element.scrollHeight - element.clientHeight;
      if (/hidden|clip/.test(overflowX) && wide > 1)
        say("cut", element, `${wide} px to the right ${quoted(element.innerText)}`);
      if (/hidden|clip/.test(overflowY) && high > 2)
        say("cut", element, `${high} px below ${quoted(element.innerText)}`);
      if (/auto|scroll/.test(overflowX) && wide > 1 && element.localName !== "pre")
        say("scrolls sideways", element, `${wide} px out of sight`);
    }
    const pen = document.createElement("canvas").getContext("2d");
    for (const input of root.querySelectorAll("input[placeholder]")) {
      if (input.value || !know.isShown(input)) continue;
      const own = know.style(input);
      pen.font = own.font;
      const room = input.clientWidth - parseFloat(own.paddingLeft) - parseFloat(own.paddingRight);
      const needs = pen.measureText(input.placeholder).width;
      if (needs > room + 2) say("cut", input, `${Math.round(needs - room)} px of ${quoted(input.placeholder)}`);
    }
  }

  /// What of a text stands in one line.
  function wholeIn(element, isWhole) {
    if (element.closest(".ago")) return /\S.*\S/g;
    if (element.closest(".whole, .badge")) return /\S+/g;
    return isWhole ? /[^\s\-\u2010\/]+/g : /[\p{L}\p{M}\p{N}.:@]+/gu;
  }

  function broken(items, say) {
    for (const { node, element, isText } of items) {
      const isWhole = element.closest(WHOLE);
      // A cell says itself what of it is too long.
      if (!isText || !(isWhole || (element.closest(CELLS) && !element.closest(".long")))) continue;
      const most = isWhole ? WORD_LETTERS : CELL_LETTERS;
      for (const found of node.data.matchAll(wholeIn(element, isWhole))) {
        if (found[0].length < 2 || [...found[0]].length > most) continue;
        const range = document.createRange();
        range.setStart(node, found.index);
        range.setEnd(node, found.index + found[0].length);
        const boxes = [...range.getClientRects()].filter((box) => box.width > 0.5);
        const first = boxes[0];
        if (boxes.reduce((sum, box) => sum + box.width, 0) > innerWidth - WORD_EDGES) continue;
        if (boxes.some((box) => box.top > first.top + first.height / 2)) say("broken word", element, quoted(found[0]));
      }
    }
  }

  // Colours, as red, green, blue and how much of them.

  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  const known = new Map();
  function colour(text) {
    if (!known.has(text)) {
      const plain = text.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
      if (plain) {
        known.set(text, [
          Number(plain[1]),
          Number(plain[2]),
          Number(plain[3]),
          plain[4] === undefined ? 1 : Number(plain[4]),
        ]);
      } else {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = text;
        pen.fillRect(0, 0, 1, 1);
        const [red, green, blue, much] = pen.getImageData(0, 0, 1, 1).data;
        known.set(text, [red, green, blue, much / 255]);
      }
    }
    return known.get(text);
  }
  const alpha = (text) => colour(text)[3];
  const over = ([r, g, b, a], below) => [r, g, b].map((value, at) => value * a + below[at] * (1 - a));
  const light = (rgb) => {
    const [r, g, b] = rgb
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  function contrasts(root, items, say, know) {
    const grounds = new Map(),
      shares = new Map();
    const ground = (element) => {
      if (!element)
        return matchMedia("(prefers-color-scheme: dark)").matches &&
          know.style(document.documentElement).colorScheme.includes("dark")
          ? [18, 18, 18]
          : [255, 255, 255];
      if (!grounds.has(element)) {
        const own = colour(know.style(element).backgroundColor);
        grounds.set(element, own[3] === 1 ? own.slice(0, 3) : over(own, ground(element.parentElement)));
      }
      return grounds.get(element);
    };
    const share = (element) => {
      if (!element) return 1;
      if (!shares.has(element)) shares.set(element, Number(know.style(element).opacity) * share(element.parentElement));
      return shares.get(element);
    };
    const ratio = (text, element, below) => {
      const [r, g, b, a] = colour(text);
      return contrast(over([r, g, b, a * share(element)], below), below);
    };
    const isOff = (element) => element.closest(":disabled, [aria-disabled=true]");
    const told = (figure) => figure.toFixed(2);
    const seen = new Set();
    for (const { element, isText, node } of items) {
      if (seen.has(element) || isOff(element)) continue;
      seen.add(element);
      const own = know.style(element);
      if (isText || /^(input|select|textarea)$/.test(element.localName)) {
        const figure = ratio(own.color, element, ground(element));
        if (figure < 4.5) say("contrast of text", element, `${told(figure)} ${isText ? quoted(node.data) : ""}`);
      }
      if (element.placeholder) {
        const figure = ratio(getComputedStyle(element, "::placeholder").color, element, ground(element));
        if (figure < 4.5) say("contrast of text", element, `${told(figure)} of the placeholder`);
      }
    }
    for (const element of root.querySelectorAll("td, th, dt, dd, label, a, p, span, .badge")) {
      for (const part of ["::before", "::after"]) {
        const own = getComputedStyle(element, part);
        if (/^(none|normal|""|)$/.test(own.content) || own.display === "none" || !know.isShown(element)) continue;
        const figure = ratio(own.color, element, ground(element));
        if (figure < 4.5) say("contrast of text", element, `${told(figure)} in ${part}`);
      }
    }
    for (const element of root.querySelectorAll("input, select, textarea, button, .button, .badge, summary")) {
      if (!know.isShown(element) || isOff(element) || /^(checkbox|radio|file|range|color|hidden)$/.test(element.type))
        continue;
      const own = know.style(element),
        around = ground(element.parentElement);
      const isField = /^(input|select|textarea)$/.test(element.localName);
      const edges = ["Top", "Right", "Bottom", "Left"].filter(
        (side) => own[`border${side}Width`] !== "0px" && own[`border${side}Style`] !== "none",
      );
      const filled = contrast(ground(element), around);
      if (filled >= 3 || (!edges.length && !isField)) continue;
      const figures = edges.map((side) => ratio(own[`border${side}Color`], element, around));
      // A line below a word that leads on is no frame.
      if (!isField && figures.every((figure) => figure === 1)) continue;
      const figure = edges.length ? Math.min(...figures) : filled;
      if (figure < 3) say("contrast of border", element, told(figure));
    }
  }

  function primary(say, know, height) {
    const main = document.querySelector("main");
    if (!main) return;
    // A page that has one says which it is.
    const first = [...main.querySelectorAll("button.first, a.first, summary.first")].find((one) => know.isShown(one));
    if (!first) return;
    const bottom = first.getBoundingClientRect().bottom + scrollY;
    if (bottom > height)
      say("primary action below the first screen", first, `${Math.round(bottom)} px ${quoted(first.innerText)}`);
  }

  window.look = ({ within, height }) => {
    const found = [],
      know = knowledge();
    const say = (check, element, figure) => found.push([check, short(element), figure]);
    const root = within || document.body;
    const needs = document.scrollingElement.scrollWidth;
    if (needs > innerWidth) {
      say("page scrolls sideways", widest() || document.body, `${needs} px in ${innerWidth}`);
    }
    const items = itemsOf(root, know);
    overlaps(items, say);
    outside(items, say, know);
    cuts(root, say, know);
    // What stands in several lines comes several times.
    broken([...new Map(items.map((item) => [item.node, item])).values()], say);
    contrasts(root, items, say, know);
    if (!within) primary(say, know, height);
    return found;
  };

  /// The innermost element that reaches farthest to the right.
  function widest() {
    let far = innerWidth,
      found = null;
    for (const element of document.body.querySelectorAll("*")) {
      const { right } = element.getBoundingClientRect();
      if (right >= far && right > innerWidth) [far, found] = [right, element];
    }
    return found;
  }

  /// Parts that open: menus, boxes and dialogs, one of each kind.
  window.parts = () => {
    const kinds = new Map();
    for (const part of document.querySelectorAll("details:not([open]), dialog:not([open]), [popover]")) {
      const kind = `${short(part)} ${part.querySelector("summary, h1, h2, h3, button")?.innerText.replace(/\d+/g, "N")}`;
      if (!part.parentElement.closest("details:not([open]), dialog:not([open])") && !kinds.has(kind))
        kinds.set(kind, part);
    }
    return [...kinds.values()];
  };

  window.lookInto = () => {
    const found = [];
    for (const part of window.parts()) {
      if (part.localName === "details") part.open = true;
      else if (part.localName === "dialog") part.showModal();
      else part.showPopover();
      const name = part.querySelector("summary, h1, h2, h3")?.innerText || short(part);
      found.push(
        ...window
          .look({ within: part })
          .map(([check, element, figure]) => [check, element, `${figure} (opened: ${name})`]),
      );
      if (part.localName === "details") part.open = false;
      else if (part.localName === "dialog") part.close();
      else part.hidePopover();
    }
    return found;
  };
})();

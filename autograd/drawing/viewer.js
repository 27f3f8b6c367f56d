// The stand-alone viewer. Ranks and orders are given; coordinates are computed here, by the same
// method as in _layout.py, so that groups can be folded and unfolded. No library, no network.
"use strict";
(() => {
  const model = JSON.parse(document.getElementById("model").textContent);
  const K = model.constants;
  const boxCount = model.boxes.length;
  const groups = model.groups;
  const isGroup = (code) => code >= boxCount;
  const groupOf = (code) => code - boxCount;
  const codeOf = (group) => boxCount + group;
  const $ = (id) => document.getElementById(id);
  const escape = (text) =>
    String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const n = (value) => String(Math.round(value * 10) / 10);

  // ------------------------------------------------------------------------------ the model

  for (const a of model.arrangements) {
    a.above = a.cells.map(() => []);
    a.below = a.cells.map(() => []);
    for (const [upper, lower, value] of a.joins) {
      a.below[upper].push([lower, value]);
      a.above[lower].push([upper, value]);
    }
    a.chain = new Map(a.chains.map(([start, end, value, way]) => [`${start}|${end}|${value}`, way]));
  }
  const around = (code) => {
    const found = [];
    let at = isGroup(code) ? groups[groupOf(code)].parent : model.boxes[code].parent;
    while (at >= 0) {
      found.push(at);
      at = groups[at].parent;
    }
    return found;
  };
  for (const link of model.links) {
    const up = around(link.s);
    const down = around(link.t);
    const meets = new Set(down);
    const common = up.find((group) => meets.has(group));
    const steps = [];
    let at = link.s;
    for (const group of up) {
      if (group === common) break;
      steps.push([group, at, -1]);
      at = codeOf(group);
    }
    const arrival = [];
    let end = link.t;
    for (const group of down) {
      if (group === common) break;
      arrival.push([group, -1, end]);
      end = codeOf(group);
    }
    link.steps = [...steps, [common, at, end], ...arrival.reverse()];
  }

  // What each node reads and what reads it, by node number.
  const inputs = model.nodes.map(() => []);
  const users = model.nodes.map(() => []);
  const edgeLinks = model.links.filter((link) => link.position !== undefined);
  for (const link of edgeLinks) {
    const a = model.boxes[link.s].node;
    const b = model.boxes[link.t].node;
    inputs[b].push(a);
    users[a].push(b);
  }
  const reach = (start, next) => {
    const seen = new Set([start]);
    const stack = [start];
    while (stack.length) {
      for (const other of next[stack.pop()]) {
        if (!seen.has(other)) {
          seen.add(other);
          stack.push(other);
        }
      }
    }
    return seen;
  };

  const state = {
    direction: model.direction,
    selected: null, // node number
    focus: null, // Set of node numbers, or null
    found: new Set(),
    step: null, // null: everything is shown
    view: null, // [x, y, scale]
  };

  // ----------------------------------------------------------------------------- the layout

  const shownAs = (code) => {
    const chain = around(code);
    for (let i = chain.length - 1; i >= 0; i--) {
      if (groups[chain[i]].folded) return codeOf(chain[i]);
    }
    return code;
  };
  const visibleGroups = () => {
    const seen = [0];
    for (let i = 0; i < seen.length; i++) {
      if (groups[seen[i]].folded) continue;
      for (const child of groups[seen[i]].children) if (isGroup(child)) seen.push(groupOf(child));
    }
    return seen;
  };
  const sizeOf = (code, insides) => {
    if (isGroup(code)) {
      const inside = insides.get(groupOf(code));
      if (inside) return [inside.width, inside.height];
      return [groups[groupOf(code)].w, groups[groupOf(code)].h];
    }
    return [model.boxes[code].w, model.boxes[code].h];
  };
  const port = (code, value, insides, entering) => {
    if (!isGroup(code)) return 0;
    const group = groupOf(code);
    const inside = insides.get(group);
    if (inside) {
      const at = (entering ? inside.entry : inside.exit).get(value);
      return at === undefined ? 0 : at - inside.width / 2;
    }
    const values = entering ? model.arrangements[group].ins : model.arrangements[group].outs;
    const i = values.indexOf(value);
    return i < 0 ? 0 : groups[group].w * 0.8 * ((i + 0.5) / values.length - 0.5);
  };
  const separate = (wanted, weights, widths) => {
    const offsets = [];
    let at = 0;
    widths.forEach((width, i) => {
      if (i) at += (widths[i - 1] + width) / 2 + K.separation;
      offsets.push(at);
    });
    const pools = [];
    wanted.forEach((value, i) => {
      let pool = [value - offsets[i], weights[i], 1];
      while (pools.length && pools[pools.length - 1][0] > pool[0]) {
        const other = pools.pop();
        const total = pool[1] + other[1];
        pool = [(pool[0] * pool[1] + other[0] * other[1]) / total, total, pool[2] + other[2]];
      }
      pools.push(pool);
    });
    const means = pools.flatMap(([mean, , count]) => Array(count).fill(mean));
    return means.map((mean, i) => mean + offsets[i]);
  };
  const LANE = 3;
  const coordinates = (group, insides) => {
    const a = model.arrangements[group];
    const sizes = a.cells.map(([kind, key]) => (kind === 0 ? sizeOf(key, insides) : [K.lane, 0]));
    const widths = a.cells.map(([kind, key], i) => {
      if (kind !== 0) return sizes[i][0];
      return Math.max(sizes[i][0], isGroup(key) ? 0 : model.boxes[key].room);
    });
    const portOf = (cell, value, entering) => {
      const [kind, key] = a.cells[cell];
      return kind === 0 ? port(key, value, insides, entering) : 0;
    };
    const x = Array(a.cells.length).fill(0);
    for (const layer of a.layers) {
      let at = 0;
      for (const cell of layer) {
        x[cell] = at + widths[cell] / 2;
        at += widths[cell] + K.separation;
      }
      for (const cell of layer) x[cell] -= (at - K.separation) / 2;
    }
    const pulls = (cell, above, found) => {
      for (const [other, value] of above ? a.above[cell] : a.below[cell]) {
        let weight = 1;
        if (a.cells[cell][0] === LANE && a.cells[other][0] === LANE) weight = K.straight;
        else if (above) weight = a.cells[other][3];
        found.push([weight, x[other] + portOf(other, value, !above) - portOf(cell, value, above)]);
      }
    };
    const rounds = a.cells.length < 3000 ? 8 : 4;
    for (let round = 0; round < rounds; round++) {
      const both = round >= rounds - 2;
      const down = round % 2 === 0;
      for (const layer of down ? a.layers : [...a.layers].reverse()) {
        const wanted = [];
        const weights = [];
        for (const cell of layer) {
          const found = [];
          pulls(cell, down, found);
          if (both || !found.length) pulls(cell, !down, found);
          const total = found.reduce((sum, [weight]) => sum + weight, 0);
          wanted.push(total ? found.reduce((sum, [w, at]) => sum + w * at, 0) / total : x[cell]);
          weights.push(Math.max(total, 0.01) * a.cells[cell][3]);
        }
        separate(wanted, weights, layer.map((cell) => widths[cell])).forEach((at, i) => {
          x[layer[i]] = at;
        });
      }
    }
    let left = Infinity;
    let right = -Infinity;
    a.cells.forEach((_, i) => {
      left = Math.min(left, x[i] - widths[i] / 2);
      right = Math.max(right, x[i] + widths[i] / 2);
    });
    const margin = group ? K.margin : 8;
    const title = group ? groups[group].titleWidth + 16 : 0;
    const spare = Math.max(0, title - (right - left) - 2 * margin) / 2;
    for (let i = 0; i < x.length; i++) x[i] += margin + spare - left;
    let y = (group ? K.title : 0) + margin / 2;
    const bands = [];
    a.layers.forEach((layer, i) => {
      const ports = layer.every((cell) => a.cells[cell][0] === 1 || a.cells[cell][0] === 2);
      if (ports && i === 0) {
        bands.push([0, 0]);
        y += K.portGap - 8;
      } else if (ports) {
        y += K.portGap - K.gap;
        bands.push([y, y]);
      } else {
        const height = Math.max(...layer.map((cell) => sizes[cell][1]));
        bands.push([y, y + height]);
        y += height + K.gap;
      }
    });
    const last = a.layers[a.layers.length - 1];
    const endsInPort = last.every((cell) => a.cells[cell][0] === 2);
    const height = endsInPort ? y + 4 : y - K.gap + margin;
    if (endsInPort) bands[bands.length - 1] = [height, height];
    const top = a.cells.map(([, , layer], i) => {
      const [upper, lower] = bands[layer];
      if (!a.above[i].length) return lower - sizes[i][1];
      if (!a.below[i].length) return upper;
      return (upper + lower - sizes[i][1]) / 2;
    });
    const entry = new Map();
    const exit = new Map();
    a.cells.forEach(([kind, key], i) => {
      if (kind === 1) entry.set(key, x[i]);
      if (kind === 2) exit.set(key, x[i]);
    });
    return { width: right - left + 2 * (margin + spare), height, x, top, bands, entry, exit };
  };
  const route = (link, insides, rects) => {
    const points = [];
    for (const [group, start, end] of link.steps) {
      const inside = insides.get(group);
      if (!inside || !rects.has(codeOf(group))) continue;
      const a = model.arrangements[group];
      const [left, top] = rects.get(codeOf(group));
      a.chain.get(`${start}|${end}|${link.s}`).forEach((cell, i) => {
        const [kind, key, layer] = a.cells[cell];
        const x = left + inside.x[cell];
        const [upper, lower] = inside.bands[layer];
        if (kind !== 0) {
          points.push([x, top + upper, top + lower]);
          return;
        }
        const [, by, , bh] = rects.get(key);
        const at = x + port(key, link.s, insides, i > 0);
        points.push(i > 0 ? [at, top + upper, by] : [at, by + bh, top + lower]);
      });
    }
    return points;
  };
  const place = () => {
    const insides = new Map();
    const visible = visibleGroups();
    for (const group of [...visible].reverse()) {
      if (!groups[group].folded) insides.set(group, coordinates(group, insides));
    }
    const rects = new Map([[codeOf(0), [0, 0, insides.get(0).width, insides.get(0).height]]]);
    for (const group of visible) {
      const inside = insides.get(group);
      if (!inside) continue;
      const [left, top] = rects.get(codeOf(group));
      model.arrangements[group].cells.forEach(([kind, key], i) => {
        if (kind !== 0) return;
        const [w, h] = sizeOf(key, insides);
        rects.set(key, [left + inside.x[i] - w / 2, top + inside.top[i], w, h]);
      });
    }
    const seen = new Set();
    const links = [];
    for (const link of model.links) {
      const a = shownAs(link.s);
      const b = shownAs(link.t);
      const twice = b === link.t ? (link.position ?? 0) : 0;
      const key = `${a}|${b}|${link.s}|${twice}`;
      if (a === b || seen.has(key)) continue;
      seen.add(key);
      links.push({ link, a, b, points: route(link, insides, rects) });
    }
    spread(links, rects);
    return { rects, links, visible };
  };
  const spread = (links, rects) => {
    const arriving = new Map();
    for (const item of links) {
      if (isGroup(item.b)) continue;
      if (!arriving.has(item.b)) arriving.set(item.b, []);
      arriving.get(item.b).push(item);
    }
    for (const [code, items] of arriving) {
      if (items.length < 2) continue;
      const from = (item) => (item.points.length > 1 ? item.points[item.points.length - 2][0] : 0);
      items.sort((p, q) => from(p) - from(q) || (p.link.position ?? 0) - (q.link.position ?? 0));
      const [left, , width] = rects.get(code);
      const room = width * 0.6;
      const step = Math.min(state.direction === "both" ? 18 : 12, room / (items.length - 1));
      const low = left + (width - room) / 2;
      const ends = [];
      for (const item of items) {
        const straight = Math.max(low, Math.min(low + room, from(item)));
        ends.push(Math.max(straight, ends.length ? ends[ends.length - 1] + step : low));
      }
      let limit = low + room;
      for (let j = ends.length - 1; j >= 0; j--) {
        ends[j] = Math.min(ends[j], limit);
        limit = ends[j] - step;
      }
      items.forEach((item, j) => {
        const last = item.points[item.points.length - 1];
        item.points[item.points.length - 1] = [ends[j], last[1], last[2]];
      });
    }
  };

  // ---------------------------------------------------------------------------- the drawing

  const size = (role) => (role === "title" ? 13 : 10.5);
  const lineHeight = (role) => (role === "title" ? 17 : 14);
  const shape = (form, [x, y, w, h]) => {
    const [kind, fill, stroke, width, dash] = model.forms[form];
    const paint = `class="shape" fill="${fill}" stroke="${stroke}" stroke-width="${width}"` +
      (dash ? ` stroke-dasharray="${dash}"` : "");
    let corners = null;
    if (kind === "hexagon") {
      const c = Math.min(11, h / 2);
      corners = [[x + c, y], [x + w - c, y], [x + w, y + h / 2], [x + w - c, y + h], [x + c, y + h], [x, y + h / 2]];
    } else if (kind === "tag") {
      const c = Math.min(12, h / 2);
      corners = [[x, y], [x + w - c, y], [x + w, y + h / 2], [x + w - c, y + h], [x, y + h]];
    } else if (kind === "octagon") {
      const c = Math.min(12, h / 3);
      corners = [[x + c, y], [x + w - c, y], [x + w, y + c], [x + w, y + h - c], [x + w - c, y + h], [x + c, y + h], [x, y + h - c], [x, y + c]];
    }
    if (corners) return `<polygon points="${corners.map(([a, b]) => `${n(a)},${n(b)}`).join(" ")}" ${paint}/>`;
    const r = { pill: Math.min(h / 2, 15), round: 7, folded: 7 }[kind] ?? 0;
    const rect = (dx) => `<rect x="${n(x + dx)}" y="${n(y + dx)}" width="${n(w)}" height="${n(h)}" rx="${n(r)}" ${paint}/>`;
    return (kind === "folded" ? rect(4) : "") + rect(0);
  };
  const words = (lines, [x, y, w, h]) => {
    let baseline = y + (h - lines.reduce((sum, [, role]) => sum + lineHeight(role), 0)) / 2;
    return lines.map(([text, role]) => {
      baseline += lineHeight(role);
      const bold = role === "title" || role === "alarm" ? ' font-weight="bold"' : "";
      const mono = role === "value" || role === "gradient" ? ` font-family="${K.mono}"` : "";
      return `<text class="${role}" x="${n(x + w / 2)}" y="${n(baseline - 4)}" font-size="${size(role)}"${bold}${mono} ` +
        `text-anchor="middle" fill="${K.colours[role]}" xml:space="preserve">${escape(text)}</text>`;
    }).join("");
  };
  const norms = model.links.map((link) => link.norm).filter((norm) => norm > 0);
  const lowest = Math.log10(Math.min(...norms));
  const highest = Math.log10(Math.max(...norms));
  const weight = (norm) => {
    if (!model.weighted || norm === undefined) return model.weighted ? 1 : 1.4;
    if (norm === 0) return 0.5;
    if (highest - lowest < 0.3) return 2.5;
    return 0.8 + (6.2 * (Math.log10(norm) - lowest)) / (highest - lowest);
  };
  const stroke = (points, aside, backward, colour, width, attributes) => {
    const p = points.map(([x, top, bottom]) => [x + aside, top, bottom]);
    const length = 7 + 0.8 * width;
    const half = 3.2 + 0.8 * width;
    const first = p[0];
    const last = p[p.length - 1];
    let head;
    if (backward) {
      head = [[first[0], first[1]], [first[0] - half, first[1] + length], [first[0] + half, first[1] + length]];
      first[1] += length - 1;
      first[2] = Math.max(first[2], first[1]);
    } else {
      head = [[last[0], last[2]], [last[0] - half, last[2] - length], [last[0] + half, last[2] - length]];
      last[2] -= length - 1;
      last[1] = Math.min(last[1], last[2]);
    }
    let d = `M${n(first[0])} ${n(first[1])}`;
    let [atX, atY] = first;
    p.forEach(([x, top, bottom], i) => {
      if (i) {
        const middle = (atY + top) / 2;
        d += Math.abs(x - atX) < 0.05 ? `L${n(x)} ${n(top)}`
          : `C${n(atX)} ${n(middle)} ${n(x)} ${n(middle)} ${n(x)} ${n(top)}`;
        [atX, atY] = [x, top];
      }
      if (Math.abs(bottom - atY) > 0.05) {
        d += `L${n(x)} ${n(bottom)}`;
        atY = bottom;
      }
    });
    const dash = backward ? ' stroke-dasharray="6 3"' : "";
    return `<g ${attributes}><path d="${d}" fill="none" stroke="${colour}" stroke-width="${n(width)}"${dash}/>` +
      `<polygon points="${head.map(([a, b]) => `${n(a)},${n(b)}`).join(" ")}" fill="${colour}"/></g>`;
  };

  const stage = $("stage");
  let svg = null;
  let drawn = null;

  const nodesIn = (code) => {
    // The nodes that something visible stands for.
    if (!isGroup(code)) return [model.boxes[code].node];
    const found = [];
    const stack = [code];
    while (stack.length) {
      for (const child of groups[groupOf(stack.pop())].children) {
        if (isGroup(child)) stack.push(child);
        else found.push(model.boxes[child].node);
      }
    }
    return found;
  };

  const draw = () => {
    drawn = place();
    const { rects, links, visible } = drawn;
    const parts = [];
    const titles = [];
    for (const group of visible) {
      if (!group || groups[group].folded) continue;
      const [x, y, w, h] = rects.get(codeOf(group));
      const fill = K.frames[Math.min(around(codeOf(group)).length, K.frames.length) - 1];
      const dash = groups[group].kind === "module" ? "" : ' stroke-dasharray="2 3"';
      parts.push(`<g class="frame" data-code="${codeOf(group)}"><rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}" rx="7" fill="${fill}" stroke="#8ba3b5"${dash}/></g>`);
      titles.push(`<text class="frame-title" data-code="${codeOf(group)}" x="${n(x + 9)}" y="${n(y + 16)}" font-size="12" font-weight="bold" fill="#3d5467" stroke="${fill}" stroke-width="4" paint-order="stroke">▾ ${escape(groups[group].title)}</text>`);
    }
    const labels = [];
    const said = new Set();
    for (const { link, a, b, points } of links) {
      const clash = model.boxes[link.t].form === "failed";
      const returns = model.boxes[link.s].form !== "constant" && !clash;
      const both = state.direction === "both";
      const data = `data-a="${a}" data-b="${b}" data-s="${model.boxes[link.s].node}" data-t="${model.boxes[link.t].node}"`;
      if (state.direction !== "backward" || !returns) {
        const width = clash ? 2.4 : state.direction === "forward" ? weight(link.norm) : 1.4;
        parts.push(stroke(points, both && returns ? -2.5 : 0, false, clash ? K.clash : K.forward, width, `class="edge forward" ${data}`));
      }
      if (state.direction !== "forward" && returns) {
        parts.push(stroke(points, both ? 2.5 : 0, true, K.backward, weight(link.norm), `class="edge backward" ${data}`));
      }
      // Values that leave a folded group side by side say the same but once.
      if (link.label && !(isGroup(a) && said.has(`${a}|${link.label}`))) {
        said.add(`${a}|${link.label}`);
        labels.push(`<text x="${n(points[0][0] + 7)}" y="${n(points[0][1] + 14)}" font-size="10" fill="${clash ? K.clash : "#555"}" stroke="#fff" stroke-width="3" stroke-opacity="0.85" paint-order="stroke">${escape(link.label)}</text>`);
      }
    }
    parts.push(...titles);
    for (const [code, rect] of rects) {
      if (isGroup(code) && !groups[groupOf(code)].folded) continue;
      const item = isGroup(code) ? groups[groupOf(code)] : model.boxes[code];
      const form = isGroup(code) ? "group" : item.form;
      const tip = isGroup(code) ? `${item.title}: click to unfold` : item.tip;
      parts.push(`<g class="box ${form}" data-code="${code}" data-id="${escape(item.id)}"><title>${escape(tip)}</title>${shape(form, rect)}${words(item.lines, rect)}</g>`);
    }
    stage.classList.remove("static");
    stage.innerHTML = `<svg xmlns="http://www.w3.org/2000/svg" font-family="${K.font}"><g id="world">${parts.join("")}${labels.join("")}</g></svg>`;
    svg = stage.firstChild;
    if (!state.view) fit();
    else move();
    mark();
  };

  // --------------------------------------------------------------------------- looking at it

  const move = () => {
    const [x, y, scale] = state.view;
    svg.firstChild.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
  };
  const fit = () => {
    const [, , w, h] = drawn.rects.get(codeOf(0));
    const { width, height } = stage.getBoundingClientRect();
    const whole = Math.min(width / (w + 20), height / (h + 20));
    const scale = Math.min(1.5, Math.max(whole, Math.min(0.5, width / (w + 20))));
    state.view = [(width - w * scale) / 2, Math.max(10, (height - h * scale) / 2), scale];
    if (h * scale > height) state.view[1] = 10;
    move();
  };
  const fitAll = () => {
    const [, , w, h] = drawn.rects.get(codeOf(0));
    const { width, height } = stage.getBoundingClientRect();
    const scale = Math.min(1.5, width / (w + 20), height / (h + 20));
    state.view = [(width - w * scale) / 2, (height - h * scale) / 2, scale];
    move();
  };
  const zoom = (factor, cx, cy) => {
    const { width, height } = stage.getBoundingClientRect();
    const [x, y, scale] = state.view;
    const next = Math.min(8, Math.max(0.01, scale * factor));
    const px = cx ?? width / 2;
    const py = cy ?? height / 2;
    state.view = [px - ((px - x) * next) / scale, py - ((py - y) * next) / scale, next];
    move();
  };
  const centre = (code) => {
    const rect = drawn.rects.get(code);
    if (!rect) return;
    const { width, height } = stage.getBoundingClientRect();
    const scale = Math.max(state.view[2], 0.8);
    state.view = [width / 2 - (rect[0] + rect[2] / 2) * scale, height / 2 - (rect[1] + rect[3] / 2) * scale, scale];
    move();
  };
  const hold = (code, change) => {
    // Redraw with one thing staying where it is on the screen.
    const before = drawn.rects.get(code);
    change();
    const [x, y, scale] = state.view;
    draw();
    const after = drawn.rects.get(code);
    if (before && after) {
      state.view = [x + (before[0] + before[2] / 2 - after[0] - after[2] / 2) * scale, y + (before[1] - after[1]) * scale, scale];
      move();
    }
  };
  const toggle = (code) => {
    const group = groups[groupOf(code)];
    hold(code, () => { group.folded = !group.folded; });
  };
  const reveal = (box) => {
    let changed = false;
    for (const group of around(box)) {
      if (groups[group].folded) {
        groups[group].folded = false;
        changed = true;
      }
    }
    if (changed) draw();
  };

  // ------------------------------------------------------------------------------- the steps

  const forwardNodes = model.nodes.map((_, i) => i);
  const recorded = model.nodes.some((node) => node.backward_step !== undefined);
  const backwardNodes = forwardNodes
    .filter((i) => model.nodes[i].kind === "operation" && !model.nodes[i].failed)
    .filter((i) => !recorded || model.nodes[i].backward_step !== undefined)
    .sort((a, b) => recorded ? model.nodes[a].backward_step - model.nodes[b].backward_step : b - a);
  const hasFailed = model.nodes.some((node) => node.failed);
  const total = forwardNodes.length + (hasFailed ? 0 : backwardNodes.length);
  const linksInto = new Map();
  for (const link of edgeLinks) {
    const target = model.boxes[link.t].node;
    if (!linksInto.has(target)) linksInto.set(target, []);
    linksInto.get(target).push(link);
  }

  const format = (value) => {
    if (Array.isArray(value)) return `[${value.map(format).join(" ")}]`;
    if (typeof value !== "number") return value && value.shape ? `array ${value.shape.join("×")}, mean ${format(value.mean)}` : String(value);
    return value === 0 ? "0" : String(Number(value.toPrecision(K.precision)));
  };
  const plus = (a, b) => {
    if (a === null || a === undefined) return b;
    return Array.isArray(a) ? a.map((item, i) => plus(item, b[i])) : a + b;
  };
  const name = (i) => model.nodes[i].name ?? model.nodes[i].id;

  // What has happened after `step` steps: which values and which parts of gradients there are.
  const progress = (step) => {
    const reached = new Set(forwardNodes.slice(0, step));
    const parts = new Map(); // node -> [count, sum or null]
    let now = null;
    let back = false;
    if (step > 0 && step <= forwardNodes.length) now = forwardNodes[step - 1];
    for (let i = 0; i < step - forwardNodes.length; i++) {
      now = backwardNodes[i];
      back = true;
      for (const link of linksInto.get(now) ?? []) {
        const source = model.boxes[link.s].node;
        if (model.nodes[source].kind === "constant") continue;
        const [count, sum] = parts.get(source) ?? [0, null];
        const part = typeof link.gradient === "object" && link.gradient !== null && !Array.isArray(link.gradient) ? undefined : link.gradient;
        parts.set(source, [count + 1, part === undefined || (count && sum === undefined) ? undefined : plus(sum, part)]);
      }
    }
    return { reached, parts, now, back };
  };
  const runsBack = new Set(backwardNodes);
  const useCounts = users.map((of) => of.filter((user) => runsBack.has(user)).length);

  // ------------------------------------------------------------------------- marks and words

  const mark = () => {
    const at = state.step === null ? null : progress(state.step);
    const inBackward = at !== null && state.step > forwardNodes.length;
    const outputs = new Set(model.nodes.flatMap((node, i) => (node.output ? [i] : [])));
    for (const element of svg.querySelectorAll(".box")) {
      const nodes = nodesIn(Number(element.dataset.code));
      const own = !isGroup(Number(element.dataset.code));
      element.classList.toggle("dim", state.focus !== null && !nodes.some((i) => state.focus.has(i)));
      element.classList.toggle("selected", own && state.selected !== null && nodes.includes(state.selected));
      element.classList.toggle("found", nodes.some((i) => state.found.has(i)));
      element.classList.toggle("later", at !== null && !nodes.some((i) => at.reached.has(i)));
      element.classList.toggle("active", at !== null && at.now !== null && nodes.includes(at.now));
      const lines = own ? model.boxes[Number(element.dataset.code)].lines : [];
      if (own && lines.some(([, role]) => role === "gradient")) {
        const i = nodes[0];
        const [count, sum] = at === null ? [0, null] : (at.parts.get(i) ?? [0, null]);
        const complete = at === null || (inBackward && (outputs.has(i) || count >= useCounts[i]));
        element.classList.toggle("pending", !complete && count === 0);
        const texts = element.querySelectorAll("text.gradient");
        const wholes = lines.filter(([, role]) => role === "gradient").map(([text]) => text);
        texts.forEach((text, k) => {
          if (complete || count === 0) text.textContent = wholes[k];
          else text.textContent = k ? "" : `${count} of ${useCounts[i]}: ${sum === undefined ? "…" : format(sum)}`;
        });
      }
    }
    for (const element of svg.querySelectorAll(".edge")) {
      const s = Number(element.dataset.s);
      const t = Number(element.dataset.t);
      const back = element.classList.contains("backward");
      const dim = state.focus !== null && !(state.focus.has(s) && state.focus.has(t));
      element.classList.toggle("dim", dim);
      let later = false;
      let active = false;
      if (at !== null) {
        const done = back ? inBackward && doneBackward(t, at) : at.reached.has(t) || (s === t && at.reached.has(s));
        later = !done;
        active = at.now === t && at.back === back;
      }
      element.classList.toggle("later", later);
      element.classList.toggle("active", active);
    }
    tell(at);
  };
  const backwardPlace = new Map(backwardNodes.map((i, place) => [i, place]));
  const doneBackward = (i, at) => at.back && (backwardPlace.get(i) ?? Infinity) <= backwardPlace.get(at.now);

  const panel = $("panel");
  const describe = (i) => {
    const node = model.nodes[i];
    const rows = [`<h2>${escape(name(i))}</h2><pre>`];
    const facts = [["id", node.id], ["kind", node.kind], ["operation", node.operation],
      ["shape", node.shape && (node.shape.join("×") || "scalar")], ["dtype", node.dtype],
      ["module", node.module], ["source", node.source],
      ["saved", node.bytes_saved && `${node.bytes_saved} bytes`],
      ["time", node.time && `${(node.time * 1e3).toFixed(3)} ms`], ["FLOPs", node.flops],
      ...Object.entries(node.attributes ?? {}).map(([key, value]) => [key, JSON.stringify(value)])];
    for (const [key, value] of facts) if (value) rows.push(`${escape(key)}: ${escape(value)}\n`);
    rows.push("</pre>");
    if (node.failed) rows.push(`<p class="alarm">${escape(node.failed)}</p>`);
    const array = (title, value, style) => {
      if (value === undefined) return;
      const text = Array.isArray(value) || typeof value !== "object" ? format(value)
        : Object.entries(value).map(([key, item]) => `${key} ${format(item)}`).join("\n");
      rows.push(`<h2>${title}</h2><pre class="${style}">${escape(text)}</pre>`);
    };
    array("value", node.value, "value");
    array(`∂L/∂${escape(node.name ?? "·")}`, node.gradient, "gradient");
    rows.push(`<h2>look at</h2><div class="row"><button data-focus="ancestors">ancestors</button><button data-focus="descendants">descendants</button><button data-focus="none">everything</button></div>`);
    return rows.join("");
  };
  const legend = () => {
    const present = new Set(model.boxes.map((box) => box.form));
    if (groups.length > 1) present.add("group");
    const rows = Object.entries(model.forms).filter(([form]) => present.has(form)).map(([form, look]) =>
      `<li><svg width="34" height="22">${shape(form, [2, 3, 26, 15])}</svg>${escape(look[5])}</li>`);
    rows.push(`<li><svg width="34" height="12"><path d="M2 6H32" stroke="${K.forward}" stroke-width="1.6"/></svg>values forward</li>`);
    rows.push(`<li><svg width="34" height="12"><path d="M2 6H32" stroke="${K.backward}" stroke-width="1.6" stroke-dasharray="6 3"/></svg>gradients backward</li>`);
    return `<h2>legend</h2><ul>${rows.join("")}</ul><h2>use</h2><p>Click a module to fold or unfold it, a box to see all of it. Drag to move, wheel to zoom, ← → to step.</p>`;
  };
  const tell = (at) => {
    const rows = [];
    $("at").textContent = at === null ? "all steps" : state.step === 0 ? "start" :
      state.step <= forwardNodes.length ? `forward ${state.step} of ${forwardNodes.length}` :
      `backward ${state.step - forwardNodes.length} of ${backwardNodes.length}`;
    if (at !== null && at.now !== null) {
      const node = model.nodes[at.now];
      rows.push(`<h2>step ${state.step}: ${at.back ? "backward through" : "computed"} ${escape(name(at.now))}</h2>`);
      if (!at.back && node.value !== undefined) rows.push(`<pre>${escape(format(node.value))}</pre>`);
      if (at.back) {
        for (const link of linksInto.get(at.now) ?? []) {
          const source = model.boxes[link.s].node;
          if (model.nodes[source].kind === "constant") continue;
          const [count, sum] = at.parts.get(source);
          const part = link.gradient === undefined ? "" : ` ${format(link.gradient)}`;
          const so = useCounts[source] > 1 ? `\n  so far (${count} of ${useCounts[source]} uses): ${sum === undefined || sum === null ? "…" : format(sum)}` : "";
          rows.push(`<pre class="gradient">to ${escape(name(source))}:${escape(part + so)}</pre>`);
        }
      }
    }
    if (state.selected !== null) rows.push(describe(state.selected));
    panel.innerHTML = rows.join("") + legend();
  };

  // ------------------------------------------------------------------------------ the controls

  const select = (i) => {
    state.selected = i;
    mark();
  };
  const focus = (which) => {
    const i = state.selected;
    state.focus = which === "none" || i === null ? null : reach(i, which === "ancestors" ? inputs : users);
    mark();
  };
  let hit = -1;
  const search = (text, onward) => {
    const wanted = text.trim().toLowerCase();
    state.found = new Set();
    if (wanted) {
      model.nodes.forEach((node, i) => {
        const shape = node.shape ? node.shape.join("×") : "";
        const all = [node.id, node.name, node.operation, node.module, shape, shape.replaceAll("×", "x"), node.kind];
        if (all.some((item) => item && String(item).toLowerCase().includes(wanted))) state.found.add(i);
      });
    }
    const list = [...state.found];
    $("hits").textContent = wanted ? `${list.length} found` : "";
    if (list.length && onward) {
      hit = (hit + 1) % list.length;
      const box = model.boxes.findIndex((item) => item.node === list[hit]);
      reveal(box);
      state.selected = list[hit];
      centre(box);
    } else {
      hit = -1;
    }
    mark();
  };
  const step = (value) => {
    const clamped = value === null ? null : Math.max(0, Math.min(total, value));
    state.step = clamped;
    $("step").value = clamped === null ? total : clamped;
    if (clamped !== null && clamped > forwardNodes.length && state.direction === "forward") {
      setDirection("both");
    }
    mark();
  };
  const setDirection = (value) => {
    state.direction = value;
    $("direction").value = value;
    draw();
  };
  const foldAll = (folded) => {
    groups.forEach((group, i) => { if (i) group.folded = folded; });
    state.view = null;
    draw();
  };

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drag = { x: event.clientX, y: event.clientY, view: [...state.view], moved: false };
  });
  window.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    if (Math.abs(dx) + Math.abs(dy) > 4) {
      drag.moved = true;
      stage.classList.add("dragging");
    }
    if (drag.moved) {
      state.view = [drag.view[0] + dx, drag.view[1] + dy, drag.view[2]];
      move();
    }
  });
  window.addEventListener("pointerup", (event) => {
    stage.classList.remove("dragging");
    const was = drag;
    drag = null;
    if (!was || was.moved || !stage.contains(event.target)) return;
    const box = event.target.closest(".box");
    const title = event.target.closest(".frame-title");
    if (title) toggle(Number(title.dataset.code));
    else if (box && isGroup(Number(box.dataset.code))) toggle(Number(box.dataset.code));
    else if (box) select(model.boxes[Number(box.dataset.code)].node);
    else select(null);
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top } = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0016), event.clientX - left, event.clientY - top);
  }, { passive: false });
  panel.addEventListener("click", (event) => {
    const which = event.target.dataset && event.target.dataset.focus;
    if (which) focus(which);
  });
  $("fold").onclick = () => foldAll(true);
  $("unfold").onclick = () => foldAll(false);
  $("fit").onclick = fitAll;
  $("in").onclick = () => zoom(1.3);
  $("out").onclick = () => zoom(1 / 1.3);
  $("direction").onchange = (event) => setDirection(event.target.value);
  $("step").max = total;
  $("step").value = total;
  $("step").oninput = (event) => step(Number(event.target.value));
  $("next").onclick = () => step(state.step === null ? 1 : state.step + 1);
  $("back").onclick = () => step((state.step ?? total) - 1);
  $("search").oninput = (event) => search(event.target.value, false);
  $("search").onkeydown = (event) => {
    if (event.key === "Enter") search(event.target.value, true);
  };
  window.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.target.tagName === "SELECT") return;
    const act = {
      ArrowRight: () => step(state.step === null ? 1 : state.step + 1),
      ArrowLeft: () => step((state.step ?? total) - 1),
      "+": () => zoom(1.3),
      "-": () => zoom(1 / 1.3),
      0: fitAll,
      a: () => focus("ancestors"),
      d: () => focus("descendants"),
      "/": () => $("search").focus(),
      Escape: () => {
        state.focus = null;
        state.selected = null;
        step(null);
      },
    }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
  window.addEventListener("resize", () => move());

  $("direction").value = state.direction;
  draw();
})();

  // What both pages of -f html share: words for numbers, the filter, tables, histograms, the graph of waits.
  const data = JSON.parse(document.getElementById('data').textContent);
  const $ = (id) => document.getElementById(id);
  const make = (name, text, cls) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  };
  const number = (n) => n.toLocaleString('en-US');
  const time = (ns) => {
    const units = [[1e9, 's'], [1e6, 'ms'], [1e3, 'us']];
    for (const [size, unit] of units) {
      if (Math.abs(ns) >= size) {
        const v = ns / size;
        return (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : v.toFixed(2)) + ' ' + unit;
      }
    }
    return Math.round(ns) + ' ns';
  };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // To draw on a canvas that is shown in this size: empty, as sharp as the screen is, and with the font of the page.
  const cleared = (canvas, width, height) => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const c = canvas.getContext('2d');
    c.scale(ratio, ratio);
    c.fillStyle = css('--bg');
    c.fillRect(0, 0, width, height);
    c.font = '12px system-ui, sans-serif';
    return c;
  };

  // Filter: words that all have to hold.
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const m = /^(g|fd|peer|label):(.*)$/.exec(word);
    return m ? {key: m[1], value: m[2]} : {key: '', value: word};
  });
  const rowMatches = (row, filter) => filter.every(({key, value}) => {
    if (key === 'g') return String(row.goid) === value;
    if (key === 'fd') return String(row.fd) === value;
    if (key === 'peer') return String(row.peer || '').toLowerCase().includes(value);
    if (key === 'label') return String(row.labels || '').toLowerCase().includes(value);
    return row.words !== undefined ? row.words.includes(value) : Object.values(row).join(' ').toLowerCase().includes(value);
  });

  // Tables: a click on a heading sorts.
  function table(element, columns, rows) {
    const head = make('thead'), body = make('tbody'), line = make('tr');
    const most = 200;
    let by = columns.findIndex((c) => c.sort), down = true, filter = [];
    function fill() {
      const column = columns[by];
      const chosen = rows.filter((row) => rowMatches(row, filter));
      if (column) chosen.sort((a, b) => {
        const p = column.value(a), q = column.value(b);
        return (p < q ? -1 : p > q ? 1 : 0) * (down ? -1 : 1);
      });
      body.replaceChildren(...chosen.slice(0, most).map((row) => {
        const tr = make('tr');
        for (const c of columns) {
          const td = make('td', undefined, c.isText ? 'text' : ''), content = c.text(row);
          td.append(content);
          if (c.isText && typeof content === 'string') td.title = content;
          tr.append(td);
        }
        return tr;
      }));
      if (chosen.length > most) {
        const td = make('td', 'the first ' + number(most) + ' of ' + number(chosen.length) + ': filter, or sort', 'dim');
        td.colSpan = columns.length;
        body.append(make('tr'));
        body.lastChild.className = 'more';
        body.lastChild.append(td);
      }
      [...line.children].forEach((th, i) => th.setAttribute('aria-sort', i === by ? (down ? 'descending' : 'ascending') : 'none'));
    }
    columns.forEach((column, i) => {
      const th = make('th', undefined, column.isText ? 'text' : ''), button = make('button', column.name);
      button.type = 'button';
      button.addEventListener('click', () => { down = by === i ? !down : true; by = i; fill(); });
      th.scope = 'col';
      th.append(button);
      line.append(th);
    });
    head.append(line);
    element.append(head, body);
    fill();
    return (words) => { filter = words; fill(); };
  }
  const col = (name, key, text, more = {}) => ({name, value: (row) => row[key], text: (row) => text(row[key]), ...more});
  const word = (v) => v === undefined || v === null ? '' : String(v);

  // Who waits for whom: from those that wait, on the left, to their peers; as broad as the time is long.
  function graph(parent, all, filter) {
    const edges = all.filter((e) => rowMatches(e, filter)).slice(0, 40);
    parent.replaceChildren();
    if (edges.length === 0) return parent.append(make('p', 'none seen', 'dim'));
    const svg = (name, attributes, text) => {
      const e = document.createElementNS('http://www.w3.org/2000/svg', name);
      for (const key in attributes) e.setAttribute(key, attributes[key]);
      if (text !== undefined) e.textContent = text;
      return e;
    };
    const left = [...new Set(edges.map((e) => e.waiter))], right = [...new Set(edges.map((e) => e.peer))];
    const height = Math.max(left.length, right.length) * 22 + 16, width = 720;
    const picture = svg('svg', {viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': 'who waits for whom'});
    const most = Math.max(...edges.map((e) => e.network), 1);
    const cut = (text) => text.length > 34 ? text.slice(0, 33) + '\u2026' : text;
    for (const e of edges) {
      const a = left.indexOf(e.waiter) * 22 + 16, b = right.indexOf(e.peer) * 22 + 16;
      const path = svg('path', {d: `M235 ${a} C 340 ${a} 380 ${b} 485 ${b}`, 'stroke-width': 1 + 7 * e.network / most});
      path.append(svg('title', {}, `${e.waiter} waited ${time(e.network)} for ${e.peer}, ${number(e.count)} times`));
      picture.append(path);
    }
    left.forEach((name, i) => picture.append(svg('text', {x: 230, y: i * 22 + 20, 'text-anchor': 'end'}, cut(name))));
    right.forEach((name, i) => picture.append(svg('text', {x: 490, y: i * 22 + 20}, cut(name))));
    parent.append(picture);
  }

  // Histograms: a bar for each bucket, by the logarithm of its time.
  function histogram(parent, title, buckets) {
    const part = make('section');
    part.append(make('h3', title));
    const total = buckets.reduce((sum, b) => sum + b[2], 0);
    if (total === 0) {
      part.append(make('p', 'none seen', 'dim'));
      parent.append(part);
      return () => {};
    }
    const quantile = (q) => {
      let seen = 0;
      for (const [, high, count] of buckets) {
        seen += count;
        if (seen >= q * total) return high;
      }
      return 0;
    };
    const figures = [['count', number(total)], ...[['p50', .5], ['p90', .9], ['p99', .99], ['at most', 1]].map(([n, q]) => [n, '\u2264 ' + time(quantile(q))])];
    const text = figures.map(([n, v]) => n + ' ' + v).join(', ');
    part.append(make('p', text));
    const chart = make('canvas');
    chart.className = 'histogram';
    chart.style.height = '140px';
    chart.setAttribute('role', 'img');
    chart.setAttribute('aria-label', title + ': ' + text);
    part.append(chart);
    parent.append(part);
    return () => {
      const width = chart.clientWidth, height = 140;
      const c = cleared(chart, width, height);
      const low = Math.log(Math.max(buckets[0][0], 1)), high = Math.log(Math.max(buckets[buckets.length - 1][1], 2));
      const most = Math.max(...buckets.map((b) => b[2]));
      c.fillStyle = css('--call');
      for (const [begin, end, count] of buckets) {
        if (count === 0) continue;
        const a = (Math.log(Math.max(begin, 1)) - low) / (high - low) * (width - 8) + 4;
        const b = (Math.log(Math.max(end, 2)) - low) / (high - low) * (width - 8) + 4;
        const tall = Math.max(count / most * (height - 26), 2);
        c.fillRect(a, height - 20 - tall, Math.max(b - a - 1, 1), tall);
      }
      c.fillStyle = css('--dim');
      c.textAlign = 'left';
      c.fillText(time(Math.exp(low)), 4, height - 5);
      c.textAlign = 'right';
      c.fillText(time(Math.exp(high)), width - 4, height - 5);
    };
  }

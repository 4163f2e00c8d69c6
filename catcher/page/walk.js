/* SPDX-License-Identifier: MIT */
/* The walk through memory: pages by time, on a canvas. */
'use strict';

const WALK = {top: 8, phases: 20, bottom: 38, right: 8};
const kindColours = ['reads', 'writes', 'calls', 'writes', 'evictions'];
const shownKinds = new Set(['reads', 'writes', 'calls', 'evictions']);

function kindNames(report) {
    return {
        reads: report.track_writes ? 'read' : 'touched by the program (reads and writes are not told apart)',
        writes: 'written', calls: 'by system calls', evictions: 'evicted, not touched',
    };
}

/* What a kind looks like where cells are large: more than a colour. */
function glyph(kind) {
    const fill = `fill:var(--${kind})`, line = 'stroke:var(--ground);stroke-width:2';
    const inner = {
        reads: [],
        writes: [element('path', {d: 'M3 12 12 3', style: line})],
        calls: [element('circle', {cx: 7.5, cy: 7.5, r: 2.6, style: 'fill:var(--ground)'})],
        evictions: [element('rect', {x: 3.5, y: 3.5, width: 8, height: 8, style: 'fill:var(--ground)'})],
    }[kind];
    return element('svg', {viewBox: '0 0 15 15', 'aria-hidden': 'true'},
        element('rect', {x: 1, y: 1, width: 13, height: 13, rx: 1.5, style: fill}), inner);
}

function walkLegend(report, redraw) {
    const names = kindNames(report);
    const kinds = report.track_writes ? ['reads', 'writes', 'calls', 'evictions'] : ['reads', 'calls', 'evictions'];
    return element('ul', {class: 'legend'}, kinds.map((kind) => {
        const box = element('input', {type: 'checkbox', checked: true});
        box.addEventListener('change', () => {
            shownKinds[box.checked ? 'add' : 'delete'](kind);
            redraw();
        });
        return element('li', {}, element('label', {}, box, glyph(kind), names[kind]));
    }));
}

class Walk {
    constructor(trace, most) {
        this.trace = trace;
        this.walk = trace.walk;
        this.cells = trace.cells;
        this.most = most;
        this.phases = phasesOf(trace);
        this.bin = this.row = 0;
        this.chart = element('div', {class: 'chart'});
        this.canvas = element('canvas', {tabindex: 0, role: 'img', 'data-walk': true, 'aria-label':
            `Pages of ${trace.file} by time: ${count(trace.report.footprint_pages, 'page')}, ` +
            `${count(trace.report.touches, 'touch', 'touches')}. Arrow keys move a cursor, with Shift to the next ` +
            'place where something is.'});
        this.canvas.walk = this; /* for who looks at the page from outside */
        this.cursor = element('canvas', {class: 'cursor', 'aria-hidden': 'true'});
        this.chart.append(this.canvas, this.cursor);
        this.tip = new Tip(this.chart);
        this.canvas.addEventListener('pointermove', (event) => this.point(event));
        this.canvas.addEventListener('pointerdown', (event) => this.point(event));
        this.canvas.addEventListener('pointerleave', () => this.hide());
        this.canvas.addEventListener('keydown', (event) => this.key(event));
        this.canvas.addEventListener('focus', () => this.canvas.matches(':focus-visible') && this.mark(true));
        this.canvas.addEventListener('blur', () => this.hide());
        /* The canvas needs a width to be drawn, so it is drawn once it is in the page. */
        requestAnimationFrame(() => keepDrawn(this.chart, (width) => this.draw(width)));
    }

    binX(bin) {
        return this.left + bin * this.plotWidth / this.cells.bins;
    }

    rowY(row) {
        return this.plotTop + row * this.plotHeight / this.cells.rows;
    }

    touchX(touch) {
        return this.left + touch * this.plotWidth / this.trace.report.touches;
    }

    draw(width) {
        const ratio = window.devicePixelRatio || 1;
        this.left = width < 520 ? 62 : 104;
        this.plotTop = WALK.top + (this.phases.length ? WALK.phases : 0);
        this.plotHeight = Math.max(120, Math.min(width < 520 ? 300 : 440, this.cells.rows * 26));
        this.plotWidth = width - this.left - WALK.right;
        const height = this.plotTop + this.plotHeight + WALK.bottom;
        for (const canvas of [this.canvas, this.cursor]) {
            canvas.width = Math.round(width * ratio);
            canvas.height = Math.round(height * ratio);
            canvas.style.width = `${width}px`;
            canvas.style.height = `${height}px`;
            canvas.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
        }
        const context = this.canvas.getContext('2d');
        context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
        context.fillStyle = colour('raised');
        context.fillRect(this.left, this.plotTop, this.plotWidth, this.plotHeight);
        this.drawCells(context, ratio);
        this.drawRows(context);
        this.drawPhases(context);
        this.drawAxis(context);
        this.hide();
    }

    /* Several cells share a dot of the screen where there are fewer dots than cells. */
    drawCells(context, ratio) {
        const {bins, rows, at, counts} = this.cells;
        const width = Math.min(bins, Math.round(this.plotWidth * ratio));
        const height = Math.min(rows, Math.round(this.plotHeight * ratio));
        const sums = new Float64Array(width * height * KINDS);
        for (let bin = 0, cell = 0; bin < bins; bin++) {
            const x = Math.floor(bin * width / bins);
            for (let row = 0; row < rows; row++, cell++) {
                if (!at[cell])
                    continue;
                const to = (Math.floor(row * height / rows) * width + x) * KINDS, from = (at[cell] - 1) * KINDS;
                for (let kind = 0; kind < KINDS; kind++)
                    if (shownKinds.has(kindColours[kind]))
                        sums[to + kind] += counts[from + kind];
            }
        }
        const picture = element('canvas', {width, height}), inner = picture.getContext('2d');
        const image = inner.createImageData(width, height);
        const colours = kindColours.map((name) => [1, 3, 5].map((i) => parseInt(colour(name).slice(i, i + 2), 16)));
        const doublings = Math.log2(this.most + 1);
        const large = this.plotWidth / bins >= 7 && this.plotHeight / rows >= 7;
        for (let i = 0; i < width * height; i++) {
            const part = sums.subarray(i * KINDS, i * KINDS + KINDS), kind = kindOf(...part);
            if (kind < 0)
                continue;
            const n = kind === EVICTIONS ? part[EVICTIONS] : part[0] + part[1] + part[2] || part[UPGRADES];
            const strength = (kind === EVICTIONS ? 0.3 : 0.45) + 0.55 * Math.log2(n + 1) / doublings;
            image.data.set(colours[kind], i * 4);
            image.data[i * 4 + 3] = 255 * Math.min(1, strength);
            if (large)
                sums[i * KINDS] = kind + 1; /* for the glyphs; the sums are not needed any more */
        }
        inner.putImageData(image, 0, 0);
        context.imageSmoothingEnabled = false;
        context.drawImage(picture, this.left, this.plotTop, this.plotWidth, this.plotHeight);
        if (large)
            for (let i = 0; i < width * height; i++)
                if (image.data[i * 4 + 3])
                    this.drawGlyph(context, i % width, Math.floor(i / width), sums[i * KINDS] - 1);
    }

    drawGlyph(context, bin, row, kind) {
        const x = this.binX(bin + 0.5), y = this.rowY(row + 0.5);
        const size = Math.min(this.plotWidth / this.cells.bins, this.plotHeight / this.cells.rows, 14) * 0.28;
        context.strokeStyle = context.fillStyle = colour('ground');
        context.lineWidth = 1.5;
        context.beginPath();
        if (kind === WRITES || kind === UPGRADES) {
            context.moveTo(x - size, y + size);
            context.lineTo(x + size, y - size);
            context.stroke();
        } else if (kind === CALLS) {
            context.arc(x, y, size * 0.7, 0, 2 * Math.PI);
            context.fill();
        } else if (kind === EVICTIONS) {
            context.fillRect(x - size, y - size, 2 * size, 2 * size);
        }
    }

    /* To the left: whose the rows are, and where addresses jump. */
    drawRows(context) {
        const rows = this.walk.rows;
        context.textBaseline = 'middle';
        context.textAlign = 'right';
        let start = 0, lastText = -20, stripe = 0;
        for (let row = 1; row <= rows.length; row++) {
            if (row < rows.length && ownerKey(rows[row]) === ownerKey(rows[start]))
                continue;
            const y = this.rowY(start), bottom = this.rowY(row), middle = (y + bottom) / 2;
            context.fillStyle = colour(stripe++ % 2 ? 'line' : 'axis');
            context.fillRect(this.left - 6, y, 4, Math.max(1, bottom - y - 0.5));
            if (middle - lastText >= 14 && (bottom - y >= 9 || middle - lastText >= 20)) {
                context.fillStyle = colour('muted');
                context.fillText(this.fit(context, ownerName(rows[start]), this.left - 12), this.left - 10, middle);
                lastText = middle;
            }
            start = row;
        }
        context.strokeStyle = colour('axis');
        context.setLineDash([2, 3]);
        context.lineWidth = 1;
        rows.forEach((row, i) => {
            if (i === 0 || row.gap * this.trace.report.page_size < 2 ** 20)
                return;
            const y = Math.round(this.rowY(i)) - 0.5;
            context.beginPath();
            context.moveTo(this.left, y);
            context.lineTo(this.left + this.plotWidth, y);
            context.stroke();
        });
        context.setLineDash([]);
    }

    fit(context, text, width) {
        if (context.measureText(text).width <= width)
            return text;
        while (text.length > 1 && context.measureText(`${text}…`).width > width)
            text = text.slice(0, -1);
        return `${text}…`;
    }

    drawPhases(context) {
        context.textAlign = 'left';
        context.textBaseline = 'middle';
        this.phases.forEach((phase, i) => {
            const from = this.touchX(phase.from), to = this.touchX(phase.to);
            context.fillStyle = colour(i % 2 ? 'raised' : 'line');
            context.fillRect(from, WALK.top, Math.max(1, to - from), WALK.phases - 4);
            if (to - from > 26) {
                context.fillStyle = colour('text');
                const middle = WALK.top + WALK.phases / 2 - 1;
                context.fillText(this.fit(context, phase.name, to - from - 10), from + 5, middle);
            }
            context.strokeStyle = colour('axis');
            context.lineWidth = 1;
            context.beginPath();
            context.moveTo(Math.round(from) + 0.5, WALK.top);
            context.lineTo(Math.round(from) + 0.5, this.plotTop + this.plotHeight);
            if (i > 0 || phase.from > 0)
                context.stroke();
        });
    }

    drawAxis(context) {
        const y = this.plotTop + this.plotHeight, touches = this.trace.report.touches;
        context.strokeStyle = colour('axis');
        context.fillStyle = colour('muted');
        context.lineWidth = 1;
        context.strokeRect(this.left + 0.5, this.plotTop + 0.5, this.plotWidth - 1, this.plotHeight - 1);
        context.textBaseline = 'top';
        context.textAlign = 'center';
        for (const touch of steps(touches, Math.max(2, this.plotWidth / 90))) {
            const x = this.touchX(touch), text = short(touch), half = context.measureText(text).width / 2;
            context.fillRect(Math.round(x), y, 1, 4);
            context.fillText(text, Math.min(x, this.left + this.plotWidth - half), y + 6);
        }
        context.fillText(this.plotWidth < 360 ? 'touches' : 'touches, from the first to the last',
            this.left + this.plotWidth / 2, y + 22);
        context.textAlign = 'left';
        context.fillText('pages', 0, this.plotTop - (this.phases.length ? 20 : 0));
    }

    /* ------------------------------------------------------------ the cursor */

    isHere(bin, row) {
        const place = this.cells.at[bin * this.cells.rows + row];
        if (!place)
            return false;
        for (let kind = 0; kind < KINDS; kind++)
            if (this.cells.counts[(place - 1) * KINDS + kind] && shownKinds.has(kindColours[kind]))
                return true;
        return false;
    }

    point(event) {
        const box = this.canvas.getBoundingClientRect();
        const x = (event.clientX - box.left - this.left) * this.cells.bins / this.plotWidth;
        const y = (event.clientY - box.top - this.plotTop) * this.cells.rows / this.plotHeight;
        if (x < 0 || y < 0 || x >= this.cells.bins || y >= this.cells.rows) {
            this.hide();
            return;
        }
        [this.bin, this.row] = this.nearest(Math.floor(x), Math.floor(y));
        this.mark(false);
    }

    /* The nearest place with something in it within a few dots, for those are small; else the place itself. */
    nearest(bin, row) {
        const wide = this.plotWidth / this.cells.bins, high = this.plotHeight / this.cells.rows, reach = 5;
        const bins = Math.floor(reach / wide), rows = Math.floor(reach / high);
        let best = [bin, row], least = this.isHere(bin, row) ? 0 : reach * reach;
        for (let b = Math.max(0, bin - bins); least && b <= Math.min(bin + bins, this.cells.bins - 1); b++)
            for (let r = Math.max(0, row - rows); r <= Math.min(row + rows, this.cells.rows - 1); r++) {
                const away = ((b - bin) * wide) ** 2 + ((r - row) * high) ** 2;
                if (away < least && this.isHere(b, r)) {
                    least = away;
                    best = [b, r];
                }
            }
        return best;
    }

    key(event) {
        const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
        const inside = (bin, row) => bin >= 0 && row >= 0 && bin < this.cells.bins && row < this.cells.rows;
        if (move) {
            let bin = this.bin + move[0], row = this.row + move[1];
            while (event.shiftKey && inside(bin, row) && !this.isHere(bin, row))
                [bin, row] = [bin + move[0], row + move[1]];
            if (inside(bin, row))
                [this.bin, this.row] = [bin, row];
        } else if (event.key === 'Home') {
            this.bin = 0;
        } else if (event.key === 'End') {
            this.bin = this.cells.bins - 1;
        } else if (event.key === 'Escape') {
            this.hide();
            return;
        } else {
            return;
        }
        event.preventDefault();
        this.mark(true);
    }

    hide() {
        this.cursor.getContext('2d').clearRect(0, 0, this.cursor.width, this.cursor.height);
        this.tip.hide();
    }

    mark(aloud) {
        const context = this.cursor.getContext('2d'), bin = this.bin, row = this.row;
        const x = this.binX(bin + 0.5), y = this.rowY(row + 0.5);
        const wide = Math.max(7, this.plotWidth / this.cells.bins);
        const high = Math.max(7, this.plotHeight / this.cells.rows);
        context.clearRect(0, 0, this.cursor.width, this.cursor.height);
        context.strokeStyle = colour('text');
        context.globalAlpha = 0.45;
        context.beginPath();
        context.moveTo(x, this.plotTop);
        context.lineTo(x, this.plotTop + this.plotHeight);
        context.moveTo(this.left, y);
        context.lineTo(this.left + this.plotWidth, y);
        context.stroke();
        context.globalAlpha = 1;
        context.lineWidth = 2;
        context.strokeRect(x - wide / 2, y - high / 2, wide, high);
        this.tip.show(x, y, this.describe(bin, row), aloud);
    }

    describe(bin, row) {
        const {report, walk} = this.trace, here = walk.rows[row];
        const from = walk.bin_touch[bin], to = bin + 1 < this.cells.bins ? walk.bin_touch[bin + 1] - 1 : report.touches;
        const phase = this.phases.find((p) => from > p.from && from <= p.to);
        const lines = [element('b', {}, here.pages === 1 ? `page ${here.first}` :
            `${count(here.pages, 'page')}, ${here.first} to ${here.last}`)];
        lines.push((here.pages > 1 ? `the one with the most touches, ${here.hottest}: ` : '') + allocationText(here));
        if (here.site)
            lines.push(`allocated at ${shown(here.site)}`);
        const touches = from === to ? `touch ${plain.format(from)}` :
            `touches ${plain.format(from)} to ${plain.format(to)}`;
        lines.push(`${touches}, ${seconds(walk.bin_time_ns[bin])} after the start` +
            (phase ? `, phase ${phase.name}` : ''));
        lines.push(`here: ${this.countsText(bin, row)}`);
        lines.push(`${count(here.touches, 'touch', 'touches')} of ` +
            `${here.pages === 1 ? 'this page' : 'these pages'} in all`);
        return lines;
    }

    countsText(bin, row) {
        const place = this.cells.at[bin * this.cells.rows + row];
        if (!place)
            return 'nothing';
        const counts = this.cells.counts.subarray((place - 1) * KINDS, place * KINDS);
        const [reads, writes, calls, upgrades, evictions] = counts;
        const writesKnown = this.trace.report.track_writes;
        return [
            reads && (writesKnown ? count(reads, 'read') : count(reads, 'touch', 'touches')),
            upgrades && `${plain.format(upgrades)} then written`,
            writes && count(writes, 'write'),
            calls && `${plain.format(calls)} by system calls`,
            evictions && count(evictions, 'eviction'),
        ].filter(Boolean).join(', ');
    }
}

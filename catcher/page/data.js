/* SPDX-License-Identifier: MIT */
/* The data of the page, and the words for it. All text reaches the page as text, never as HTML. */
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const KINDS = 5, READS = 0, WRITES = 1, CALLS = 2, UPGRADES = 3, EVICTIONS = 4;

/* ---------------------------------------------------------------- elements */

/* element('p', {class: 'note'}, 'text', child, ...) */
function element(name, attributes, ...children) {
    const svg = ['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'pattern', 'defs'].includes(name);
    const made = svg ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {}))
        if (value !== undefined && value !== null && value !== false)
            made.setAttribute(key, value === true ? '' : value);
    for (const child of children.flat())
        if (child !== null && child !== undefined)
            made.append(child);
    return made;
}

/* ---------------------------------------------------------------- numbers as text */

const plain = new Intl.NumberFormat('en-US');
const decimal = new Intl.NumberFormat('en-US', {maximumFractionDigits: 1});

function count(n, one, many) {
    return `${plain.format(n)} ${n === 1 ? one : many || one + 's'}`;
}

function short(n) {
    for (const [unit, letter] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']])
        if (n >= unit)
            return decimal.format(n / unit) + letter;
    return decimal.format(n);
}

/* For an axis of powers of two. */
function power(n) {
    return n < 1e5 ? plain.format(n) : short(n);
}

function bytes(n) {
    for (const [unit, name] of [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']])
        if (n >= unit)
            return `${decimal.format(n / unit)} ${name}`;
    return `${n} bytes`;
}

function seconds(ns) {
    for (const [unit, name] of [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']])
        if (ns >= unit)
            return `${plain.format(Number((ns / unit).toPrecision(3)))} ${name}`;
    return `${ns} ns`;
}

function percent(ratio) {
    return `${(100 * ratio).toFixed(ratio < 0.1 ? 2 : 1)} %`;
}

function signed(n) {
    return n > 0 ? `+${plain.format(n)}` : n < 0 ? `\u2212${plain.format(-n)}` : '\u00b10';
}

/* Control characters, and those that turn the direction of text around, are shown as what they are. */
function shown(text) {
    return text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
        (c) => `\\u{${c.charCodeAt(0).toString(16)}}`);
}

function commandText(report) {
    return report.command.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `"${shown(word)}"`).join(' ');
}

/* ---------------------------------------------------------------- the walk's cells */

/* Each cell that is not empty: its counts are from 5 * place on, and place + 1 is in `at`, by bin * rows + row. */
function decodeCells(walk) {
    const text = atob(walk.cells), bins = walk.bin_touch.length, rows = walk.rows.length;
    const at = new Uint32Array(bins * rows);
    let counts = new Float64Array(1024), used = 0, next = 0, cell = 0;
    const varint = () => {
        let n = 0, scale = 1, byte;
        do {
            byte = text.charCodeAt(next++);
            n += (byte & 127) * scale;
            scale *= 128;
        } while (byte & 128);
        return n;
    };
    while (next < text.length) {
        cell += varint();
        const kinds = varint();
        if ((used + 1) * KINDS > counts.length) {
            const larger = new Float64Array(counts.length * 2);
            larger.set(counts);
            counts = larger;
        }
        for (let kind = 0; kind < KINDS; kind++)
            if (kinds & 1 << kind)
                counts[used * KINDS + kind] = varint();
        used++;
        at[cell++] = used;
    }
    return {bins, rows, at, counts: counts.subarray(0, used * KINDS)};
}

/* A page that was read first and then written counts as written. */
function kindOf(reads, writes, calls, upgrades, evictions) {
    const touches = reads + writes + calls, written = writes + upgrades;
    if (!touches && !written)
        return evictions ? EVICTIONS : -1;
    if (calls > written && calls > reads)
        return CALLS;
    return 2 * written >= touches ? WRITES : READS;
}

/* ---------------------------------------------------------------- names of what is in a row */

function allocationText(row) {
    if (row.allocation === undefined)
        return 'of no known allocation';
    const page = plain.format(row.page);
    return row.label ? `${shown(row.label)} +${page} (allocation #${row.allocation})` :
        `#${row.allocation} +${page} (page ${page} of this allocation)`;
}

function ownerKey(row) {
    return row.label ? `l${row.label}` : `a${row.allocation}`;
}

function ownerName(row) {
    return row.label ? shown(row.label) : row.allocation === undefined ? '\u2013' : `#${row.allocation}`;
}

/* Phases as [{name, from, to}], in touches; `to` not included. */
function phasesOf(trace) {
    const marks = trace.walk.marks, phases = [];
    marks.forEach((mark, i) => {
        const to = i + 1 < marks.length ? marks[i + 1].touches : trace.report.touches;
        if (mark.name && to > mark.touches)
            phases.push({name: shown(mark.name), from: mark.touches, to});
    });
    return phases;
}

/* ---------------------------------------------------------------- hovering */

/* The little box beside the pointer, and the same for those who listen. */
class Tip {
    constructor(chart) {
        this.chart = chart;
        this.box = element('div', {class: 'tip', hidden: true});
        this.live = element('div', {class: 'hidden', 'aria-live': 'polite'});
        chart.append(this.box, this.live);
    }

    /* lines: [text or element]; the first is the most important. */
    show(x, y, lines, aloud) {
        this.box.replaceChildren(...lines.map((line, i) => element('div', {class: i ? 'dim' : null}, line)));
        this.box.hidden = false;
        const width = this.box.offsetWidth, height = this.box.offsetHeight, room = this.chart.clientWidth;
        const left = x + 14 + width <= room ? x + 14 : x - 14 - width;
        this.box.style.left = `${Math.max(0, Math.min(left, room - width))}px`;
        this.box.style.top = `${Math.max(0, y - height - 10)}px`;
        if (aloud)
            this.live.textContent = this.box.innerText;
    }

    hide() {
        this.box.hidden = true;
    }
}

/* Calls draw() now, and again when the width or the theme has changed. */
const redraws = [];
function keepDrawn(chart, draw) {
    let width = 0;
    const again = () => {
        width = chart.clientWidth;
        if (width > 0)
            draw(width);
    };
    redraws.push(again);
    new ResizeObserver(() => chart.clientWidth !== width && again()).observe(chart);
    again();
}

function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/* Round steps for an axis from 0 to `most`, at most so many after 0. */
function steps(most, atMost) {
    let power = 1, step = 1;
    for (let i = 0; most / step > atMost; i++) {
        step = [2, 5, 10][i % 3] * power;
        power *= i % 3 === 2 ? 10 : 1;
    }
    const at = [];
    for (let n = 0; n <= most; n += step)
        at.push(n);
    return at;
}

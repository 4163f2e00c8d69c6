/* SPDX-License-Identifier: MIT */
/* The curves and bars, as SVG. */
'use strict';

const PLOT = {left: 50, right: 12, top: 10, bottom: 42, height: 250};
const bottom = PLOT.top + PLOT.height;

/*
 * A chart with a cursor that the pointer and the arrow keys move from one point to the next.
 *   label    what it is, for those who do not see it
 *   x, y     {most, log, text(n), name}: from 0, or from 1 if log, to `most`
 *   points   how many places the cursor has; at(i) -> {x, y, lines}
 *   draw(add, x, y)   adds what there is to see; x(n), y(n) are where a number is
 */
function curveChart({label, x, y, points, at, draw, ticks}) {
    const chart = element('div', {class: 'chart'});
    const svg = element('svg', {tabindex: 0, role: 'img', 'aria-label': `${label} Arrow keys move a cursor.`});
    chart.append(svg);
    const tip = new Tip(chart);
    const hover = element('g', {}), body = element('g', {});
    svg.append(body, hover);
    let here = -1, toX, toY;

    const mark = (aloud) => {
        const point = at(here);
        hover.replaceChildren(
            element('line', {class: 'hover', x1: toX(point.x), x2: toX(point.x), y1: PLOT.top, y2: bottom}),
            ...point.y.map((n, i) =>
                element('circle', {class: `fill-${'ab'[i]}`, cx: toX(point.x), cy: toY(n), r: 4.5})));
        tip.show(toX(point.x), toY(point.y[0]), point.lines, aloud);
    };
    const hide = () => {
        hover.replaceChildren();
        tip.hide();
    };
    svg.addEventListener('pointerleave', hide);
    svg.addEventListener('blur', hide);
    for (const kind of ['pointermove', 'pointerdown'])
        svg.addEventListener(kind, (event) => {
            const pointer = event.clientX - svg.getBoundingClientRect().left;
            here = 0;
            for (let i = 1; i < points; i++)
                if (Math.abs(toX(at(i).x) - pointer) < Math.abs(toX(at(here).x) - pointer))
                    here = i;
            mark(false);
        });
    svg.addEventListener('focus', () => {
        if (svg.matches(':focus-visible')) {
            here = Math.max(here, 0);
            mark(true);
        }
    });
    svg.addEventListener('keydown', (event) => {
        const to = {ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: points - 1}[event.key];
        if (event.key === 'Escape')
            hide();
        if (to === undefined)
            return;
        event.preventDefault();
        here = Math.max(0, Math.min(points - 1, to));
        mark(true);
    });

    requestAnimationFrame(() => keepDrawn(chart, (width) => {
        const inner = width - PLOT.left - PLOT.right;
        const scale = (axis, n) => axis.most <= (axis.log ? 1 : 0) ? 0.5 :
            axis.log ? Math.log2(Math.max(n, 1)) / Math.log2(axis.most) : n / axis.most;
        toX = (n) => PLOT.left + inner * (x.bars ? (n + 0.5) / x.most : scale(x, n));
        toY = (n) => PLOT.top + PLOT.height * (1 - scale(y, n));
        svg.setAttribute('viewBox', `0 0 ${width} ${bottom + PLOT.bottom}`);
        svg.style.height = `${bottom + PLOT.bottom}px`;
        body.replaceChildren();
        hide();
        const add = (name, attributes, ...children) => body.append(element(name, attributes, ...children));
        for (const n of y.steps) {
            add('line', {class: 'grid', x1: PLOT.left, x2: PLOT.left + inner, y1: toY(n), y2: toY(n)});
            add('text', {x: PLOT.left - 7, y: toY(n) + 4, 'text-anchor': 'end'}, y.text(n));
        }
        const all = ticks || powers(x.most), every = Math.ceil(all.length * (48) / inner);
        all.forEach((n, i) => {
            if (i % every)
                return;
            const last = toX(n) > PLOT.left + inner - 16 && !x.bars;
            add('line', {class: 'axis', x1: toX(n), x2: toX(n), y1: bottom, y2: bottom + 4});
            add('text', {x: toX(n), y: bottom + 18, 'text-anchor': last ? 'end' : 'middle'}, x.text(n));
        });
        add('text', {x: PLOT.left + inner / 2, y: bottom + 37, 'text-anchor': 'middle'},
            inner < 420 ? x.shortName || x.name : x.name);
        draw(add, toX, toY, inner);
        add('line', {class: 'axis', x1: PLOT.left, x2: PLOT.left + inner, y1: toY(0), y2: toY(0)});
    }));
    return chart;
}

function powers(most) {
    const all = [];
    for (let n = 1; n <= most; n *= 2)
        all.push(n);
    return all;
}

function path(points, toX, toY) {
    return points.map(([x, y], i) => `${i ? 'L' : 'M'}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`).join('');
}

/* The value of a curve at x, between its points on a straight line; after its last point that one's. */
function valueAt(points, x, key, value) {
    let before = points[0];
    for (const point of points) {
        if (point[key] >= x)
            return point[key] === x || point === before ? point[value] :
                before[value] + (point[value] - before[value]) * (x - before[key]) / (point[key] - before[key]);
        before = point;
    }
    return before[value];
}

function seriesLegend(traces) {
    return traces.length < 2 ? null : element('ul', {class: 'legend'}, traces.map((trace, i) => element('li', {},
        element('svg', {viewBox: '0 0 15 15', 'aria-hidden': 'true'},
            element('line', {class: `line ${'ab'[i]}`, x1: 0, x2: 15, y1: 8, y2: 8})),
        `${'AB'[i]}: ${shown(trace.file)}`)));
}

const side = (traces, i) => traces.length < 2 ? '' : `${'AB'[i]}: `;

/* Every x that one of the curves has a point at. */
function union(curves, key) {
    return [...new Set(curves.flatMap((points) => points.map((point) => point[key])))].sort((a, b) => a - b);
}

/* ---------------------------------------------------------------- miss ratios */

function missChart(traces) {
    const curves = traces.map((trace) => trace.report.miss_ratio_curve);
    const touches = traces.map((trace) => trace.report.touches), page = traces[0].report.page_size;
    const memories = union(curves, 'memory_pages');
    const most = memories[memories.length - 1];
    const ratio = (i, memory) => valueAt(curves[i], memory, 'memory_pages', 'miss_ratio');
    return curveChart({
        label: 'Share of the touches that an LRU memory misses, by its size.',
        x: {most, log: true, text: power, name: 'pages of memory (LRU)'},
        y: {most: 1, steps: [0, 0.25, 0.5, 0.75, 1], text: (n) => `${100 * n} %`},
        points: memories.length,
        at(i) {
            const memory = memories[i];
            const lines = [element('b', {}, `${count(memory, 'page')} of memory (${bytes(memory * page)})`)];
            traces.forEach((trace, k) => {
                const point = curves[k].find((p) => p.memory_pages === memory);
                lines.push(`${side(traces, k)}misses ${point ? plain.format(point.misses) + ', ' : ''}` +
                    `${percent(ratio(k, memory))} of the touches`);
                if (point && point.low !== null)
                    lines.push(`${side(traces, k)}of all accesses ${plain.format(point.low)} to ` +
                        plain.format(point.high));
            });
            return {x: memory, y: traces.map((_, k) => ratio(k, memory)), lines};
        },
        draw(add, x, y, inner) {
            const from = traces[0].report.bounds_from_pages;
            if (traces.length === 1 && from !== null) {
                const until = Math.min(x(Math.min(from, most)), PLOT.left + inner);
                const width = Math.max(0, until - PLOT.left);
                add('rect', {class: 'unknown', x: PLOT.left, y: PLOT.top, width, height: PLOT.height});
                if (width > 120)
                    add('text', {x: PLOT.left + 8, y: bottom - 10}, 'of the touches alone');
            }
            curves.forEach((points, i) => {
                const bounded = points.filter((point) => point.low !== null);
                const up = bounded.map((point) => [point.memory_pages, Math.min(1, point.high / touches[i])]);
                const down = bounded.map((point) => [point.memory_pages, point.low / touches[i]]).reverse();
                if (bounded.length > 1)
                    add('path', {class: `band fill-${'ab'[i]}`, d: `${path([...up, ...down], x, y)}Z`});
                const all = points.map((point) => [point.memory_pages, point.miss_ratio]);
                if (points[points.length - 1].memory_pages < most)
                    all.push([most, points[points.length - 1].miss_ratio]);
                add('path', {class: `line ${'ab'[i]}`, d: path(all, x, y)});
                if (all.length === 1)
                    add('circle', {class: `fill-${'ab'[i]}`, cx: x(all[0][0]), cy: y(all[0][1]), r: 4});
            });
            const memory = traces[0].report.memory_1_percent;
            if (traces.length === 1 && memory) {
                const end = x(memory) > PLOT.left + inner / 2;
                add('line', {class: 'mark', x1: x(memory), x2: x(memory), y1: PLOT.top, y2: bottom});
                add('text', {
                    class: 'halo', x: x(memory) + (end ? -6 : 6), y: PLOT.top + 14,
                    'text-anchor': end ? 'end' : 'start',
                }, `1 %: ${count(memory, 'page')}`);
            }
        },
    });
}

function missNote(traces) {
    return traces.map((trace, i) => {
        const report = trace.report;
        return side(traces, i) + (report.no_bounds_reason ?
            `Of the touches alone. There are no bounds for all accesses of the program: ${report.no_bounds_reason}.` :
            `The line is of the touches, which are what a FIFO of ${plain.format(report.window_pages)} pages misses. ` +
            'The band has the misses of all accesses of the program, from ' +
            `${plain.format(report.bounds_from_pages)} pages on, relative to the touches.`);
    });
}

/* ---------------------------------------------------------------- working sets */

function workingSetChart(traces) {
    const curves = traces.map((trace) => trace.report.working_set);
    const peaks = curves.map((points) => points.filter((point) => point.peak_pages !== null));
    const taus = union(curves, 'tau');
    const most = Math.max(...curves.flat().map((point) => Math.max(point.average_pages, point.peak_pages || 0)));
    const average = (i, tau) => valueAt(curves[i], tau, 'tau', 'average_pages');
    return curveChart({
        label: 'Distinct pages among the last touches, by how many touches.',
        x: {most: taus[taus.length - 1], log: true, text: power, name: 'the last so many touches (tau)'},
        y: {most, steps: steps(most, 5), text: short},
        points: taus.length,
        at(i) {
            const lines = [element('b', {}, `the last ${count(taus[i], 'touch', 'touches')}`)];
            traces.forEach((trace, k) => {
                const peak = peaks[k].find((point) => point.tau === taus[i]);
                lines.push(`${side(traces, k)}${decimal.format(average(k, taus[i]))} pages on average` +
                    (peak ? `, ${plain.format(peak.peak_pages)} at most` : ''));
            });
            return {x: taus[i], y: traces.map((_, k) => average(k, taus[i])), lines};
        },
        draw(add, x, y) {
            curves.forEach((points, i) => {
                const averages = points.map((point) => [point.tau, point.average_pages]);
                const most = peaks[i].map((point) => [point.tau, point.peak_pages]);
                add('path', {class: `line ${'ab'[i]}`, d: path(averages, x, y)});
                add('path', {class: `dots ${'ab'[i]}`, d: path(most, x, y)});
                if (points.length === 1)
                    add('circle', {class: `fill-${'ab'[i]}`, cx: x(averages[0][0]), cy: y(averages[0][1]), r: 4});
            });
        },
    });
}

/* ---------------------------------------------------------------- reuse distances */

function reuseChart(traces) {
    const length = Math.max(...traces.map((trace) => trace.report.reuse_distances.length));
    const longest = traces.find((trace) => trace.report.reuse_distances.length === length).report.reuse_distances;
    const values = traces.map((trace) => [
        ...Array.from({length}, (_, i) => trace.report.reuse_distances[i]?.touches || 0),
        trace.report.footprint_pages]);
    const most = Math.max(1, ...values.flat());
    const name = (i) => i === length ? 'new' : power(longest[i].from);
    return curveChart({
        label: 'Touches by how many distinct pages were touched since the last touch of the same page.',
        x: {most: length + 1, bars: true, text: name, shortName: 'pages since its last touch',
            name: 'distinct pages since the last touch of the page; new: first touches'},
        y: {most, steps: steps(most, 5), text: short},
        ticks: Array.from({length: length + 1}, (_, i) => i),
        points: length + 1,
        at(i) {
            const bin = longest[i];
            const lines = [element('b', {}, i === length ? 'first touches' : bin.from === bin.to ?
                `${count(bin.from, 'page')} ago` : `${plain.format(bin.from)} to ${count(bin.to, 'page')} ago`)];
            traces.forEach((trace, k) => lines.push(`${side(traces, k)}${count(values[k][i], 'touch', 'touches')}, ` +
                `${percent(values[k][i] / Math.max(1, trace.report.touches))}`));
            return {x: i, y: values.map((v) => v[i]), lines};
        },
        draw(add, x, y, inner) {
            const slot = inner / (length + 1) * 0.8, width = slot / traces.length;
            values.forEach((bars, k) => bars.forEach((n, i) => n && add('rect', {
                class: `fill-${'ab'[k]}`, x: x(i) - slot / 2 + k * width, width: Math.max(1, width - 1),
                y: Math.min(y(n), y(0) - 1), height: Math.max(1, y(0) - y(n)), opacity: i === length ? 0.6 : 1,
            })));
        },
    });
}

/* SPDX-License-Identifier: MIT */
/* Puts the page together: its head, the counts, the pictures and the tables. */
'use strict';

const traces = data.traces;
const FEW_ROWS = 15;

/* ---------------------------------------------------------------- counts */

/* What fewer of is better, or neither. */
const COUNTS = [
    ['touches', 'touches', true], ['program_touches', '... by the program', true],
    ['syscall_touches', '... by system calls', true],
    ['footprint_pages', 'pages touched (footprint)', true], ['pages_once', '... touched once', false],
    ['pages_written', 'pages written', true], ['pages_unchanged', '... that hold what they held before', true],
    ['live_bytes', 'bytes of these pages in live blocks', false],
    ['upgrades', 'first writes of pages opened for reading', false],
    ['memory_1_percent', 'memory with at most 1 % misses, in pages', true],
    ['evictions', 'evictions', true], ['drops', 'pages dropped: unmapped, moved or discarded', false],
    ['window_pages', 'window, in pages', false], ['window_raised_to', 'window at the end', false],
    ['evict_pages', 'pages that left a full window at once', false],
    ['peak_open_pages', 'most pages open at once', false], ['page_size', 'bytes a page', false],
    ['threads', 'threads', false], ['threads_counted', 'threads that count', false],
    ['syscalls', 'system calls', false], ['syscalls_walked', '... that touched closed pages', false],
    ['over_window_calls', '... that exceeded the window', false],
    ['unknown_calls', '... that vmtrace does not know', false],
    ['left_open_pages', 'pages left open for io_uring', false], ['refused_calls', 'io_uring set-ups refused', false],
    ['duration_ns', 'nanoseconds', false], ['start_time', 'start', false], ['scope', 'scope', false],
    ['engine', 'engine', false],
    ['end', 'end', false], ['end_code', 'end code', false], ['fingerprint', 'fingerprint of the touches', false],
];

function valueText(value) {
    return value === null ? 'not known' : typeof value === 'number' ? plain.format(value) : shown(String(value));
}

/* A difference as text, with more in words than its colour. */
function difference(now, then, lessIsBetter) {
    if (typeof now !== 'number' || typeof then !== 'number')
        return '';
    const delta = now - then;
    const ratio = then && delta ? ` (${delta > 0 ? '+' : '\u2212'}${percent(Math.abs(delta) / then)})` : '';
    const judged = delta && lessIsBetter ? (delta < 0 ? 'better' : 'worse') : null;
    return element('span', {class: judged}, `${signed(delta)}${ratio}`);
}

function cards() {
    const shownFirst = [
        ['footprint_pages', 'pages touched', (r) => bytes(r.footprint_pages * r.page_size)],
        ['touches', 'touches', (r) => r.syscall_touches ? `${plain.format(r.syscall_touches)} by system calls` :
            'none by system calls'],
        ['memory_1_percent', 'pages for 1 % misses', (r) => r.memory_1_percent ?
            bytes(r.memory_1_percent * r.page_size) : 'no touches'],
        ['pages_once', 'pages touched once', (r) => r.footprint_pages ?
            `${percent(r.pages_once / r.footprint_pages)} of all` : ''],
        ['pages_written', 'pages written', (r) => r.track_writes && r.footprint_pages ?
            `${percent(r.pages_written / r.footprint_pages)} of all` : 'needs --writes'],
        ['evictions', 'evictions', (r) => `window of ${count(r.window_pages, 'page')}`],
    ];
    return element('div', {class: 'cards'}, shownFirst.map(([key, name, more]) => {
        const values = traces.map((trace) => trace.report[key]);
        return element('div', {class: 'card', 'data-card': key},
            element('div', {class: 'name'}, name),
            element('div', {class: 'value'}, values[0] === null ? '\u2013' : valueText(values[0])),
            element('div', {class: 'more'}, traces.length < 2 ? more(traces[0].report) :
                ['B: ', valueText(values[1]), ' ', difference(values[0], values[1], key !== 'pages_once')]));
    }));
}

function countsSection() {
    const value = (trace, i, key) => element('span', {'data-key': key, 'data-trace': i}, valueText(trace.report[key]));
    const list = element('dl', {class: 'counts'}, COUNTS.map(([key, name]) =>
        element('div', {}, element('dt', {}, name), element('dd', {}, value(traces[0], 0, key)))));
    const table = traces.length > 1 && element('div', {class: 'scroll'}, element('table', {},
        element('thead', {}, element('tr', {}, ['count', 'A', 'B', 'A \u2212 B'].map((name) =>
            element('th', {scope: 'col'}, element('span', {}, name))))),
        element('tbody', {}, COUNTS.map(([key, name, lessIsBetter]) => element('tr', {},
            element('td', {}, name),
            traces.map((trace, i) => element('td', {}, value(trace, i, key))),
            element('td', {}, difference(traces[0].report[key], traces[1].report[key], lessIsBetter)))))));
    return element('section', {}, element('h2', {}, 'All counts'), table || list);
}

/* ---------------------------------------------------------------- tables of groups */

const GROUPS = [
    {key: 'by_site', one: 'site', title: 'By allocation site',
        name: (g) => g.site === null ? 'not known' : shown(g.site)},
    {key: 'by_label', one: 'label', title: 'By label', name: (g) => shown(g.label)},
    {key: 'by_thread', one: 'thread', title: 'By thread', name: (g) => `${g.thread}${g.tid ? `, tid ${g.tid}` : ''}`,
        same: (g) => g.thread},
    {key: 'by_phase', one: 'phase', title: 'By phase', name: (g) => shown(g.phase)},
];

const FIGURES = [['pages', 'pages'], ['touches', 'touches'], ['memory_1_percent', 'memory for 1 %']];

/* Rows with the groups of either trace: {name, values: [of A, of B]}. Two calls in a line are two sites with one
 * name. */
function groupRows(kind) {
    const rows = new Map();
    traces.forEach((trace, i) => {
        const seen = new Map();
        trace.report[kind.key].forEach((group) => {
            const name = kind.name(group), as = kind.same ? kind.same(group) : name, times = seen.get(as) || 0;
            const same = `${times} ${as}`;
            seen.set(as, times + 1);
            if (!rows.has(same))
                rows.set(same, {name, values: traces.map(() => ({}))});
            rows.get(same).values[i] = group;
        });
    });
    return [...rows.values()];
}

function groupColumns(kind) {
    const columns = [{name: kind.one, value: (row) => row.name, text: (row) => row.name}];
    for (const [figure, name] of FIGURES) {
        traces.forEach((_, i) => columns.push({
            name: traces.length < 2 ? name : `${name.split(' ')[0]} ${'AB'[i]}`, figure, trace: i,
            value: (row) => row.values[i][figure] ?? -1,
            text: (row) => row.values[i][figure] === undefined ? '\u2013' : plain.format(row.values[i][figure]),
        }));
        if (traces.length > 1) {
            const delta = (row) => (row.values[0][figure] || 0) - (row.values[1][figure] || 0);
            const only = (row) => row.values[1][figure] === undefined ? 'A alone' :
                row.values[0][figure] === undefined ? 'B alone' : null;
            columns.push({name: 'A \u2212 B', value: delta,
                text: (row) => only(row) || difference(row.values[0][figure], row.values[1][figure], true)});
        } else if (figure === 'touches') {
            const all = Math.max(1, traces[0].report.touches), share = (row) => (row.values[0].touches || 0) / all;
            columns.push({name: 'share', value: share, text: (row) => element('span', {},
                element('span', {class: 'share', 'aria-hidden': 'true'}, shareBar(share(row))),
                ` ${percent(share(row))}`)});
        }
    }
    return columns;
}

function shareBar(share) {
    const bar = element('i');
    bar.style.width = `${100 * share}%`;
    return bar;
}

function groupTable(kind) {
    const rows = groupRows(kind);
    if (!rows.length)
        return null;
    const columns = groupColumns(kind), body = element('tbody');
    let sorted = -1, descending = false, all = false;
    const more = element('button', {class: 'more-rows', type: 'button'});
    const fill = () => {
        const some = all ? rows : rows.slice(0, FEW_ROWS);
        body.replaceChildren(...some.map((row) => element('tr', {}, columns.map((column) =>
            element('td', {'data-figure': column.figure, 'data-trace': column.trace}, column.text(row))))));
        more.textContent = all ? `Show the first ${FEW_ROWS}` : `Show all ${plain.format(rows.length)}`;
        more.hidden = rows.length <= FEW_ROWS;
    };
    more.addEventListener('click', () => {
        all = !all;
        fill();
    });
    const heads = columns.map((column, i) => {
        const button = element('button', {type: 'button'}, column.name);
        const head = element('th', {scope: 'col', 'aria-sort': 'none'}, button);
        button.addEventListener('click', () => {
            descending = sorted === i ? !descending : i > 0;
            sorted = i;
            rows.sort((a, b) => {
                const x = column.value(a), y = column.value(b);
                return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1);
            });
            heads.forEach((other, k) => other.setAttribute('aria-sort',
                k !== i ? 'none' : descending ? 'descending' : 'ascending'));
            fill();
        });
        return head;
    });
    fill();
    const left = traces.map((trace) => trace.groups[kind.one] - trace.report[kind.key].length);
    return element('div', {'data-group': kind.key},
        element('h3', {}, kind.title),
        element('div', {class: 'scroll'}, element('table', {}, element('thead', {}, element('tr', {}, heads)), body)),
        more,
        left.some(Boolean) ? element('p', {class: 'note'},
            `${plain.format(Math.max(...left))} more are left out here; vmtrace report --json has them.`) : null);
}

function groupTables() {
    const tables = GROUPS.map(groupTable).filter(Boolean);
    return tables.length && element('section', {},
        element('h2', {}, 'Who touched what'),
        element('p', {class: 'note'}, 'Memory for 1 %: the smallest LRU memory, in pages, whose misses beyond the ' +
            'first touch of each page are at most 1 % of the touches of the row.'),
        element('div', {class: traces.length > 1 ? 'tables' : 'tables two'}, tables));
}

/* ---------------------------------------------------------------- head and foot */

const END_TEXT = {
    region: () => 'ended by vmt_end', exit: (code) => `exited with status ${code}`,
    signal: (code) => `killed by signal ${code}`, exec: () => 'replaced itself by execve',
    lost: () => 'region given up', unwritten: () => 'trace not written to its end',
};

function factsOf(trace) {
    const report = trace.report, facts = [];
    facts.push(shown(trace.file), report.start_time.replace('T', ' ').replace(/\.\d*Z/, ' UTC'));
    if (report.duration_ns !== null)
        facts.push(seconds(report.duration_ns));
    facts.push(report.end === null ? 'end not known' : END_TEXT[report.end](report.end_code));
    facts.push(`window of ${count(report.window_pages, 'page')} of ${bytes(report.page_size)}`, `scope ${report.scope}`,
        `engine ${report.engine}`, report.threads === null ? 'threads not known' : count(report.threads, 'thread'));
    return facts.join(' \u00b7 ');
}

function themeButton() {
    const root = document.documentElement, system = matchMedia('(prefers-color-scheme: dark)');
    const button = element('button', {type: 'button', 'data-theme-button': true});
    let chosen = null;
    const set = (theme) => {
        root.dataset.theme = theme;
        button.textContent = theme === 'dark' ? 'Light colours' : 'Dark colours';
        redraws.forEach((draw) => draw());
    };
    const current = () => chosen || (system.matches ? 'dark' : 'light');
    button.addEventListener('click', () => {
        chosen = current() === 'dark' ? 'light' : 'dark';
        set(chosen);
    });
    system.addEventListener('change', () => set(current()));
    /* Paper is light. */
    addEventListener('beforeprint', () => set('light'));
    addEventListener('afterprint', () => set(current()));
    set(current());
    return button;
}

function head() {
    const commands = traces.map((trace) => commandText(trace.report));
    document.title = `${traces.map((trace) => shown(trace.file)).join(' and ')} \u2013 vmtrace`;
    const what = element('div', {class: 'what'});
    if (traces.length < 2)
        what.append(element('h1', {}, element('code', {}, commands[0] || shown(traces[0].file))),
            element('p', {class: 'facts'}, factsOf(traces[0])));
    else
        what.append(element('h1', {}, 'Two traces'), ...traces.flatMap((trace, i) => [
            element('p', {}, element('b', {}, `${'AB'[i]}: `), element('code', {}, commands[i])),
            element('p', {class: 'facts'}, factsOf(trace))]));
    document.getElementById('head').append(what, themeButton());
    document.getElementById('foot').append(`Made by vmtrace ${data.version}. A touch is a first access to a page ` +
        'that was not among those that were open; accesses to open pages are not seen.');
}

/* ---------------------------------------------------------------- the page */

function warnings() {
    return traces.filter((trace) => !trace.report.complete).map((trace) => element('p', {class: 'warn', role: 'note'},
        element('b', {}, 'Not complete: '), `${shown(trace.file)}: ${shown(trace.report.incomplete_reason)}. `,
        'What follows is of the part that could be read.'));
}

function walkSection(touched) {
    const most = Math.max(...touched.map(largestCell));
    const walks = touched.map((trace) => new Walk(trace, most));
    const left = touched.reduce((sum, trace) => sum + trace.walk.marks_left_out, 0);
    return element('section', {},
        element('h2', {}, 'The walk through memory'),
        walkLegend(touched.find((trace) => trace.report.track_writes)?.report || touched[0].report,
            () => walks.forEach((walk) => walk.draw(walk.chart.clientWidth))),
        element('div', {class: walks.length > 1 ? 'walks two' : 'walks'}, walks.map((walk) => element('div', {},
            traces.length > 1 ?
                element('h3', {}, side(traces, traces.indexOf(walk.trace)), shown(walk.trace.file)) : null,
            walk.chart))),
        element('p', {class: 'note'}, 'Addresses go down the page. Pages that were never touched are left out; a ' +
            'dotted line is where 1 MiB or more of addresses is. Stronger colours: more touches. To the left: labels, ' +
            'or allocations in order of their making. ' +
            (left ? `${count(left, 'phase')} more than a page can show are left out. ` : '') +
            'Arrow keys move the cursor, with Shift to the next place where something is.'));
}

function largestCell(trace) {
    const {counts} = trace.cells;
    let most = 1;
    for (let i = 0; i < counts.length; i += KINDS)
        most = Math.max(most, counts[i] + counts[i + 1] + counts[i + 2]);
    return most;
}

function chartSection(title, chart, notes) {
    return element('section', {},
        element('h2', {}, title), seriesLegend(traces), chart,
        notes.map((note) => element('p', {class: 'note'}, note)));
}

function build() {
    const main = document.getElementById('main');
    head();
    main.append(...warnings(), cards());
    traces.forEach((trace) => {
        trace.cells = decodeCells(trace.walk);
    });
    const touched = traces.filter((trace) => trace.report.touches);
    if (touched.length)
        main.append(walkSection(touched));
    if (touched.length < traces.length)
        main.append(element('p', {class: 'note'}, touched.length ?
            'One of the traces has no touches, and so no curves.' :
            'No page was touched, so there is nothing to draw.'));
    else
        main.append(
            element('div', {class: 'pair'},
                chartSection('Misses by size of memory', missChart(traces), missNote(traces)),
                chartSection('Working set', workingSetChart(traces),
                    ['Distinct pages among the last touches: the line is the average over all moments, the dots are ' +
                        'the most at any.'])),
            chartSection('Reuse distances', reuseChart(traces),
                ['How many distinct pages had been touched when a page came back: what is to the right of a ' +
                    'memory\u2019s size, it misses.']));
    main.append(groupTables() || '', countsSection());
}

build();

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page that `vmtrace report --html` makes, in a browser: what it shows and answers, and that it stays by itself.

cli_page.py PROGRAMS PICTURES: the folder with made_trace (tests/programs/made_trace.c), and one in which pictures of
the pages are left. VMTRACE is the command. Ends with 0, 1 (something is wrong) or 77 (no Chromium or chromedriver).
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # beside browser.py, in the source

from browser import Browser, missing  # noqa: E402

VMTRACE = os.environ["VMTRACE"]
failures = 0

# Text of the page's tip, or null.
TIP = "const tip = document.querySelector('%s .tip'); return tip && !tip.hidden ? tip.innerText : null;"
WALK, MISSES = "section:has([data-walk])", ".pair section:first-child"


def check(holds, what):
    global failures
    if not holds:
        print("FAIL: " + what)
        failures += 1


def make(name, programs, kind, *words):
    subprocess.run([os.path.join(programs, "made_trace"), name + ".vmt", kind, *words], check=True)


def write_page(name, *words):
    """Of the trace with that name, unless the words name another."""
    subprocess.run([VMTRACE, "report", "--html", "-o", name + ".html", *(words or [name + ".vmt"])], check=True)


def report(name, form):
    words = [VMTRACE, "report", "--format=" + form, name + ".vmt"]
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout


def figures(name):
    return json.loads(report(name, "json"))


def show(browser, name):
    """Opens the page and waits until it is drawn: the charts draw themselves in the frame after."""
    browser.requested()
    browser.open(name + ".html")
    until = time.monotonic() + 30
    while time.monotonic() < until and not browser.run("return document.readyState === 'complete'"):
        time.sleep(0.05)
    browser.settle()


def check_quiet(browser, name):
    said = browser.log("browser")
    check(not said, "%s: the console says %s" % (name, said))
    asked = [url for url in browser.requested() if not url.startswith(("chrome://", "data:"))]
    check(asked == ["file://%s.html" % os.path.abspath(name)], "%s: the page asked for %s" % (name, asked))


def number(text):
    return int(text.replace(",", "")) if re.fullmatch(r"[0-9,]+", text) else text


# ---------------------------------------------------------------- what it shows


def check_figures(browser, name):
    """Counts and tables against --json."""
    r = figures(name)
    counts = browser.run("return Object.fromEntries([...document.querySelectorAll('[data-key]')].map((e) => "
                         "[e.dataset.key, e.innerText]))")
    check(len(counts) == 32, "%s: %d counts" % (name, len(counts)))
    for key, text in counts.items():
        expected = "not known" if r[key] is None else r[key]
        check(number(text) == expected, "%s: %s is %s, not %s" % (name, key, text, expected))
    for by in ("by_site", "by_label", "by_thread", "by_phase"):
        shown = browser.run("return [...document.querySelectorAll(`[data-group=\"${arguments[0]}\"] tbody tr`)]"
                            ".map((row) => [...row.querySelectorAll('[data-figure]')].map((cell) => cell.innerText))",
                            by)
        check([list(map(number, row)) for row in shown] ==
              [[g["pages"], g["touches"], g["memory_1_percent"]] for g in r[by]], "%s: %s: %s" % (name, by, shown))
    return r


def check_sorting(browser, name, r):
    column = ("return [...document.querySelectorAll('[data-group=\"by_phase\"] tbody tr')]"
              ".map((row) => row.cells[2].innerText)")
    press = "document.querySelectorAll('[data-group=\"by_phase\"] thead button')[2].click();"
    touches = [g["touches"] for g in r["by_phase"]]
    browser.run(press)
    check(list(map(number, browser.run(column))) == sorted(touches, reverse=True), name + ": not sorted by touches")
    browser.run(press)
    check(list(map(number, browser.run(column))) == sorted(touches), name + ": not sorted the other way")
    check(browser.run("return document.querySelectorAll('[data-group=\"by_phase\"] th')[2].ariaSort") == "ascending",
          name + ": the heading does not say how it is sorted")


# ---------------------------------------------------------------- pointer and keys


def place_of(browser, bin_, row):
    """Where a cell of the walk is in the window, once it has been scrolled there."""
    return browser.run("const canvas = document.querySelector('[data-walk]'); canvas.scrollIntoView({block: 'center'});"
                       "const walk = canvas.walk, box = canvas.getBoundingClientRect();"
                       "return [box.left + walk.binX(arguments[0] + 0.5), box.top + walk.rowY(arguments[1] + 0.5)];",
                       bin_, row)


def check_hover(browser, name):
    """What the tip says of some touches, against the rows of the csv. Each of these few has a cell of its own."""
    rows = [line.split(",") for line in report(name, "csv").decode().splitlines()[1:]]
    pages = sorted({int(row[5], 16) for row in rows})
    check(len(pages) <= 600 and len(rows) <= 1000, name + ": cells are shared")
    for row in rows[:: len(rows) // 12]:
        touch, thread_page = int(row[0]), int(row[5], 16)
        browser.point(*place_of(browser, touch - 1, pages.index(thread_page)))
        tip = browser.run(TIP % WALK) or ""
        check("page %s\n" % row[5] in tip,
              "%s: touch %d is of page %s, but the tip says %r" % (name, touch, row[5], tip))
        check("touch {:,},".format(touch) in tip, "%s: another touch than %d: %r" % (name, touch, tip))
        if row[9]:
            check("allocated at %s\n" % row[9] in tip, "%s: site %s is not in %r" % (name, row[9], tip))
        if row[6]:
            check("#%s" % row[6] in tip and "+{:,}".format(int(row[7])) in tip, "%s: no allocation in %r" % (name, tip))
        check("phase " + row[11] in tip, "%s: phase %s is not in %r" % (name, row[11], tip))
        touches = sum(int(other[5], 16) == thread_page for other in rows)
        check("{:,} touch".format(touches) in tip, "%s: not %d touches in %r" % (name, touches, tip))
    browser.point(2, 2)
    check(browser.run(TIP % WALK) is None, name + ": the tip stays")


def check_keys(browser, name):
    """Tab reaches the charts in order; arrows move the cursor, and what listens is told."""
    browser.run("document.activeElement.blur(); scrollTo(0, 0);")
    reached = []
    for _ in range(40):
        browser.press("Tab")
        reached.append(browser.run("const e = document.activeElement; return e.dataset.walk !== undefined ? 'walk' : "
                                   "e.matches('svg') ? 'chart' : e.type || e.tagName"))
        if reached[-1] == "walk":
            break
    check(reached[-1] == "walk", "%s: Tab reaches %s" % (name, reached))
    check(reached.count("checkbox") == 4 and "button" in reached, "%s: Tab passes %s" % (name, reached))
    check(browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid",
          name + ": the focus is not seen")
    tips = [browser.run(TIP % WALK)]
    for keys in (("End",), ("Home",), ("ArrowRight",), ("ArrowDown",), ("Shift", "ArrowRight")):
        browser.press(*keys)
        tips.append(browser.run(TIP % WALK))
    check(None not in tips and len(set(tips)) >= 4, "%s: keys do not move the cursor: %s" % (name, tips))
    check("here: nothing" not in tips[-1], "%s: Shift and an arrow find nothing: %s" % (name, tips[-1]))
    check(browser.run("return document.querySelector('[data-walk] ~ [aria-live]').textContent") == tips[-1],
          name + ": the live region says something else")
    browser.press("Escape")
    check(browser.run(TIP % WALK) is None, name + ": Escape does not hide the tip")
    browser.press("Tab")
    browser.press("End")
    tip = browser.run(TIP % MISSES) or ""
    r = figures(name)
    check("{:,} page".format(r["footprint_pages"]) in tip and "misses {:,}".format(r["footprint_pages"]) in tip,
          "%s: the end of the miss ratios is %r" % (name, tip))
    browser.press("Home")
    check("1 page of memory" in (browser.run(TIP % MISSES) or ""), name + ": the start of the miss ratios")


# ---------------------------------------------------------------- looks


CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (c) => c.slice(0, 3).map((n) => n / 255)
    .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4)
    .reduce((sum, n, i) => sum + n * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
let least = [99, ''];
for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length)
        continue;
    const style = getComputedStyle(e), b = light(ground(e));
    const a = light(parse(e.closest('svg') ? style.fill : style.color));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0])
        least = [ratio, e.textContent.trim().slice(0, 40)];
}
return least;"""


def check_looks(browser, name, pictures):
    """Light and dark with the contrast that WCAG 2.2 asks for (1.4.3, AA), and no wider than a phone."""
    grounds = {}
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        browser.run("scrollTo(0, 0)")
        grounds[scheme] = browser.run("return getComputedStyle(document.body).backgroundColor")
        ratio, text = browser.run(CONTRAST)
        print("%s, %s: the least contrast is %.2f, of %r" % (name, scheme, ratio, text))
        check(ratio >= 4.5, "%s, %s: contrast of %r" % (name, scheme, text))
        browser.picture(os.path.join(pictures, "%s-%s.png" % (name, scheme)), whole=True)
    check(grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(14, 18, 23)"}, "%s: grounds: %s" % (name, grounds))
    browser.run("document.querySelector('[data-theme-button]').click()")
    check(browser.run("return getComputedStyle(document.body).backgroundColor") == grounds["light"],
          name + ": the button does not change the colours")
    browser.run("document.querySelector('[data-theme-button]').click()")
    browser.colours("light")
    browser.resize(360, 740)
    wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    check(wide == [360, 360], "%s: the page is %d wide on %d" % (name, *wide))
    browser.picture(os.path.join(pictures, name + "-phone.png"), whole=True)
    browser.resize(1280, 900)


def check_print(browser, name):
    """Paper is light, shows the tables' headings, and has nothing to press."""
    browser.colours("dark")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    browser.devtools("Emulation.setEmulatedMedia", media="print")
    browser.settle()
    seen = browser.run("const shown = (what) => document.querySelector(what).getClientRects().length > 0;"
                       "return [shown('thead button'), shown('[data-theme-button]'), shown('.legend input')];")
    check(seen == [True, False, False], "%s: on paper are %s" % (name, seen))
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    check(ground == "rgb(255, 255, 255)", "%s: paper is %s" % (name, ground))
    browser.run("dispatchEvent(new Event('afterprint'))")
    browser.devtools("Emulation.setEmulatedMedia", media="")
    browser.colours("light")


def check_drawn(browser, name, r):
    """Are there dots of each colour in the picture, and do they go when their box is unticked?"""
    kinds = browser.run("""
        const canvas = document.querySelector('[data-walk]'), seen = () => {
            const walk = canvas.walk, copy = document.createElement('canvas');
            copy.width = canvas.width; copy.height = canvas.height;
            copy.getContext('2d', {willReadFrequently: true}).drawImage(canvas, 0, 0);
            const at = copy.getContext('2d').getImageData(walk.left + 2, walk.plotTop + 2, walk.plotWidth - 4,
                walk.plotHeight - 4).data;
            let reds = 0, blues = 0;
            for (let i = 0; i < at.length; i += 4) {
                reds += at[i] > at[i + 2] + 60;
                blues += at[i + 2] > at[i] + 60;
            }
            return [blues, reds];
        };
        const before = seen(), box = document.querySelectorAll('.legend input')[1];
        box.click();
        const without = seen();
        box.click();
        return [before, without, seen()];""")
    (blues, reds), (_, reds_without), after = kinds
    check(blues > 100 and reds > 100, "%s: %d blue and %d red dots" % (name, blues, reds))
    check(reds_without < reds / 10 and after == [blues, reds], "%s: unticking writes: %s" % (name, kinds))
    check(r["upgrades"] > 0, name + ": no writes to be seen")


def measure_hover(browser, name):
    """Printed, and judged by who reads it."""
    milliseconds = browser.run("""
        const canvas = document.querySelector('[data-walk]'), box = canvas.getBoundingClientRect(), times = [];
        for (let i = 0; i < 300; i++) {
            const start = performance.now();
            canvas.dispatchEvent(new PointerEvent('pointermove', {bubbles: true,
                clientX: box.left + box.width * (0.12 + 0.85 * (i * 37 % 300) / 300), clientY: box.top + 60 + i}));
            document.querySelector('.tip').offsetHeight;
            times.push(performance.now() - start);
        }
        times.sort((a, b) => a - b);
        const start = performance.now();
        canvas.walk.draw(canvas.walk.chart.clientWidth);
        return [times[150], times[297], performance.now() - start];""")
    print("%s: a move of the pointer takes %.2f ms, the slowest hundredth %.2f ms; drawing it all %.0f ms" %
          (name, *milliseconds))


# ---------------------------------------------------------------- all of it


def check_pages(browser, programs, pictures):
    make("mixed", programs, "mixed", "900", "500")
    write_page("mixed")
    show(browser, "mixed")
    check_quiet(browser, "mixed")
    r = check_figures(browser, "mixed")
    check_sorting(browser, "mixed", r)
    check_hover(browser, "mixed")
    check_keys(browser, "mixed")
    check_drawn(browser, "mixed", r)
    check_print(browser, "mixed")
    check_looks(browser, "mixed", pictures)
    check_quiet_since(browser, "mixed")

    make("hostile", programs, "hostile", "3000", "400")
    write_page("hostile")
    show(browser, "hostile")
    check_quiet(browser, "hostile")
    check(browser.run("return document.querySelectorAll('img, iframe, b script, main script').length") == 0,
          "hostile: text of the trace became an element")
    labels = browser.run("return [...document.querySelectorAll('[data-group=\"by_label\"] tbody td:first-child')]"
                         ".map((e) => e.innerText)")
    check(labels == ["</script><img onerror=bad()>", "\\u{2028}=1+1;x y\\"], "hostile: labels are %s" % labels)
    check_looks(browser, "hostile", pictures)

    for kind, says in (("empty", "No page was touched"), ("one", "none by system calls")):
        make(kind, programs, kind)
        write_page(kind)
        show(browser, kind)
        check_quiet(browser, kind)
        check_figures(browser, kind)
        check(says in browser.run("return document.body.innerText"), "%s: does not say %r" % (kind, says))
        check_looks(browser, kind, pictures)

    with open("mixed.vmt", "rb") as whole, open("cut.vmt", "wb") as cut:
        cut.write(whole.read()[:-200])
    write_page("cut")
    show(browser, "cut")
    check_quiet(browser, "cut")
    text = browser.run("return document.body.innerText")
    for says in ("Not complete", "end not known", "There are no bounds"):
        check(says in text, "cut: does not say %r" % says)

    make("plain", programs, "plain", "2000", "500")
    write_page("against", "mixed.vmt", "--against", "plain.vmt")
    show(browser, "against")
    check_quiet(browser, "against")
    check(browser.run("return document.querySelectorAll('[data-walk]').length") == 2, "against: not two walks")
    both = browser.run("return [...document.querySelectorAll('[data-key=touches]')].map((e) => e.innerText)")
    check(list(map(number, both)) == [900, 2000], "against: touches are %s" % both)
    check("\u22121,100" in browser.run("return document.body.innerText"), "against: no difference of the touches")
    check_looks(browser, "against", pictures)

    make("large", programs, "mixed", "1000000", "60000")
    write_page("large")
    size = os.path.getsize("large.html")
    print("large: 1,000,000 touches, a page of %d bytes" % size)
    check(size < 5000000, "large: %d bytes" % size)
    show(browser, "large")
    check_quiet(browser, "large")
    measure_hover(browser, "large")
    browser.picture(os.path.join(pictures, "large.png"), whole=True)


def check_quiet_since(browser, name):
    said, asked = browser.log("browser"), browser.requested()
    check(not said and not asked, "%s: later the console says %s, and the page asks for %s" % (name, said, asked))


def main():
    lacks = missing()
    if lacks:
        print("SKIP: %s is not installed" % lacks)
        return 77
    programs, pictures = map(os.path.abspath, sys.argv[1:])
    os.makedirs(pictures, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vmt-page.") as work:
        os.chdir(work)
        with Browser(work) as browser:
            browser.resize(1280, 900)
            check_pages(browser, programs, pictures)
        os.chdir("/")
    print("pictures of the pages are in " + pictures)
    return 1 if failures else 0


sys.exit(main())
